/*
 * A program for the checks of the examples that run programs: what it does is up to its arguments.
 * It knows nothing of iocploop; it is built for Windows.
 *
 *   stage make BYTES [FILE]   writes so many bytes, tells their sum, then creates the file
 *   stage pass                reads, and writes what it has read
 *   stage sum [FILE]          reads all, and tells how many bytes there were, and their sum; with a
 *                             file it begins late, and fails if that is there by then
 *   stage head BYTES          reads so many, and ends
 *   stage linger [EVENT]      says so, sets the event, and does nothing, for a minute; or ends with
 *                             6, a second after Ctrl-C
 *   stage leave               has another one linger, and ends with 5 when that has said so
 *
 * It ends with 3 if nobody reads what it writes, with 4 if the file was there early.
 */
#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 8192
#define SUM_OF_NONE 2166136261
#define LATE_MS     2000
#define LINGER_MS   60000
#define GRACE_MS    1000
#define EXIT_TOLD   6
#define EXIT_LEFT   5
#define EXIT_NOBODY 3
#define EXIT_EARLY  4

static char piece[PIECE_BYTES];

static void put(size_t bytes)
{
    if (fwrite(piece, 1, bytes, stdout) != bytes || fflush(stdout) != 0) {
        exit(EXIT_NOBODY);
    }
}

static HANDLE open_event(const char *name)
{
    return CreateEventA(NULL, TRUE, FALSE, name);
}

/* Of the bytes and of their order (FNV-1a). */
static uint32_t add(uint32_t sum, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        sum = (sum ^ (unsigned char)piece[i]) * 16777619;
    }
    return sum;
}

static int make(size_t bytes, const char *path)
{
    uint32_t state = 1;
    uint32_t sum = SUM_OF_NONE;
    while (bytes > 0) {
        size_t count = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
        for (size_t i = 0; i < count; i++) {
            state = state * 1103515245 + 12345;
            piece[i] = (char)(state >> 24);
        }
        sum = add(sum, count);
        put(count);
        bytes -= count;
    }
    fprintf(stderr, "made, sum %08lx\n", (unsigned long)sum);
    return path == NULL || fopen(path, "w") != NULL ? 0 : 1;
}

static int pass(void)
{
    size_t bytes;
    while ((bytes = fread(piece, 1, PIECE_BYTES, stdin)) > 0) {
        put(bytes);
    }
    return 0;
}

static int sum_all(const char *path)
{
    uint64_t all = 0;
    uint32_t sum = SUM_OF_NONE;
    size_t bytes;
    if (path != NULL) {
        Sleep(LATE_MS);
        if (_access(path, 0) == 0) {
            return EXIT_EARLY;
        }
    }
    while ((bytes = fread(piece, 1, PIECE_BYTES, stdin)) > 0) {
        all += bytes;
        sum = add(sum, bytes);
    }
    printf("%llu bytes, sum %08lx\n", (unsigned long long)all, (unsigned long)sum);
    return 0;
}

static int head(size_t bytes)
{
    while (bytes > 0) {
        size_t count = fread(piece, 1, bytes < PIECE_BYTES ? bytes : PIECE_BYTES, stdin);
        if (count == 0) {
            return 1;
        }
        bytes -= count;
    }
    return 0;
}

static BOOL WINAPI end_late(DWORD what)
{
    (void)what;
    Sleep(GRACE_MS);
    ExitProcess(EXIT_TOLD);
}

static int linger(const char *event)
{
    SetConsoleCtrlHandler(end_late, TRUE);
    puts("lingers");
    fflush(stdout);
    if (event != NULL) {
        SetEvent(open_event(event));
    }
    Sleep(LINGER_MS);
    return 0;
}

static int leave(void)
{
    char program[MAX_PATH];
    char line[64];
    char name[32];
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child;
    GetModuleFileNameA(NULL, program, MAX_PATH);
    snprintf(name, sizeof name, "stage-%lu", GetCurrentProcessId());
    snprintf(line, sizeof line, "stage linger %s", name);
    HANDLE event = open_event(name);
    if (!CreateProcessA(program, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child)) {
        return 1;
    }
    WaitForSingleObject(event, INFINITE);
    return EXIT_LEFT;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const char *first = argc > 2 ? argv[2] : NULL;
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
    if (strcmp(what, "make") == 0 && first != NULL) {
        return make((size_t)atol(first), argc > 3 ? argv[3] : NULL);
    }
    if (strcmp(what, "pass") == 0) {
        return pass();
    }
    if (strcmp(what, "sum") == 0) {
        return sum_all(first);
    }
    if (strcmp(what, "head") == 0 && first != NULL) {
        return head((size_t)atol(first));
    }
    if (strcmp(what, "linger") == 0) {
        return linger(first);
    }
    return strcmp(what, "leave") == 0 ? leave() : 2;
}
