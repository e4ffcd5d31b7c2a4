#include "sys.h"

#if defined(_MSC_VER)
#pragma warning(disable : 4232) /* the address of an imported function: the loader fills it in */
#endif

static const ioc_sys sys_table = {
    .CreateIoCompletionPort = CreateIoCompletionPort,
    .GetQueuedCompletionStatusEx = GetQueuedCompletionStatusEx,
    .PostQueuedCompletionStatus = PostQueuedCompletionStatus,
    .SetFileCompletionNotificationModes = SetFileCompletionNotificationModes,
    .CancelIoEx = CancelIoEx,
    .CloseHandle = CloseHandle,
    .SetHandleInformation = SetHandleInformation,
    .GetFileType = GetFileType,
    .MultiByteToWideChar = MultiByteToWideChar,
    .GetFullPathNameW = GetFullPathNameW,
    .CreateFileW = CreateFileW,
    .ReadFile = ReadFile,
    .WriteFile = WriteFile,
    .FlushFileBuffers = FlushFileBuffers,
    .GetFileSizeEx = GetFileSizeEx,
    .SetFileInformationByHandle = SetFileInformationByHandle,
    .CreateWaitableTimerExW = CreateWaitableTimerExW,
    .SetWaitableTimer = SetWaitableTimer,
    .CancelWaitableTimer = CancelWaitableTimer,
    .CreateEventW = CreateEventW,
    .WaitForSingleObject = WaitForSingleObject,
    .RegisterWaitForSingleObject = RegisterWaitForSingleObject,
    .UnregisterWaitEx = UnregisterWaitEx,
    .TrySubmitThreadpoolCallback = TrySubmitThreadpoolCallback,
    .GetExitCodeProcess = GetExitCodeProcess,
    .DuplicateHandle = DuplicateHandle,
    .SetInformationJobObject = SetInformationJobObject,
    .GetModuleHandleW = GetModuleHandleW,
    .GetModuleHandleExW = GetModuleHandleExW,
    .GetProcAddress = GetProcAddress,
    .SwitchToThread = SwitchToThread,
    .OpenThread = OpenThread,
    .QueueUserAPC = QueueUserAPC,
    .QueryPerformanceFrequency = QueryPerformanceFrequency,
    .QueryPerformanceCounter = QueryPerformanceCounter,
    .GetCurrentThreadId = GetCurrentThreadId,
    .GetLastError = GetLastError,
    .WSAStartup = WSAStartup,
    .WSACleanup = WSACleanup,
    .WSAGetLastError = WSAGetLastError,
    .WSASocketW = WSASocketW,
    .closesocket = closesocket,
    .bind = bind,
    .listen = listen,
    .shutdown = shutdown,
    .getsockname = getsockname,
    .getpeername = getpeername,
    .setsockopt = setsockopt,
    .getsockopt = getsockopt,
    .WSAIoctl = WSAIoctl,
    .WSASend = WSASend,
    .WSARecv = WSARecv,
    .connect = connect,
    .WSASendTo = WSASendTo,
    .WSARecvFrom = WSARecvFrom,
};

const ioc_sys *ioc_sys_default(void)
{
    return &sys_table;
}
