/*
 * Every system call of the backend, in one table, under its own name.
 *
 * The product has one such table, which never changes. Tests give a port another one, in which a
 * call fails or is counted.
 */
#ifndef IOC_SYS_H
#define IOC_SYS_H

#include "win.h"

typedef struct ioc_sys {
    /* kernel32 */
    HANDLE(WINAPI *CreateIoCompletionPort)(HANDLE, HANDLE, ULONG_PTR, DWORD);
    BOOL(WINAPI *GetQueuedCompletionStatusEx)
    (HANDLE, OVERLAPPED_ENTRY *, ULONG, ULONG *, DWORD, BOOL);
    BOOL(WINAPI *PostQueuedCompletionStatus)(HANDLE, DWORD, ULONG_PTR, OVERLAPPED *);
    BOOL(WINAPI *SetFileCompletionNotificationModes)(HANDLE, UCHAR);
    BOOL(WINAPI *CancelIoEx)(HANDLE, OVERLAPPED *);
    BOOL(WINAPI *CloseHandle)(HANDLE);
    BOOL(WINAPI *GetHandleInformation)(HANDLE, DWORD *);
    BOOL(WINAPI *SetHandleInformation)(HANDLE, DWORD, DWORD);
    DWORD(WINAPI *GetFileType)(HANDLE);
    DWORD(WINAPI *GetFileAttributesW)(const wchar_t *);
    BOOL(WINAPI *GetFileAttributesExW)(const wchar_t *, GET_FILEEX_INFO_LEVELS, void *);
    DWORD(WINAPI *GetFullPathNameW)(const wchar_t *, DWORD, wchar_t *, wchar_t **);
    HANDLE(WINAPI *CreateFileW)
    (const wchar_t *, DWORD, DWORD, SECURITY_ATTRIBUTES *, DWORD, DWORD, HANDLE);
    BOOL(WINAPI *ReadFile)(HANDLE, void *, DWORD, DWORD *, OVERLAPPED *);
    BOOL(WINAPI *WriteFile)(HANDLE, const void *, DWORD, DWORD *, OVERLAPPED *);
    BOOL(WINAPI *FlushFileBuffers)(HANDLE);
    HANDLE(WINAPI *ReOpenFile)(HANDLE, DWORD, DWORD, DWORD);
    BOOL(WINAPI *ReadDirectoryChangesW)
    (HANDLE, void *, DWORD, BOOL, DWORD, DWORD *, OVERLAPPED *, LPOVERLAPPED_COMPLETION_ROUTINE);
    HANDLE(WINAPI *CreateNamedPipeW)
    (const wchar_t *, DWORD, DWORD, DWORD, DWORD, DWORD, DWORD, SECURITY_ATTRIBUTES *);
    BOOL(WINAPI *ConnectNamedPipe)(HANDLE, OVERLAPPED *);
    BOOL(WINAPI *SetNamedPipeHandleState)(HANDLE, DWORD *, DWORD *, DWORD *);
    BOOL(WINAPI *GetNamedPipeInfo)(HANDLE, DWORD *, DWORD *, DWORD *, DWORD *);
    BOOL(WINAPI *GetNamedPipeClientProcessId)(HANDLE, ULONG *);
    BOOL(WINAPI *GetNamedPipeServerProcessId)(HANDLE, ULONG *);
    BOOL(WINAPI *DeviceIoControl)
    (HANDLE, DWORD, void *, DWORD, void *, DWORD, DWORD *, OVERLAPPED *);
    BOOL(WINAPI *GetFileSizeEx)(HANDLE, LARGE_INTEGER *);
    BOOL(WINAPI *GetFileInformationByHandleEx)(HANDLE, FILE_INFO_BY_HANDLE_CLASS, void *, DWORD);
    BOOL(WINAPI *SetFileInformationByHandle)(HANDLE, FILE_INFO_BY_HANDLE_CLASS, void *, DWORD);
    BOOL(WINAPI *CopyFileExW)
    (const wchar_t *, const wchar_t *, LPPROGRESS_ROUTINE, void *, BOOL *, DWORD);
    BOOL(WINAPI *CreateDirectoryW)(const wchar_t *, SECURITY_ATTRIBUTES *);
    BOOL(WINAPI *PeekNamedPipe)(HANDLE, void *, DWORD, DWORD *, DWORD *, DWORD *);
    BOOL(WINAPI *GetConsoleMode)(HANDLE, DWORD *);
    BOOL(WINAPI *ReadConsoleW)(HANDLE, void *, DWORD, DWORD *, void *);
    BOOL(WINAPI *WriteConsoleW)(HANDLE, const void *, DWORD, DWORD *, void *);
    HANDLE(WINAPI *CreateWaitableTimerExW)
    (SECURITY_ATTRIBUTES *, const wchar_t *, DWORD, DWORD);
    BOOL(WINAPI *SetWaitableTimer)
    (HANDLE, const LARGE_INTEGER *, LONG, PTIMERAPCROUTINE, void *, BOOL);
    BOOL(WINAPI *CancelWaitableTimer)(HANDLE);
    HANDLE(WINAPI *CreateEventW)(SECURITY_ATTRIBUTES *, BOOL, BOOL, const wchar_t *);
    BOOL(WINAPI *SetEvent)(HANDLE);
    DWORD(WINAPI *WaitForSingleObject)(HANDLE, DWORD);
    BOOL(WINAPI *SleepConditionVariableSRW)(PCONDITION_VARIABLE, PSRWLOCK, DWORD, ULONG);
    BOOL(WINAPI *RegisterWaitForSingleObject)
    (HANDLE *, HANDLE, WAITORTIMERCALLBACK, void *, ULONG, ULONG);
    BOOL(WINAPI *UnregisterWaitEx)(HANDLE, HANDLE);
    PTP_WORK(WINAPI *CreateThreadpoolWork)(PTP_WORK_CALLBACK, void *, PTP_CALLBACK_ENVIRON);
    void(WINAPI *SubmitThreadpoolWork)(PTP_WORK);
    void(WINAPI *WaitForThreadpoolWorkCallbacks)(PTP_WORK, BOOL);
    void(WINAPI *CloseThreadpoolWork)(PTP_WORK);
    BOOL(WINAPI *TrySubmitThreadpoolCallback)(PTP_SIMPLE_CALLBACK, void *, PTP_CALLBACK_ENVIRON);
    BOOL(WINAPI *QueueUserWorkItem)(LPTHREAD_START_ROUTINE, void *, ULONG);
    void(WINAPI *FreeLibraryWhenCallbackReturns)(PTP_CALLBACK_INSTANCE, HMODULE);
    BOOL(WINAPI *CallbackMayRunLong)(PTP_CALLBACK_INSTANCE);
    DWORD(WINAPI *GetProcessId)(HANDLE);
    BOOL(WINAPI *GetExitCodeProcess)(HANDLE, DWORD *);
    BOOL(WINAPI *TerminateProcess)(HANDLE, UINT);
    BOOL(WINAPI *TerminateJobObject)(HANDLE, UINT);
    BOOL(WINAPI *GenerateConsoleCtrlEvent)(DWORD, DWORD);
    BOOL(WINAPI *DuplicateHandle)(HANDLE, HANDLE, HANDLE, HANDLE *, DWORD, BOOL, DWORD);
    BOOL(WINAPI *CreateProcessW)
    (const wchar_t *, wchar_t *, SECURITY_ATTRIBUTES *, SECURITY_ATTRIBUTES *, BOOL, DWORD, void *,
     const wchar_t *, STARTUPINFOW *, PROCESS_INFORMATION *);
    BOOL(WINAPI *InitializeProcThreadAttributeList)
    (LPPROC_THREAD_ATTRIBUTE_LIST, DWORD, DWORD, SIZE_T *);
    BOOL(WINAPI *UpdateProcThreadAttribute)
    (LPPROC_THREAD_ATTRIBUTE_LIST, DWORD, DWORD_PTR, void *, SIZE_T, void *, SIZE_T *);
    void(WINAPI *DeleteProcThreadAttributeList)(LPPROC_THREAD_ATTRIBUTE_LIST);
    HANDLE(WINAPI *GetStdHandle)(DWORD);
    DWORD(WINAPI *GetEnvironmentVariableW)(const wchar_t *, wchar_t *, DWORD);
    UINT(WINAPI *GetSystemDirectoryW)(wchar_t *, UINT);
    int(WINAPI *CompareStringOrdinal)(const wchar_t *, int, const wchar_t *, int, BOOL);
    HANDLE(WINAPI *CreateJobObjectW)(SECURITY_ATTRIBUTES *, const wchar_t *);
    BOOL(WINAPI *SetInformationJobObject)(HANDLE, JOBOBJECTINFOCLASS, void *, DWORD);
    HMODULE(WINAPI *GetModuleHandleW)(const wchar_t *);
    BOOL(WINAPI *GetModuleHandleExW)(DWORD, const wchar_t *, HMODULE *);
    HMODULE(WINAPI *LoadLibraryExW)(const wchar_t *, HANDLE, DWORD);
    BOOL(WINAPI *FreeLibrary)(HMODULE);
    BOOL(WINAPI *SetConsoleCtrlHandler)(PHANDLER_ROUTINE, BOOL);
    FARPROC(WINAPI *GetProcAddress)(HMODULE, const char *);
    BOOL(WINAPI *SwitchToThread)(void);
    HANDLE(WINAPI *OpenThread)(DWORD, BOOL, DWORD);
    BOOL(WINAPI *CancelSynchronousIo)(HANDLE);
    DWORD(WINAPI *QueueUserAPC)(PAPCFUNC, HANDLE, ULONG_PTR);
    BOOL(WINAPI *QueryPerformanceFrequency)(LARGE_INTEGER *);
    BOOL(WINAPI *QueryPerformanceCounter)(LARGE_INTEGER *);
    DWORD(WINAPI *GetCurrentThreadId)(void);
    DWORD(WINAPI *GetLastError)(void);
    HLOCAL(WINAPI *LocalFree)(HLOCAL);
    /* advapi32 */
    BOOL(WINAPI *ConvertStringSecurityDescriptorToSecurityDescriptorW)
    (const wchar_t *, DWORD, PSECURITY_DESCRIPTOR *, ULONG *);
    BOOLEAN(WINAPI *RtlGenRandom)(void *, ULONG);
    /* ws2_32 */
    int(WINAPI *WSAStartup)(WORD, WSADATA *);
    int(WINAPI *WSACleanup)(void);
    int(WINAPI *WSAGetLastError)(void);
    SOCKET(WINAPI *WSASocketW)(int, int, int, WSAPROTOCOL_INFOW *, GROUP, DWORD);
    int(WINAPI *closesocket)(SOCKET);
    int(WINAPI *ioctlsocket)(SOCKET, long, u_long *);
    int(WINAPI *bind)(SOCKET, const struct sockaddr *, int);
    int(WINAPI *listen)(SOCKET, int);
    int(WINAPI *shutdown)(SOCKET, int);
    int(WINAPI *getsockname)(SOCKET, struct sockaddr *, int *);
    int(WINAPI *getpeername)(SOCKET, struct sockaddr *, int *);
    int(WINAPI *setsockopt)(SOCKET, int, int, const char *, int);
    int(WINAPI *getsockopt)(SOCKET, int, int, char *, int *);
    int(WINAPI *WSAIoctl)(SOCKET, DWORD, void *, DWORD, void *, DWORD, DWORD *, OVERLAPPED *,
                          LPWSAOVERLAPPED_COMPLETION_ROUTINE);
    int(WINAPI *WSASend)(SOCKET, WSABUF *, DWORD, DWORD *, DWORD, OVERLAPPED *,
                         LPWSAOVERLAPPED_COMPLETION_ROUTINE);
    int(WINAPI *connect)(SOCKET, const struct sockaddr *, int);
    int(WINAPI *WSASendTo)(SOCKET, WSABUF *, DWORD, DWORD *, DWORD, const struct sockaddr *, int,
                           OVERLAPPED *, LPWSAOVERLAPPED_COMPLETION_ROUTINE);
    int(WINAPI *WSARecvFrom)(SOCKET, WSABUF *, DWORD, DWORD *, DWORD *, struct sockaddr *, int *,
                             OVERLAPPED *, LPWSAOVERLAPPED_COMPLETION_ROUTINE);
    int(WINAPI *WSARecv)(SOCKET, WSABUF *, DWORD, DWORD *, DWORD *, OVERLAPPED *,
                         LPWSAOVERLAPPED_COMPLETION_ROUTINE);
    int(WINAPI *GetAddrInfoExW)(const wchar_t *, const wchar_t *, DWORD, GUID *,
                                const ADDRINFOEXW *, ADDRINFOEXW **, struct timeval *, OVERLAPPED *,
                                LPLOOKUPSERVICE_COMPLETION_ROUTINE, HANDLE *);
    int(WINAPI *GetAddrInfoExOverlappedResult)(OVERLAPPED *);
    int(WINAPI *GetAddrInfoExCancel)(HANDLE *);
    void(WINAPI *FreeAddrInfoExW)(ADDRINFOEXW *);
} ioc_sys;

const ioc_sys *ioc_sys_default(void);

/* What ioc_port_options.extra may point to. */
typedef struct ioc_win_options {
    const ioc_sys *sys; /* NULL: the default table */
} ioc_win_options;

#endif
