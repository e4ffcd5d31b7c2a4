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
