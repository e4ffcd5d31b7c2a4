#include "win_faults.h"

#include "atomic.h"
#include "base.h"

#include <string.h>

typedef struct fault_call {
    const char *name;
    uint32_t usual_error;
    ioc_atomic_u64 count;
    ioc_atomic_u64 failures_left; /* UINT64_MAX: all */
    ioc_atomic_u32 error;         /* instead of the usual one, 0: that */
} fault_call;

static fault_call fault_calls[WIN_CALLS] = {
    [WIN_CREATE_PORT] = {"CreateIoCompletionPort", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_DEQUEUE] = {"GetQueuedCompletionStatusEx", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_POST] = {"PostQueuedCompletionStatus", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_SET_MODES] = {"SetFileCompletionNotificationModes", ERROR_INVALID_PARAMETER},
    [WIN_CANCEL] = {"CancelIoEx", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_CLOSE_HANDLE] = {"CloseHandle", ERROR_INVALID_HANDLE},
    [WIN_GET_HANDLE_INFORMATION] = {"GetHandleInformation", ERROR_INVALID_HANDLE},
    [WIN_SET_HANDLE_INFORMATION] = {"SetHandleInformation", ERROR_ACCESS_DENIED},
    [WIN_GET_FILE_TYPE] = {"GetFileType", ERROR_INVALID_HANDLE},
    [WIN_GET_ATTRIBUTES] = {"GetFileAttributesW", ERROR_ACCESS_DENIED},
    [WIN_GET_ATTRIBUTES_EX] = {"GetFileAttributesExW", ERROR_ACCESS_DENIED},
    [WIN_FULL_PATH] = {"GetFullPathNameW", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_CREATE_FILE] = {"CreateFileW", ERROR_TOO_MANY_OPEN_FILES},
    [WIN_READ_FILE] = {"ReadFile", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_WRITE_FILE] = {"WriteFile", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_FLUSH_FILE] = {"FlushFileBuffers", ERROR_IO_DEVICE},
    [WIN_REOPEN_FILE] = {"ReOpenFile", ERROR_SHARING_VIOLATION},
    [WIN_READ_CHANGES] = {"ReadDirectoryChangesW", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_CREATE_PIPE] = {"CreateNamedPipeW", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_CONNECT_PIPE] = {"ConnectNamedPipe", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_SET_PIPE_STATE] = {"SetNamedPipeHandleState", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_GET_PIPE_INFO] = {"GetNamedPipeInfo", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_GET_PIPE_CLIENT] = {"GetNamedPipeClientProcessId", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_GET_PIPE_SERVER] = {"GetNamedPipeServerProcessId", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_DEVICE_CONTROL] = {"DeviceIoControl", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_GET_SIZE] = {"GetFileSizeEx", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_GET_FILE_INFORMATION] = {"GetFileInformationByHandleEx", ERROR_NOT_READY},
    [WIN_SET_FILE_INFORMATION] = {"SetFileInformationByHandle", ERROR_DISK_FULL},
    [WIN_COPY_FILE] = {"CopyFileExW", ERROR_DISK_FULL},
    [WIN_CREATE_FOLDER] = {"CreateDirectoryW", ERROR_DISK_FULL},
    [WIN_PEEK_PIPE] = {"PeekNamedPipe", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_CONSOLE_MODE] = {"GetConsoleMode", ERROR_INVALID_HANDLE},
    [WIN_READ_CONSOLE] = {"ReadConsoleW", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_WRITE_CONSOLE] = {"WriteConsoleW", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_CREATE_TIMER] = {"CreateWaitableTimerExW", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_SET_TIMER] = {"SetWaitableTimer", ERROR_NO_SYSTEM_RESOURCES},
    [WIN_CANCEL_TIMER] = {"CancelWaitableTimer", ERROR_INVALID_HANDLE},
    [WIN_CREATE_EVENT] = {"CreateEventW", ERROR_TOO_MANY_OPEN_FILES},
    [WIN_TRY_WAIT] = {"WaitForSingleObject", ERROR_ACCESS_DENIED},
    [WIN_REGISTER_WAIT] = {"RegisterWaitForSingleObject", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_UNREGISTER_WAIT] = {"UnregisterWaitEx", ERROR_INVALID_HANDLE},
    [WIN_CREATE_WORK] = {"CreateThreadpoolWork", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_TRY_SUBMIT] = {"TrySubmitThreadpoolCallback", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_QUEUE_WORK] = {"QueueUserWorkItem", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_MAY_RUN_LONG] = {"CallbackMayRunLong", ERROR_TOO_MANY_TCBS},
    [WIN_GET_PROCESS_ID] = {"GetProcessId", ERROR_ACCESS_DENIED},
    [WIN_GET_EXIT_CODE] = {"GetExitCodeProcess", ERROR_ACCESS_DENIED},
    [WIN_END_PROCESS] = {"TerminateProcess", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_END_JOB] = {"TerminateJobObject", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_RAISE_CONSOLE] = {"GenerateConsoleCtrlEvent", ERROR_INVALID_HANDLE},
    [WIN_DUPLICATE] = {"DuplicateHandle", ERROR_TOO_MANY_OPEN_FILES},
    [WIN_CREATE_PROCESS] = {"CreateProcessW", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_INIT_ATTRIBUTES] = {"InitializeProcThreadAttributeList", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_SET_ATTRIBUTE] = {"UpdateProcThreadAttribute", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_GET_STD_HANDLE] = {"GetStdHandle", ERROR_INVALID_HANDLE},
    [WIN_GET_VARIABLE] = {"GetEnvironmentVariableW", ERROR_ENVVAR_NOT_FOUND},
    [WIN_GET_SYSTEM_FOLDER] = {"GetSystemDirectoryW", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_COMPARE] = {"CompareStringOrdinal", ERROR_INVALID_PARAMETER},
    [WIN_CREATE_JOB] = {"CreateJobObjectW", ERROR_NOT_ENOUGH_MEMORY},
    [WIN_SET_JOB] = {"SetInformationJobObject", ERROR_INVALID_PARAMETER},
    [WIN_GET_MODULE] = {"GetModuleHandleW", ERROR_MOD_NOT_FOUND},
    [WIN_GET_MODULE_OF] = {"GetModuleHandleExW", ERROR_MOD_NOT_FOUND},
    [WIN_LOAD_LIBRARY] = {"LoadLibraryExW", ERROR_MOD_NOT_FOUND},
    [WIN_FREE_LIBRARY] = {"FreeLibrary", ERROR_INVALID_HANDLE},
    [WIN_SET_CONSOLE_HANDLER] = {"SetConsoleCtrlHandler", ERROR_INVALID_PARAMETER},
    [WIN_GET_PROC] = {"GetProcAddress", ERROR_PROC_NOT_FOUND},
    [WIN_OPEN_THREAD] = {"OpenThread", ERROR_ACCESS_DENIED},
    [WIN_CANCEL_SYNCHRONOUS] = {"CancelSynchronousIo", ERROR_NOT_SUPPORTED},
    [WIN_QUEUE_APC] = {"QueueUserAPC", ERROR_GEN_FAILURE},
    [WIN_FREQUENCY] = {"QueryPerformanceFrequency", ERROR_NOT_SUPPORTED},
    [WIN_COUNTER] = {"QueryPerformanceCounter", ERROR_NOT_SUPPORTED},
    [WIN_CONVERT_SDDL] = {"ConvertStringSecurityDescriptorToSecurityDescriptorW",
                          ERROR_NOT_ENOUGH_MEMORY},
    [WIN_RANDOM] = {"RtlGenRandom", ERROR_GEN_FAILURE},
    [WIN_STARTUP] = {"WSAStartup", WSASYSNOTREADY},
    [WIN_CLEANUP] = {"WSACleanup", WSAENETDOWN},
    [WIN_SOCKET] = {"WSASocketW", WSAEMFILE},
    [WIN_CLOSE_SOCKET] = {"closesocket", WSAENETDOWN},
    [WIN_IOCTL_SOCKET] = {"ioctlsocket", WSAENETDOWN},
    [WIN_BIND] = {"bind", WSAENOBUFS},
    [WIN_LISTEN] = {"listen", WSAENOBUFS},
    [WIN_SHUTDOWN] = {"shutdown", WSAENETDOWN},
    [WIN_GET_NAME] = {"getsockname", WSAENETDOWN},
    [WIN_GET_PEER] = {"getpeername", WSAENETDOWN},
    [WIN_SET_OPTION] = {"setsockopt", WSAENOBUFS},
    [WIN_GET_OPTION] = {"getsockopt", WSAENOBUFS},
    [WIN_IOCTL] = {"WSAIoctl", WSAENOBUFS},
    [WIN_SEND] = {"WSASend", WSAENOBUFS},
    [WIN_RECV] = {"WSARecv", WSAENOBUFS},
    [WIN_CONNECT] = {"connect", WSAENOBUFS},
    [WIN_SEND_TO] = {"WSASendTo", WSAENOBUFS},
    [WIN_RECV_FROM] = {"WSARecvFrom", WSAENOBUFS},
    [WIN_LOOK_UP] = {"GetAddrInfoExW", WSA_NOT_ENOUGH_MEMORY},
    [WIN_CANCEL_LOOK_UP] = {"GetAddrInfoExCancel", WSA_INVALID_HANDLE},
    [WIN_ACCEPT_EX] = {"AcceptEx", WSAENOBUFS},
    [WIN_CONNECT_EX] = {"ConnectEx", WSAENOBUFS},
    [WIN_TRANSMIT_FILE] = {"TransmitFile", WSAENOBUFS},
    [WIN_SEND_MSG] = {"WSASendMsg", WSAENOBUFS},
    [WIN_RECV_MSG] = {"WSARecvMsg", WSAENOBUFS},
};

static ioc_atomic_u64 fault_count;
static ioc_atomic_u64 fault_struck;
static ioc_atomic_u32 fault_last;
static ioc_atomic_u64 fault_nth; /* 0: none */
static ioc_atomic_u32 fault_held;

/* The real ones; the same for all providers that a test meets. */
static ioc_atomic_ptr fault_accept_ex;
static ioc_atomic_ptr fault_connect_ex;
static ioc_atomic_ptr fault_transmit_file;
static ioc_atomic_ptr fault_send_msg;
static ioc_atomic_ptr fault_recv_msg;

/* ---- Striking ---- */

static void fault__store(ioc_atomic_u64 *number, uint64_t value)
{
    uint64_t seen = ioc_load_u64(number);
    while (!ioc_compare_exchange_u64(number, &seen, value)) {}
}

/* One more; how many it was. */
static uint64_t fault__increment(ioc_atomic_u64 *number)
{
    uint64_t seen = ioc_load_u64(number);
    while (!ioc_compare_exchange_u64(number, &seen, seen + 1)) {}
    return seen + 1;
}

static bool fault__take_failure(fault_call *call)
{
    uint64_t left = ioc_load_u64(&call->failures_left);
    while (left > 0 && left != UINT64_MAX) {
        if (ioc_compare_exchange_u64(&call->failures_left, &left, left - 1)) {
            return true;
        }
    }
    return left > 0;
}

/* Count a call. True: it is to fail, and the thread's last error is set. */
static bool fault__strikes(win_call number)
{
    fault_call *call = &fault_calls[number];
    bool is_the_nth = fault__increment(&fault_count) == ioc_load_u64(&fault_nth);
    fault__increment(&call->count);
    if (!fault__take_failure(call) && !is_the_nth) {
        return false;
    }
    uint32_t error = ioc_load_u32(&call->error);
    ioc_store_u32(&fault_last, (uint32_t)number);
    fault__increment(&fault_struck);
    SetLastError(error != 0 ? error : call->usual_error); /* also what WSAGetLastError says */
    return true;
}

static uint32_t fault__error_of(win_call number)
{
    uint32_t error = ioc_load_u32(&fault_calls[number].error);
    return error != 0 ? error : fault_calls[number].usual_error;
}

static void fault__take(void)
{
    ioc_add_u32(&fault_held, 1);
}

static void fault__give(void)
{
    ioc_add_u32(&fault_held, 0u - 1u);
}

/* ---- kernel32 ---- */

static HANDLE WINAPI fault__create_port(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads)
{
    return fault__strikes(WIN_CREATE_PORT) ? NULL
                                           : CreateIoCompletionPort(file, port, key, threads);
}

static BOOL WINAPI fault__dequeue(HANDLE port, OVERLAPPED_ENTRY *entries, ULONG capacity,
                                  ULONG *count, DWORD timeout_ms, BOOL is_alertable)
{
    return !fault__strikes(WIN_DEQUEUE) &&
           GetQueuedCompletionStatusEx(port, entries, capacity, count, timeout_ms, is_alertable);
}

static BOOL WINAPI fault__post(HANDLE port, DWORD bytes, ULONG_PTR key, OVERLAPPED *overlapped)
{
    return !fault__strikes(WIN_POST) && PostQueuedCompletionStatus(port, bytes, key, overlapped);
}

static BOOL WINAPI fault__set_modes(HANDLE file, UCHAR flags)
{
    return !fault__strikes(WIN_SET_MODES) && SetFileCompletionNotificationModes(file, flags);
}

static BOOL WINAPI fault__cancel(HANDLE file, OVERLAPPED *overlapped)
{
    return !fault__strikes(WIN_CANCEL) && CancelIoEx(file, overlapped);
}

static BOOL WINAPI fault__close_handle(HANDLE handle)
{
    BOOL is_closed = CloseHandle(handle);
    return !fault__strikes(WIN_CLOSE_HANDLE) && is_closed;
}

static BOOL WINAPI fault__get_handle_information(HANDLE handle, DWORD *flags)
{
    return !fault__strikes(WIN_GET_HANDLE_INFORMATION) && GetHandleInformation(handle, flags);
}

static BOOL WINAPI fault__set_handle_information(HANDLE handle, DWORD mask, DWORD flags)
{
    return !fault__strikes(WIN_SET_HANDLE_INFORMATION) && SetHandleInformation(handle, mask, flags);
}

static DWORD WINAPI fault__get_file_type(HANDLE file)
{
    return fault__strikes(WIN_GET_FILE_TYPE) ? FILE_TYPE_UNKNOWN : GetFileType(file);
}

static DWORD WINAPI fault__get_attributes(const wchar_t *path)
{
    return fault__strikes(WIN_GET_ATTRIBUTES) ? INVALID_FILE_ATTRIBUTES : GetFileAttributesW(path);
}

static DWORD WINAPI fault__full_path(const wchar_t *path, DWORD capacity, wchar_t *full,
                                     wchar_t **name)
{
    return fault__strikes(WIN_FULL_PATH) ? 0 : GetFullPathNameW(path, capacity, full, name);
}

static HANDLE WINAPI fault__create_file(const wchar_t *path, DWORD access, DWORD sharing,
                                        SECURITY_ATTRIBUTES *security, DWORD disposition,
                                        DWORD flags, HANDLE model)
{
    return fault__strikes(WIN_CREATE_FILE)
               ? INVALID_HANDLE_VALUE
               : CreateFileW(path, access, sharing, security, disposition, flags, model);
}

static BOOL WINAPI fault__read_file(HANDLE file, void *data, DWORD size, DWORD *bytes,
                                    OVERLAPPED *overlapped)
{
    return !fault__strikes(WIN_READ_FILE) && ReadFile(file, data, size, bytes, overlapped);
}

static BOOL WINAPI fault__write_file(HANDLE file, const void *data, DWORD size, DWORD *bytes,
                                     OVERLAPPED *overlapped)
{
    return !fault__strikes(WIN_WRITE_FILE) && WriteFile(file, data, size, bytes, overlapped);
}

static BOOL WINAPI fault__flush_file(HANDLE file)
{
    return !fault__strikes(WIN_FLUSH_FILE) && FlushFileBuffers(file);
}

static HANDLE WINAPI fault__reopen(HANDLE file, DWORD access, DWORD share, DWORD flags)
{
    return fault__strikes(WIN_REOPEN_FILE) ? INVALID_HANDLE_VALUE
                                           : ReOpenFile(file, access, share, flags);
}

static BOOL WINAPI fault__read_changes(HANDLE folder, void *buffer, DWORD size, BOOL is_tree,
                                       DWORD filter, DWORD *bytes, OVERLAPPED *overlapped,
                                       LPOVERLAPPED_COMPLETION_ROUTINE completion)
{
    return !fault__strikes(WIN_READ_CHANGES) &&
           ReadDirectoryChangesW(folder, buffer, size, is_tree, filter, bytes, overlapped,
                                 completion);
}

static HANDLE WINAPI fault__create_pipe(const wchar_t *name, DWORD access, DWORD mode,
                                        DWORD instances, DWORD out_bytes, DWORD in_bytes,
                                        DWORD timeout_ms, SECURITY_ATTRIBUTES *security)
{
    return fault__strikes(WIN_CREATE_PIPE)
               ? INVALID_HANDLE_VALUE
               : CreateNamedPipeW(name, access, mode, instances, out_bytes, in_bytes, timeout_ms,
                                  security);
}

static BOOL WINAPI fault__connect_pipe(HANDLE pipe, OVERLAPPED *overlapped)
{
    return !fault__strikes(WIN_CONNECT_PIPE) && ConnectNamedPipe(pipe, overlapped);
}

static BOOL WINAPI fault__get_pipe_info(HANDLE pipe, DWORD *flags, DWORD *out_bytes,
                                        DWORD *in_bytes, DWORD *instances)
{
    return !fault__strikes(WIN_GET_PIPE_INFO) &&
           GetNamedPipeInfo(pipe, flags, out_bytes, in_bytes, instances);
}

static BOOL WINAPI fault__get_pipe_client(HANDLE pipe, ULONG *process_id)
{
    return !fault__strikes(WIN_GET_PIPE_CLIENT) && GetNamedPipeClientProcessId(pipe, process_id);
}

static BOOL WINAPI fault__get_pipe_server(HANDLE pipe, ULONG *process_id)
{
    return !fault__strikes(WIN_GET_PIPE_SERVER) && GetNamedPipeServerProcessId(pipe, process_id);
}

static BOOL WINAPI fault__device_control(HANDLE device, DWORD code, void *in, DWORD in_bytes,
                                         void *out, DWORD out_bytes, DWORD *bytes,
                                         OVERLAPPED *overlapped)
{
    return !fault__strikes(WIN_DEVICE_CONTROL) &&
           DeviceIoControl(device, code, in, in_bytes, out, out_bytes, bytes, overlapped);
}

static BOOL WINAPI fault__set_pipe_state(HANDLE pipe, DWORD *mode, DWORD *bytes, DWORD *timeout_ms)
{
    return !fault__strikes(WIN_SET_PIPE_STATE) &&
           SetNamedPipeHandleState(pipe, mode, bytes, timeout_ms);
}

static BOOL WINAPI fault__get_size(HANDLE file, LARGE_INTEGER *size)
{
    return !fault__strikes(WIN_GET_SIZE) && GetFileSizeEx(file, size);
}

static BOOL WINAPI fault__get_attributes_ex(const wchar_t *path, GET_FILEEX_INFO_LEVELS level,
                                            void *data)
{
    return !fault__strikes(WIN_GET_ATTRIBUTES_EX) && GetFileAttributesExW(path, level, data);
}

static BOOL WINAPI fault__get_file_information(HANDLE file, FILE_INFO_BY_HANDLE_CLASS information,
                                               void *data, DWORD size)
{
    return !fault__strikes(WIN_GET_FILE_INFORMATION) &&
           GetFileInformationByHandleEx(file, information, data, size);
}

static BOOL WINAPI fault__copy_file(const wchar_t *from, const wchar_t *to,
                                    LPPROGRESS_ROUTINE progress, void *data, BOOL *is_cancelled,
                                    DWORD flags)
{
    return !fault__strikes(WIN_COPY_FILE) &&
           CopyFileExW(from, to, progress, data, is_cancelled, flags);
}

static BOOL WINAPI fault__create_folder(const wchar_t *path, SECURITY_ATTRIBUTES *security)
{
    return !fault__strikes(WIN_CREATE_FOLDER) && CreateDirectoryW(path, security);
}

static BOOL WINAPI fault__set_file_information(HANDLE file, FILE_INFO_BY_HANDLE_CLASS information,
                                               void *data, DWORD size)
{
    return !fault__strikes(WIN_SET_FILE_INFORMATION) &&
           SetFileInformationByHandle(file, information, data, size);
}

static BOOL WINAPI fault__peek_pipe(HANDLE pipe, void *data, DWORD size, DWORD *bytes, DWORD *there,
                                    DWORD *left)
{
    return !fault__strikes(WIN_PEEK_PIPE) && PeekNamedPipe(pipe, data, size, bytes, there, left);
}

static BOOL WINAPI fault__console_mode(HANDLE console, DWORD *mode)
{
    return !fault__strikes(WIN_CONSOLE_MODE) && GetConsoleMode(console, mode);
}

static BOOL WINAPI fault__read_console(HANDLE console, void *units, DWORD room, DWORD *count,
                                       void *control)
{
    return !fault__strikes(WIN_READ_CONSOLE) && ReadConsoleW(console, units, room, count, control);
}

static BOOL WINAPI fault__write_console(HANDLE console, const void *units, DWORD count,
                                        DWORD *written, void *reserved)
{
    return !fault__strikes(WIN_WRITE_CONSOLE) &&
           WriteConsoleW(console, units, count, written, reserved);
}

static HANDLE WINAPI fault__create_timer(SECURITY_ATTRIBUTES *security, const wchar_t *name,
                                         DWORD flags, DWORD access)
{
    return fault__strikes(WIN_CREATE_TIMER) ? NULL
                                            : CreateWaitableTimerExW(security, name, flags, access);
}

static BOOL WINAPI fault__set_timer(HANDLE timer, const LARGE_INTEGER *due, LONG period,
                                    PTIMERAPCROUTINE routine, void *argument, BOOL resumes)
{
    return !fault__strikes(WIN_SET_TIMER) &&
           SetWaitableTimer(timer, due, period, routine, argument, resumes);
}

static BOOL WINAPI fault__cancel_timer(HANDLE timer)
{
    BOOL is_done = CancelWaitableTimer(timer);
    return !fault__strikes(WIN_CANCEL_TIMER) && is_done;
}

static HANDLE WINAPI fault__create_event(SECURITY_ATTRIBUTES *security, BOOL is_manual, BOOL is_set,
                                         const wchar_t *name)
{
    return fault__strikes(WIN_CREATE_EVENT) ? NULL
                                            : CreateEventW(security, is_manual, is_set, name);
}

static DWORD WINAPI fault__try_wait(HANDLE object, DWORD timeout_ms)
{
    return fault__strikes(WIN_TRY_WAIT) ? WAIT_FAILED : WaitForSingleObject(object, timeout_ms);
}

static BOOL WINAPI fault__register_wait(HANDLE *registration, HANDLE object,
                                        WAITORTIMERCALLBACK function, void *context,
                                        ULONG timeout_ms, ULONG flags)
{
    return !fault__strikes(WIN_REGISTER_WAIT) &&
           RegisterWaitForSingleObject(registration, object, function, context, timeout_ms, flags);
}

static BOOL WINAPI fault__unregister_wait(HANDLE registration, HANDLE event)
{
    if (event != INVALID_HANDLE_VALUE) {
        return !fault__strikes(WIN_UNREGISTER_WAIT) && UnregisterWaitEx(registration, event);
    }
    /* The last word on a wait: nobody asks again, so it does not stay registered. */
    BOOL is_done = UnregisterWaitEx(registration, event);
    return !fault__strikes(WIN_UNREGISTER_WAIT) && is_done;
}

static PTP_WORK WINAPI fault__create_work(PTP_WORK_CALLBACK function, void *context,
                                          PTP_CALLBACK_ENVIRON environment)
{
    if (fault__strikes(WIN_CREATE_WORK)) {
        return NULL;
    }
    fault__take();
    return CreateThreadpoolWork(function, context, environment);
}

static void WINAPI fault__close_work(PTP_WORK work)
{
    fault__give();
    CloseThreadpoolWork(work);
}

static BOOL WINAPI fault__try_submit(PTP_SIMPLE_CALLBACK function, void *context,
                                     PTP_CALLBACK_ENVIRON environment)
{
    return !fault__strikes(WIN_TRY_SUBMIT) &&
           TrySubmitThreadpoolCallback(function, context, environment);
}

/* It is a pseudo console's end that is queued. */
static BOOL WINAPI fault__queue_work(LPTHREAD_START_ROUTINE function, void *context, ULONG flags)
{
    BOOL is_queued = QueueUserWorkItem(function, context, flags);
    return !fault__strikes(WIN_QUEUE_WORK) && is_queued;
}

static BOOL WINAPI fault__may_run_long(PTP_CALLBACK_INSTANCE instance)
{
    return !fault__strikes(WIN_MAY_RUN_LONG) && CallbackMayRunLong(instance);
}

static DWORD WINAPI fault__get_process_id(HANDLE process)
{
    return fault__strikes(WIN_GET_PROCESS_ID) ? 0 : GetProcessId(process);
}

static BOOL WINAPI fault__get_exit_code(HANDLE process, DWORD *code)
{
    return !fault__strikes(WIN_GET_EXIT_CODE) && GetExitCodeProcess(process, code);
}

static BOOL WINAPI fault__end_process(HANDLE process, UINT code)
{
    return !fault__strikes(WIN_END_PROCESS) && TerminateProcess(process, code);
}

static BOOL WINAPI fault__end_job(HANDLE job, UINT code)
{
    return !fault__strikes(WIN_END_JOB) && TerminateJobObject(job, code);
}

static BOOL WINAPI fault__raise_console(DWORD event, DWORD group)
{
    return !fault__strikes(WIN_RAISE_CONSOLE) && GenerateConsoleCtrlEvent(event, group);
}

static BOOL WINAPI fault__duplicate(HANDLE from, HANDLE handle, HANDLE to, HANDLE *copy,
                                    DWORD access, BOOL is_inherited, DWORD options)
{
    return !fault__strikes(WIN_DUPLICATE) &&
           DuplicateHandle(from, handle, to, copy, access, is_inherited, options);
}

static BOOL WINAPI fault__create_process(const wchar_t *program, wchar_t *line,
                                         SECURITY_ATTRIBUTES *process, SECURITY_ATTRIBUTES *thread,
                                         BOOL inherits, DWORD flags, void *environment,
                                         const wchar_t *folder, STARTUPINFOW *startup,
                                         PROCESS_INFORMATION *child)
{
    return !fault__strikes(WIN_CREATE_PROCESS) &&
           CreateProcessW(program, line, process, thread, inherits, flags, environment, folder,
                          startup, child);
}

/* Lists that are made and deleted again are counted, as nothing else shows one that is left. */
static BOOL WINAPI fault__init_attributes(LPPROC_THREAD_ATTRIBUTE_LIST list, DWORD count,
                                          DWORD flags, SIZE_T *size)
{
    if (list == NULL) {
        return InitializeProcThreadAttributeList(list, count, flags, size);
    }
    if (fault__strikes(WIN_INIT_ATTRIBUTES)) {
        return FALSE;
    }
    fault__take();
    return InitializeProcThreadAttributeList(list, count, flags, size);
}

static BOOL WINAPI fault__set_attribute(LPPROC_THREAD_ATTRIBUTE_LIST list, DWORD flags,
                                        DWORD_PTR attribute, void *value, SIZE_T size,
                                        void *previous, SIZE_T *returned)
{
    return !fault__strikes(WIN_SET_ATTRIBUTE) &&
           UpdateProcThreadAttribute(list, flags, attribute, value, size, previous, returned);
}

static void WINAPI fault__delete_attributes(LPPROC_THREAD_ATTRIBUTE_LIST list)
{
    fault__give();
    DeleteProcThreadAttributeList(list);
}

static HANDLE WINAPI fault__get_std_handle(DWORD which)
{
    return fault__strikes(WIN_GET_STD_HANDLE) ? INVALID_HANDLE_VALUE : GetStdHandle(which);
}

static DWORD WINAPI fault__get_variable(const wchar_t *name, wchar_t *value, DWORD count)
{
    return fault__strikes(WIN_GET_VARIABLE) ? 0 : GetEnvironmentVariableW(name, value, count);
}

static UINT WINAPI fault__get_system_folder(wchar_t *folder, UINT count)
{
    return fault__strikes(WIN_GET_SYSTEM_FOLDER) ? 0 : GetSystemDirectoryW(folder, count);
}

static int WINAPI fault__compare(const wchar_t *left, int left_count, const wchar_t *right,
                                 int right_count, BOOL ignores_case)
{
    return fault__strikes(WIN_COMPARE)
               ? 0
               : CompareStringOrdinal(left, left_count, right, right_count, ignores_case);
}

static HANDLE WINAPI fault__create_job(SECURITY_ATTRIBUTES *security, const wchar_t *name)
{
    return fault__strikes(WIN_CREATE_JOB) ? NULL : CreateJobObjectW(security, name);
}

static BOOL WINAPI fault__set_job(HANDLE job, JOBOBJECTINFOCLASS information, void *data,
                                  DWORD size)
{
    return !fault__strikes(WIN_SET_JOB) && SetInformationJobObject(job, information, data, size);
}

static HMODULE WINAPI fault__get_module(const wchar_t *name)
{
    return fault__strikes(WIN_GET_MODULE) ? NULL : GetModuleHandleW(name);
}

static BOOL WINAPI fault__get_module_of(DWORD flags, const wchar_t *name, HMODULE *module)
{
    return !fault__strikes(WIN_GET_MODULE_OF) && GetModuleHandleExW(flags, name, module);
}

static HMODULE WINAPI fault__load_library(const wchar_t *name, HANDLE file, DWORD flags)
{
    return fault__strikes(WIN_LOAD_LIBRARY) ? NULL : LoadLibraryExW(name, file, flags);
}

static BOOL WINAPI fault__free_library(HMODULE module)
{
    BOOL is_free = FreeLibrary(module);
    return !fault__strikes(WIN_FREE_LIBRARY) && is_free;
}

/* To take a handler back gives something back. */
static BOOL WINAPI fault__set_console_handler(PHANDLER_ROUTINE handler, BOOL is_added)
{
    if (is_added && fault__strikes(WIN_SET_CONSOLE_HANDLER)) {
        return FALSE;
    }
    BOOL is_set = SetConsoleCtrlHandler(handler, is_added);
    if (is_set) {
        is_added ? fault__take() : fault__give();
    }
    return (is_added || !fault__strikes(WIN_SET_CONSOLE_HANDLER)) && is_set;
}

static FARPROC WINAPI fault__get_proc(HMODULE module, const char *name)
{
    return fault__strikes(WIN_GET_PROC) ? NULL : GetProcAddress(module, name);
}

static HANDLE WINAPI fault__open_thread(DWORD access, BOOL is_inherited, DWORD id)
{
    return fault__strikes(WIN_OPEN_THREAD) ? NULL : OpenThread(access, is_inherited, id);
}

static BOOL WINAPI fault__cancel_synchronous(HANDLE thread)
{
    return !fault__strikes(WIN_CANCEL_SYNCHRONOUS) && CancelSynchronousIo(thread);
}

static DWORD WINAPI fault__queue_apc(PAPCFUNC function, HANDLE thread, ULONG_PTR argument)
{
    return fault__strikes(WIN_QUEUE_APC) ? 0 : QueueUserAPC(function, thread, argument);
}

static BOOL WINAPI fault__frequency(LARGE_INTEGER *frequency)
{
    return !fault__strikes(WIN_FREQUENCY) && QueryPerformanceFrequency(frequency);
}

static BOOL WINAPI fault__counter(LARGE_INTEGER *counter)
{
    return !fault__strikes(WIN_COUNTER) && QueryPerformanceCounter(counter);
}

/* What it gives is held until it is given back. */
static BOOL WINAPI fault__convert_sddl(const wchar_t *text, DWORD revision,
                                       PSECURITY_DESCRIPTOR *descriptor, ULONG *size)
{
    if (fault__strikes(WIN_CONVERT_SDDL) ||
        !ConvertStringSecurityDescriptorToSecurityDescriptorW(text, revision, descriptor, size)) {
        return FALSE;
    }
    fault__take();
    return TRUE;
}

static HLOCAL WINAPI fault__local_free(HLOCAL memory)
{
    fault__give();
    return LocalFree(memory);
}

static BOOLEAN WINAPI fault__random(void *bytes, ULONG count)
{
    return !fault__strikes(WIN_RANDOM) && RtlGenRandom(bytes, count);
}

/* ---- ws2_32 ---- */

static int WINAPI fault__startup(WORD version, WSADATA *data)
{
    if (fault__strikes(WIN_STARTUP)) {
        return (int)fault__error_of(WIN_STARTUP);
    }
    fault__take();
    return WSAStartup(version, data);
}

static int WINAPI fault__cleanup(void)
{
    int status = WSACleanup();
    fault__give();
    return fault__strikes(WIN_CLEANUP) ? SOCKET_ERROR : status;
}

static SOCKET WINAPI fault__socket(int family, int type, int protocol, WSAPROTOCOL_INFOW *info,
                                   GROUP group, DWORD flags)
{
    return fault__strikes(WIN_SOCKET) ? INVALID_SOCKET
                                      : WSASocketW(family, type, protocol, info, group, flags);
}

static int WINAPI fault__close_socket(SOCKET socket)
{
    int status = closesocket(socket);
    return fault__strikes(WIN_CLOSE_SOCKET) ? SOCKET_ERROR : status;
}

static int WINAPI fault__ioctl_socket(SOCKET socket, long command, u_long *argument)
{
    return fault__strikes(WIN_IOCTL_SOCKET) ? SOCKET_ERROR : ioctlsocket(socket, command, argument);
}

static int WINAPI fault__bind(SOCKET socket, const struct sockaddr *address, int length)
{
    return fault__strikes(WIN_BIND) ? SOCKET_ERROR : bind(socket, address, length);
}

static int WINAPI fault__listen(SOCKET socket, int backlog)
{
    return fault__strikes(WIN_LISTEN) ? SOCKET_ERROR : listen(socket, backlog);
}

static int WINAPI fault__shutdown(SOCKET socket, int how)
{
    return fault__strikes(WIN_SHUTDOWN) ? SOCKET_ERROR : shutdown(socket, how);
}

static int WINAPI fault__get_name(SOCKET socket, struct sockaddr *address, int *length)
{
    return fault__strikes(WIN_GET_NAME) ? SOCKET_ERROR : getsockname(socket, address, length);
}

static int WINAPI fault__get_peer(SOCKET socket, struct sockaddr *address, int *length)
{
    return fault__strikes(WIN_GET_PEER) ? SOCKET_ERROR : getpeername(socket, address, length);
}

static int WINAPI fault__set_option(SOCKET socket, int level, int name, const char *value,
                                    int length)
{
    return fault__strikes(WIN_SET_OPTION) ? SOCKET_ERROR
                                          : setsockopt(socket, level, name, value, length);
}

static int WINAPI fault__get_option(SOCKET socket, int level, int name, char *value, int *length)
{
    return fault__strikes(WIN_GET_OPTION) ? SOCKET_ERROR
                                          : getsockopt(socket, level, name, value, length);
}

static int WINAPI fault__send(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *sent, DWORD flags,
                              OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    return fault__strikes(WIN_SEND)
               ? SOCKET_ERROR
               : WSASend(socket, buffers, count, sent, flags, overlapped, routine);
}

static int WINAPI fault__recv(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *received,
                              DWORD *flags, OVERLAPPED *overlapped,
                              LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    return fault__strikes(WIN_RECV)
               ? SOCKET_ERROR
               : WSARecv(socket, buffers, count, received, flags, overlapped, routine);
}

static int WINAPI fault__connect(SOCKET socket, const struct sockaddr *address, int length)
{
    return fault__strikes(WIN_CONNECT) ? SOCKET_ERROR : connect(socket, address, length);
}

static int WINAPI fault__send_to(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *sent,
                                 DWORD flags, const struct sockaddr *address, int length,
                                 OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    return fault__strikes(WIN_SEND_TO) ? SOCKET_ERROR
                                       : WSASendTo(socket, buffers, count, sent, flags, address,
                                                   length, overlapped, routine);
}

static int WINAPI fault__recv_from(SOCKET socket, WSABUF *buffers, DWORD count, DWORD *received,
                                   DWORD *flags, struct sockaddr *address, int *length,
                                   OVERLAPPED *overlapped,
                                   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    return fault__strikes(WIN_RECV_FROM) ? SOCKET_ERROR
                                         : WSARecvFrom(socket, buffers, count, received, flags,
                                                       address, length, overlapped, routine);
}

static int WINAPI fault__look_up(const wchar_t *host, const wchar_t *service, DWORD space,
                                 GUID *provider, const ADDRINFOEXW *hints, ADDRINFOEXW **result,
                                 struct timeval *timeout, OVERLAPPED *overlapped,
                                 LPLOOKUPSERVICE_COMPLETION_ROUTINE routine, HANDLE *handle)
{
    return fault__strikes(WIN_LOOK_UP)
               ? (int)fault__error_of(WIN_LOOK_UP)
               : GetAddrInfoExW(host, service, space, provider, hints, result, timeout, overlapped,
                                routine, handle);
}

static int WINAPI fault__cancel_look_up(HANDLE *handle)
{
    return fault__strikes(WIN_CANCEL_LOOK_UP) ? (int)fault__error_of(WIN_CANCEL_LOOK_UP)
                                              : GetAddrInfoExCancel(handle);
}

/* ---- mswsock, by way of WSAIoctl ---- */

static BOOL WINAPI fault__accept_ex(SOCKET listener, SOCKET accepted, void *buffer,
                                    DWORD data_bytes, DWORD local_bytes, DWORD remote_bytes,
                                    DWORD *received, OVERLAPPED *overlapped)
{
    LPFN_ACCEPTEX real = (LPFN_ACCEPTEX)(uintptr_t)ioc_load_ptr(&fault_accept_ex);
    return !fault__strikes(WIN_ACCEPT_EX) && real(listener, accepted, buffer, data_bytes,
                                                  local_bytes, remote_bytes, received, overlapped);
}

static BOOL WINAPI fault__connect_ex(SOCKET socket, const struct sockaddr *address, int length,
                                     void *data, DWORD data_bytes, DWORD *sent,
                                     OVERLAPPED *overlapped)
{
    LPFN_CONNECTEX real = (LPFN_CONNECTEX)(uintptr_t)ioc_load_ptr(&fault_connect_ex);
    return !fault__strikes(WIN_CONNECT_EX) &&
           real(socket, address, length, data, data_bytes, sent, overlapped);
}

static BOOL WINAPI fault__transmit_file(SOCKET socket, HANDLE file, DWORD bytes, DWORD per_send,
                                        OVERLAPPED *overlapped, TRANSMIT_FILE_BUFFERS *around,
                                        DWORD flags)
{
    LPFN_TRANSMITFILE real = (LPFN_TRANSMITFILE)(uintptr_t)ioc_load_ptr(&fault_transmit_file);
    return !fault__strikes(WIN_TRANSMIT_FILE) &&
           real(socket, file, bytes, per_send, overlapped, around, flags);
}

static INT WINAPI fault__send_msg(SOCKET socket, WSAMSG *message, DWORD flags, DWORD *sent,
                                  OVERLAPPED *overlapped,
                                  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    LPFN_WSASENDMSG real = (LPFN_WSASENDMSG)(uintptr_t)ioc_load_ptr(&fault_send_msg);
    return fault__strikes(WIN_SEND_MSG) ? SOCKET_ERROR
                                        : real(socket, message, flags, sent, overlapped, routine);
}

static INT WINAPI fault__recv_msg(SOCKET socket, WSAMSG *message, DWORD *received,
                                  OVERLAPPED *overlapped,
                                  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    LPFN_WSARECVMSG real = (LPFN_WSARECVMSG)(uintptr_t)ioc_load_ptr(&fault_recv_msg);
    return fault__strikes(WIN_RECV_MSG) ? SOCKET_ERROR
                                        : real(socket, message, received, overlapped, routine);
}

/* Keep the function that the system gave out, and give out ours. */
static void fault__replace(const GUID *guid, void *function)
{
    const struct {
        GUID guid;
        ioc_atomic_ptr *real;
        uintptr_t ours;
    } functions[] = {
        {WSAID_ACCEPTEX, &fault_accept_ex, (uintptr_t)fault__accept_ex},
        {WSAID_CONNECTEX, &fault_connect_ex, (uintptr_t)fault__connect_ex},
        {WSAID_TRANSMITFILE, &fault_transmit_file, (uintptr_t)fault__transmit_file},
        {WSAID_WSASENDMSG, &fault_send_msg, (uintptr_t)fault__send_msg},
        {WSAID_WSARECVMSG, &fault_recv_msg, (uintptr_t)fault__recv_msg},
    };
    for (size_t i = 0; i < IOC_COUNT_OF(functions); i++) {
        if (memcmp(guid, &functions[i].guid, sizeof *guid) == 0) {
            void *given;
            memcpy(&given, function, sizeof given);
            ioc_exchange_ptr(functions[i].real, given);
            memcpy(function, &functions[i].ours, sizeof functions[i].ours);
        }
    }
}

static int WINAPI fault__ioctl(SOCKET socket, DWORD code, void *in, DWORD in_bytes, void *out,
                               DWORD out_bytes, DWORD *returned, OVERLAPPED *overlapped,
                               LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
    if (fault__strikes(WIN_IOCTL)) {
        return SOCKET_ERROR;
    }
    int status =
        WSAIoctl(socket, code, in, in_bytes, out, out_bytes, returned, overlapped, routine);
    if (status == 0 && code == SIO_GET_EXTENSION_FUNCTION_POINTER) {
        fault__replace(in, out);
    }
    return status;
}

/* ---- The table ---- */

static const ioc_sys fault_table = {
    .CreateIoCompletionPort = fault__create_port,
    .GetQueuedCompletionStatusEx = fault__dequeue,
    .PostQueuedCompletionStatus = fault__post,
    .SetFileCompletionNotificationModes = fault__set_modes,
    .CancelIoEx = fault__cancel,
    .CloseHandle = fault__close_handle,
    .GetHandleInformation = fault__get_handle_information,
    .SetHandleInformation = fault__set_handle_information,
    .GetFileType = fault__get_file_type,
    .GetFileAttributesW = fault__get_attributes,
    .GetFileAttributesExW = fault__get_attributes_ex,
    .GetFullPathNameW = fault__full_path,
    .CreateFileW = fault__create_file,
    .ReadFile = fault__read_file,
    .WriteFile = fault__write_file,
    .FlushFileBuffers = fault__flush_file,
    .ReOpenFile = fault__reopen,
    .ReadDirectoryChangesW = fault__read_changes,
    .CreateNamedPipeW = fault__create_pipe,
    .ConnectNamedPipe = fault__connect_pipe,
    .SetNamedPipeHandleState = fault__set_pipe_state,
    .GetNamedPipeInfo = fault__get_pipe_info,
    .GetNamedPipeClientProcessId = fault__get_pipe_client,
    .GetNamedPipeServerProcessId = fault__get_pipe_server,
    .DeviceIoControl = fault__device_control,
    .GetFileSizeEx = fault__get_size,
    .GetFileInformationByHandleEx = fault__get_file_information,
    .SetFileInformationByHandle = fault__set_file_information,
    .CopyFileExW = fault__copy_file,
    .CreateDirectoryW = fault__create_folder,
    .PeekNamedPipe = fault__peek_pipe,
    .GetConsoleMode = fault__console_mode,
    .ReadConsoleW = fault__read_console,
    .WriteConsoleW = fault__write_console,
    .CreateWaitableTimerExW = fault__create_timer,
    .SetWaitableTimer = fault__set_timer,
    .CancelWaitableTimer = fault__cancel_timer,
    .CreateEventW = fault__create_event,
    .SetEvent = SetEvent, /* of events that are there: it has no way to fail */
    .WaitForSingleObject = fault__try_wait,
    .SleepConditionVariableSRW = SleepConditionVariableSRW,
    .RegisterWaitForSingleObject = fault__register_wait,
    .UnregisterWaitEx = fault__unregister_wait,
    .CreateThreadpoolWork = fault__create_work,
    .SubmitThreadpoolWork = SubmitThreadpoolWork,
    .WaitForThreadpoolWorkCallbacks = WaitForThreadpoolWorkCallbacks,
    .CloseThreadpoolWork = fault__close_work,
    .TrySubmitThreadpoolCallback = fault__try_submit,
    .FreeLibraryWhenCallbackReturns = FreeLibraryWhenCallbackReturns,
    .QueueUserWorkItem = fault__queue_work,
    .CallbackMayRunLong = fault__may_run_long,
    .GetProcessId = fault__get_process_id,
    .GetExitCodeProcess = fault__get_exit_code,
    .TerminateProcess = fault__end_process,
    .TerminateJobObject = fault__end_job,
    .GenerateConsoleCtrlEvent = fault__raise_console,
    .DuplicateHandle = fault__duplicate,
    .CreateProcessW = fault__create_process,
    .InitializeProcThreadAttributeList = fault__init_attributes,
    .UpdateProcThreadAttribute = fault__set_attribute,
    .DeleteProcThreadAttributeList = fault__delete_attributes,
    .GetStdHandle = fault__get_std_handle,
    .GetEnvironmentVariableW = fault__get_variable,
    .GetSystemDirectoryW = fault__get_system_folder,
    .CompareStringOrdinal = fault__compare,
    .CreateJobObjectW = fault__create_job,
    .SetInformationJobObject = fault__set_job,
    .GetModuleHandleW = fault__get_module,
    .GetModuleHandleExW = fault__get_module_of,
    .LoadLibraryExW = fault__load_library,
    .FreeLibrary = fault__free_library,
    .SetConsoleCtrlHandler = fault__set_console_handler,
    .GetProcAddress = fault__get_proc,
    .SwitchToThread = SwitchToThread,
    .OpenThread = fault__open_thread,
    .CancelSynchronousIo = fault__cancel_synchronous,
    .QueueUserAPC = fault__queue_apc,
    .QueryPerformanceFrequency = fault__frequency,
    .QueryPerformanceCounter = fault__counter,
    .GetCurrentThreadId = GetCurrentThreadId,
    .GetLastError = GetLastError,
    .LocalFree = fault__local_free,
    .ConvertStringSecurityDescriptorToSecurityDescriptorW = fault__convert_sddl,
    .RtlGenRandom = fault__random,
    .WSAStartup = fault__startup,
    .WSACleanup = fault__cleanup,
    .WSAGetLastError = WSAGetLastError,
    .WSASocketW = fault__socket,
    .closesocket = fault__close_socket,
    .ioctlsocket = fault__ioctl_socket,
    .bind = fault__bind,
    .listen = fault__listen,
    .shutdown = fault__shutdown,
    .getsockname = fault__get_name,
    .getpeername = fault__get_peer,
    .setsockopt = fault__set_option,
    .getsockopt = fault__get_option,
    .WSAIoctl = fault__ioctl,
    .WSASend = fault__send,
    .WSARecv = fault__recv,
    .connect = fault__connect,
    .WSASendTo = fault__send_to,
    .WSARecvFrom = fault__recv_from,
    .GetAddrInfoExW = fault__look_up,
    .GetAddrInfoExOverlappedResult = GetAddrInfoExOverlappedResult,
    .GetAddrInfoExCancel = fault__cancel_look_up,
    .FreeAddrInfoExW = FreeAddrInfoExW,
};

const ioc_sys *win_faults_table(void)
{
    return &fault_table;
}

const char *win_call_name(win_call call)
{
    return fault_calls[call].name;
}

/* ---- Control ---- */

void win_faults_stop(void)
{
    fault__store(&fault_nth, 0);
    for (size_t i = 0; i < WIN_CALLS; i++) {
        fault__store(&fault_calls[i].failures_left, 0);
        ioc_store_u32(&fault_calls[i].error, 0);
    }
}

void win_faults_reset(void)
{
    win_faults_stop();
    fault__store(&fault_count, 0);
    fault__store(&fault_struck, 0);
    for (size_t i = 0; i < WIN_CALLS; i++) {
        fault__store(&fault_calls[i].count, 0);
    }
}

void win_faults_fail_nth(uint64_t n)
{
    fault__store(&fault_nth, ioc_load_u64(&fault_count) + n);
}

static void fault__fail(win_call call, uint64_t times, uint32_t error)
{
    ioc_store_u32(&fault_calls[call].error, error);
    fault__store(&fault_calls[call].failures_left, times);
}

void win_faults_fail_all_of(win_call call, uint32_t error)
{
    fault__fail(call, UINT64_MAX, error);
}

void win_faults_fail_next_of(win_call call, uint32_t error)
{
    fault__fail(call, 1, error);
}

uint64_t win_faults_count(void)
{
    return ioc_load_u64(&fault_count);
}

uint64_t win_faults_count_of(win_call call)
{
    return ioc_load_u64(&fault_calls[call].count);
}

uint32_t win_faults_held(void)
{
    return ioc_load_u32(&fault_held);
}

uint64_t win_faults_struck(void)
{
    return ioc_load_u64(&fault_struck);
}

win_call win_faults_last_struck(void)
{
    return (win_call)ioc_load_u32(&fault_last);
}
