/*
 * Functions of the system that are looked up at run time: no import names them, so the library
 * loads where they are missing, and a loop then takes another way.
 *
 * NtQueryInformationFile, NtCreateFile, NtDeviceIoControlFile and NtQueryObject are documented with the
 * driver kit and in <winternl.h>; the three for wait completion packets among Microsoft's developer
 * notes. They are in ntdll since Windows 8. NtSetInformationFile is documented with the driver kit,
 * FileReplaceCompletionInformation in <ntifs.h>: it is there since Windows 8.1.
 */
#ifndef IOC_NT_H
#define IOC_NT_H

#include "sys.h"

#include <stdbool.h>
#include <stdint.h>

#define IOC_NT_SUCCESS   ((LONG)0x00000000)
#define IOC_NT_PENDING   ((LONG)0x00000103)
#define IOC_NT_CANCELLED ((LONG)0xC0000120)
#define IOC_NT_MISSING   ((LONG)0xC0000002) /* NOT_IMPLEMENTED */

/* UNICODE_STRING and OBJECT_ATTRIBUTES of <winternl.h>. */
typedef struct ioc_nt_string {
    USHORT length; /* in bytes, as what follows */
    USHORT size;
    const wchar_t *text;
} ioc_nt_string;

typedef struct ioc_nt_name {
    ULONG size;
    HANDLE root;
    const ioc_nt_string *name;
    ULONG attributes;
    void *security[2];
} ioc_nt_name;

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

/* What a driver is asked by that has no name of Win32's. Few programs need these. */
typedef struct ioc_nt_device_calls {
    LONG(NTAPI *NtCreateFile)
    (HANDLE *, ACCESS_MASK, const ioc_nt_name *, ioc_nt_status_block *, LARGE_INTEGER *size,
     ULONG attributes, ULONG sharing, ULONG disposition, ULONG options, void *, ULONG);
    LONG(NTAPI *NtDeviceIoControlFile)
    (HANDLE, HANDLE event, void *apc, void *apc_context, ioc_nt_status_block *, ULONG request,
     void *input, ULONG input_size, void *output, ULONG output_size);
} ioc_nt_device_calls;

/* False: the system does not have both. */
bool ioc_nt_find_device_calls(const ioc_sys *sys, ioc_nt_device_calls *calls);

/* A handle of a driver's, for overlapped requests alone. */
LONG ioc_nt_open_device(const ioc_nt_device_calls *calls, const wchar_t *name, HANDLE *device);

/* DeviceIoControl with the status as the answer; what is answered goes over what was asked. */
LONG ioc_nt_control(const ioc_nt_device_calls *calls, HANDLE device, OVERLAPPED *overlapped,
                    ULONG request, void *data, ULONG size);

/* Take a file object off its completion port, as if it never had one; nothing of it is pending. */
LONG ioc_nt_leave_port(const ioc_sys *sys, HANDLE file);

/* What a handle allows, 0 if it does not say. Asked so seldom that NtQueryObject is looked up here. */
ACCESS_MASK ioc_nt_granted(const ioc_sys *sys, HANDLE handle);

#endif
