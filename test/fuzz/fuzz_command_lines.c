/*
 * Command lines and environments, in memory that ends where they do: arguments of any bytes, taken
 * apart again by a reference that was written from Microsoft's two pages of rules, in each of the
 * ways in which programs differ; the lines of batch files, read as cmd.exe reads them; blocks of
 * variables, sorted.
 */
#include "fuzz.h"

#include "text/command_line.h"
#include "text/environment.h"
#include "text/utf8.h"

#include <string.h>
#include <wchar.h>

#define LIST_MOST 32 /* texts of an input */

/* ---- The input ---- */

/* Texts, each in a block of its own, with NULL behind the last. */
typedef struct list {
    char *texts[LIST_MOST + 1];
    wchar_t *units[LIST_MOST + 1]; /* the same; NULL: it is not UTF-8 */
    size_t count;
    bool is_valid; /* all of them are UTF-8 */
} list;

static void *room__create(size_t count, size_t size)
{
    void *room = malloc(count * size);
    FUZZ_EXPECT(room != NULL);
    return room;
}

static wchar_t *units__create(size_t count)
{
    return room__create(count, sizeof(wchar_t));
}

static void list__add(list *self, const uint8_t *data, size_t length)
{
    char *text = room__create(length + 1, 1);
    memcpy(text, data, length);
    text[length] = '\0';
    size_t count = ioc_utf8_to_utf16(text, NULL, 0);
    if (count > 0) {
        self->units[self->count] = units__create(count);
        (void)ioc_utf8_to_utf16(text, self->units[self->count], count);
    }
    self->is_valid = self->is_valid && count > 0;
    self->texts[self->count++] = text;
}

/* A zero ends each of them; what is left over is one, too. */
static void list__read(list *self, const uint8_t *data, size_t size)
{
    memset(self, 0, sizeof *self);
    self->is_valid = true;
    while (size > 0 && self->count < LIST_MOST) {
        const uint8_t *zero = memchr(data, 0, size);
        size_t length = zero != NULL ? (size_t)(zero - data) : size;
        size_t taken = zero != NULL ? length + 1 : length;
        list__add(self, data, length);
        data += taken;
        size -= taken;
    }
}

static void list__free(list *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->texts[i]);
        free(self->units[i]);
    }
}

/* ---- The reference: programs ---- */

/* What "" between quotes is. */
typedef enum dialect {
    DIALECT_TOGGLES,        /* the end of what was between quotes, and the beginning of more */
    DIALECT_QUOTE_AND_STAY, /* a quote: the C runtime since 2008 */
    DIALECT_QUOTE_AND_LEAVE /* a quote, and the end of what was between quotes: before, and shell32 */
} dialect;

#define DIALECTS 3

/* One argument's units, as they are read; they are compared with what they ought to be. */
typedef struct reader {
    const wchar_t *at;
    const wchar_t *expected;
} reader;

static void reader__expect(reader *self, wchar_t unit)
{
    FUZZ_EXPECT(*self->expected == unit && unit != L'\0');
    self->expected++;
}

static bool reference__is_blank(wchar_t unit)
{
    return unit == L' ' || unit == L'\t';
}

/* By CommandLineToArgvW's page: it ends at the next quote if it begins with one, or at a blank. */
static void reference__read_name_of_shell(reader *self)
{
    bool is_quoted = *self->at == L'"';
    self->at += is_quoted ? 1 : 0;
    while (*self->at != L'\0' &&
           (is_quoted ? *self->at != L'"' : !reference__is_blank(*self->at))) {
        reader__expect(self, *self->at++);
    }
    self->at += is_quoted && *self->at == L'"' ? 1 : 0;
}

/* By the C runtime's page: quotes say whether blanks end it, wherever they stand. */
static void reference__read_name_of_runtime(reader *self)
{
    bool is_quoted = false;
    while (*self->at != L'\0' && (is_quoted || !reference__is_blank(*self->at))) {
        if (*self->at == L'"') {
            is_quoted = !is_quoted;
        } else {
            reader__expect(self, *self->at);
        }
        self->at++;
    }
}

/* A quote that no backslash has made a part of the argument. */
static void reference__read_quote(reader *self, dialect how, bool *is_quoted)
{
    bool is_double = *is_quoted && self->at[1] == L'"' && how != DIALECT_TOGGLES;
    if (is_double) {
        reader__expect(self, L'"');
        self->at++;
    }
    *is_quoted = is_double && how == DIALECT_QUOTE_AND_STAY ? *is_quoted : !*is_quoted;
    self->at++;
}

static void reference__read_backslashes(reader *self)
{
    size_t count = wcsspn(self->at, L"\\");
    self->at += count;
    bool is_before_quote = *self->at == L'"';
    for (size_t i = is_before_quote ? count / 2 : count; i > 0; i--) {
        reader__expect(self, L'\\');
    }
    if (is_before_quote && count % 2 == 1) {
        reader__expect(self, L'"');
        self->at++;
    }
}

static void reference__read_argument(reader *self, dialect how)
{
    bool is_quoted = false;
    while (*self->at != L'\0' && (is_quoted || !reference__is_blank(*self->at))) {
        if (*self->at == L'\\') {
            reference__read_backslashes(self);
        } else if (*self->at == L'"') {
            reference__read_quote(self, how, &is_quoted);
        } else {
            reader__expect(self, *self->at++);
        }
    }
}

/* The line is read as what the list says, and as nothing besides. */
static void reference__check(const wchar_t *line, const list *arguments, dialect how)
{
    reader self = {.at = line};
    for (size_t i = 0; i < arguments->count; i++) {
        FUZZ_EXPECT(i == 0 || reference__is_blank(*self.at));
        self.at += wcsspn(self.at, L" \t");
        FUZZ_EXPECT(*self.at != L'\0');
        self.expected = arguments->units[i];
        if (i > 0) {
            reference__read_argument(&self, how);
        } else if (how == DIALECT_QUOTE_AND_STAY) {
            reference__read_name_of_runtime(&self);
        } else {
            reference__read_name_of_shell(&self);
        }
        FUZZ_EXPECT(*self.expected == L'\0');
    }
    FUZZ_EXPECT(*self.at == L'\0');
}

/* ---- The reference: cmd.exe ---- */

static bool reference__is_plain(const wchar_t *argument)
{
    static const wchar_t plain[] =
        L"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:\\";
    return argument[wcsspn(argument, plain)] == L'\0';
}

static bool reference__is_path_safe(const wchar_t *path)
{
    for (; *path != L'\0'; path++) {
        if (*path < L' ' || *path == L'%' || *path == L'"') {
            return false;
        }
    }
    return true;
}

static bool reference__is_batch_accepted(const wchar_t *path, const list *arguments)
{
    bool is_accepted = reference__is_path_safe(path);
    for (size_t i = 1; i < arguments->count; i++) {
        is_accepted = is_accepted && reference__is_plain(arguments->units[i]);
    }
    return is_accepted;
}

/* What is behind /c, without the quotes at its ends: it means to cmd.exe what it means to us. */
static void reference__check_for_cmd(const wchar_t *command, size_t length, const wchar_t *path,
                                     const list *arguments)
{
    size_t at = wcslen(path) + 2;
    bool is_quoted = false;
    for (size_t i = 0; i < length; i++) {
        FUZZ_EXPECT(command[i] >= L' ' && command[i] != L'%');
        FUZZ_EXPECT(is_quoted || wcschr(L"&|<>^()!,;=@*?~`'[]{}+", command[i]) == NULL);
        is_quoted = command[i] == L'"' ? !is_quoted : is_quoted;
    }
    FUZZ_EXPECT(!is_quoted && length >= at);
    FUZZ_EXPECT(command[0] == L'"' && command[at - 1] == L'"');
    FUZZ_EXPECT(wmemcmp(command + 1, path, at - 2) == 0);
    for (size_t i = 1; i < arguments->count; i++) {
        const wchar_t *argument = *arguments->units[i] != L'\0' ? arguments->units[i] : L"\"\"";
        FUZZ_EXPECT(length - at > wcslen(argument) && command[at] == L' ');
        FUZZ_EXPECT(wmemcmp(command + at + 1, argument, wcslen(argument)) == 0);
        at += wcslen(argument) + 1;
    }
    FUZZ_EXPECT(at == length);
}

/* ---- What is tried ---- */

static const char *const *list__texts(const list *self)
{
    return (const char *const *)self->texts;
}

static void batch__try(const wchar_t *path, const wchar_t *line, const list *arguments,
                       size_t small)
{
    static const wchar_t beginning[] = L"cmd.exe /d /e:on /v:off /s /c \"";
    size_t skip = IOC_COUNT_OF(beginning) - 1;
    size_t count = ioc_command_line_of_batch(path, line, NULL, 0);
    FUZZ_EXPECT((count > 0) == reference__is_batch_accepted(path, arguments));
    if (count == 0) {
        return;
    }
    small %= count;
    wchar_t *whole = units__create(count);
    wchar_t *less = units__create(small);
    FUZZ_EXPECT(ioc_command_line_of_batch(path, line, whole, count) == count);
    FUZZ_EXPECT(ioc_command_line_of_batch(path, line, less, small) == count);
    FUZZ_EXPECT(wmemcmp(less, whole, small) == 0);
    FUZZ_EXPECT(wcslen(whole) + 1 == count && wmemcmp(whole, beginning, skip) == 0);
    FUZZ_EXPECT(whole[count - 2] == L'"');
    reference__check_for_cmd(whole + skip, count - 2 - skip, path, arguments);
    free(less);
    free(whole);
}

static void line__try(const list *arguments, size_t small)
{
    size_t count = ioc_command_line(list__texts(arguments), NULL, 0);
    bool has_name = arguments->count > 0 && strchr(arguments->texts[0], '"') == NULL;
    FUZZ_EXPECT((count > 0) == (has_name && arguments->is_valid));
    if (count == 0) {
        return;
    }
    small %= count;
    wchar_t *line = units__create(count);
    wchar_t *less = units__create(small);
    FUZZ_EXPECT(ioc_command_line(list__texts(arguments), line, count) == count);
    FUZZ_EXPECT(ioc_command_line(list__texts(arguments), less, small) == count);
    FUZZ_EXPECT(wmemcmp(less, line, small) == 0 && wcslen(line) + 1 == count);
    for (int how = 0; how < DIALECTS; how++) {
        reference__check(line, arguments, (dialect)how);
    }
    batch__try(arguments->units[0], line, arguments, small);
    free(less);
    free(line);
}

/* Names that differ in one bit are the same: any order will do. */
static int names__compare(const void *context, const wchar_t *left, size_t left_length,
                          const wchar_t *right, size_t right_length)
{
    size_t length = left_length < right_length ? left_length : right_length;
    (void)context;
    for (size_t i = 0; i < length; i++) {
        wchar_t difference = (left[i] | 0x20) - (right[i] | 0x20);
        if (difference != 0) {
            return difference;
        }
    }
    return left_length < right_length ? -1 : left_length > right_length;
}

static int variables__compare(const wchar_t *left, const wchar_t *right)
{
    return names__compare(NULL, left, (size_t)(wcschr(left + 1, L'=') - left), right,
                          (size_t)(wcschr(right + 1, L'=') - right));
}

/* The last one of this name. */
static const wchar_t *list__find(const list *self, const wchar_t *variable)
{
    size_t i = self->count;
    while (variables__compare(self->units[--i], variable) != 0) {
        FUZZ_EXPECT(i > 0);
    }
    return self->units[i];
}

/* Each name once, in order, with the value that it had last. */
static void block__check_sorted(const wchar_t *sorted, const list *variables)
{
    const wchar_t *before = NULL;
    const wchar_t *at = sorted;
    size_t missing = 0;
    for (size_t i = 0; i < variables->count; i++) {
        missing += list__find(variables, variables->units[i]) == variables->units[i] ? 1 : 0;
    }
    for (; *at != L'\0'; at += wcslen(at) + 1, missing--) {
        FUZZ_EXPECT(missing > 0 && (before == NULL || variables__compare(before, at) < 0));
        FUZZ_EXPECT(wcscmp(list__find(variables, at), at) == 0);
        before = at;
    }
    FUZZ_EXPECT(missing == 0 && (before != NULL || sorted[1] == L'\0'));
}

static void block__sort(const wchar_t *block, size_t count, const list *variables)
{
    wchar_t *sorted = units__create(count);
    const wchar_t **places = room__create(variables->count, sizeof *places);
    ioc_environment_sort(block, names__compare, NULL, places, sorted);
    block__check_sorted(sorted, variables);
    free(places);
    free(sorted);
}

/* Its first character is the name's, whatever it is. */
static bool reference__has_name(const char *variable)
{
    return variable[0] != '\0' && variable[1 + strcspn(variable + 1, "=")] == '=';
}

static void block__try(const list *variables, size_t small)
{
    bool is_accepted = variables->is_valid;
    for (size_t i = 0; i < variables->count; i++) {
        is_accepted = is_accepted && reference__has_name(variables->texts[i]);
    }
    size_t count = ioc_environment_block(list__texts(variables), NULL, 0);
    FUZZ_EXPECT((count > 0) == is_accepted);
    if (count == 0) {
        return;
    }
    small %= count;
    wchar_t *block = units__create(count);
    wchar_t *less = units__create(small);
    FUZZ_EXPECT(ioc_environment_block(list__texts(variables), block, count) == count);
    FUZZ_EXPECT(ioc_environment_block(list__texts(variables), less, small) == count);
    FUZZ_EXPECT(wmemcmp(less, block, small) == 0);
    const wchar_t *at = block;
    for (size_t i = 0; i < variables->count; i++) {
        FUZZ_EXPECT(wcscmp(at, variables->units[i]) == 0);
        at += wcslen(at) + 1;
    }
    FUZZ_EXPECT(*at == L'\0' && block[count - 1] == L'\0');
    FUZZ_EXPECT((size_t)(at - block) + (variables->count > 0 ? 1 : 2) == count);
    block__sort(block, count, variables);
    free(less);
    free(block);
}

/* How small the room is; the list. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    list texts;
    if (size < 1) {
        return 0;
    }
    list__read(&texts, data + 1, size - 1);
    line__try(&texts, data[0]);
    block__try(&texts, data[0]);
    list__free(&texts);
    return 0;
}
