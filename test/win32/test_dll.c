/* iocploop.dll as a plug-in loads it: found at run time, used, and unloaded, over and over. */
#include "unit.h"

#include "iocploop.h"
#include "win32/win.h"

#include "threads.h"
#include "contract_console.h"
#include "win_files.h"
#include "win_leaks.h"

#include <string.h>
#include <tlhelp32.h>

typedef int(IOCP_CALL *dll_create)(const iocp_loop_options_t *options, iocp_loop_t **loop);
typedef int(IOCP_CALL *dll_destroy)(iocp_loop_t *loop, uint64_t timeout_ns);
typedef int(IOCP_CALL *dll_timer)(iocp_loop_t *loop, uint64_t delay_ns, iocp_callback_t callback,
                                  void *userdata, iocp_op_t *op);
typedef int(IOCP_CALL *dll_work)(iocp_loop_t *loop, iocp_work_fn function, void *arg,
                                 iocp_callback_t callback, void *userdata, iocp_op_t *op);
typedef int(IOCP_CALL *dll_wait)(iocp_loop_t *loop, void *object, iocp_callback_t callback,
                                 void *userdata, iocp_op_t *op);
typedef int(IOCP_CALL *dll_console)(iocp_loop_t *loop, iocp_callback_t callback, void *userdata,
                                    iocp_op_t *op);
typedef int(IOCP_CALL *dll_run)(iocp_loop_t *loop, iocp_run_mode_t mode);
typedef int(IOCP_CALL *dll_adopt)(iocp_loop_t *loop, void *native, iocp_handle_t *handle);
typedef uint32_t(IOCP_CALL *dll_version)(void);

typedef struct library {
    HMODULE module;
    dll_create create;
    dll_destroy destroy;
    dll_timer timer;
    dll_work work;
    dll_wait wait;
    dll_console console;
    dll_run run;
    dll_adopt adopt;
    dll_version version;
} library;

/* Without a cast between kinds of functions, of which compilers warn. */
static void library__find(HMODULE module, const char *name, void *function, size_t size)
{
    FARPROC found = GetProcAddress(module, name);
    assert_true(found != NULL);
    assert_int_equal(size, sizeof found);
    memcpy(function, &found, size);
}

static library library__load(void)
{
    library loaded = {.module = LoadLibraryW(L"iocploop.dll")};
    assert_non_null(loaded.module);
    library__find(loaded.module, "iocp_loop_create", &loaded.create, sizeof loaded.create);
    library__find(loaded.module, "iocp_loop_destroy", &loaded.destroy, sizeof loaded.destroy);
    library__find(loaded.module, "iocp_timer", &loaded.timer, sizeof loaded.timer);
    library__find(loaded.module, "iocp_work", &loaded.work, sizeof loaded.work);
    library__find(loaded.module, "iocp_wait", &loaded.wait, sizeof loaded.wait);
    library__find(loaded.module, "iocp_console_watch", &loaded.console, sizeof loaded.console);
    library__find(loaded.module, "iocp_loop_run", &loaded.run, sizeof loaded.run);
    library__find(loaded.module, "iocp_handle_adopt", &loaded.adopt, sizeof loaded.adopt);
    library__find(loaded.module, "iocp_version", &loaded.version, sizeof loaded.version);
    return loaded;
}

/* A thread of the pool that has run code of it leaves it a moment later. */
static void library__unload(const library *loaded)
{
    assert_true(FreeLibrary(loaded->module));
    for (int i = 0; i < 3000 && GetModuleHandleW(L"iocploop.dll") != NULL; i++) {
        test_sleep_ms(10);
    }
    assert_null(GetModuleHandleW(L"iocploop.dll"));
}

static iocp_action_t IOCP_CALL on_timer(iocp_loop_t *loop, const iocp_result_t *result, void *count)
{
    (void)loop;
    assert_int_equal(result->status, IOCP_OK);
    ++*(int *)count;
    return IOCP_DISARM;
}

static void library__use(const library *loaded)
{
    int count = 0;
    iocp_loop_t *loop = NULL;
    assert_int_equal(loaded->create(NULL, &loop), IOCP_OK);
    assert_int_equal(loaded->timer(loop, 1000, on_timer, &count, NULL), IOCP_OK);
    assert_int_equal(loaded->run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(count, 1);
    assert_int_equal(loaded->destroy(loop, 0), IOCP_OK);
}

static size_t threads__count(void)
{
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    THREADENTRY32 entry = {.dwSize = sizeof entry};
    size_t count = 0;
    assert_true(snapshot != INVALID_HANDLE_VALUE);
    for (BOOL more = Thread32First(snapshot, &entry); more; more = Thread32Next(snapshot, &entry)) {
        count += entry.th32OwnerProcessID == GetCurrentProcessId();
    }
    CloseHandle(snapshot);
    return count;
}

static void the_dll_is_loaded_used_and_unloaded_many_times(void **state)
{
    (void)state;
    library first = library__load(); /* what Winsock opens for good is open after this */
    library__use(&first);
    assert_true(FreeLibrary(first.module));
    size_t handles = win_open_handles();
    for (int i = 0; i < 50; i++) {
        library loaded = library__load();
        library__use(&loaded);
        assert_true(FreeLibrary(loaded.module));
        assert_null(GetModuleHandleW(L"iocploop.dll"));
    }
    assert_int_equal(win_open_handles(), handles);
}

static uint64_t IOCP_CALL set_event(void *event)
{
    return (uint64_t)SetEvent(event);
}

static iocp_action_t IOCP_CALL on_end(iocp_loop_t *loop, const iocp_result_t *result, void *status)
{
    (void)loop;
    *(int *)status = result->status;
    return IOCP_DISARM;
}

/* A thread of the pool has run code of the DLL a moment before, and must not find it gone. */
static void the_dll_is_unloaded_right_behind_work_and_waits(void **state)
{
    (void)state;
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    assert_non_null(event);
    for (int i = 0; i < 100; i++) {
        library loaded = library__load();
        iocp_loop_t *loop = NULL;
        int worked = 1;
        int waited = 1;
        int cancelled = 1;
        assert_int_equal(loaded.create(NULL, &loop), IOCP_OK);
        assert_int_equal(loaded.wait(loop, event, on_end, &waited, NULL), IOCP_OK);
        assert_int_equal(loaded.work(loop, set_event, event, on_end, &worked, NULL), IOCP_OK);
        assert_int_equal(loaded.run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(loaded.wait(loop, event, on_end, &cancelled, NULL), IOCP_OK);
        assert_int_equal(loaded.run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        assert_int_equal(loaded.destroy(loop, UINT64_MAX), IOCP_OK);
        library__unload(&loaded);
        assert_int_equal(worked, IOCP_OK);
        assert_int_equal(waited, IOCP_OK);
        assert_int_equal(cancelled, IOCP_ECANCELED);
    }
    assert_true(CloseHandle(event));
}

/*
 * Windows' thread has waited in its handler a moment before, and the pool is asked to take that back: the
 * program unloads it meanwhile.
 */
static void the_dll_is_unloaded_right_behind_the_consoles_handler(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        library loaded = library__load();
        iocp_loop_t *loop = NULL;
        contract_console event;
        int told = 1;
        assert_int_equal(loaded.create(NULL, &loop), IOCP_OK);
        assert_int_equal(loaded.console(loop, on_end, &told, NULL), IOCP_OK);
        assert_int_equal(loaded.run(loop, IOCP_RUN_NO_WAIT), IOCP_OK);
        contract_console_raise(&event, IOCP_CONSOLE_BREAK);
        assert_int_equal(loaded.run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
        assert_int_equal(loaded.destroy(loop, UINT64_MAX), IOCP_OK);
        library__unload(&loaded);
        assert_int_equal(told, IOCP_OK);
        assert_int_equal(contract_console_end(&event), CONTRACT_CONSOLE_HANDLED);
    }
}

/* A timer that is set, a wait that is registered, a question that the pool is asked. */
static void nothing_that_ends_with_its_loop_keeps_the_dll(void **state)
{
    (void)state;
    static const iocp_sleep_method_t methods[] = {IOCP_SLEEP_AUTO, IOCP_SLEEP_APC, IOCP_SLEEP_PORT};
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    assert_non_null(event);
    for (size_t i = 0; i < IOC_COUNT_OF(methods); i++) {
        library loaded = library__load();
        iocp_loop_options_t options = {.size = sizeof options,
                                       .sleep_method = (uint32_t)methods[i]};
        iocp_loop_t *loop = NULL;
        iocp_handle_t pipe = {0};
        HANDLE ends[2];
        int waited = 1;
        int late = 1;
        int timers = 0;
        assert_true(win_pipe_create(ends, true, false, 4096));
        assert_int_equal(loaded.create(&options, &loop), IOCP_OK);
        assert_int_equal(loaded.wait(loop, event, on_end, &waited, NULL), IOCP_OK);
        assert_int_equal(loaded.timer(loop, UINT64_C(3600000000000), on_end, &late, NULL), IOCP_OK);
        assert_int_equal(loaded.timer(loop, 1000000, on_timer, &timers, NULL), IOCP_OK);
        assert_int_equal(loaded.adopt(loop, ends[0], &pipe), IOCP_OK);
        while (timers == 0) {
            assert_int_equal(loaded.run(loop, IOCP_RUN_ONCE), IOCP_OK);
        }
        assert_int_equal(loaded.destroy(loop, UINT64_MAX), IOCP_OK);
        library__unload(&loaded);
        assert_int_equal(waited, IOCP_ECANCELED);
        assert_int_equal(late, IOCP_ECANCELED);
        assert_true(CloseHandle(ends[1]));
    }
    assert_true(CloseHandle(event));
}

/* ---- An APC of the DLL's that is left over ---- */

static IMAGE_IMPORT_DESCRIPTOR *module__imports(HMODULE module)
{
    char *base = (char *)module;
    IMAGE_DOS_HEADER *dos = (void *)base;
    IMAGE_NT_HEADERS *nt = (void *)(base + dos->e_lfanew);
    DWORD offset = nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;
    return (void *)(base + offset);
}

/* Where the module keeps the address of a function that it imports. */
static ULONG_PTR *module__import(HMODULE module, const char *name)
{
    char *base = (char *)module;
    for (IMAGE_IMPORT_DESCRIPTOR *from = module__imports(module); from->Name != 0; from++) {
        IMAGE_THUNK_DATA *names = (void *)(base + from->OriginalFirstThunk);
        IMAGE_THUNK_DATA *addresses = (void *)(base + from->FirstThunk);
        for (size_t i = 0; names[i].u1.AddressOfData != 0; i++) {
            IMAGE_IMPORT_BY_NAME *entry = (void *)(base + names[i].u1.AddressOfData);
            bool is_number = IMAGE_SNAP_BY_ORDINAL(names[i].u1.Ordinal);
            if (!is_number && strcmp((char *)entry->Name, name) == 0) {
                return (void *)&addresses[i].u1.Function;
            }
        }
    }
    return NULL;
}

static void module__redirect(HMODULE module, const char *name, ULONG_PTR function)
{
    DWORD former;
    ULONG_PTR *import = module__import(module, name);
    assert_non_null(import);
    assert_true(VirtualProtect(import, sizeof *import, PAGE_READWRITE, &former));
    *import = function;
    assert_true(VirtualProtect(import, sizeof *import, former, &former));
}

static BOOL WINAPI refuse_packet(HANDLE port, DWORD bytes, ULONG_PTR key, OVERLAPPED *overlapped)
{
    (void)port;
    (void)bytes;
    (void)key;
    (void)overlapped;
    SetLastError(ERROR_NO_SYSTEM_RESOURCES);
    return FALSE;
}

/* A thread that sleeps in the loop once, and waits alertably when the DLL is gone. */
typedef struct sleeper {
    test_thread thread;
    const library *loaded;
    iocp_loop_t *loop;
    HANDLE has_slept;
    HANDLE is_gone;
    int timers;
    DWORD ended_by;
} sleeper;

static void sleeper__run(void *arg)
{
    sleeper *self = arg;
    (void)self->loaded->timer(self->loop, 1000000, on_timer, &self->timers, NULL);
    (void)self->loaded->run(self->loop, IOCP_RUN_UNTIL_DONE);
    (void)SetEvent(self->has_slept);
    (void)WaitForSingleObject(self->is_gone, INFINITE);
    self->ended_by = SleepEx(0, TRUE);
}

/* Work that cannot come back by a packet sends an APC to who slept last, and another runs it. */
static void sleeper__leave_apc(const sleeper *self)
{
    int worked = 1;
    module__redirect(self->loaded->module, "PostQueuedCompletionStatus", (ULONG_PTR)refuse_packet);
    assert_int_equal(
        self->loaded->work(self->loop, set_event, self->has_slept, on_end, &worked, NULL), IOCP_OK);
    while (worked == 1) {
        assert_int_equal(self->loaded->run(self->loop, IOCP_RUN_NO_WAIT), IOCP_OK);
    }
    assert_int_equal(worked, IOCP_OK);
}

static void an_apc_that_is_left_over_does_not_need_the_dll(void **state)
{
    (void)state;
    library loaded = library__load();
    sleeper self = {.loaded = &loaded};
    self.has_slept = CreateEventW(NULL, FALSE, FALSE, NULL);
    self.is_gone = CreateEventW(NULL, FALSE, FALSE, NULL);
    assert_true(self.has_slept != NULL && self.is_gone != NULL);
    assert_int_equal(loaded.create(NULL, &self.loop), IOCP_OK);
    assert_true(test_thread_start(&self.thread, sleeper__run, &self));
    assert_int_equal(WaitForSingleObject(self.has_slept, INFINITE), WAIT_OBJECT_0);
    sleeper__leave_apc(&self);
    assert_int_equal(loaded.destroy(self.loop, UINT64_MAX), IOCP_OK);
    library__unload(&loaded);
    assert_true(SetEvent(self.is_gone));
    test_thread_join(&self.thread);
    assert_int_equal(self.timers, 1);
    assert_int_equal(self.ended_by, WAIT_IO_COMPLETION); /* there was one */
    assert_true(CloseHandle(self.has_slept));
    assert_true(CloseHandle(self.is_gone));
}

static void the_dll_is_the_version_of_its_header(void **state)
{
    (void)state;
    library loaded = library__load();
    assert_int_equal(loaded.version(), IOCP_VERSION);
    assert_true(FreeLibrary(loaded.module));
}

static void a_loop_has_no_thread_of_its_own(void **state)
{
    (void)state;
    library loaded = library__load();
    iocp_loop_t *loop = NULL;
    int count = 0;
    library__use(&loaded);
    size_t threads = threads__count();
    assert_int_equal(loaded.create(NULL, &loop), IOCP_OK);
    assert_int_equal(loaded.timer(loop, 1000000, on_timer, &count, NULL), IOCP_OK);
    assert_int_equal(loaded.run(loop, IOCP_RUN_UNTIL_DONE), IOCP_OK);
    assert_int_equal(threads__count(), threads);
    assert_int_equal(loaded.destroy(loop, 0), IOCP_OK);
    assert_true(FreeLibrary(loaded.module));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: of the others' work threads of the pool are left, which end when they like. */
        cmocka_unit_test(a_loop_has_no_thread_of_its_own),
        cmocka_unit_test(the_dll_is_loaded_used_and_unloaded_many_times),
        cmocka_unit_test(the_dll_is_unloaded_right_behind_work_and_waits),
        cmocka_unit_test(the_dll_is_unloaded_right_behind_the_consoles_handler),
        cmocka_unit_test(nothing_that_ends_with_its_loop_keeps_the_dll),
        cmocka_unit_test(an_apc_that_is_left_over_does_not_need_the_dll),
        cmocka_unit_test(the_dll_is_the_version_of_its_header),
    };
    win_catch_crashes();
    contract_console_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
