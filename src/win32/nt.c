#include "nt.h"

#include <string.h>

void ioc_nt_look_up(const ioc_sys *sys, HMODULE module, const char *name, void *member)
{
    FARPROC function = sys->GetProcAddress(module, name);
    memcpy(member, &function, sizeof function);
}

void ioc_nt_load(ioc_nt *nt, const ioc_sys *sys)
{
    HMODULE ntdll = sys->GetModuleHandleW(L"ntdll.dll"); /* is in every process */
    memset(nt, 0, sizeof *nt);
    if (ntdll == NULL) {
        return;
    }
    ioc_nt_look_up(sys, ntdll, "NtQueryInformationFile", &nt->NtQueryInformationFile);
    ioc_nt_look_up(sys, ntdll, "NtCreateWaitCompletionPacket", &nt->NtCreateWaitCompletionPacket);
    ioc_nt_look_up(sys, ntdll, "NtAssociateWaitCompletionPacket",
                   &nt->NtAssociateWaitCompletionPacket);
    ioc_nt_look_up(sys, ntdll, "NtCancelWaitCompletionPacket", &nt->NtCancelWaitCompletionPacket);
}

bool ioc_nt_has_wait_packets(const ioc_nt *nt)
{
    return nt->NtCreateWaitCompletionPacket != NULL &&
           nt->NtAssociateWaitCompletionPacket != NULL && nt->NtCancelWaitCompletionPacket != NULL;
}

bool ioc_nt_find_device_calls(const ioc_sys *sys, ioc_nt_device_calls *calls)
{
    HMODULE ntdll = sys->GetModuleHandleW(L"ntdll.dll");
    if (ntdll == NULL) {
        return false;
    }
    ioc_nt_look_up(sys, ntdll, "NtCreateFile", &calls->NtCreateFile);
    ioc_nt_look_up(sys, ntdll, "NtDeviceIoControlFile", &calls->NtDeviceIoControlFile);
    return calls->NtCreateFile != NULL && calls->NtDeviceIoControlFile != NULL;
}

#define NT_OPEN 1 /* FILE_OPEN */

LONG ioc_nt_open_device(const ioc_nt_device_calls *calls, const wchar_t *name, HANDLE *device)
{
    USHORT bytes = (USHORT)(wcslen(name) * sizeof *name);
    ioc_nt_string string = {.length = bytes, .size = bytes, .text = name};
    ioc_nt_name object = {.size = sizeof object, .name = &string};
    ioc_nt_status_block block;
    return calls->NtCreateFile(device, SYNCHRONIZE, &object, &block, NULL, 0,
                               FILE_SHARE_READ | FILE_SHARE_WRITE, NT_OPEN, 0, NULL, 0);
}

/* The first two words of an OVERLAPPED are its status block, and its address is what the packet has. */
LONG ioc_nt_control(const ioc_nt_device_calls *calls, HANDLE device, OVERLAPPED *overlapped,
                    ULONG request, void *data, ULONG size)
{
    return calls->NtDeviceIoControlFile(device, NULL, NULL, overlapped,
                                        (ioc_nt_status_block *)(void *)overlapped, request, data,
                                        size, data, size);
}

/* PUBLIC_OBJECT_BASIC_INFORMATION of <winternl.h>, and its number. */
typedef struct nt_object {
    ULONG attributes;
    ACCESS_MASK granted;
    ULONG others[12];
} nt_object;

#define NT_OBJECT 0

ACCESS_MASK ioc_nt_granted(const ioc_sys *sys, HANDLE handle)
{
    LONG(NTAPI * query)(HANDLE, int, void *, ULONG, ULONG *) = NULL;
    HMODULE ntdll = sys->GetModuleHandleW(L"ntdll.dll");
    nt_object object;
    if (ntdll != NULL) {
        ioc_nt_look_up(sys, ntdll, "NtQueryObject", &query);
    }
    bool has_said =
        query != NULL && query(handle, NT_OBJECT, &object, sizeof object, NULL) == IOC_NT_SUCCESS;
    return has_said ? object.granted : 0;
}

/* FILE_COMPLETION_INFORMATION of <ntifs.h>, and the number of the question. */
typedef struct nt_completion {
    HANDLE port; /* NULL: none from now on */
    void *key;
} nt_completion;

#define NT_REPLACE_COMPLETION 61

LONG ioc_nt_leave_port(const ioc_sys *sys, HANDLE file)
{
    LONG(NTAPI * set)(HANDLE, ioc_nt_status_block *, void *, ULONG, int) = NULL;
    HMODULE ntdll = sys->GetModuleHandleW(L"ntdll.dll");
    nt_completion none = {.port = NULL};
    ioc_nt_status_block block;
    if (ntdll != NULL) {
        ioc_nt_look_up(sys, ntdll, "NtSetInformationFile", &set);
    }
    return set != NULL ? set(file, &block, &none, sizeof none, NT_REPLACE_COMPLETION)
                       : IOC_NT_MISSING;
}
