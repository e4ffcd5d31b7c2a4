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
