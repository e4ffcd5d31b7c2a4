/*
 * Functions of the system that are looked up at run time: no import names them, so the library
 * loads where they are missing, and a loop then takes another way.
 *
 * NtQueryInformationFile and NtQueryObject are documented with the driver kit and in <winternl.h>; the
 * three for wait completion packets among Microsoft's developer notes. They are in ntdll since
 * Windows 8.
 */
#ifndef IOC_NT_H
#define IOC_NT_H

#include "sys.h"

#include <stdbool.h>
#include <stdint.h>

#define IOC_NT_SUCCESS   ((LONG)0x00000000)
#define IOC_NT_PENDING   ((LONG)0x00000103)
#define IOC_NT_CANCELLED ((LONG)0xC0000120)

typedef struct ioc_nt_status_block {
    union {
        LONG status;
        void *pointer;
    };
    ULONG_PTR information;
} ioc_nt_status_block;

typedef struct ioc_nt {
    /* Each NULL if the system does not have it. */
    LONG(NTAPI *NtQueryInformationFile)(HANDLE, ioc_nt_status_block *, void *, ULONG, int);
    LONG(NTAPI *NtCreateWaitCompletionPacket)(HANDLE *packet, ACCESS_MASK, void *attributes);
    LONG(NTAPI *NtAssociateWaitCompletionPacket)
    (HANDLE packet, HANDLE port, HANDLE object, void *key, void *overlapped, LONG status,
     ULONG_PTR information, BOOLEAN *is_signaled_already);
    LONG(NTAPI *NtCancelWaitCompletionPacket)(HANDLE packet, BOOLEAN removes_signaled_packet);
} ioc_nt;

void ioc_nt_load(ioc_nt *nt, const ioc_sys *sys);

/* A function's address as the type of the member that takes it, or NULL. */
void ioc_nt_look_up(const ioc_sys *sys, HMODULE module, const char *name, void *member);

/* All three functions, or none of them is of use. */
bool ioc_nt_has_wait_packets(const ioc_nt *nt);

/* What a handle allows, 0 if it does not say. Asked so seldom that NtQueryObject is looked up here. */
ACCESS_MASK ioc_nt_granted(const ioc_sys *sys, HANDLE handle);

#endif
