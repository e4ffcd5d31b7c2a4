/*
 * Which addresses has a name? Asks for all names of the command line at once, and prints the addresses
 * of each as its answer comes.
 *
 *   resolve [--limit MS] [--service S] [--numeric] NAME...
 *
 * A NAME is one that name servers or this machine know, in UTF-8, or an address. Each has --limit
 * milliseconds (5000): a name whose server does not answer holds up no other, and when the limit has
 * passed its look-up ends at once, whatever the system still does. --service is a number or a name like
 * "http", and each address then has its port. With --numeric nobody is asked: a NAME is an address, or
 * unknown. The exit code is the number of names without an address (at most 100), 125 if the arguments
 * are wrong or the loop does not work.
 *
 * A deadline stays with its operation (iocp_op_deadline), and the addresses end with the callback: a
 * program that connects does so there, or keeps them (iocp_addresses_copy).
 */
#include <iocploop.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS           UINT64_C(1000000)
#define LIMIT_MAX    3600000 /* an hour */
#define FAILURES_MAX 100
#define WRONG        125

/* What is wanted for every name. */
typedef struct question {
    uint64_t limit_ms;
    const char *service; /* NULL: none */
    iocp_resolve_options_t options;
    int failures; /* names that have no address */
} question;

typedef struct name {
    question *question;
    const char *text;
} name;

static void complain(const char *what, int status)
{
    fprintf(stderr, "resolve: %s: %s (%s)\n", what, iocp_error_text(status),
            iocp_error_name(status));
}

/* ---- Answers ---- */

static void print_address(const char *of, const iocp_address_t *address)
{
    char text[IOCP_ADDRESS_TEXT_BYTES];
    int status = iocp_address_format(address->address, address->address_length, text, sizeof text);
    printf("%s  %s\n", of, status == IOCP_OK ? text : iocp_error_text(status));
}

static iocp_action_t IOCP_CALL on_resolved(iocp_loop_t *loop, const iocp_result_t *result,
                                           void *userdata)
{
    name *self = userdata;
    (void)loop;
    if (result->status != IOCP_OK) {
        complain(self->text, result->status); /* IOCP_ETIMEDOUT: its limit has passed */
        self->question->failures++;
        return IOCP_DISARM;
    }
    for (const iocp_address_t *each = result->addresses; each != NULL; each = each->next) {
        print_address(self->text, each);
    }
    fflush(stdout);
    return IOCP_DISARM;
}

/* ---- Questions ---- */

/* One that cannot even be asked has no address, and the others go on. */
static void ask(iocp_loop_t *loop, name *self)
{
    question *question = self->question;
    iocp_op_t op = {0};
    int status = iocp_resolve(loop, self->text, question->service, &question->options, on_resolved,
                              self, &op);
    if (status == IOCP_OK) {
        status = iocp_op_deadline(loop, op, question->limit_ms * MS);
        if (status != IOCP_OK) { /* it would last as long as the system likes */
            (void)iocp_cancel(loop, op, NULL, NULL, NULL);
        }
    } else {
        question->failures++; /* nobody calls back */
    }
    if (status != IOCP_OK) {
        complain(self->text, status);
    }
}

/* Whether the loop has worked. */
static bool ask_all(question *question, char **texts, int count)
{
    iocp_loop_t *loop = NULL;
    name *names = calloc((size_t)count, sizeof *names);
    int status = names != NULL ? iocp_loop_create(NULL, &loop) : IOCP_ENOMEM;
    if (status == IOCP_OK) {
        for (int i = 0; i < count; i++) {
            names[i] = (name){.question = question, .text = texts[i]};
            ask(loop, &names[i]);
        }
        status = iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE); /* until the last one has its answer */
        /*
         * What the system still asks for has no callback any more, but memory: so the loop's end waits
         * for it. The program ends now, and its memory with it, so this one does not wait.
         */
        int end = iocp_loop_destroy(loop, 0);
        status = status == IOCP_OK && end != IOCP_ETIMEDOUT ? end : status;
    }
    if (status != IOCP_OK) {
        complain("the loop", status);
    }
    free(names);
    return status == IOCP_OK;
}

/* ---- The arguments ---- */

static bool parse_limit(const char *text, uint64_t *limit_ms)
{
    char *end = NULL;
    *limit_ms = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *limit_ms > 0 &&
           *limit_ms <= LIMIT_MAX;
}

/* How many of the arguments are options and their values; below 0: they are wrong. */
static int parse_options(question *question, int argc, char **argv)
{
    int at = 1;
    while (at < argc && strncmp(argv[at], "--", 2) == 0) {
        const char *value = at + 1 < argc ? argv[at + 1] : NULL;
        if (strcmp(argv[at], "--numeric") == 0) {
            question->options.flags |= IOCP_RESOLVE_NUMERIC;
            at++;
        } else if (strcmp(argv[at], "--service") == 0 && value != NULL) {
            question->service = value;
            at += 2;
        } else if (strcmp(argv[at], "--limit") == 0 && value != NULL &&
                   parse_limit(value, &question->limit_ms)) {
            at += 2;
        } else {
            return -1;
        }
    }
    return at;
}

int main(int argc, char **argv)
{
    question question = {.limit_ms = 5000, .options = {.size = sizeof question.options}};
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;
    int first = parse_options(&question, argc, argv);
    if (wants_help || first < 0 || first == argc) {
        fputs("usage: resolve [--limit MS] [--service S] [--numeric] NAME...\n",
              wants_help ? stdout : stderr);
        return wants_help ? 0 : WRONG;
    }
    if (!ask_all(&question, argv + first, argc - first)) {
        return WRONG;
    }
    return question.failures < FAILURES_MAX ? question.failures : FAILURES_MAX;
}
