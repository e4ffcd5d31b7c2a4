/*
 * Drives a datagram echo server on this machine's loopback, over IPv4 and IPv6 at the same time, and
 * checks every byte that comes back. A native Linux program, so that the server under Wine talks to
 * something that is not its own.
 *
 *   udp_client --port P [--count N] [--limit B] [--family 4|6]
 *
 * Sends N datagrams over each family, or over this one alone, of sizes from nothing to the largest
 * that there is, and keeps some of them under way. What is not answered in time is sent again, a few
 * times, for UDP may lose it; nothing may come back twice, or changed, or from elsewhere. With a
 * limit, the server is known to cut off what is longer than B bytes.
 *
 * Prints a line for each family. The exit code is 0 only if everything came back.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)
#define COUNT_MAX 100000
#define FAMILIES  2
#define WINDOW    32 /* datagrams under way */
#define WINDOW_BYTES \
    65536 /* and their bytes, if it is more than one: the server's queue is short */
#define TRIES         6
#define ANSWER_NS     (500 * NS_PER_MS)
#define LISTEN_NS     (300 * NS_PER_MS)   /* at the end, for what comes twice */
#define LIMIT_NS      (60000 * NS_PER_MS) /* of all */
#define LARGEST_IPV4  65507
#define LARGEST_IPV6  65527
#define NUMBERED_SIZE sizeof(uint32_t) /* a shorter datagram has no room for its number */

/* A number is followed by random bytes, from another place of this for each number. */
#define PATTERN_BYTES 131071
static unsigned char pattern[PATTERN_BYTES + LARGEST_IPV6];

typedef struct datagram {
    uint32_t number;
    size_t size;
    unsigned tries; /* 0: this place in the window is free */
    uint64_t sent_ns;
} datagram;

/* With the server over one family. */
typedef struct talk {
    const char *name;
    int fd;
    size_t largest;
    size_t limit;
    uint32_t count;
    uint32_t next;
    uint32_t answered;
    uint64_t bytes;   /* of the answers */
    uint64_t repeats; /* so many were sent again, so at most as many answers may come twice */
    uint64_t doubles;
    uint64_t quiet_since_ns; /* when the last answer came; 0: there are more to come */
    size_t under_way_bytes;
    unsigned failures;
    datagram window[WINDOW];
} talk;

static unsigned char out[LARGEST_IPV6];
static unsigned char in[LARGEST_IPV6 + 1];

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
}

/* ---- Datagrams ---- */

static void pattern__init(void)
{
    uint32_t random = 2463534242u; /* xorshift */
    for (size_t i = 0; i < sizeof pattern; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        pattern[i] = (unsigned char)(random >> 9);
    }
}

static size_t talk__size(const talk *self, uint32_t number)
{
    const size_t sizes[] = {0, 1, 3, 4, 64, 65, 512, 1472, 1473, 4096, 9000, 32768, self->largest};
    return sizes[number % (sizeof sizes / sizeof sizes[0])];
}

static void datagram__write(const datagram *self, unsigned char *bytes)
{
    memcpy(bytes, pattern + (uint64_t)self->number * 7919 % PATTERN_BYTES, self->size);
    if (self->size >= NUMBERED_SIZE) {
        memcpy(bytes, &self->number, sizeof self->number);
    }
}

/* Whether these bytes are its answer. */
static bool datagram__is_answer(const datagram *self, const unsigned char *bytes, size_t size,
                                size_t limit)
{
    size_t expected = self->size < limit ? self->size : limit;
    datagram__write(self, out);
    return size == expected && memcmp(bytes, out, size) == 0;
}

/* ---- A talk ---- */

static void talk__fail(talk *self, const char *what)
{
    if (++self->failures <= 5) {
        fprintf(stderr, "%s, %u of %u sent, %u answered: %s\n", self->name, self->next, self->count,
                self->answered, what);
    }
}

static void talk__send(talk *self, datagram *one)
{
    datagram__write(one, out);
    one->tries++;
    one->sent_ns = now_ns();
    if (send(self->fd, out, one->size, 0) != (ssize_t)one->size && errno != ENOBUFS) {
        talk__fail(self, strerror(errno));
    }
}

/* Fill the window, as far as there is room for the next one. */
static void talk__send_more(talk *self)
{
    for (unsigned i = 0; i < WINDOW && self->next < self->count; i++) {
        datagram *one = &self->window[i];
        size_t size = talk__size(self, self->next);
        if (self->under_way_bytes > 0 && self->under_way_bytes + size > WINDOW_BYTES) {
            return;
        }
        if (one->tries == 0) {
            one->number = self->next++;
            one->size = size;
            self->under_way_bytes += size;
            talk__send(self, one);
        }
    }
}

static void talk__repeat_lost(talk *self)
{
    for (unsigned i = 0; i < WINDOW; i++) {
        datagram *one = &self->window[i];
        if (one->tries == 0 || now_ns() - one->sent_ns < ANSWER_NS) {
            continue;
        }
        if (one->tries == TRIES) {
            talk__fail(self, "no answer");
            return;
        }
        self->repeats++;
        talk__send(self, one);
    }
}

/* Whether it would have been an answer before; one without a number might. */
static bool talk__knows(const talk *self, const unsigned char *bytes, size_t size)
{
    datagram before = {0};
    if (size < NUMBERED_SIZE) {
        return true;
    }
    memcpy(&before.number, bytes, sizeof before.number);
    before.size = talk__size(self, before.number);
    return before.number < self->next && datagram__is_answer(&before, bytes, size, self->limit);
}

static void talk__take(talk *self, size_t size)
{
    for (unsigned i = 0; i < WINDOW; i++) {
        datagram *one = &self->window[i];
        if (one->tries > 0 && datagram__is_answer(one, in, size, self->limit)) {
            self->under_way_bytes -= one->size;
            one->tries = 0;
            self->answered++;
            self->bytes += size;
            self->quiet_since_ns = self->answered == self->count ? now_ns() : 0;
            return;
        }
    }
    if (!talk__knows(self, in, size)) {
        talk__fail(self, "wrong data came back");
    } else if (++self->doubles > self->repeats) {
        talk__fail(self, "an answer came twice");
    }
}

static void talk__receive(talk *self)
{
    for (;;) {
        ssize_t got = recv(self->fd, in, sizeof in, MSG_DONTWAIT);
        if (got < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                talk__fail(self, strerror(errno));
            }
            return;
        }
        talk__take(self, (size_t)got);
    }
}

static bool talk__is_over(const talk *self)
{
    bool is_quiet = self->quiet_since_ns > 0 && now_ns() - self->quiet_since_ns > LISTEN_NS;
    return self->failures > 0 || is_quiet;
}

/* Connected, so that the system drops what comes from elsewhere. */
static bool talk__open(talk *self, int family, const struct sockaddr *to, socklen_t length)
{
    int bytes = 4 << 20;
    self->fd = socket(family, SOCK_DGRAM, 0);
    if (self->fd < 0 || connect(self->fd, to, length) != 0) {
        talk__fail(self, strerror(errno));
        return false;
    }
    (void)setsockopt(self->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    (void)setsockopt(self->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    return true;
}

static bool talk__report(const talk *self)
{
    bool is_good = self->failures == 0 && self->answered == self->count;
    printf("%s  %6u datagrams %9.1f MiB  %llu sent again  %s\n", self->name, self->answered,
           (double)self->bytes / 1048576, (unsigned long long)self->repeats,
           is_good ? "ok" : "FAILED");
    return is_good;
}

static bool talks__are_over(const talk *talks, unsigned count)
{
    bool are_over = true;
    for (unsigned i = 0; i < count; i++) {
        are_over = talk__is_over(&talks[i]) && are_over;
    }
    return are_over;
}

static bool talks__run(talk *talks, unsigned count)
{
    uint64_t start_ns = now_ns();
    struct pollfd polls[FAMILIES];
    bool is_good = true;
    while (!talks__are_over(talks, count)) {
        for (unsigned i = 0; i < count; i++) {
            polls[i] = (struct pollfd){.fd = talks[i].fd, .events = POLLIN};
            talk__repeat_lost(&talks[i]);
            talk__send_more(&talks[i]);
        }
        (void)poll(polls, count, 50);
        for (unsigned i = 0; i < count; i++) {
            talk__receive(&talks[i]);
            if (now_ns() - start_ns > LIMIT_NS) {
                talk__fail(&talks[i], "the time is up");
            }
        }
    }
    for (unsigned i = 0; i < count; i++) {
        is_good = talk__report(&talks[i]) && is_good;
    }
    return is_good;
}

/* `family` is 4, 6, or 0 for both. */
static bool run(uint16_t port, uint32_t count, size_t limit, unsigned long family)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    static talk talks[FAMILIES];
    unsigned opened = 0;
    bool is_open = true;
    ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ipv6.sin6_addr = in6addr_loopback;
    if (family != 6) {
        talk *self = &talks[opened++];
        *self = (talk){.name = "IPv4", .largest = LARGEST_IPV4, .count = count, .limit = limit};
        is_open = talk__open(self, AF_INET, (const struct sockaddr *)&ipv4, sizeof ipv4);
    }
    if (family != 4) {
        talk *self = &talks[opened++];
        *self = (talk){.name = "IPv6", .largest = LARGEST_IPV6, .count = count, .limit = limit};
        is_open =
            talk__open(self, AF_INET6, (const struct sockaddr *)&ipv6, sizeof ipv6) && is_open;
    }
    return is_open && talks__run(talks, opened);
}

int main(int argc, char **argv)
{
    unsigned long port = 0;
    unsigned long count = 2000;
    unsigned long limit = LARGEST_IPV6;
    unsigned long family = 0;
    bool is_usage = argc % 2 == 1;
    for (int i = 1; i + 1 < argc && is_usage; i += 2) {
        unsigned long number = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--port") == 0) {
            port = number;
        } else if (strcmp(argv[i], "--count") == 0) {
            count = number;
        } else if (strcmp(argv[i], "--limit") == 0) {
            limit = number;
        } else if (strcmp(argv[i], "--family") == 0 && (number == 4 || number == 6)) {
            family = number;
        } else {
            is_usage = false;
        }
    }
    if (!is_usage || port == 0 || port > UINT16_MAX || count == 0 || count > COUNT_MAX) {
        fputs("usage: udp_client --port P [--count N] [--limit B] [--family 4|6]\n", stderr);
        return 2;
    }
    pattern__init();
    return run((uint16_t)port, (uint32_t)count, limit, family) ? 0 : 1;
}
