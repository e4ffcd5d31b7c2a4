/*
 * Standard streams on Windows: real pipes, files and devices of each kind, and a console that a double
 * of its calls is. What holds for all of them on every system is in contract/test_stdio.c.
 */
#include "unit.h"

#include "win32/sys.h"

#include "contract_object.h"
#include "win_faults.h"
#include "win_files.h"
#include "win_leaks.h"
#include "win_loop.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define PIPE_BYTES 4096
#define TYPED_MOST 8192
#define SHOWN_MOST 16384
#define TRIES_MOST 10000

/* What an interrupted ReadConsoleW answers: Windows says success, and nothing of the count. */
typedef enum answer {
    ANSWER_SUCCESS,
    ANSWER_FAILURE
} answer;

static struct {
    char folder[1024];
    HANDLE before[3];
    HANDLE natives[3]; /* the streams, closed behind the test; NULL: none */
    HANDLE other;      /* the end of a pipe that the test has */
    iocp_handle_t in;
    iocp_handle_t out;
    DWORD loop_thread;
    ioc_atomic_u32 asked_here; /* questions on the loop thread */
    ioc_atomic_u32 asked_elsewhere;
    HANDLE may_answer;  /* questions wait for it, unless NULL */
    HANDLE asking;      /* set when one does */
    HANDLE may_call;    /* ReadFile waits for it before it begins, unless NULL */
    HANDLE missed;      /* set when a request to end a call has found none */
    bool reads_nothing; /* ReadFile succeeds without a byte */
    bool holds_work;    /* what is submitted to the pool stays here */
    PTP_WORK held;
    UCHAR modes; /* that were set, of any handle */
} now;

/* The console, which its own lock guards: what was typed, and what is to be seen. */
static struct {
    SRWLOCK lock;
    CONDITION_VARIABLE changed;
    bool is_there; /* in the null device's place */
    wchar_t typed[TYPED_MOST];
    size_t typed_count;
    size_t most; /* of what is typed, told at once; 0: as much as there is room for */
    bool is_interrupted;
    bool is_deaf;        /* does not let go of a call that is to end */
    int interrupts_left; /* to be told, as by Ctrl-C */
    answer how;
    uint32_t error;  /* of the next calls */
    bool is_reading; /* somebody is in ReadConsoleW */
    int reads;
    wchar_t shown[SHOWN_MOST];
    size_t shown_count;
    size_t shown_most; /* shown at once; 0: all */
    bool shows_nothing;
    int writes;
    bool is_stuck;   /* a write waits until it is to end */
    bool is_writing; /* and is in it */
} console;

/* ---- Doubles ---- */

static void stdio__note_question(void)
{
    bool is_here = GetCurrentThreadId() == now.loop_thread;
    ioc_add_u32(is_here ? &now.asked_here : &now.asked_elsewhere, 1);
    if (now.may_answer != NULL && !is_here) {
        (void)SetEvent(now.asking);
        (void)WaitForSingleObject(now.may_answer, INFINITE);
    }
}

static DWORD WINAPI spy__file_type(HANDLE file)
{
    stdio__note_question();
    return win_faults_table()->GetFileType(file);
}

static BOOL WINAPI spy__console_mode(HANDLE file, DWORD *mode)
{
    stdio__note_question();
    *mode = ENABLE_LINE_INPUT;
    return console.is_there || win_faults_table()->GetConsoleMode(file, mode);
}

static BOOL WINAPI spy__set_modes(HANDLE file, UCHAR modes)
{
    now.modes |= modes;
    return win_faults_table()->SetFileCompletionNotificationModes(file, modes);
}

static void WINAPI spy__submit(PTP_WORK work)
{
    if (now.holds_work) {
        now.held = work;
    } else {
        win_faults_table()->SubmitThreadpoolWork(work);
    }
}

static BOOL WINAPI spy__read_file(HANDLE file, void *data, DWORD size, DWORD *bytes,
                                  OVERLAPPED *overlapped)
{
    if (now.may_call != NULL) {
        (void)WaitForSingleObject(now.may_call, INFINITE);
    }
    if (now.reads_nothing) {
        *bytes = 0;
        return TRUE;
    }
    return win_faults_table()->ReadFile(file, data, size, bytes, overlapped);
}

/* Under the lock. */
static DWORD console__take(wchar_t *units, DWORD room)
{
    size_t count = console.typed_count < room ? console.typed_count : room;
    if (console.most != 0 && count > console.most) {
        count = console.most;
    }
    wmemcpy(units, console.typed, count);
    console.typed_count -= count;
    wmemmove(console.typed, console.typed + count, console.typed_count);
    return (DWORD)count;
}

static BOOL console__interrupted(void)
{
    console.is_interrupted = false;
    SetLastError(ERROR_OPERATION_ABORTED);
    return console.how == ANSWER_SUCCESS;
}

static BOOL console__fail(uint32_t error)
{
    SetLastError(error);
    return FALSE;
}

static BOOL WINAPI console__read(HANDLE handle, void *units, DWORD room, DWORD *count,
                                 void *control)
{
    (void)control;
    if (!console.is_there) {
        return win_faults_table()->ReadConsoleW(handle, units, room, count, control);
    }
    AcquireSRWLockExclusive(&console.lock);
    console.reads++;
    console.is_reading = true;
    WakeAllConditionVariable(&console.changed);
    while (console.typed_count == 0 && !console.is_interrupted && console.interrupts_left == 0 &&
           console.error == 0) {
        (void)SleepConditionVariableSRW(&console.changed, &console.lock, INFINITE, 0);
    }
    console.is_reading = false;
    BOOL is_done = TRUE;
    if (console.error != 0) {
        is_done = console__fail(console.error);
    } else if (console.is_interrupted) {
        is_done = console__interrupted();
    } else if (console.interrupts_left > 0) {
        console.interrupts_left--;
        *count = 0;
        SetLastError(ERROR_OPERATION_ABORTED);
    } else {
        *count = console__take(units, room);
    }
    ReleaseSRWLockExclusive(&console.lock);
    return is_done;
}

static BOOL WINAPI console__write(HANDLE handle, const void *units, DWORD count, DWORD *written,
                                  void *reserved)
{
    if (!console.is_there) {
        return win_faults_table()->WriteConsoleW(handle, units, count, written, reserved);
    }
    AcquireSRWLockExclusive(&console.lock);
    console.writes++;
    console.is_writing = console.is_stuck;
    WakeAllConditionVariable(&console.changed);
    while (console.is_stuck && !console.is_interrupted) {
        (void)SleepConditionVariableSRW(&console.changed, &console.lock, INFINITE, 0);
    }
    console.is_writing = false;
    BOOL is_done = TRUE;
    if (console.is_interrupted) {
        console.is_interrupted = false;
        is_done = console__fail(ERROR_OPERATION_ABORTED);
    } else if (console.error != 0) {
        is_done = console__fail(console.error);
    } else {
        size_t shown =
            console.shown_most != 0 && count > console.shown_most ? console.shown_most : count;
        shown = console.shows_nothing ? 0 : shown;
        assert_true(console.shown_count + shown <= SHOWN_MOST);
        wmemcpy(console.shown + console.shown_count, units, shown);
        console.shown_count += shown;
        *written = (DWORD)shown;
    }
    ReleaseSRWLockExclusive(&console.lock);
    return is_done;
}

/* The console's call ends if somebody is in it; others are the system's. */
static BOOL WINAPI spy__cancel_synchronous(HANDLE thread)
{
    if (!console.is_there) {
        BOOL is_found = win_faults_table()->CancelSynchronousIo(thread);
        if (!is_found && now.missed != NULL) {
            (void)SetEvent(now.missed);
        }
        return is_found;
    }
    AcquireSRWLockExclusive(&console.lock);
    bool is_found = (console.is_reading || console.is_writing) && !console.is_deaf;
    console.is_interrupted = console.is_interrupted || is_found;
    WakeAllConditionVariable(&console.changed);
    ReleaseSRWLockExclusive(&console.lock);
    return is_found ? TRUE : console__fail(ERROR_NOT_FOUND);
}

static void console__type(const wchar_t *units)
{
    AcquireSRWLockExclusive(&console.lock);
    size_t count = wcslen(units);
    assert_true(console.typed_count + count <= TYPED_MOST);
    wmemcpy(console.typed + console.typed_count, units, count);
    console.typed_count += count;
    WakeAllConditionVariable(&console.changed);
    ReleaseSRWLockExclusive(&console.lock);
}

/* Until somebody is in ReadConsoleW, or in a WriteConsoleW that is stuck, for the n-th time. */
static void console__await(const int *calls, int n)
{
    AcquireSRWLockExclusive(&console.lock);
    while (*calls < n || !(console.is_reading || console.is_writing)) {
        (void)SleepConditionVariableSRW(&console.changed, &console.lock, INFINITE, 0);
    }
    ReleaseSRWLockExclusive(&console.lock);
}

static void console__set(bool *what, bool value)
{
    AcquireSRWLockExclusive(&console.lock);
    *what = value;
    WakeAllConditionVariable(&console.changed);
    ReleaseSRWLockExclusive(&console.lock);
}

/* ---- The environment ---- */

static const DWORD stream_names[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};

static void stdio__create_loop_with(iocp_loop_options_t options)
{
    options.sleep_method = IOCP_SLEEP_PORT;
    win_open_with(options);
}

static void stdio__create_loop(iocp_completion_mode_t mode)
{
    stdio__create_loop_with((iocp_loop_options_t){.completion_mode = (uint32_t)mode});
}

static void stdio__use_doubles(void)
{
    win.sys.GetFileType = spy__file_type;
    win.sys.GetConsoleMode = spy__console_mode;
    win.sys.SetFileCompletionNotificationModes = spy__set_modes;
    win.sys.SubmitThreadpoolWork = spy__submit;
    win.sys.ReadFile = spy__read_file;
    win.sys.ReadConsoleW = console__read;
    win.sys.WriteConsoleW = console__write;
    win.sys.CancelSynchronousIo = spy__cancel_synchronous;
}

static int stdio__setup(void **state)
{
    (void)state;
    memset(&now, 0, sizeof now);
    memset(&console, 0, sizeof console);
    InitializeSRWLock(&console.lock);
    InitializeConditionVariable(&console.changed);
    win_begin();
    assert_true(win_folder_create_fresh(now.folder, sizeof now.folder));
    now.loop_thread = GetCurrentThreadId();
    for (int i = 0; i < 3; i++) {
        now.before[i] = GetStdHandle(stream_names[i]);
    }
    stdio__use_doubles();
    stdio__create_loop(IOCP_COMPLETION_AUTO);
    return 0;
}

static void stdio__close(HANDLE *handle)
{
    if (*handle != NULL) {
        assert_true(CloseHandle(*handle));
        *handle = NULL;
    }
}

static int stdio__teardown(void **state)
{
    console__set(&console.is_deaf, false);
    HANDLE *events[] = {&now.may_answer, &now.asking, &now.may_call, &now.missed};
    for (size_t i = 0; i < IOC_COUNT_OF(events); i++) {
        if (*events[i] != NULL) {
            (void)SetEvent(*events[i]);
        }
    }
    win_close();
    for (int i = 0; i < 3; i++) {
        assert_true(SetStdHandle(stream_names[i], now.before[i]));
        stdio__close(&now.natives[i]);
    }
    stdio__close(&now.other);
    for (size_t i = 0; i < IOC_COUNT_OF(events); i++) {
        stdio__close(events[i]);
    }
    (void)win_end(state);
    assert_true(win_folder_remove(now.folder));
    return 0;
}

/* ---- Steps ---- */

static void stdio__expect(const contract_record *kept, int status, uint64_t bytes)
{
    win_wait(kept, 1);
    assert_int_equal(kept->calls, 1);
    assert_string_equal(iocp_error_name(kept->result.status), iocp_error_name(status));
    assert_int_equal(kept->result.bytes, bytes);
}

/* A native handle, which is the test's, becomes a stream; and that is opened. */
static iocp_handle_t stdio__open(iocp_stdio_t which, HANDLE native)
{
    iocp_handle_t handle = {0};
    assert_true(native != NULL && native != INVALID_HANDLE_VALUE);
    now.natives[which] = native;
    assert_true(SetStdHandle(stream_names[which], native));
    assert_int_equal(iocp_stdio_open(win.loop, which, &handle), IOCP_OK);
    return handle;
}

static HANDLE stdio__device(const wchar_t *name)
{
    return CreateFileW(name, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                       OPEN_EXISTING, 0, NULL);
}

/* Standard input or output is one end of a pipe, the test has the other, which does not block. */
static void stdio__open_pipe(iocp_stdio_t which, bool is_overlapped, bool is_for_messages)
{
    HANDLE ends[2];
    assert_true(win_pipe_create(ends, is_overlapped, is_for_messages, PIPE_BYTES));
    now.other = ends[1];
    iocp_handle_t handle = stdio__open(which, ends[0]);
    *(which == IOCP_STDIN ? &now.in : &now.out) = handle;
}

static void stdio__open_console(void)
{
    console.is_there = true;
    now.in = stdio__open(IOCP_STDIN, stdio__device(L"NUL"));
    now.out = stdio__open(IOCP_STDOUT, stdio__device(L"NUL"));
}

static iocp_op_t stdio__read(void *data, size_t size, contract_record *read)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_read(win.loop, now.in, data, size, contract_keep, read, &op), IOCP_OK);
    return op;
}

static iocp_op_t stdio__write(const void *data, size_t size, contract_record *written)
{
    iocp_op_t op = {0};
    assert_int_equal(iocp_write(win.loop, now.out, data, size, contract_keep, written, &op),
                     IOCP_OK);
    return op;
}

static void stdio__submit(void)
{
    assert_int_equal(iocp_loop_submit(win.loop), IOCP_OK);
}

static void stdio__cancel(iocp_op_t op)
{
    assert_int_equal(iocp_cancel(win.loop, op, NULL, NULL, NULL), IOCP_OK);
}

static void stdio__expect_read(const char *text)
{
    char data[4096] = {0};
    contract_record read = {0};
    stdio__read(data, sizeof data - 1, &read);
    stdio__expect(&read, IOCP_OK, strlen(text));
    assert_string_equal(data, text);
}

static void stdio__expect_end(void)
{
    char byte;
    contract_record read = {0};
    stdio__read(&byte, 1, &read);
    stdio__expect(&read, IOCP_EOF, 0);
}

static void stdio__expect_written(const char *text)
{
    contract_record written = {0};
    stdio__write(text, strlen(text), &written);
    stdio__expect(&written, IOCP_OK, strlen(text));
}

static void other__write(const char *text)
{
    DWORD bytes = 0;
    assert_true(WriteFile(now.other, text, (DWORD)strlen(text), &bytes, NULL));
    assert_int_equal(bytes, strlen(text));
}

static void stdio__close_stream(iocp_handle_t handle)
{
    contract_record closed = {0};
    assert_int_equal(iocp_close(win.loop, handle, contract_keep, &closed, NULL), IOCP_OK);
    stdio__expect(&closed, IOCP_OK, 0);
}

/* ---- The console is read ---- */

static void a_line_of_the_console_is_read_as_utf8(void **state)
{
    (void)state;
    stdio__open_console();
    console__type(L"a\u00e4\u20ac\xd83d\xde00\r\n");
    stdio__expect_read("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\r\n");
    assert_int_equal(console.reads, 1);
}

/* Whatever room the reads have: nothing is lost, and nothing is asked of the console again. */
static void a_line_is_read_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z\r\n";
    stdio__open_console();
    for (size_t room = 1; room <= sizeof text; room++) {
        char data[sizeof text] = {0};
        console__type(L"a\u00e4\u20ac\xd83d\xde00z\r\n");
        for (size_t count = 0; count < sizeof text - 1;) {
            contract_record read = {0};
            size_t left = sizeof text - 1 - count;
            stdio__read(data + count, room < left ? room : left, &read);
            win_wait(&read, 1);
            assert_int_equal(read.result.status, IOCP_OK);
            assert_in_range(read.result.bytes, 1, room);
            count += (size_t)read.result.bytes;
        }
        assert_string_equal(data, text);
        assert_int_equal(console.reads, room);
    }
}

/* In each way in which a completion may come back. */
static void the_rest_of_a_line_is_there_at_once(void **state)
{
    (void)state;
    static const iocp_completion_mode_t modes[] = {IOCP_COMPLETION_AUTO, IOCP_COMPLETION_PACKET};
    for (size_t i = 0; i < IOC_COUNT_OF(modes); i++) {
        contract_record read = {.rearms = 2};
        char byte;
        win_loop_destroy(&win.loop);
        stdio__close(&now.natives[0]);
        stdio__close(&now.natives[1]);
        stdio__create_loop(modes[i]);
        stdio__open_console();
        console__type(L"abc");
        stdio__read(&byte, 1, &read);
        while (read.calls < 3) {
            assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_ONCE), IOCP_OK);
        }
        assert_int_equal(byte, 'c');
        assert_int_equal((read.result.flags & IOCP_RESULT_INLINE) != 0, i == 0);
        assert_int_equal(console.reads, i + 1);
    }
}

static void a_pair_that_the_console_tells_in_halves_is_one_character(void **state)
{
    (void)state;
    stdio__open_console();
    console.most = 1;
    console__type(L"\xd83d\xde00x");
    stdio__expect_read("\xf0\x9f\x98\x80");
    stdio__expect_read("x");
}

/* Also if the half is what is left of a line when there is no more room. */
static void a_read_never_ends_well_with_half_a_character(void **state)
{
    (void)state;
    char byte[4] = {0};
    contract_record reads[2] = {{0}};
    stdio__open_console();
    console.most = 2;
    console__type(L"x\xd83d\xde00y");
    stdio__read(&byte[0], 1, &reads[0]);
    stdio__expect(&reads[0], IOCP_OK, 1);
    assert_int_equal(byte[0], 'x');
    stdio__expect_read("\xf0\x9f\x98\x80y");
}

static void half_a_pair_alone_is_read_as_a_replacement(void **state)
{
    (void)state;
    stdio__open_console();
    console__type(L"\xde00"
                  L"a\xd83d"
                  L"b\xd83d\xd83d\xde00\n");
    stdio__expect_read("\xef\xbf\xbd"
                       "a\xef\xbf\xbd"
                       "b\xef\xbf\xbd\xf0\x9f\x98\x80\n");
    console.most = 1;
    console__type(L"\xd83d\xd83d"
                  L"c");
    stdio__expect_read("\xef\xbf\xbd"); /* of the first half: the second one waits */
    stdio__expect_read("\xef\xbf\xbd"
                       "c");
}

static void ctrl_z_at_the_beginning_of_a_line_is_the_end(void **state)
{
    (void)state;
    stdio__open_console();
    console__type(L"\x1a\r\n");
    stdio__expect_end();
    console__type(L"a\x1a\r\n"); /* not at the beginning */
    stdio__expect_read("a\x1a\r\n");
    console__type(L"\x1a"
                  L"and more\r\n");
    stdio__expect_end();
    console__type(L"b\r\n"); /* a console goes on behind its end */
    stdio__expect_read("b\r\n");
}

/* The console tells a line in two parts: the second part does not begin a line. */
static void ctrl_z_within_a_long_line_is_a_character(void **state)
{
    (void)state;
    stdio__open_console();
    console.most = 2;
    console__type(L"ab\x1a\n");
    stdio__expect_read("ab");
    stdio__expect_read("\x1a\n");
    console__type(L"\x1a\n");
    stdio__expect_end();
}

static void ctrl_c_is_no_end(void **state)
{
    (void)state;
    contract_record read = {0};
    char data[8] = {0};
    stdio__open_console();
    console.interrupts_left = 2;
    stdio__read(data, sizeof data, &read);
    stdio__submit();
    console__await(&console.reads, 3);
    assert_int_equal(read.calls, 0);
    console__type(L"x");
    stdio__expect(&read, IOCP_OK, 1);
}

static void a_console_that_fails_says_why(void **state)
{
    (void)state;
    contract_record read = {0};
    contract_record written = {0};
    char byte;
    stdio__open_console();
    console.error = ERROR_INVALID_HANDLE;
    stdio__read(&byte, 1, &read);
    stdio__expect(&read, IOCP_EBADF, 0);
    assert_int_equal(read.result.native_error, ERROR_INVALID_HANDLE);
    stdio__write("x", 1, &written);
    stdio__expect(&written, IOCP_EBADF, 0);
    assert_int_equal(written.result.native_error, ERROR_INVALID_HANDLE);
    console.error = 0;
    console__type(L"x");
    stdio__expect_read("x");
}

/* ---- A console read that is cancelled ---- */

static void a_cancelled_read_of_a_console_ends_at_once_and_the_line_is_the_next_ones(void **state)
{
    (void)state;
    contract_record read = {0};
    char data[8] = ".......";
    stdio__open_console();
    console.is_deaf = true; /* a request to end the call would not help */
    for (int i = 0; i < 3; i++) {
        contract_record cancelled = {0};
        iocp_op_t op = stdio__read(data, sizeof data, &cancelled);
        stdio__submit();
        console__await(&console.reads, 1);
        stdio__cancel(op);
        stdio__expect(&cancelled, IOCP_ECANCELED, 0);
    }
    stdio__read(data, sizeof data, &read);
    stdio__submit();
    console__type(L"late\r\n");
    stdio__expect(&read, IOCP_OK, 6);
    assert_memory_equal(data, "late\r\n.", 7);
    assert_int_equal(console.reads, 1); /* it was asked once */
    assert_int_equal(win_faults_count_of(WIN_OPEN_THREAD) > 0, 1);
}

/* Until the thread has left what it was told. */
static void console__await_idle(void)
{
    AcquireSRWLockExclusive(&console.lock);
    while (console.is_reading || console.typed_count > 0) {
        (void)SleepConditionVariableSRW(&console.changed, &console.lock, 1, 0);
    }
    ReleaseSRWLockExclusive(&console.lock);
}

static void a_line_that_comes_while_nobody_reads_is_the_next_ones(void **state)
{
    (void)state;
    static const struct {
        const wchar_t *typed;
        const char *text; /* NULL: the end */
    } rows[] = {{L"late\r\n", "late\r\n"}, {L"\x1a\r\n", NULL}, {L"\u00e4\n", "\xc3\xa4\n"}};
    stdio__open_console();
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        contract_record cancelled = {0};
        char byte = '.';
        iocp_op_t op = stdio__read(&byte, 1, &cancelled);
        stdio__submit();
        console__await(&console.reads, (int)i + 1);
        stdio__cancel(op);
        stdio__expect(&cancelled, IOCP_ECANCELED, 0);
        console__type(rows[i].typed);
        console__await_idle();
        if (rows[i].text != NULL) {
            stdio__expect_read(rows[i].text);
        } else {
            stdio__expect_end();
        }
        assert_int_equal(byte, '.');
        assert_int_equal(console.reads, i + 1);
    }
}

static void a_deadline_ends_a_read_of_a_console(void **state)
{
    (void)state;
    contract_record read = {0};
    char byte;
    stdio__open_console();
    console.is_deaf = true;
    iocp_op_t op = stdio__read(&byte, 1, &read);
    assert_int_equal(iocp_op_deadline(win.loop, op, MS), IOCP_OK);
    stdio__expect(&read, IOCP_ETIMEDOUT, 0);
    console__await(&console.reads, 1);
    console.is_deaf = false;
}

/* Whatever ReadConsoleW says of it, and however long the thread takes to get there. */
static void the_thread_of_a_console_ends_with_the_close(void **state)
{
    (void)state;
    static const answer answers[] = {ANSWER_SUCCESS, ANSWER_FAILURE};
    stdio__open_console();
    for (size_t i = 0; i < IOC_COUNT_OF(answers); i++) {
        contract_record cancelled = {0};
        char byte;
        console.how = answers[i];
        iocp_op_t op = stdio__read(&byte, 1, &cancelled);
        stdio__submit();
        console__await(&console.reads, (int)i + 1);
        stdio__cancel(op);
        stdio__expect(&cancelled, IOCP_ECANCELED, 0);
        assert_true(console.is_reading);
        stdio__close_stream(now.in);
        assert_false(console.is_reading);
        stdio__close(&now.natives[0]);
        now.in = stdio__open(IOCP_STDIN, stdio__device(L"NUL"));
    }
}

static void a_close_ends_a_read_of_a_console_that_is_pending(void **state)
{
    (void)state;
    contract_record read = {0};
    contract_record closed = {0};
    char byte;
    stdio__open_console();
    stdio__read(&byte, 1, &read);
    stdio__submit();
    console__await(&console.reads, 1);
    assert_int_equal(iocp_close(win.loop, now.in, contract_keep, &closed, NULL), IOCP_OK);
    stdio__expect(&closed, IOCP_OK, 0);
    stdio__expect(&read, IOCP_ECANCELED, 0);
    assert_false(console.is_reading);
}

typedef struct survivors {
    int own; /* the library's */
    int others;
    iocp_dump_entry_t last;
} survivors;

static void IOCP_CALL survivors__count(const iocp_dump_entry_t *entry, void *userdata)
{
    survivors *s = userdata;
    s->own += entry->type == 0;
    s->others += entry->type != 0;
    s->last = *entry;
}

static survivors stdio__survivors(void)
{
    survivors s = {0};
    assert_int_equal(iocp_loop_dump(win.loop, survivors__count, &s), IOCP_OK);
    return s;
}

/* The loop asks its operations one by one: what ends the stream first, then the read. */
static void a_thread_that_comes_when_the_stream_ends_does_not_begin(void **state)
{
    (void)state;
    contract_record read = {0};
    contract_record closed = {0};
    char byte;
    win_loop_destroy(&win.loop);
    stdio__create_loop_with((iocp_loop_options_t){.batch = 1});
    stdio__open_console();
    console__type(L"x");
    now.holds_work = true;
    stdio__read(&byte, 1, &read);
    stdio__submit();
    assert_non_null(now.held);
    assert_int_equal(iocp_close(win.loop, now.in, contract_keep, &closed, NULL), IOCP_OK);
    stdio__submit();
    assert_int_equal(stdio__survivors().others, 2); /* the read, and the close */
    assert_int_equal(read.calls, 0);
    SubmitThreadpoolWork(now.held);
    WaitForThreadpoolWorkCallbacks(now.held, FALSE);
    assert_int_equal(console.reads, 0);
    stdio__expect(&closed, IOCP_OK, 0);
    stdio__expect(&read, IOCP_ECANCELED, 0);
}

/* A driver that does not let go of a call. */
static void destroy_says_in_time_that_a_thread_is_left(void **state)
{
    (void)state;
    contract_record read = {0};
    char byte;
    stdio__open_console();
    console.is_deaf = true;
    stdio__read(&byte, 1, &read);
    stdio__submit();
    console__await(&console.reads, 1);
    assert_int_equal(stdio__survivors().own, 0);
    assert_int_equal(iocp_loop_destroy(win.loop, 20 * MS), IOCP_ETIMEDOUT);
    stdio__expect(&read, IOCP_ECANCELED, 0);
    survivors left = stdio__survivors();
    assert_int_equal(left.own, 1);
    assert_int_equal(left.others, 0);
    assert_int_equal(left.last.handle.id, now.in.id);
    assert_string_equal(left.last.type_name, "stdio_end");
    assert_int_equal(left.last.in_kernel, 1);
    console__set(&console.is_deaf, false); /* it is asked again and again */
    win_loop_destroy(&win.loop);
    assert_false(console.is_reading);
}

/* ---- The console is written ---- */

static void assert_shown(const wchar_t *units)
{
    assert_int_equal(console.shown_count, wcslen(units));
    assert_int_equal(wmemcmp(console.shown, units, console.shown_count), 0);
    console.shown_count = 0;
}

static void utf8_is_written_to_a_console(void **state)
{
    (void)state;
    stdio__open_console();
    stdio__expect_written("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\r\n");
    assert_shown(L"a\u00e4\u20ac\xd83d\xde00\r\n");
    assert_int_equal(console.writes, 1);
}

static void a_character_that_is_written_in_pieces_is_shown_once(void **state)
{
    (void)state;
    static const char text[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    stdio__open_console();
    for (size_t i = 0; i < sizeof text - 1; i++) {
        contract_record written = {0};
        stdio__write(&text[i], 1, &written);
        stdio__expect(&written, IOCP_OK, 1);
    }
    assert_shown(L"\u00e4\u20ac\xd83d\xde00");
}

static void what_is_no_utf8_is_shown_as_a_replacement(void **state)
{
    (void)state;
    stdio__open_console();
    stdio__expect_written("a\xff"
                          "b\xe2\x82"
                          "c\xed\xa0\x80\n");
    assert_shown(L"a\ufffd"
                 L"b\ufffd"
                 L"c\ufffd\ufffd\ufffd\n");
}

/* More than is put there at once; and a console that takes less than it is given. */
static void a_long_text_is_written_in_pieces(void **state)
{
    (void)state;
    static char text[3 * 5000 + 1];
    static wchar_t units[5000 + 1];
    for (int i = 0; i < 5000; i++) {
        memcpy(text + 3 * i, "\xe2\x82\xac", 3);
        units[i] = 0x20AC;
    }
    stdio__open_console();
    stdio__expect_written(text);
    assert_shown(units);
    assert_in_range(console.writes, 2, 5);
    console.shown_most = 700;
    console.writes = 0;
    stdio__expect_written(text);
    assert_shown(units);
    assert_in_range(console.writes, 5000 / 700 + 1, 20);
}

static void a_console_that_takes_nothing_is_an_error(void **state)
{
    (void)state;
    contract_record written = {0};
    stdio__open_console();
    console.shows_nothing = true;
    stdio__write("x", 1, &written);
    stdio__expect(&written, IOCP_EIO, 0);
}

static void a_cancelled_write_to_a_console_ends(void **state)
{
    (void)state;
    static char text[4096];
    contract_record written = {0};
    memset(text, 'x', sizeof text);
    stdio__open_console();
    console.is_stuck = true;
    iocp_op_t op = stdio__write(text, sizeof text, &written);
    stdio__submit();
    console__await(&console.writes, 1);
    stdio__cancel(op);
    stdio__expect(&written, IOCP_ECANCELED, 0);
    console.is_stuck = false;
    stdio__expect_written("y");
    assert_shown(L"y");
}

/* ---- What they are ---- */

static void nothing_is_asked_on_the_loop_thread_nor_before_the_first_operation(void **state)
{
    (void)state;
    stdio__open_pipe(IOCP_STDIN, false, false);
    assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    assert_int_equal(ioc_load_u32(&now.asked_elsewhere), 0);
    for (int i = 0; i < 3; i++) {
        other__write("x");
        stdio__expect_read("x");
    }
    assert_int_equal(ioc_load_u32(&now.asked_elsewhere), 1); /* once */
    assert_int_equal(ioc_load_u32(&now.asked_here), 0);
    assert_int_equal(now.modes, 0);
}

/* As while another process reads from the same pipe. */
static void a_question_that_waits_keeps_nobody(void **state)
{
    (void)state;
    contract_record first = {0};
    contract_record second = {0};
    char byte = '.';
    now.may_answer = CreateEventW(NULL, TRUE, FALSE, NULL);
    now.asking = CreateEventW(NULL, TRUE, FALSE, NULL);
    stdio__open_pipe(IOCP_STDIN, false, false);
    iocp_op_t op = stdio__read(&byte, 1, &first);
    stdio__submit();
    (void)WaitForSingleObject(now.asking, INFINITE);
    stdio__cancel(op);
    stdio__expect(&first, IOCP_ECANCELED, 0);
    stdio__read(&byte, 1, &second); /* the same thread goes on with this one */
    stdio__submit();
    (void)SetEvent(now.may_answer);
    other__write("x");
    stdio__expect(&second, IOCP_OK, 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(ioc_load_u32(&now.asked_elsewhere), 1);
}

/* The operation was taken back meanwhile; the next one needs a thread again. */
static void a_thread_that_finds_nothing_to_do_leaves_at_once(void **state)
{
    (void)state;
    contract_record cancelled = {0};
    contract_record read = {0};
    char byte = '.';
    now.may_answer = CreateEventW(NULL, TRUE, FALSE, NULL);
    now.asking = CreateEventW(NULL, TRUE, FALSE, NULL);
    now.holds_work = true;
    stdio__open_pipe(IOCP_STDIN, false, false);
    iocp_op_t op = stdio__read(&byte, 1, &cancelled);
    stdio__submit();
    PTP_WORK worker = now.held;
    now.held = NULL;
    SubmitThreadpoolWork(worker);
    (void)WaitForSingleObject(now.asking, INFINITE);
    stdio__cancel(op);
    stdio__expect(&cancelled, IOCP_ECANCELED, 0);
    (void)SetEvent(now.may_answer);
    WaitForThreadpoolWorkCallbacks(worker, FALSE);
    stdio__read(&byte, 1, &read);
    stdio__submit();
    assert_ptr_equal(now.held, worker);
    SubmitThreadpoolWork(worker);
    other__write("x");
    stdio__expect(&read, IOCP_OK, 1);
    assert_int_equal(byte, 'x');
}

static void a_close_waits_for_a_question(void **state)
{
    (void)state;
    contract_record written = {0};
    contract_record closed = {0};
    now.may_answer = CreateEventW(NULL, TRUE, FALSE, NULL);
    now.asking = CreateEventW(NULL, TRUE, FALSE, NULL);
    stdio__open_pipe(IOCP_STDOUT, false, false);
    stdio__write("x", 1, &written);
    stdio__submit();
    (void)WaitForSingleObject(now.asking, INFINITE);
    assert_int_equal(iocp_close(win.loop, now.out, contract_keep, &closed, NULL), IOCP_OK);
    stdio__expect(&written, IOCP_ECANCELED, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(closed.calls, 0);
    (void)SetEvent(now.may_answer);
    stdio__expect(&closed, IOCP_OK, 0);
}

/* A message is not what was written when nobody reads it: the end is told by the code alone. */
static void what_cannot_be_looked_at_says_why_and_is_looked_at_again(void **state)
{
    (void)state;
    contract_record read = {0};
    char byte;
    stdio__open_pipe(IOCP_STDIN, false, false);
    win_faults_fail_next_of(WIN_GET_FILE_TYPE, ERROR_ACCESS_DENIED);
    stdio__read(&byte, 1, &read);
    stdio__expect(&read, IOCP_EACCES, 0);
    assert_int_equal(read.result.native_error, ERROR_ACCESS_DENIED);
    other__write("x");
    stdio__expect_read("x");
}

static void the_null_device_ends_at_once_and_takes_everything(void **state)
{
    (void)state;
    now.in = stdio__open(IOCP_STDIN, stdio__device(L"NUL"));
    now.out = stdio__open(IOCP_STDOUT, stdio__device(L"NUL"));
    stdio__expect_end();
    stdio__expect_end();
    stdio__expect_written("gone");
}

static void an_empty_message_is_no_end_and_a_long_one_goes_on(void **state)
{
    (void)state;
    contract_record reads[3] = {{0}};
    char data[8] = {0};
    DWORD bytes = 0;
    stdio__open_pipe(IOCP_STDIN, false, true);
    other__write("");
    stdio__read(data, sizeof data, &reads[0]);
    stdio__expect(&reads[0], IOCP_OK, 0);
    assert_int_equal(reads[0].result.flags & IOCP_RESULT_MORE, 0);
    assert_true(WriteFile(now.other, "hello", 5, &bytes, NULL));
    stdio__read(data, 3, &reads[1]);
    stdio__expect(&reads[1], IOCP_OK, 3);
    assert_true((reads[1].result.flags & IOCP_RESULT_MORE) != 0);
    stdio__read(data + 3, 3, &reads[2]);
    stdio__expect(&reads[2], IOCP_OK, 2);
    assert_int_equal(reads[2].result.flags & IOCP_RESULT_MORE, 0);
    assert_string_equal(data, "hello");
}

/* As Wine reads from a pipe of the system below it; and Windows if somebody has written no bytes. */
static void no_bytes_are_the_end_of_a_pipe_if_nobody_can_write_any_more(void **state)
{
    (void)state;
    contract_record read = {0};
    char byte;
    stdio__open_pipe(IOCP_STDIN, false, false);
    now.reads_nothing = true;
    stdio__read(&byte, 1, &read);
    stdio__expect(&read, IOCP_OK, 0);
    stdio__close(&now.other);
    stdio__expect_end();
}

/* It takes a part, then nothing: what is left is not said to have been written. */
static void a_pipe_that_does_not_wait_takes_a_part(void **state)
{
    (void)state;
    static char data[4 * PIPE_BYTES];
    DWORD mode = PIPE_NOWAIT;
    contract_record written = {0};
    stdio__open_pipe(IOCP_STDOUT, false, false);
    assert_true(SetNamedPipeHandleState(now.natives[1], &mode, NULL, NULL));
    stdio__write(data, sizeof data, &written);
    win_wait(&written, 1);
    assert_string_equal(iocp_error_name(written.result.status), "IOCP_ECONNABORTED");
    assert_in_range(written.result.bytes, 0, sizeof data - 1);
}

/* ---- Overlapped ones ---- */

static void an_overlapped_pipe_is_used_without_its_port(void **state)
{
    (void)state;
    ULONG count = 0;
    OVERLAPPED_ENTRY entry;
    stdio__open_pipe(IOCP_STDIN, true, false);
    HANDLE theirs = CreateIoCompletionPort(now.natives[0], NULL, 77, 1);
    assert_non_null(theirs);
    OVERLAPPED overlapped = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    assert_non_null(overlapped.hEvent);
    assert_true(WriteFile(now.other, "hello", 5, NULL, &overlapped));
    stdio__expect_read("hello");
    assert_false(GetQueuedCompletionStatusEx(theirs, &entry, 1, &count, 0, FALSE));
    assert_int_equal(now.modes, 0);
    assert_true(CloseHandle(overlapped.hEvent));
    assert_true(CloseHandle(theirs));
}

static void an_overlapped_pipe_without_an_event_says_why_and_is_looked_at_again(void **state)
{
    (void)state;
    contract_record written = {0};
    stdio__open_pipe(IOCP_STDOUT, true, false);
    win_faults_fail_next_of(WIN_CREATE_EVENT, ERROR_TOO_MANY_OPEN_FILES);
    stdio__write("x", 1, &written);
    stdio__expect(&written, IOCP_EMFILE, 0);
    assert_int_equal(written.result.native_error, ERROR_TOO_MANY_OPEN_FILES);
    stdio__expect_written("y");
}

static void a_read_of_an_overlapped_pipe_waits_and_can_be_cancelled(void **state)
{
    (void)state;
    contract_record read = {0};
    contract_record again = {0};
    char byte = '.';
    stdio__open_pipe(IOCP_STDIN, true, false);
    for (int i = 0; i < 20; i++) {
        contract_record cancelled = {0};
        iocp_op_t op = stdio__read(&byte, 1, &cancelled);
        stdio__submit();
        for (int turns = 0; turns < i; turns++) {
            assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        }
        stdio__cancel(op);
        stdio__expect(&cancelled, IOCP_ECANCELED, 0);
    }
    stdio__read(&byte, 1, &read);
    stdio__submit();
    OVERLAPPED overlapped = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    assert_non_null(overlapped.hEvent);
    assert_true(WriteFile(now.other, "x", 1, NULL, &overlapped));
    stdio__expect(&read, IOCP_OK, 1);
    assert_int_equal(byte, 'x');
    assert_true(CloseHandle(overlapped.hEvent));
    stdio__read(&byte, 1, &again);
    stdio__close(&now.other);
    stdio__expect(&again, IOCP_EOF, 0);
}

static void an_overlapped_pipe_is_written_as_it_is_read(void **state)
{
    (void)state;
    static char data[4 * PIPE_BYTES];
    contract_record written = {0};
    contract_record refused = {0};
    stdio__open_pipe(IOCP_STDOUT, true, false);
    iocp_op_t op = stdio__write(data, sizeof data, &written);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    stdio__cancel(op);
    win_wait(&written, 1);
    assert_int_equal(written.result.status, IOCP_ECANCELED);
    assert_in_range(written.result.bytes, 0, sizeof data - 1);
    stdio__close(&now.other);
    stdio__write("x", 1, &refused);
    stdio__expect(&refused, IOCP_EPIPE, 0);
}

static HANDLE stdio__file(bool is_overlapped)
{
    char path[1100];
    (void)snprintf(path, sizeof path, "%s/file", now.folder);
    HANDLE file = win_file_create(path, IOCP_FILE_READ | IOCP_FILE_WRITE | IOCP_FILE_CREATE,
                                  is_overlapped, false);
    assert_non_null(file);
    return file;
}

/* It has no position of its own. */
static void an_overlapped_file_is_read_from_its_beginning_and_written_behind_its_end(void **state)
{
    (void)state;
    now.out = stdio__open(IOCP_STDOUT, stdio__file(true));
    stdio__expect_written("hello ");
    now.in = stdio__open(IOCP_STDIN, stdio__file(true));
    stdio__expect_written("there");
    stdio__expect_read("hello there");
    stdio__expect_end();
    stdio__expect_written("!");
    stdio__expect_read("!");
}

static void a_file_that_others_read_on_is_read_where_they_have_stopped(void **state)
{
    (void)state;
    char data[6] = {0};
    DWORD bytes = 0;
    HANDLE file = stdio__file(false);
    assert_true(WriteFile(file, "hello there", 11, &bytes, NULL));
    assert_int_equal(SetFilePointer(file, 0, NULL, FILE_BEGIN), 0);
    now.in = stdio__open(IOCP_STDIN, file);
    assert_true(ReadFile(file, data, 6, &bytes, NULL));
    stdio__expect_read("there");
    stdio__expect_end();
}

/* ---- Cancelling a call ---- */

/* The thread is about to call when it is asked: nothing is found, and it is asked again. */
static void a_cancel_that_comes_before_the_call_is_repeated(void **state)
{
    (void)state;
    static const bool is_overlapped[] = {false, true};
    now.may_call = CreateEventW(NULL, TRUE, FALSE, NULL);
    now.missed = CreateEventW(NULL, FALSE, FALSE, NULL);
    for (size_t i = 0; i < IOC_COUNT_OF(is_overlapped); i++) {
        contract_record cancelled = {0};
        char byte;
        (void)ResetEvent(now.may_call);
        stdio__open_pipe(IOCP_STDIN, is_overlapped[i], false);
        iocp_op_t op = stdio__read(&byte, 1, &cancelled);
        stdio__submit();
        uint64_t reads = ioc_load_u32(&now.asked_elsewhere);
        while (ioc_load_u32(&now.asked_elsewhere) == reads && reads == i) {
            Sleep(0); /* until the thread is past its question, or as good as */
        }
        stdio__cancel(op);
        stdio__submit();
        while (cancelled.calls == 0 && WaitForSingleObject(now.missed, 1) != WAIT_OBJECT_0) {
            assert_int_equal(iocp_loop_run(win.loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        }
        (void)SetEvent(now.may_call);
        stdio__expect(&cancelled, IOCP_ECANCELED, 0);
        stdio__close_stream(now.in);
        stdio__close(&now.natives[0]);
        stdio__close(&now.other);
    }
}

/* A request that the system refuses is made again until it takes it. */
static void a_cancel_that_is_refused_is_repeated(void **state)
{
    (void)state;
    static const win_call calls[] = {WIN_OPEN_THREAD, WIN_CANCEL_SYNCHRONOUS};
    stdio__open_pipe(IOCP_STDIN, false, false);
    other__write("x");
    stdio__expect_read("x"); /* it is known what it is */
    for (size_t i = 0; i < IOC_COUNT_OF(calls); i++) {
        contract_record cancelled = {0};
        char byte;
        uint64_t struck = win_faults_struck();
        iocp_op_t op = stdio__read(&byte, 1, &cancelled);
        stdio__submit();
        uint64_t reads = win_faults_count_of(WIN_READ_FILE);
        while (win_faults_count_of(WIN_READ_FILE) == reads && reads == i + 1) {
            Sleep(0); /* until it is in the call */
        }
        win_faults_fail_next_of(calls[i], 0);
        stdio__cancel(op);
        stdio__expect(&cancelled, IOCP_ECANCELED, 0);
        assert_true(win_faults_struck() > struck);
    }
    other__write("y");
    stdio__expect_read("y");
}

/* What the thread does for others afterwards is never ended: it is asked while it is held. */
static void reads_against_cancels_lose_nothing(void **state)
{
    (void)state;
    char next = 'a';
    char expected = 'a';
    stdio__open_pipe(IOCP_STDIN, false, false);
    for (int i = 0; i < 300; i++) {
        contract_record read = {0};
        char byte = 0;
        iocp_op_t op = stdio__read(&byte, 1, &read);
        stdio__submit();
        if (i % 3 != 0) {
            char text[2] = {next, 0};
            other__write(text);
            next = next == 'z' ? 'a' : (char)(next + 1);
        }
        if (i % 3 != 2) {
            stdio__cancel(op);
        }
        win_wait(&read, 1);
        assert_true(read.result.status == IOCP_OK || read.result.status == IOCP_ECANCELED);
        if (read.result.status == IOCP_OK) {
            assert_int_equal(byte, expected);
            expected = expected == 'z' ? 'a' : (char)(expected + 1);
        } else {
            assert_int_equal(byte, 0);
        }
    }
    while (expected != next) {
        char text[2] = {expected, 0};
        char byte = 0;
        contract_record read = {0};
        stdio__read(&byte, 1, &read);
        stdio__expect(&read, IOCP_OK, 1);
        assert_int_equal(byte, text[0]);
        expected = expected == 'z' ? 'a' : (char)(expected + 1);
    }
}

/* ---- Opening ---- */

static void a_stream_that_was_closed_is_no_stream(void **state)
{
    (void)state;
    iocp_handle_t handle = {0};
    HANDLE file = stdio__file(false);
    assert_true(SetStdHandle(STD_INPUT_HANDLE, file));
    assert_true(CloseHandle(file));
    assert_int_equal(iocp_stdio_open(win.loop, IOCP_STDIN, &handle), IOCP_EBADF);
    assert_true(SetStdHandle(STD_INPUT_HANDLE, INVALID_HANDLE_VALUE));
    assert_int_equal(iocp_stdio_open(win.loop, IOCP_STDIN, &handle), IOCP_EBADF);
    assert_true(SetStdHandle(STD_INPUT_HANDLE, NULL));
    assert_int_equal(iocp_stdio_open(win.loop, IOCP_STDIN, &handle), IOCP_EBADF);
    assert_true(handle.id == 0);
}

/* Children inherit the process's own, and not the copy. */
static void the_copy_is_not_inherited_and_the_original_stays_as_it_was(void **state)
{
    (void)state;
    void *native = NULL;
    DWORD flags = 0;
    HANDLE file = stdio__file(false);
    assert_true(SetHandleInformation(file, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
    now.in = stdio__open(IOCP_STDIN, file);
    assert_int_equal(iocp_handle_native(win.loop, now.in, &native), IOCP_OK);
    assert_true(native != file);
    assert_true(GetHandleInformation(native, &flags));
    assert_int_equal(flags & HANDLE_FLAG_INHERIT, 0);
    stdio__expect_end();
    stdio__close_stream(now.in);
    assert_true(GetHandleInformation(file, &flags));
    assert_int_equal(flags & HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    assert_false(GetHandleInformation(native, &flags));
}

static void each_call_of_opening_one_may_fail(void **state)
{
    (void)state;
    static const struct {
        win_call call;
        uint32_t error;
        int status;
    } rows[] = {
        {WIN_GET_STD_HANDLE, ERROR_INVALID_HANDLE, IOCP_EBADF},
        {WIN_DUPLICATE, ERROR_TOO_MANY_OPEN_FILES, IOCP_EMFILE},
        {WIN_DUPLICATE, ERROR_INVALID_HANDLE, IOCP_EBADF},
        {WIN_CREATE_WORK, ERROR_NOT_ENOUGH_MEMORY, IOCP_ENOMEM},
    };
    assert_true(SetStdHandle(STD_INPUT_HANDLE, now.natives[0] = stdio__file(false)));
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        iocp_handle_t handle = {0};
        size_t open_before = win_open_handles();
        uint32_t held_before = win_faults_held();
        win_faults_fail_next_of(rows[i].call, rows[i].error);
        assert_int_equal(iocp_stdio_open(win.loop, IOCP_STDIN, &handle), rows[i].status);
        assert_int_equal(win_open_handles(), open_before);
        assert_int_equal(win_faults_held(), held_before);
        assert_true(handle.id == 0);
    }
}

/* ---- Each call and each allocation ---- */

/* An operation of such a life; one that is refused never calls back. */
typedef struct life_op {
    contract_record record;
    int started;
} life_op;

static life_op life_ops[4];
static char life_data[8];

/* All but the last, which is pending at the end: a read of a console that nobody types on. */
static bool life__is_done(void)
{
    for (int i = 0; i < 3; i++) {
        if (life_ops[i].started == IOCP_OK && life_ops[i].record.calls == 0) {
            return false;
        }
    }
    return true;
}

static void life__start(const iocp_handle_t streams[3])
{
    static const int of[] = {IOCP_STDIN, IOCP_STDOUT, IOCP_STDERR, IOCP_STDIN};
    console__type(L"x");
    for (int i = 0; i < 4; i++) {
        life_op *op = &life_ops[i];
        op->started =
            of[i] == IOCP_STDIN
                ? iocp_read(win.loop, streams[of[i]], life_data, sizeof life_data, contract_keep,
                            &op->record, NULL)
                : iocp_write(win.loop, streams[of[i]], "y", 1, contract_keep, &op->record, NULL);
    }
    while (!life__is_done()) {
        (void)iocp_loop_run(win.loop, IOCP_RUN_ONCE);
    }
}

static bool life__went_well(void)
{
    bool is_well = true;
    for (int i = 0; i < 3; i++) {
        is_well =
            is_well && life_ops[i].record.calls == 1 && life_ops[i].record.result.status == IOCP_OK;
    }
    return is_well;
}

/* A console and an overlapped pipe; whether everything went well. */
static bool stdio__live(void)
{
    bool is_open = true;
    iocp_handle_t streams[3] = {{0}};
    memset(life_ops, 0, sizeof life_ops);
    for (int which = 0; which < 3; which++) {
        int status = iocp_stdio_open(win.loop, (iocp_stdio_t)which, &streams[which]);
        is_open = is_open && status == IOCP_OK;
    }
    if (is_open) {
        life__start(streams);
    }
    if (iocp_loop_destroy(win.loop, 100 * MS) != IOCP_OK) {
        win_faults_stop();
        assert_int_equal(iocp_loop_destroy(win.loop, UINT64_MAX), IOCP_OK);
    }
    win.loop = NULL;
    console.typed_count = 0;
    for (int i = 0; i < 4; i++) {
        bool is_accepted = is_open && life_ops[i].started == IOCP_OK;
        assert_int_equal(life_ops[i].record.calls, is_accepted);
    }
    return is_open && life__went_well();
}

static void stdio__prepare_life(void)
{
    HANDLE ends[2];
    console.is_there = true;
    now.natives[0] = stdio__device(L"NUL");
    assert_true(SetStdHandle(STD_INPUT_HANDLE, now.natives[0]));
    assert_true(SetStdHandle(STD_OUTPUT_HANDLE, now.natives[0]));
    assert_true(win_pipe_create(ends, true, false, PIPE_BYTES));
    now.natives[2] = ends[0];
    now.other = ends[1];
    assert_true(SetStdHandle(STD_ERROR_HANDLE, now.natives[2]));
    win_loop_destroy(&win.loop);
}

static void stdio__assert_nothing_left(size_t open_before)
{
    assert_int_equal(unit_memory_live(&win.memory), 0);
    assert_int_equal(win_open_handles(), open_before);
    assert_int_equal(win_faults_held(), 0);
}

static void any_one_call_that_the_streams_make_may_fail(void **state)
{
    (void)state;
    stdio__prepare_life();
    size_t open_before = win_open_handles();
    uint64_t k = 0;
    for (bool has_struck = true; has_struck; k++) {
        stdio__create_loop(IOCP_COMPLETION_AUTO);
        win_faults_reset();
        win_faults_fail_nth(k + 1);
        bool is_whole = stdio__live();
        has_struck = win_faults_struck() > 0;
        win_faults_stop();
        stdio__assert_nothing_left(open_before);
        assert_true(is_whole || has_struck);
        assert_in_range(k, 0, TRIES_MOST);
    }
    print_message("%u calls were made to fail\n", (unsigned)k - 1);
    assert_true(k > 20);
}

static void any_one_allocation_of_the_streams_may_be_refused(void **state)
{
    (void)state;
    uint64_t allowed = 0;
    stdio__prepare_life();
    size_t open_before = win_open_handles();
    for (bool is_whole = false; !is_whole; allowed++) {
        stdio__create_loop(IOCP_COMPLETION_AUTO);
        unit_memory_allow(&win.memory, allowed);
        is_whole = stdio__live();
        unit_memory_allow(&win.memory, UINT64_MAX);
        stdio__assert_nothing_left(open_before);
        assert_in_range(allowed, 0, TRIES_MOST);
    }
    print_message("%u allocations were refused\n", (unsigned)allowed - 1);
    assert_true(allowed > 5);
}

#define STDIO_TEST(function) \
    cmocka_unit_test_setup_teardown(function, stdio__setup, stdio__teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STDIO_TEST(a_line_of_the_console_is_read_as_utf8),
        STDIO_TEST(a_line_is_read_in_pieces_of_any_size),
        STDIO_TEST(the_rest_of_a_line_is_there_at_once),
        STDIO_TEST(a_pair_that_the_console_tells_in_halves_is_one_character),
        STDIO_TEST(a_read_never_ends_well_with_half_a_character),
        STDIO_TEST(half_a_pair_alone_is_read_as_a_replacement),
        STDIO_TEST(ctrl_z_at_the_beginning_of_a_line_is_the_end),
        STDIO_TEST(ctrl_z_within_a_long_line_is_a_character),
        STDIO_TEST(ctrl_c_is_no_end),
        STDIO_TEST(a_console_that_fails_says_why),
        STDIO_TEST(a_cancelled_read_of_a_console_ends_at_once_and_the_line_is_the_next_ones),
        STDIO_TEST(a_line_that_comes_while_nobody_reads_is_the_next_ones),
        STDIO_TEST(a_deadline_ends_a_read_of_a_console),
        STDIO_TEST(the_thread_of_a_console_ends_with_the_close),
        STDIO_TEST(a_close_ends_a_read_of_a_console_that_is_pending),
        STDIO_TEST(a_thread_that_comes_when_the_stream_ends_does_not_begin),
        STDIO_TEST(destroy_says_in_time_that_a_thread_is_left),
        STDIO_TEST(utf8_is_written_to_a_console),
        STDIO_TEST(a_character_that_is_written_in_pieces_is_shown_once),
        STDIO_TEST(what_is_no_utf8_is_shown_as_a_replacement),
        STDIO_TEST(a_long_text_is_written_in_pieces),
        STDIO_TEST(a_console_that_takes_nothing_is_an_error),
        STDIO_TEST(a_cancelled_write_to_a_console_ends),
        STDIO_TEST(nothing_is_asked_on_the_loop_thread_nor_before_the_first_operation),
        STDIO_TEST(a_question_that_waits_keeps_nobody),
        STDIO_TEST(a_thread_that_finds_nothing_to_do_leaves_at_once),
        STDIO_TEST(a_close_waits_for_a_question),
        STDIO_TEST(what_cannot_be_looked_at_says_why_and_is_looked_at_again),
        STDIO_TEST(the_null_device_ends_at_once_and_takes_everything),
        STDIO_TEST(an_empty_message_is_no_end_and_a_long_one_goes_on),
        STDIO_TEST(no_bytes_are_the_end_of_a_pipe_if_nobody_can_write_any_more),
        STDIO_TEST(a_pipe_that_does_not_wait_takes_a_part),
        STDIO_TEST(an_overlapped_pipe_is_used_without_its_port),
        STDIO_TEST(an_overlapped_pipe_without_an_event_says_why_and_is_looked_at_again),
        STDIO_TEST(a_read_of_an_overlapped_pipe_waits_and_can_be_cancelled),
        STDIO_TEST(an_overlapped_pipe_is_written_as_it_is_read),
        STDIO_TEST(an_overlapped_file_is_read_from_its_beginning_and_written_behind_its_end),
        STDIO_TEST(a_file_that_others_read_on_is_read_where_they_have_stopped),
        STDIO_TEST(a_cancel_that_comes_before_the_call_is_repeated),
        STDIO_TEST(a_cancel_that_is_refused_is_repeated),
        STDIO_TEST(reads_against_cancels_lose_nothing),
        STDIO_TEST(a_stream_that_was_closed_is_no_stream),
        STDIO_TEST(the_copy_is_not_inherited_and_the_original_stays_as_it_was),
        STDIO_TEST(each_call_of_opening_one_may_fail),
        STDIO_TEST(any_one_call_that_the_streams_make_may_fail),
        STDIO_TEST(any_one_allocation_of_the_streams_may_be_refused),
    };
    win_catch_crashes();
    contract_object_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
