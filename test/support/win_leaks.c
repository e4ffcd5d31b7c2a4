#include "win_leaks.h"

#include "contract_net.h"

#include <windows.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <winternl.h>

/* ---- Handles ---- */

#define LEAKS_HANDLE_INFORMATION      16 /* SystemHandleInformation */
#define LEAKS_INFO_LENGTH_MISMATCH    ((LONG)0xC0000004)
#define LEAKS_FIRST_INFORMATION_BYTES 65536

/* The answer to SystemHandleInformation: all handles of all processes. */
typedef struct leaks_entry {
    USHORT process_id; /* its lower half; the other half is 0 or something else */
    USHORT other;
    BYTE type;
    BYTE flags;
    USHORT value;
    void *object;
    ULONG access;
} leaks_entry;

typedef struct leaks_information {
    ULONG count;
    leaks_entry entries[1];
} leaks_information;

typedef LONG(WINAPI *leaks_object_fn)(HANDLE object, int information_class, void *buffer,
                                      ULONG bytes, ULONG *needed);

typedef LONG(WINAPI *leaks_query_fn)(int information_class, void *buffer, ULONG bytes,
                                     ULONG *needed);

static leaks_query_fn leaks__query_function(void)
{
    FARPROC function = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtQuerySystemInformation");
    return (leaks_query_fn)(void (*)(void))function;
}

static size_t leaks__count_own(const leaks_information *information)
{
    const leaks_entry *entries = information->entries;
    USHORT own_id = (USHORT)GetCurrentProcessId();
    size_t count = 0;
    for (ULONG i = 0; i < information->count; i++) {
        count += entries[i].process_id == own_id;
    }
    return count;
}

/* Wine's GetProcessHandleCount says 0, and its list of all handles is exact. */
static size_t leaks__count_from_list(void)
{
    leaks_query_fn query = leaks__query_function();
    size_t count = 0;
    LONG status = LEAKS_INFO_LENGTH_MISMATCH;
    for (ULONG bytes = LEAKS_FIRST_INFORMATION_BYTES;
         query != NULL && status == LEAKS_INFO_LENGTH_MISMATCH; bytes *= 2) {
        leaks_information *information = malloc(bytes);
        if (information == NULL) {
            return 0;
        }
        status = query(LEAKS_HANDLE_INFORMATION, information, bytes, NULL);
        if (status >= 0) {
            count = leaks__count_own(information);
        }
        free(information);
    }
    return count;
}

size_t win_open_handles(void)
{
    DWORD count = 0;
    if (GetProcessHandleCount(GetCurrentProcess(), &count) && count > 0) {
        return count;
    }
    return leaks__count_from_list();
}

#define LEAKS_OBJECT_TYPE       2      /* ObjectTypeInformation */
#define LEAKS_HANDLES_LOOKED_AT 0x1000 /* they are multiples of four, and the system fills gaps */

static void leaks__print_handles(void)
{
    FARPROC function = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtQueryObject");
    leaks_object_fn query = (leaks_object_fn)(void (*)(void))function;
    union {
        UNICODE_STRING name; /* the answer begins with it */
        char bytes[1024];
    } object;
    for (uintptr_t value = 4; query != NULL && value < LEAKS_HANDLES_LOOKED_AT; value += 4) {
        if (query((HANDLE)value, LEAKS_OBJECT_TYPE, &object, sizeof object, NULL) >= 0) {
            fprintf(stderr, "handle %#x: %.*ls\n", (unsigned)value,
                    (int)(object.name.Length / sizeof(wchar_t)), object.name.Buffer);
        }
    }
}

size_t win_settled_handles(size_t handles_before)
{
    size_t handles = win_open_handles();
    for (int i = 0; i < 200 && handles > handles_before; i++) {
        Sleep(100);
        handles = win_open_handles();
    }
    if (handles != handles_before) {
        leaks__print_handles();
    }
    return handles;
}

typedef const char *(__cdecl *leaks_version_fn)(void);

int win_wine_version(void)
{
    FARPROC function = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version");
    return function != NULL ? atoi(((leaks_version_fn)(void (*)(void))function)()) : 0;
}

bool win_is_wine(void)
{
    return win_wine_version() != 0;
}

/* ---- Crashes ---- */

static LONG WINAPI leaks__on_crash(EXCEPTION_POINTERS *exception)
{
    (void)fprintf(stderr, "crashed: exception %08lx at %p\n",
                  (unsigned long)exception->ExceptionRecord->ExceptionCode,
                  exception->ExceptionRecord->ExceptionAddress);
    (void)fflush(NULL);
    (void)TerminateProcess(GetCurrentProcess(), WIN_CRASH_EXIT_CODE);
    return EXCEPTION_EXECUTE_HANDLER;
}

void win_catch_crashes(void)
{
    (void)SetUnhandledExceptionFilter(leaks__on_crash);
}
