/*
 * Copies a file.
 *
 *   file_copy [--flush] FROM TO
 *
 * BLOCKS blocks are on their way at once, each with one operation at a time: read -> write to the
 * same place -> read what nobody has read yet. The run ends when no block has anything left to do.
 *
 * Both files are opened on the thread pool, which tells what they are. TO gets its full size first: a
 * disk that is too small shows at once, and no write has to extend the file, for which Windows would keep
 * the loop waiting. A copy that fails half way is left empty.
 */
#include <iocploop.h>

#include <windows.h>
#include <shellapi.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BLOCKS      8
#define BLOCK_BYTES ((size_t)1 << 20)
#define BAR         "########################################" /* 40 */

typedef struct block {
    struct copy *copy;
    uint64_t offset;
    size_t size;
    unsigned char data[BLOCK_BYTES];
} block;

typedef struct copy {
    const char *names[2]; /* FROM, TO */
    iocp_file_info_t source;
    iocp_handle_t from;
    iocp_handle_t to;
    uint64_t size; /* of FROM, or where its end turned out to be */
    uint64_t next; /* what is before it was read, or is being read */
    uint64_t written;
    bool has_bar; /* there is a terminal */
    int percent;  /* that the bar shows; -1 before it is drawn */
    bool has_failed;
    block blocks[BLOCKS];
} copy;

static bool copy__check(copy *self, int status, const char *what)
{
    if (status != IOCP_OK && !self->has_failed) { /* the first error explains all others */
        fprintf(stderr, "%s%s: %s (%s)\n", self->has_bar ? "\n" : "", what, iocp_error_text(status),
                iocp_error_name(status));
        self->has_failed = true;
    }
    return status == IOCP_OK;
}

/* Once for each percent, so at most 101 times. */
static void copy__draw_bar(copy *self)
{
    double share = self->size > 0 ? (double)self->written / (double)self->size : 1;
    int percent = (int)(share * 100);
    if (self->has_bar && !self->has_failed && percent != self->percent) {
        self->percent = percent;
        printf("\r[%-40.*s] %3d %%", (int)(share * 40), BAR, percent);
        fflush(stdout);
    }
}

/* ---- Blocks ---- */

static void block__read(iocp_loop_t *loop, block *self);

/* Also what was written is on the disk; then nothing is left to read. */
static iocp_action_t IOCP_CALL on_written(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    block *self = arg;
    if (copy__check(self->copy, result->status, "write")) {
        self->copy->written += result->bytes;
        copy__draw_bar(self->copy);
        block__read(loop, self);
    }
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_read(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    block *self = arg;
    copy *copy = self->copy;
    uint64_t end = self->offset + result->bytes;
    if (result->bytes < self->size && end < copy->size) {
        copy->size = copy->next = end; /* FROM ends early: somebody has cut it off */
    }
    if (result->status != IOCP_EOF && copy__check(copy, result->status, "read")) {
        int status = iocp_pwrite(loop, copy->to, self->data, (size_t)result->bytes, self->offset,
                                 on_written, self, NULL);
        copy__check(copy, status, "iocp_pwrite");
    }
    return IOCP_DISARM;
}

static void block__read(iocp_loop_t *loop, block *self)
{
    copy *copy = self->copy;
    if (!copy->has_failed && copy->next < copy->size) {
        uint64_t left = copy->size - copy->next;
        self->offset = copy->next;
        self->size = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        copy->next += self->size;
        int status =
            iocp_pread(loop, copy->from, self->data, self->size, self->offset, on_read, self, NULL);
        copy__check(copy, status, "iocp_pread");
    }
}

/* ---- The copy ---- */

static bool is_same_file(const iocp_file_info_t *one, const iocp_file_info_t *other)
{
    return one->volume != 0 && one->volume == other->volume && one->file == other->file &&
           one->file_high == other->file_high;
}

static iocp_action_t IOCP_CALL on_target(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    copy *self = arg;
    (void)loop;
    if (copy__check(self, result->status, self->names[1]) &&
        is_same_file(&self->source, result->info)) {
        fprintf(stderr, "%s: the same file as %s\n", self->names[1], self->names[0]);
        self->has_failed = true;
    }
    self->to = result->opened;
    return IOCP_DISARM;
}

static iocp_action_t IOCP_CALL on_source(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    copy *self = arg;
    if (copy__check(self, result->status, self->names[0])) {
        self->from = result->opened;
        self->source = *result->info;
        self->size = result->info->size;
        copy__check(self,
                    iocp_open(loop, self->names[1], IOCP_FILE_WRITE | IOCP_FILE_CREATE, on_target,
                              self, NULL),
                    self->names[1]);
    }
    return IOCP_DISARM;
}

/* The one behind the other: what is not there is no reason to make the other. */
static bool copy__open(copy *self, iocp_loop_t *loop)
{
    return copy__check(self,
                       iocp_open(loop, self->names[0], IOCP_FILE_READ | IOCP_FILE_SEQUENTIAL,
                                 on_source, self, NULL),
                       self->names[0]) &&
           copy__check(self, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run") &&
           !self->has_failed &&
           copy__check(self, iocp_file_set_size(loop, self->to, self->size), self->names[1]);
}

static void copy__run(copy *self, iocp_loop_t *loop, bool flushes)
{
    DWORD mode;
    self->has_bar = GetConsoleMode(GetStdHandle(STD_OUTPUT_HANDLE), &mode) != 0;
    self->percent = -1;
    copy__draw_bar(self);
    for (int i = 0; i < BLOCKS; i++) {
        self->blocks[i].copy = self;
        block__read(loop, &self->blocks[i]);
    }
    copy__check(self, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run");
    copy__draw_bar(self); /* full also when FROM turned out to be shorter */
    uint64_t size = self->has_failed ? 0 : self->size;
    copy__check(self, iocp_file_set_size(loop, self->to, size), "iocp_file_set_size");
    if (flushes && !self->has_failed) {
        int status = iocp_file_flush(loop, self->to, on_written, &self->blocks[0], NULL);
        copy__check(self, status, "iocp_file_flush");
        copy__check(self, iocp_loop_run(loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run");
    }
}

int main(void)
{
    static copy self;
    static char paths[2][3 * 32768]; /* no path of Windows is longer */
    iocp_loop_t *loop = NULL;
    int count = 0;
    /* The arguments of main are in the system's code page, which does not have all names. */
    wchar_t **words = CommandLineToArgvW(GetCommandLineW(), &count);
    bool flushes = count == 4 && wcscmp(words[1], L"--flush") == 0;
    if (words == NULL || count != (flushes ? 4 : 3)) {
        fputs("usage: file_copy [--flush] FROM TO\n", stderr);
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        WideCharToMultiByte(CP_UTF8, 0, words[count - 2 + i], -1, paths[i], sizeof paths[i], NULL,
                            NULL);
        self.names[i] = paths[i];
    }
    SetConsoleOutputCP(CP_UTF8);
    if (!copy__check(&self, iocp_loop_create(NULL, &loop), "iocp_loop_create")) {
        return 1;
    }
    uint64_t start_ns = iocp_loop_now(loop);
    if (copy__open(&self, loop)) {
        copy__run(&self, loop, flushes);
    }
    iocp_loop_update_now(loop);
    double seconds = (double)(iocp_loop_now(loop) - start_ns) / 1e9;
    copy__check(&self, iocp_loop_destroy(loop, UINT64_MAX), "iocp_loop_destroy");
    if (!self.has_failed) {
        printf("%s%llu bytes in %.2f s, %.1f MiB/s\n", self.has_bar ? "\n" : "",
               (unsigned long long)self.size, seconds, (double)self.size / seconds / 1048576);
    }
    return self.has_failed ? 1 : 0;
}
