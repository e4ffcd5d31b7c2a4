#include "environment.h"

#include "utf8.h"

#include <string.h>
#include <wchar.h>

size_t ioc_environment_block(const char *const *variables, wchar_t *units, size_t room)
{
    ioc_units block = {.units = units, .room = room};
    for (; *variables != NULL; variables++) {
        bool has_name = **variables != '\0' && strchr(*variables + 1, '=') != NULL;
        if (!has_name || !ioc_units_put_utf8(&block, *variables)) {
            return 0;
        }
        ioc_units_put(&block, 0);
    }
    if (block.count == 0) {
        ioc_units_put(&block, 0); /* also an empty one ends with two zeros */
    }
    ioc_units_put(&block, 0);
    return block.count;
}

typedef struct environment_list {
    const wchar_t **places; /* in order */
    size_t count;
    ioc_environment_order *order;
    const void *context;
} environment_list;

static size_t environment__name_length(const wchar_t *variable)
{
    return (size_t)(wcschr(variable + 1, L'=') - variable);
}

static int environment__compare(const environment_list *list, const wchar_t *left,
                                const wchar_t *right)
{
    return list->order(list->context, left, environment__name_length(left), right,
                       environment__name_length(right));
}

/* Where it belongs, in the place of one of the same name. */
static void environment__insert(environment_list *list, const wchar_t *variable)
{
    size_t from = 0;
    size_t to = list->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = environment__compare(list, list->places[middle], variable);
        if (order == 0) {
            list->places[middle] = variable;
            return;
        }
        if (order < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    const wchar_t **place = list->places + from;
    memmove(place + 1, place, (list->count - from) * sizeof *place);
    *place = variable;
    list->count++;
}

void ioc_environment_sort(const wchar_t *block, ioc_environment_order *order, const void *context,
                          const wchar_t **places, wchar_t *sorted)
{
    environment_list list = {.places = places, .order = order, .context = context};
    for (const wchar_t *variable = block; *variable != L'\0'; variable += wcslen(variable) + 1) {
        environment__insert(&list, variable);
    }
    for (size_t i = 0; i < list.count; i++) {
        size_t units = wcslen(places[i]) + 1;
        wmemcpy(sorted, places[i], units);
        sorted += units;
    }
    wmemcpy(sorted, L"\0", list.count == 0 ? 2 : 1);
}
