/*
 * Many downloads at once, by libcurl's multi interface on the loop: its sockets by iocp_poll, its time
 * by one iocp_timer.
 *
 *   curl_download FOLDER URL...
 *
 * The first goes into FOLDER/1, the second into FOLDER/2. The exit code is how many failed, 2 also if
 * the arguments are wrong.
 *
 * curl says which sockets it wants to know what of (on_socket) and when it wants to be called at the
 * latest (on_timer); the loop says that it is so (on_ready, on_time), and curl does the rest. The same
 * works for c-ares, libpq and whatever else tells its sockets.
 *
 * curl may want something else of a poll or a timer whose callback is due in the same turn: iocp_poll_set
 * and iocp_timer_reset answer IOCP_EBUSY then. That is no failure: the callback itself asks for what
 * curl wants by then.
 */
#include <iocploop.h>

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

typedef struct client {
    iocp_loop_t *loop;
    CURLM *multi;
    iocp_op_t timer; /* one for all times; while curl asks for none it never fires */
    int failures;
} client;

/* One for each of curl's sockets. */
typedef struct watch {
    client *client;
    curl_socket_t socket;
    uint32_t events; /* what curl wants to know by now */
    bool is_over;    /* nothing: this is not its socket any more */
    iocp_op_t poll;
} watch;

typedef struct download {
    const char *url;
    FILE *file;
    CURL *easy; /* NULL: it has ended, or not begun */
} download;

/* ---- Downloads ---- */

/* curl itself would write to another C library's FILE if it were a DLL. */
static size_t on_bytes(char *bytes, size_t size, size_t count, void *file)
{
    return fwrite(bytes, size, count, file);
}

static void download__end(download *self, client *client, CURLcode result)
{
    if (self->file != NULL && fclose(self->file) != 0 && result == CURLE_OK) {
        result = CURLE_WRITE_ERROR;
    }
    client->failures += result != CURLE_OK;
    printf("%s: %s\n", self->url, curl_easy_strerror(result));
    (void)curl_multi_remove_handle(client->multi, self->easy);
    curl_easy_cleanup(self->easy);
    *self = (download){.url = self->url};
}

static bool download__prepare(download *self, const char *folder, int number)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%d", folder, number);
    self->file = fopen(path, "wb");
    self->easy = curl_easy_init();
    return self->file != NULL && self->easy != NULL &&
           curl_easy_setopt(self->easy, CURLOPT_URL, self->url) == CURLE_OK &&
           curl_easy_setopt(self->easy, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
           curl_easy_setopt(self->easy, CURLOPT_WRITEDATA, self->file) == CURLE_OK &&
           curl_easy_setopt(self->easy, CURLOPT_PRIVATE, self) == CURLE_OK &&
           curl_easy_setopt(self->easy, CURLOPT_FAILONERROR, 1L) == CURLE_OK;
}

static void download__begin(download *self, client *client, const char *folder, int number)
{
    if (!download__prepare(self, folder, number) ||
        curl_multi_add_handle(client->multi, self->easy) != CURLM_OK) {
        download__end(self, client, CURLE_WRITE_ERROR);
    }
}

/* Those that have ended. */
static void client__collect(client *self)
{
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(self->multi, &left)) != NULL;) {
        char *ended = NULL;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &ended) == CURLE_OK) {
            download__end((download *)(void *)ended, self, message->data.result);
        }
    }
}

/* What is left then has failed. */
static void client__give_up(client *self, const char *why)
{
    (void)fprintf(stderr, "curl_download: %s\n", why);
    (void)iocp_loop_stop(self->loop);
}

static void client__act(client *self, curl_socket_t socket, int events)
{
    int running = 0;
    CURLMcode code = curl_multi_socket_action(self->multi, socket, events, &running);
    client__collect(self);
    if (code != CURLM_OK) {
        client__give_up(self, curl_multi_strerror(code));
    }
}

/* ---- Sockets ---- */

static int curl_events(uint32_t events)
{
    return ((events & (IOCP_POLL_READ | IOCP_POLL_HANGUP)) != 0 ? CURL_CSELECT_IN : 0) |
           ((events & IOCP_POLL_WRITE) != 0 ? CURL_CSELECT_OUT : 0) |
           ((events & IOCP_POLL_ERROR) != 0 ? CURL_CSELECT_ERR : 0);
}

static uint32_t poll_events(int what)
{
    return ((what & CURL_POLL_IN) != 0 ? (uint32_t)IOCP_POLL_READ : 0) |
           ((what & CURL_POLL_OUT) != 0 ? (uint32_t)IOCP_POLL_WRITE : 0);
}

static void watch__tell(const watch *self, const iocp_result_t *result)
{
    if (result->status == IOCP_OK) {
        client__act(self->client, self->socket, curl_events(result->event));
    } else {
        client__give_up(self->client, iocp_error_text(result->status));
    }
}

static iocp_action_t IOCP_CALL on_ready(iocp_loop_t *loop, const iocp_result_t *result,
                                        void *userdata)
{
    watch *self = userdata;
    if (!self->is_over) {
        watch__tell(self, result);
    }
    if (self->is_over) { /* before, or by what curl has just done */
        free(self);
        return IOCP_DISARM;
    }
    (void)iocp_poll_set(loop, self->poll, self->events);
    return IOCP_REARM;
}

static watch *watch__new(client *self, curl_socket_t socket)
{
    watch *one = calloc(1, sizeof *one);
    if (one == NULL) {
        return NULL;
    }
    *one = (watch){.client = self, .socket = socket};
    if (iocp_poll(self->loop, socket, 0, on_ready, one, &one->poll) != IOCP_OK) {
        free(one);
        return NULL;
    }
    (void)curl_multi_assign(self->multi, socket, one);
    return one;
}

/* curl wants to know something else of a socket, or nothing, for it closes it. Also called in the middle
   of curl_multi_socket_action. */
static int on_socket(CURL *easy, curl_socket_t socket, int what, void *userdata, void *assigned)
{
    client *self = userdata;
    watch *one = assigned;
    (void)easy;
    if (one == NULL && what != CURL_POLL_REMOVE) {
        one = watch__new(self, socket);
    }
    if (one == NULL) {
        return what == CURL_POLL_REMOVE ? 0 : -1;
    }
    one->events = poll_events(what);
    one->is_over = what == CURL_POLL_REMOVE;
    int status = one->is_over ? iocp_cancel(self->loop, one->poll, NULL, NULL, NULL)
                              : iocp_poll_set(self->loop, one->poll, one->events);
    return status == IOCP_OK || status == IOCP_EBUSY ? 0 : -1;
}

/* ---- Time ---- */

/* By CURL_SOCKET_TIMEOUT curl says anew when it wants to be called next, if it wants to. */
static iocp_action_t IOCP_CALL on_time(iocp_loop_t *loop, const iocp_result_t *result,
                                       void *userdata)
{
    client *self = userdata;
    if (result->status != IOCP_OK) {
        return IOCP_DISARM;
    }
    (void)iocp_timer_reset(loop, self->timer, UINT64_MAX);
    client__act(self, CURL_SOCKET_TIMEOUT, 0);
    return IOCP_REARM;
}

static int on_timer(CURLM *multi, long delay_ms, void *userdata)
{
    const client *self = userdata;
    (void)multi;
    uint64_t delay_ns = delay_ms < 0 ? UINT64_MAX : (uint64_t)delay_ms * MS;
    int status = iocp_timer_reset(self->loop, self->timer, delay_ns);
    return status == IOCP_OK || status == IOCP_EBUSY ? 0 : -1;
}

/* ---- The whole ---- */

static bool client__open(client *self)
{
    *self = (client){.multi = curl_multi_init()};
    return self->multi != NULL && iocp_loop_create(NULL, &self->loop) == IOCP_OK &&
           iocp_timer(self->loop, UINT64_MAX, on_time, self, &self->timer) == IOCP_OK &&
           curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self) == CURLM_OK &&
           curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self) == CURLM_OK;
}

static void client__run(client *self, download *downloads, int count, const char *folder)
{
    for (int i = 0; i < count; i++) {
        download__begin(&downloads[i], self, folder, i + 1);
    }
    int status = iocp_loop_run(self->loop, IOCP_RUN_UNTIL_DONE);
    if (status != IOCP_OK) {
        client__give_up(self, iocp_error_text(status));
    }
    for (int i = 0; i < count; i++) {
        if (downloads[i].easy != NULL) {
            download__end(&downloads[i], self, CURLE_ABORTED_BY_CALLBACK);
        }
    }
}

int main(int argc, char **argv)
{
    client self;
    int count = argc - 2;
    if (count < 1) {
        (void)fprintf(stderr, "usage: curl_download FOLDER URL...\n");
        return 2;
    }
    download *downloads = calloc((size_t)count, sizeof *downloads);
    if (downloads == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        !client__open(&self)) {
        (void)fprintf(stderr, "curl_download: no loop\n");
        return count;
    }
    for (int i = 0; i < count; i++) {
        downloads[i].url = argv[i + 2];
    }
    client__run(&self, downloads, count, argv[1]);
    (void)iocp_loop_destroy(self.loop, UINT64_MAX); /* the last callbacks: before curl goes */
    (void)curl_multi_cleanup(self.multi);
    curl_global_cleanup();
    free(downloads);
    return self.failures;
}
