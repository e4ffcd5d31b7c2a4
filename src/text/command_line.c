#include "command_line.h"

#include "utf8.h"

#include <string.h>
#include <wchar.h>

/*
 * Whatever the registry says: nothing is run before (/d), the commands are all there (/e:on), and a !
 * means nothing (/v:off). Of the text behind /c the quotes at its ends are taken off, and no others
 * (/s).
 */
#define COMMAND_INTERPRETER L"cmd.exe /d /e:on /v:off /s /c \""

/* ---- Arguments ---- */

static void line__put_text(ioc_units *line, const wchar_t *text)
{
    for (; *text != L'\0'; text++) {
        ioc_units_put(line, (uint32_t)*text);
    }
}

/* Also control characters, of which no rule says that they separate, and empty arguments. */
static bool line__needs_quotes(const char *argument)
{
    const char *at = argument;
    while ((unsigned char)*at > ' ' && *at != '"') {
        at++;
    }
    return at == argument || *at != '\0';
}

/* A quote within gets a backslash; those before it, and those before the quote at the end, are two. */
static bool line__put_quoted(ioc_units *line, const char *argument)
{
    size_t backslashes = 0;
    uint32_t character;
    ioc_units_put(line, '"');
    do {
        if (!ioc_utf8_take(&argument, &character)) {
            return false;
        }
        bool is_quote = character == '"';
        size_t more = is_quote ? backslashes + 1 : character == 0 ? backslashes : 0;
        for (; more > 0; more--) {
            ioc_units_put(line, '\\');
        }
        backslashes = character == '\\' ? backslashes + 1 : 0;
        ioc_units_put(line, character != 0 ? character : '"');
    } while (character != 0);
    return true;
}

static bool line__put_argument(ioc_units *line, const char *argument)
{
    ioc_units_put(line, ' ');
    return line__needs_quotes(argument) ? line__put_quoted(line, argument)
                                        : ioc_units_put_utf8(line, argument);
}

static bool line__put_program(ioc_units *line, const char *program)
{
    ioc_units_put(line, '"');
    bool is_valid = strchr(program, '"') == NULL && ioc_units_put_utf8(line, program);
    ioc_units_put(line, '"');
    return is_valid;
}

size_t ioc_command_line(const char *const *arguments, wchar_t *units, size_t room)
{
    ioc_units line = {.units = units, .room = room};
    bool is_valid = *arguments != NULL && line__put_program(&line, *arguments);
    while (is_valid && *++arguments != NULL) {
        is_valid = line__put_argument(&line, *arguments);
    }
    ioc_units_put(&line, 0);
    return is_valid && line.count <= IOC_COMMAND_LINE_UNITS ? line.count : 0;
}

/* ---- Batch files ---- */

static bool batch__is_plain(wchar_t unit)
{
    return (unit >= L'a' && unit <= L'z') || (unit >= L'A' && unit <= L'Z') ||
           (unit >= L'0' && unit <= L'9') || (unit != L'\0' && wcschr(L"-_./:\\", unit) != NULL);
}

/* Arguments in quotes are those that are not plain, and empty ones: two quotes next to each other. */
static bool batch__are_plain(const wchar_t *arguments)
{
    while (*arguments != L'\0') {
        bool is_empty = arguments[0] == L'"' && arguments[1] == L'"';
        if (!is_empty && *arguments != L' ' && !batch__is_plain(*arguments)) {
            return false;
        }
        arguments += is_empty ? 2 : 1;
    }
    return true;
}

/* Between quotes: what is left then is a name's end, and the beginning of a variable's. */
static bool batch__is_path_safe(const wchar_t *path)
{
    while (*path >= L' ' && *path != L'"' && *path != L'%') {
        path++;
    }
    return *path == L'\0';
}

size_t ioc_command_line_of_batch(const wchar_t *path, const wchar_t *line, wchar_t *units,
                                 size_t room)
{
    const wchar_t *arguments = wcschr(line + 1, L'"') + 1;
    ioc_units into = {.units = units, .room = room};
    line__put_text(&into, COMMAND_INTERPRETER L"\"");
    line__put_text(&into, path);
    line__put_text(&into, L"\"");
    line__put_text(&into, arguments);
    line__put_text(&into, L"\"");
    ioc_units_put(&into, 0);
    bool is_safe = batch__is_path_safe(path) && batch__are_plain(arguments);
    return is_safe && into.count <= IOC_COMMAND_LINE_BATCH_UNITS ? into.count : 0;
}
