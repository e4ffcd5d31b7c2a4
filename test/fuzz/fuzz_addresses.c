/*
 * Addresses of every length and family, in memory that ends where they do, for every function that
 * takes one, and room of every size for those that give one. What is refused starts nothing; what is
 * accepted calls back once.
 */
#include "contract_env.h"
#include "fuzz.h"

#include <string.h>

#define ADDRESS_MOST 130 /* a little more than any is taken with */

typedef struct attempt {
    iocp_loop_t *loop;
    iocp_handle_t socket;
    const struct sockaddr *address; /* NULL: none */
    size_t length;
    contract_record record;
} attempt;

typedef int (*attempt_fn)(attempt *a);

static int attempt__bind(attempt *a)
{
    return iocp_socket_bind(a->loop, a->socket, a->address, a->length);
}

static int attempt__connect(attempt *a)
{
    return iocp_connect(a->loop, a->socket, a->address, a->length, contract_keep, &a->record, NULL);
}

static int attempt__sendto(attempt *a)
{
    return iocp_sendto(a->loop, a->socket, "x", 1, a->address, a->length, contract_keep, &a->record,
                       NULL);
}

/* To it and from it. */
static int attempt__sendmsg(attempt *a)
{
    static char text[1];
    iocp_buf_t buffer = {1, text};
    iocp_message_t message = {.size = sizeof message,
                              .peer = a->address,
                              .peer_length = a->length,
                              .local = a->address,
                              .local_length = a->length};
    return iocp_sendmsg(a->loop, a->socket, &buffer, 1, &message, contract_keep, &a->record, NULL);
}

static int attempt__join(attempt *a)
{
    return iocp_socket_join(a->loop, a->socket, a->address, a->length, 0);
}

static int attempt__leave(attempt *a)
{
    return iocp_socket_leave(a->loop, a->socket, a->address, a->length, 0);
}

/* One address for both: each is a group, a sender, or neither. */
static int attempt__join_source(attempt *a)
{
    return iocp_socket_join_source(a->loop, a->socket, a->address, a->length, a->address, a->length,
                                   0);
}

static int attempt__get(attempt *a, bool is_peer)
{
    size_t length = a->length;
    struct sockaddr *to = malloc(length);
    int (*get)(iocp_loop_t *, iocp_handle_t, struct sockaddr *, size_t *) =
        is_peer ? iocp_socket_get_peer : iocp_socket_get_name;
    int status = get(a->loop, a->socket, to, &length);
    FUZZ_EXPECT(status != IOCP_OK || length <= a->length);
    free(to);
    return status;
}

static int attempt__get_name(attempt *a)
{
    return attempt__get(a, false);
}

static int attempt__get_peer(attempt *a)
{
    return attempt__get(a, true);
}

static const struct {
    attempt_fn function;
    bool calls_back;
} attempts[] = {
    {attempt__bind, false},     {attempt__connect, true},      {attempt__sendto, true},
    {attempt__join, false},     {attempt__leave, false},       {attempt__get_name, false},
    {attempt__get_peer, false}, {attempt__join_source, false}, {attempt__sendmsg, true},
};

static void attempt__make(attempt *a, uint8_t which)
{
    size_t number = which % (sizeof attempts / sizeof attempts[0]);
    memset(&a->record, 0, sizeof a->record);
    int status = attempts[number].function(a);
    int expected = status == IOCP_OK && attempts[number].calls_back;
    for (int turn = 0; turn < 100 && a->record.calls < expected; turn++) {
        FUZZ_EXPECT(iocp_loop_run(a->loop, IOCP_RUN_ONCE) == IOCP_OK);
    }
    FUZZ_EXPECT(a->record.calls == expected);
}

/* The socket, how long and of which family the address is, what it holds; and what to do with it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int families[] = {AF_INET, AF_INET6};
    attempt a = {.loop = contract_loop_create()};
    if (size >= 4) {
        size_t rest = size - 4;
        a.length = data[1] % ADDRESS_MOST;
        unsigned char *address = calloc(1, a.length);
        memcpy(address, data + 4, rest < a.length ? rest : a.length);
        if (data[2] < 192 && a.length >= sizeof(sa_family_t)) {
            sa_family_t family = (sa_family_t)families[data[2] % 2];
            memcpy(address, &family, sizeof family);
        }
        a.address = (const struct sockaddr *)(const void *)address;
        FUZZ_EXPECT(iocp_socket_open(a.loop, families[data[0] & 1],
                                     (data[0] & 2) != 0 ? SOCK_STREAM : SOCK_DGRAM, 0,
                                     &a.socket) == IOCP_OK);
        attempt__make(&a, data[0] >> 2);
        attempt__make(&a, data[3]);
        free(address); /* which was copied */
    }
    contract_loop_destroy(a.loop);
    return 0;
}
