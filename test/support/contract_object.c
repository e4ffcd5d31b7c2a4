#include "contract_object.h"

#include <string.h>

#if defined(_WIN32)

#include <windows.h>

#include <stdio.h>
#include <wchar.h>

#include "win_leaks.h"

/* ---- Objects ---- */

void *contract_event_create(bool is_manual, bool is_set)
{
    HANDLE event = CreateEventW(NULL, is_manual, is_set, NULL);
    assert_non_null(event);
    return event;
}

void contract_event_set(void *event)
{
    (void)SetEvent(event);
}

void contract_event_reset(void *event)
{
    (void)ResetEvent(event);
}

void *contract_semaphore_create(uint32_t count)
{
    HANDLE semaphore = CreateSemaphoreW(NULL, (LONG)count, INT32_MAX, NULL);
    assert_non_null(semaphore);
    return semaphore;
}

void contract_semaphore_release(void *semaphore, uint32_t count)
{
    assert_true(ReleaseSemaphore(semaphore, (LONG)count, NULL));
}

void *contract_job_create(void)
{
    HANDLE job = CreateJobObjectW(NULL, NULL);
    assert_non_null(job);
    return job;
}

bool contract_object_try(void *object)
{
    DWORD answer = WaitForSingleObject(object, 0);
    assert_true(answer == WAIT_OBJECT_0 || answer == WAIT_TIMEOUT);
    return answer == WAIT_OBJECT_0;
}

void contract_object_block(void *object)
{
    (void)WaitForSingleObject(object, INFINITE);
}

void *contract_object_duplicate(void *object)
{
    HANDLE duplicate = NULL;
    assert_true(DuplicateHandle(GetCurrentProcess(), object, GetCurrentProcess(), &duplicate, 0,
                                FALSE, DUPLICATE_SAME_ACCESS));
    return duplicate;
}

void contract_object_close(void *object)
{
    assert_true(CloseHandle(object));
}

void *contract_object_bad(void)
{
    return (void *)(uintptr_t)0x7ffffff0;
}

bool contract_job_can_be_watched_again(void)
{
    return !win_is_wine();
}

uint64_t contract_thread_id(void)
{
    return GetCurrentThreadId();
}

/* ---- Processes ---- */

#define PROCESS_ARGUMENT L" --be-process"
#define PARENT_ARGUMENT  L" --be-parent"
#define CHILD_ARGUMENT   L" --be-there"
#define PROCESS_ORPHAN   86 /* nobody gave it an exit code */
#define PARENT_FAILED    90

/* Start another one, and tell which. */
static void process__be_parent(void)
{
    wchar_t program[MAX_PATH];
    wchar_t command[MAX_PATH + 32];
    STARTUPINFOW startup = {.cb = sizeof startup};
    PROCESS_INFORMATION child;
    DWORD bytes = 0;
    (void)GetModuleFileNameW(NULL, program, MAX_PATH);
    (void)swprintf(command, MAX_PATH + 32, L"\"%ls\"" CHILD_ARGUMENT, program);
    if (!CreateProcessW(program, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &child) ||
        !WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), &child.dwProcessId, sizeof child.dwProcessId,
                   &bytes, NULL)) {
        ExitProcess(PARENT_FAILED);
    }
}

static void process__be(void)
{
    uint32_t exit_code = PROCESS_ORPHAN;
    DWORD bytes = 0;
    bool is_parent = wcsstr(GetCommandLineW(), PARENT_ARGUMENT) != NULL;
    if (wcsstr(GetCommandLineW(), CHILD_ARGUMENT) != NULL) {
        Sleep(INFINITE);
    }
    if (wcsstr(GetCommandLineW(), PROCESS_ARGUMENT) == NULL && !is_parent) {
        return;
    }
    if (is_parent) {
        process__be_parent();
    }
    if (!ReadFile(GetStdHandle(STD_INPUT_HANDLE), &exit_code, sizeof exit_code, &bytes, NULL)) {
        exit_code = PROCESS_ORPHAN;
    }
    ExitProcess(exit_code);
}

static void CALLBACK pool__never(void *context, BOOLEAN is_timeout)
{
    (void)context;
    (void)is_timeout;
}

static void CALLBACK pool__set(PTP_CALLBACK_INSTANCE instance, void *event)
{
    (void)instance;
    (void)SetEvent(event);
}

/*
 * What the pool opens once is open before the first test counts. The wait never ends, so that the
 * pool's wait thread stays.
 */
static void pool__warm_up(void)
{
    HANDLE registration = NULL;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    HANDLE done = CreateEventW(NULL, FALSE, FALSE, NULL);
    (void)RegisterWaitForSingleObject(&registration, event, pool__never, NULL, INFINITE,
                                      WT_EXECUTEONLYONCE);
    if (TrySubmitThreadpoolCallback(pool__set, done, NULL)) {
        (void)WaitForSingleObject(done, INFINITE);
    }
    (void)CloseHandle(done);
}

static void process__create(HANDLE input, PROCESS_INFORMATION *information)
{
    wchar_t program[MAX_PATH];
    wchar_t command[MAX_PATH + 32];
    STARTUPINFOW startup = {
        .cb = sizeof startup,
        .dwFlags = STARTF_USESTDHANDLES,
        .hStdInput = input,
        .hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE),
        .hStdError = GetStdHandle(STD_ERROR_HANDLE),
    };
    DWORD length = GetModuleFileNameW(NULL, program, MAX_PATH);
    assert_in_range(length, 1, MAX_PATH - 1);
    assert_true(swprintf(command, MAX_PATH + 32, L"\"%ls\"" PROCESS_ARGUMENT, program) > 0);
    int tries = 5;
    while (!CreateProcessW(program, command, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL,
                           &startup, information)) {
        DWORD error = GetLastError();
        print_message("CreateProcessW failed with error %lu\n", (unsigned long)error);
        /* Once in a thousand times or so a program ends in Wine before it has begun. */
        assert_true(win_is_wine() && error == ERROR_INTERNAL_ERROR && --tries > 0);
    }
}

contract_process contract_process_start(void *job)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    PROCESS_INFORMATION information;
    HANDLE input = NULL;
    HANDLE orders = NULL;
    assert_true(CreatePipe(&input, &orders, &inherited, 0));
    assert_true(SetHandleInformation(orders, HANDLE_FLAG_INHERIT, 0));
    process__create(input, &information);
    if (job != NULL) {
        assert_true(AssignProcessToJobObject(job, information.hProcess));
    }
    assert_true(ResumeThread(information.hThread) != (DWORD)-1);
    assert_true(CloseHandle(information.hThread));
    assert_true(CloseHandle(input));
    return (contract_process){
        .handle = information.hProcess, .orders = orders, .id = information.dwProcessId};
}

void contract_process_order_end(contract_process *process, uint32_t exit_code)
{
    DWORD bytes = 0;
    assert_true(WriteFile(process->orders, &exit_code, sizeof exit_code, &bytes, NULL));
}

void contract_process_end(contract_process *process, uint32_t exit_code)
{
    contract_process_order_end(process, exit_code);
    assert_int_equal(WaitForSingleObject(process->handle, INFINITE), WAIT_OBJECT_0);
}

void contract_process_close(contract_process *process)
{
    assert_true(CloseHandle(process->orders));
    assert_true(CloseHandle(process->handle));
}

void contract_spawn_open(contract_spawn *spawn)
{
    HANDLE input = NULL;
    HANDLE orders = NULL;
    memset(spawn, 0, sizeof *spawn);
    assert_true(CreatePipe(&input, &orders, NULL, 0));
    DWORD length = GetModuleFileNameA(NULL, spawn->program, sizeof spawn->program);
    assert_in_range(length, 1, sizeof spawn->program - 1);
    spawn->input = input;
    spawn->orders = orders;
    spawn->arguments[0] = spawn->program;
    spawn->arguments[1] = "--be-process";
    spawn->options = (iocp_spawn_options_t){
        .size = sizeof spawn->options, .program = spawn->program, .arguments = spawn->arguments};
    spawn->options.stdio[IOCP_STDIN] =
        (iocp_spawn_stdio_t){.give = IOCP_GIVE_NATIVE, .native = input};
}

void contract_spawn_order_end(contract_spawn *spawn, uint64_t id, uint32_t exit_code)
{
    DWORD bytes = 0;
    (void)id;
    assert_true(WriteFile(spawn->orders, &exit_code, sizeof exit_code, &bytes, NULL));
}

void contract_spawn_be_parent(contract_spawn *spawn)
{
    HANDLE output = NULL;
    HANDLE told = NULL;
    assert_true(CreatePipe(&told, &output, NULL, 0));
    spawn->output = output;
    spawn->told = told;
    spawn->arguments[1] = "--be-parent";
    spawn->options.stdio[IOCP_STDOUT] =
        (iocp_spawn_stdio_t){.give = IOCP_GIVE_NATIVE, .native = output};
}

/* The parent has the only other end: if it fails there is nothing to be read. */
void *contract_spawn_child(contract_spawn *spawn, uint64_t id)
{
    DWORD child_id = 0;
    DWORD bytes = 0;
    (void)id;
    assert_true(CloseHandle(spawn->output));
    spawn->output = NULL;
    assert_true(ReadFile(spawn->told, &child_id, sizeof child_id, &bytes, NULL));
    HANDLE child = OpenProcess(SYNCHRONIZE | PROCESS_TERMINATE, FALSE, child_id);
    assert_non_null(child);
    return child;
}

void contract_spawn_end_child(void *child)
{
    assert_true(TerminateProcess(child, 0));
    contract_object_block(child);
}

static void spawn__close(HANDLE handle)
{
    assert_true(handle == NULL || CloseHandle(handle));
}

void contract_spawn_close(contract_spawn *spawn)
{
    spawn__close(spawn->orders);
    spawn__close(spawn->input);
    spawn__close(spawn->output);
    spawn__close(spawn->told);
}

/* On newer Wine the first process that a program starts opens a handle that stays. */
static void process__warm_up(void)
{
    contract_process process = contract_process_start(NULL);
    contract_process_end(&process, 0);
    contract_process_close(&process);
}

void contract_object_begin(void)
{
    process__be();
    pool__warm_up();
    process__warm_up();
}

bool contract_process_can_be_asked(void)
{
    return !win_is_wine() && GetConsoleCP() != 0; /* Wine makes none; there is a console */
}

static void *process__guarded(const contract_process *process)
{
    const DWORD access = SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION;
    HANDLE guarded = NULL;
    assert_true(DuplicateHandle(GetCurrentProcess(), process->handle, GetCurrentProcess(), &guarded,
                                access, FALSE, 0));
    return guarded;
}

#else

#include "sim_object.h"

static uintptr_t object__number(void *object)
{
    return (uintptr_t)object;
}

void *contract_event_create(bool is_manual, bool is_set)
{
    return (void *)sim_event_create(is_manual, is_set);
}

void contract_event_set(void *event)
{
    sim_event_set(object__number(event));
}

void contract_event_reset(void *event)
{
    sim_event_reset(object__number(event));
}

void *contract_semaphore_create(uint32_t count)
{
    return (void *)sim_semaphore_create(count);
}

void contract_semaphore_release(void *semaphore, uint32_t count)
{
    sim_semaphore_release(object__number(semaphore), count);
}

void *contract_job_create(void)
{
    return (void *)sim_job_create();
}

bool contract_object_try(void *object)
{
    return sim_object_try(object__number(object));
}

void contract_object_block(void *object)
{
    SIM_CHECK(sim_object_try(object__number(object)));
}

void *contract_object_duplicate(void *object)
{
    return (void *)sim_object_duplicate(object__number(object));
}

void contract_object_close(void *object)
{
    sim_object_close(object__number(object));
}

void *contract_object_bad(void)
{
    return (void *)(uintptr_t)1;
}

bool contract_job_can_be_watched_again(void)
{
    return true;
}

uint64_t contract_thread_id(void)
{
    static _Thread_local char own;
    return (uintptr_t)&own;
}

void contract_object_begin(void)
{
}

contract_process contract_process_start(void *job)
{
    uintptr_t number = sim_process_create(object__number(job));
    return (contract_process){.handle = (void *)number, .id = number};
}

void contract_process_order_end(contract_process *process, uint32_t exit_code)
{
    sim_process_end(object__number(process->handle), exit_code);
}

void contract_process_end(contract_process *process, uint32_t exit_code)
{
    contract_process_order_end(process, exit_code);
}

void contract_process_close(contract_process *process)
{
    sim_object_close(object__number(process->handle));
}

void contract_spawn_open(contract_spawn *spawn)
{
    memset(spawn, 0, sizeof *spawn);
    spawn->arguments[0] = "program";
    spawn->options =
        (iocp_spawn_options_t){.size = sizeof spawn->options, .arguments = spawn->arguments};
}

void contract_spawn_order_end(contract_spawn *spawn, uint64_t id, uint32_t exit_code)
{
    (void)spawn;
    sim_process_end((uintptr_t)id, exit_code);
}

void contract_spawn_be_parent(contract_spawn *spawn)
{
    (void)spawn;
}

void *contract_spawn_child(contract_spawn *spawn, uint64_t id)
{
    (void)spawn;
    return (void *)sim_process_create_child((uintptr_t)id);
}

void contract_spawn_end_child(void *child)
{
    sim_process_end(object__number(child), 0);
}

void contract_spawn_close(contract_spawn *spawn)
{
    (void)spawn;
    sim_process_end_spawned(0);
}

bool contract_process_can_be_asked(void)
{
    return true;
}

static void *process__guarded(const contract_process *process)
{
    sim_process_guard(object__number(process->handle));
    return contract_object_duplicate(process->handle);
}

#endif

iocp_handle_t contract_process_adopt(iocp_loop_t *loop, const contract_process *process)
{
    iocp_handle_t handle = {0};
    void *own = contract_object_duplicate(process->handle);
    assert_int_equal(iocp_process_adopt(loop, own, &handle), IOCP_OK);
    return handle;
}

iocp_handle_t contract_process_adopt_guarded(iocp_loop_t *loop, const contract_process *process)
{
    iocp_handle_t handle = {0};
    assert_int_equal(iocp_process_adopt(loop, process__guarded(process), &handle), IOCP_OK);
    return handle;
}
