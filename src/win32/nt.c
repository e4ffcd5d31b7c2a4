#include "nt.h"

#include <string.h>

/* A function's address as the type of the member that takes it. */
static void nt__look_up(const ioc_sys *sys, HMODULE ntdll, const char *name, void *member)
{
    FARPROC function = sys->GetProcAddress(ntdll, name);
    memcpy(member, &function, sizeof function);
}

void ioc_nt_load(ioc_nt *nt, const ioc_sys *sys)
{
    HMODULE ntdll = sys->GetModuleHandleW(L"ntdll.dll"); /* is in every process */
    memset(nt, 0, sizeof *nt);
    if (ntdll == NULL) {
        return;
    }
    nt__look_up(sys, ntdll, "NtQueryInformationFile", &nt->NtQueryInformationFile);
    nt__look_up(sys, ntdll, "NtCreateWaitCompletionPacket", &nt->NtCreateWaitCompletionPacket);
    nt__look_up(sys, ntdll, "NtAssociateWaitCompletionPacket",
                &nt->NtAssociateWaitCompletionPacket);
    nt__look_up(sys, ntdll, "NtCancelWaitCompletionPacket", &nt->NtCancelWaitCompletionPacket);
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
        nt__look_up(sys, ntdll, "NtQueryObject", &query);
    }
    bool has_said =
        query != NULL && query(handle, NT_OBJECT, &object, sizeof object, NULL) == IOC_NT_SUCCESS;
    return has_said ? object.granted : 0;
}
