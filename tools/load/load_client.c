/*
 * Drives an echo server on this machine's loopback and checks every byte that comes back. A native
 * Linux program, so that the server under Wine talks to something that is not its own.
 *
 *   load_client --port P [--mode M] [--connections N] [--seconds S] [--size B] [--bytes T]
 *
 * Modes, all of them one after the other unless one is named:
 *   throughput   every connection sends without waiting, B bytes a call, for S seconds (or T bytes
 *                in all); its end is a half-close, after which the rest must come back
 *   latency      one message of 64 bytes at a time on each connection, for S seconds
 *   half-close   sends, ends the sending side at once and must get everything, then the end
 *   reset        every third connection is reset in the middle; the others must not notice
 *
 * Prints a line for each mode. The exit code is 0 only if nothing was lost, wrong or out of order.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S       UINT64_C(1000000000)
#define EVENTS_MAX     256
#define RECEIVE_BYTES  262144
#define SIZE_MAX_BYTES 1048576 /* of one send */
#define MESSAGE_BYTES  64
#define STALL_NS       (30 * NS_PER_S)
#define NEVER          UINT64_MAX

/*
 * What is sent: one block of random bytes, repeated, of a prime length, so that it never falls in
 * step with a buffer. Each connection begins at another place in it.
 */
#define PATTERN_BYTES 1048583
static unsigned char pattern[PATTERN_BYTES + SIZE_MAX_BYTES];

/* Latencies: 32 steps to each doubling. */
#define HISTOGRAM_STEPS 32
#define HISTOGRAM_BINS  (40 * HISTOGRAM_STEPS)

typedef struct plan {
    const char *name;
    unsigned connections;
    uint64_t seconds;     /* how long to send; 0: as long as it takes */
    uint64_t bytes_each;  /* to be sent on each connection; NEVER: until the time is up */
    uint64_t window;      /* bytes under way on a connection; NEVER: what the system takes */
    size_t size;          /* bytes a send */
    unsigned reset_every; /* this many connections; 0: none */
} plan;

typedef struct connection {
    int fd;
    unsigned number;
    uint64_t limit;
    uint64_t sent;
    uint64_t received;
    uint64_t message_ns; /* when the message that is under way was sent */
    uint64_t reset_at;   /* bytes received; NEVER: an orderly end */
    uint32_t interest;   /* epoll's events */
    bool is_shut;
} connection;

typedef struct run {
    const plan *plan;
    int epoll;
    connection *connections;
    unsigned open;
    unsigned opened;
    unsigned failures;
    unsigned resets;
    uint64_t bytes;
    uint64_t round_trips;
    uint64_t elapsed_ns;
    uint64_t worst_ns;
    uint64_t histogram[HISTOGRAM_BINS];
} run;

static unsigned char received_data[RECEIVE_BYTES];

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- The pattern ---- */

static void pattern__init(void)
{
    uint32_t random = 2463534242u; /* xorshift */
    for (size_t i = 0; i < PATTERN_BYTES; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        pattern[i] = (unsigned char)(random >> 9);
    }
    memcpy(pattern + PATTERN_BYTES, pattern, SIZE_MAX_BYTES);
}

/* The bytes of a connection from an offset on: at least SIZE_MAX_BYTES of them. */
static const unsigned char *pattern__at(unsigned number, uint64_t offset)
{
    return pattern + (offset + (uint64_t)number * 7919) % PATTERN_BYTES;
}

/* ---- Latencies ---- */

static size_t histogram__bin(uint64_t ns)
{
    unsigned doubling = 0;
    while ((ns >> doubling) >= 2 * HISTOGRAM_STEPS) {
        doubling++;
    }
    size_t bin = doubling * HISTOGRAM_STEPS + (size_t)(ns >> doubling);
    return bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1;
}

/* The lowest latency that falls in a bin. */
static uint64_t histogram__latency(size_t bin)
{
    size_t doubling = bin < 2 * HISTOGRAM_STEPS ? 0 : bin / HISTOGRAM_STEPS - 1;
    return (uint64_t)(bin - doubling * HISTOGRAM_STEPS) << doubling;
}

static double run__percentile_us(const run *self, double share)
{
    uint64_t wanted = (uint64_t)((double)self->round_trips * share);
    uint64_t seen = 0;
    size_t bin = 0;
    while (bin < HISTOGRAM_BINS - 1 && (seen += self->histogram[bin]) <= wanted) {
        bin++;
    }
    return (double)histogram__latency(bin) / 1000;
}

/* ---- A connection ---- */

static void connection__end(run *self, connection *c)
{
    (void)close(c->fd);
    c->fd = -1;
    self->open--;
}

static void connection__fail(run *self, connection *c, const char *what)
{
    if (++self->failures <= 5) {
        fprintf(stderr, "%s, connection %u, sent %llu, received %llu: %s\n", self->plan->name,
                c->number, (unsigned long long)c->sent, (unsigned long long)c->received, what);
    }
    connection__end(self, c);
}

static void connection__watch(run *self, connection *c, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data = {.ptr = c}};
    if (interest != c->interest) {
        c->interest = interest;
        (void)epoll_ctl(self->epoll, EPOLL_CTL_MOD, c->fd, &event);
    }
}

static bool connection__open(run *self, connection *c, unsigned number, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data = {.ptr = c}};
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->number = number;
    c->limit = self->plan->bytes_each;
    c->interest = event.events;
    c->reset_at = NEVER;
    if (self->plan->reset_every > 0 && number % self->plan->reset_every == 0) {
        c->reset_at = c->limit / 3;
    }
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(self->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        fprintf(stderr, "%s, connection %u: %s\n", self->plan->name, number, strerror(errno));
        self->failures++;
        if (c->fd >= 0) {
            (void)close(c->fd);
        }
        c->fd = -1;
        return false;
    }
    self->open++;
    self->opened++;
    return true;
}

static void connection__reset(run *self, connection *c)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    self->resets++;
    connection__end(self, c);
}

/* Send the next piece, or end the sending side. False: the connection has failed. */
static bool connection__send(run *self, connection *c)
{
    uint64_t room =
        self->plan->window == NEVER ? NEVER : c->received + self->plan->window - c->sent;
    uint64_t left = c->limit - c->sent;
    size_t size = self->plan->size;
    size = left < size ? (size_t)left : size;
    size = room < size ? (size_t)room : size;
    if (size > 0) {
        if (c->received == c->sent) {
            c->message_ns = now_ns();
        }
        ssize_t done = send(c->fd, pattern__at(c->number, c->sent), size, MSG_NOSIGNAL);
        if (done < 0 && errno != EAGAIN && errno != EINTR) {
            connection__fail(self, c, strerror(errno));
            return false;
        }
        c->sent += done > 0 ? (uint64_t)done : 0;
    }
    if (c->sent == c->limit && !c->is_shut) {
        c->is_shut = true;
        if (shutdown(c->fd, SHUT_WR) != 0) {
            connection__fail(self, c, strerror(errno));
            return false;
        }
    }
    bool is_waiting = c->is_shut || (room != NEVER && c->sent - c->received >= self->plan->window);
    connection__watch(self, c, is_waiting ? EPOLLIN : EPOLLIN | EPOLLOUT);
    return true;
}

static void connection__count_message(run *self, const connection *c)
{
    if (c->received == c->sent && self->plan->window == MESSAGE_BYTES) {
        uint64_t took_ns = now_ns() - c->message_ns;
        self->histogram[histogram__bin(took_ns)]++;
        self->worst_ns = took_ns > self->worst_ns ? took_ns : self->worst_ns;
        self->round_trips++;
    }
}

/* Receive and check. False: the connection has ended, well or badly. */
static bool connection__receive(run *self, connection *c)
{
    ssize_t got = recv(c->fd, received_data, sizeof received_data, 0);
    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            return true;
        }
        connection__fail(self, c, strerror(errno));
        return false;
    }
    if (got == 0) {
        if (c->is_shut && c->received == c->sent) {
            connection__end(self, c);
        } else {
            connection__fail(self, c, "the server ended the connection too early");
        }
        return false;
    }
    size_t size = (size_t)got;
    if (size > c->sent - c->received ||
        memcmp(received_data, pattern__at(c->number, c->received), size) != 0) {
        connection__fail(self, c, "wrong data came back");
        return false;
    }
    c->received += size;
    self->bytes += size;
    connection__count_message(self, c);
    if (c->received >= c->reset_at) {
        connection__reset(self, c);
        return false;
    }
    return true;
}

static void connection__handle(run *self, connection *c, uint32_t events)
{
    bool is_open = c->fd >= 0;
    if (is_open && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        is_open = connection__receive(self, c);
    }
    if (is_open && !c->is_shut) {
        (void)connection__send(self, c);
    }
}

/* ---- A run ---- */

/* The time is up: what was sent is what must come back. */
static void run__end_sending(run *self)
{
    for (unsigned i = 0; i < self->plan->connections; i++) {
        connection *c = &self->connections[i];
        c->limit = c->sent;
        if (c->fd >= 0 && !c->is_shut) {
            (void)connection__send(self, c);
        }
    }
}

static void run__fail_all(run *self, const char *what)
{
    for (unsigned i = 0; i < self->plan->connections; i++) {
        if (self->connections[i].fd >= 0) {
            connection__fail(self, &self->connections[i], what);
        }
    }
}

static void run__loop(run *self)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t start_ns = now_ns();
    uint64_t moved_ns = start_ns;
    uint64_t moved_bytes = 0;
    bool is_timed = self->plan->seconds > 0;
    while (self->open > 0) {
        int count = epoll_wait(self->epoll, events, EVENTS_MAX, 100);
        uint64_t time_ns = now_ns();
        for (int i = 0; i < count; i++) {
            connection__handle(self, events[i].data.ptr, events[i].events);
        }
        if (is_timed && time_ns - start_ns >= self->plan->seconds * NS_PER_S) {
            is_timed = false;
            run__end_sending(self);
        }
        if (self->bytes != moved_bytes) {
            moved_bytes = self->bytes;
            moved_ns = time_ns;
        } else if (time_ns - moved_ns > STALL_NS) {
            run__fail_all(self, "nothing moves any more");
        }
    }
    self->elapsed_ns = now_ns() - start_ns;
}

static void run__report(const run *self)
{
    double seconds = (double)self->elapsed_ns / (double)NS_PER_S;
    printf("%-11s %5u conn %7.2f s %9.1f MiB", self->plan->name, self->opened, seconds,
           (double)self->bytes / 1048576);
    if (self->round_trips > 0) {
        printf("  %8.0f round trips/s  p50 %.0f us  p99 %.0f us  max %.0f us",
               (double)self->round_trips / seconds, run__percentile_us(self, 0.5),
               run__percentile_us(self, 0.99), (double)self->worst_ns / 1000);
    } else {
        printf("  %8.1f MiB/s each way", (double)self->bytes / 1048576 / seconds);
    }
    if (self->resets > 0) {
        printf("  %u reset by us", self->resets);
    }
    printf(self->failures > 0 ? "  FAILED: %u\n" : "  ok\n", self->failures);
    (void)fflush(stdout);
}

static bool plan__run(const plan *what, uint16_t port)
{
    static run self;
    memset(&self, 0, sizeof self);
    self.plan = what;
    self.epoll = epoll_create1(EPOLL_CLOEXEC);
    self.connections = calloc(what->connections, sizeof *self.connections);
    if (self.epoll < 0 || self.connections == NULL) {
        fprintf(stderr, "%s: %s\n", what->name, strerror(errno));
        return false;
    }
    for (unsigned i = 0; i < what->connections; i++) {
        self.connections[i].fd = -1;
    }
    for (unsigned i = 0; i < what->connections; i++) {
        if (!connection__open(&self, &self.connections[i], i, port)) {
            break;
        }
    }
    run__loop(&self);
    run__report(&self);
    free(self.connections);
    (void)close(self.epoll);
    return self.failures == 0;
}

/* ---- The program ---- */

typedef struct options {
    const char *mode;
    unsigned long port;
    unsigned long connections;
    unsigned long seconds;
    unsigned long size;
    unsigned long long bytes;
} options;

static bool options__take(options *self, const char *name, const char *value)
{
    unsigned long long number = strtoull(value, NULL, 10);
    if (strcmp(name, "--mode") == 0) {
        self->mode = value;
    } else if (strcmp(name, "--port") == 0) {
        self->port = (unsigned long)number;
    } else if (strcmp(name, "--connections") == 0) {
        self->connections = (unsigned long)number;
    } else if (strcmp(name, "--seconds") == 0) {
        self->seconds = (unsigned long)number;
    } else if (strcmp(name, "--size") == 0) {
        self->size = (unsigned long)number;
    } else if (strcmp(name, "--bytes") == 0) {
        self->bytes = number;
    } else {
        return false;
    }
    return true;
}

static bool options__are_valid(const options *self)
{
    return self->port > 0 && self->port <= UINT16_MAX && self->connections > 0 &&
           self->connections <= 100000 && self->seconds > 0 && self->size > 0 &&
           self->size <= SIZE_MAX_BYTES;
}

static int options__run(const options *self)
{
    unsigned connections = (unsigned)self->connections;
    uint64_t half_close_bytes = 200000;
    uint64_t reset_bytes = 400000;
    const plan plans[] = {
        {"throughput", connections, self->bytes > 0 ? 0 : self->seconds,
         self->bytes > 0 ? (self->bytes + connections - 1) / connections : NEVER, NEVER,
         (size_t)self->size, 0},
        {"latency", connections, self->seconds, NEVER, MESSAGE_BYTES, MESSAGE_BYTES, 0},
        {"half-close", connections, 0, half_close_bytes, NEVER, (size_t)self->size, 0},
        {"reset", connections, 0, reset_bytes, NEVER, (size_t)self->size, 3},
    };
    bool is_known = false;
    bool is_good = true;
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        if (self->mode == NULL || strcmp(self->mode, plans[i].name) == 0) {
            is_known = true;
            is_good = plan__run(&plans[i], (uint16_t)self->port) && is_good;
        }
    }
    if (!is_known) {
        fprintf(stderr, "there is no mode %s\n", self->mode);
    }
    return is_known && is_good ? 0 : 1;
}

int main(int argc, char **argv)
{
    options given = {.connections = 50, .seconds = 5, .size = 65536};
    bool is_usage = argc % 2 == 1;
    for (int i = 1; i + 1 < argc && is_usage; i += 2) {
        is_usage = options__take(&given, argv[i], argv[i + 1]);
    }
    if (!is_usage || !options__are_valid(&given)) {
        fputs("usage: load_client --port P [--mode throughput|latency|half-close|reset]\n"
              "                   [--connections N] [--seconds S] [--size B] [--bytes T]\n",
              stderr);
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    pattern__init();
    return options__run(&given);
}
