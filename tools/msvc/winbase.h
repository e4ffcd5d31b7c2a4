/* Wine's <winbase.h>, but for a function that Windows' has otherwise: there its exit code is a DWORD. */
#define TerminateProcess wine_TerminateProcess
#include_next <winbase.h>
#undef TerminateProcess

WINBASEAPI BOOL WINAPI TerminateProcess(HANDLE, UINT);
