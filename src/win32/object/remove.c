#include "remove.h"

#include "../errmap.h"
#include "info.h"

/* ---- One ---- */

#define REMOVE_EX    ((FILE_INFO_BY_HANDLE_CLASS)21) /* FileDispositionInfoEx */
#define REMOVE_POSIX ((DWORD)3) /* FILE_DISPOSITION_FLAG_DELETE and _POSIX_SEMANTICS */

static uint32_t remove__mark(const ioc_sys *sys, HANDLE file)
{
    DWORD flags = REMOVE_POSIX;
    FILE_DISPOSITION_INFO info = {TRUE};
    if (sys->SetFileInformationByHandle(file, REMOVE_EX, &flags, sizeof flags)) {
        return 0;
    }
    uint32_t error = sys->GetLastError();
    if (!ioc_info_is_unknown(error)) {
        return error;
    }
    return sys->SetFileInformationByHandle(file, FileDispositionInfo, &info, sizeof info)
               ? 0
               : sys->GetLastError();
}

/* With the last handle, or with this one, it is gone. */
uint32_t ioc_remove_one(const ioc_sys *sys, HANDLE file)
{
    uint32_t error = remove__mark(sys, file);
    (void)sys->CloseHandle(file);
    return error;
}

/* ---- A tree ---- */

#define REMOVE_LIST_BYTES 16384

/* FileFullDirectoryInfo and FileFullDirectoryRestartInfo, and what they tell. */
#define REMOVE_LIST         ((FILE_INFO_BY_HANDLE_CLASS)14)
#define REMOVE_LIST_RESTART ((FILE_INFO_BY_HANDLE_CLASS)15)

typedef struct remove_name {
    ULONG next; /* from this one on, 0: it is the last */
    ULONG index;
    LARGE_INTEGER times_and_sizes[6];
    ULONG attributes;
    ULONG name_bytes;
    ULONG ea_bytes;
    wchar_t name[];
} remove_name;

typedef struct remove_level {
    struct remove_level *parent;
    HANDLE folder;
    bool is_listed; /* its list goes on where it was; otherwise it begins anew */
} remove_level;

typedef LONG(NTAPI *remove_open_fn)(HANDLE *, ACCESS_MASK, ioc_nt_name *, ioc_nt_status_block *,
                                    ULONG share, ULONG options);

typedef struct remove_walk {
    ioc_win_port *port;
    remove_open_fn open; /* NtOpenFile */
    remove_level *level;
    remove_name *names; /* of the level's list, the next of them; NULL: there are no more in it */
    union {
        uint64_t alignment;
        unsigned char bytes[REMOVE_LIST_BYTES];
    } list;
} remove_walk;

#define REMOVE_DELETE_PENDING 0xC0000056u /* a status that has no Win32 code */

/* FILE_SYNCHRONOUS_IO_NONALERT, FILE_OPEN_FOR_BACKUP_INTENT, FILE_OPEN_REPARSE_POINT */
#define REMOVE_OPTIONS ((ULONG)(0x20 | 0x4000 | 0x200000))

bool ioc_remove_is_tree(DWORD attributes)
{
    return attributes != INVALID_FILE_ATTRIBUTES &&
           (attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)) ==
               FILE_ATTRIBUTE_DIRECTORY;
}

static uint32_t walk__go_down(remove_walk *walk, HANDLE folder)
{
    remove_level *level = ioc_alloc_take(walk->port->alloc, sizeof *level);
    if (level == NULL) {
        (void)walk->port->sys->CloseHandle(folder);
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    level->parent = walk->level;
    level->folder = folder;
    walk->level = level;
    walk->names = NULL;
    return 0;
}

/* The folder itself is the caller's. Its parent is listed anew: the list's memory was ours. */
static HANDLE walk__go_up(remove_walk *walk)
{
    remove_level *level = walk->level;
    HANDLE folder = level->folder;
    walk->level = level->parent;
    walk->names = NULL;
    if (walk->level != NULL) {
        walk->level->is_listed = false;
    }
    ioc_alloc_give(walk->port->alloc, level);
    return folder;
}

/* More names of the level's folder. ERROR_NO_MORE_FILES: that was all. */
static uint32_t walk__list(remove_walk *walk)
{
    remove_level *level = walk->level;
    const ioc_sys *sys = walk->port->sys;
    if (!sys->GetFileInformationByHandleEx(level->folder,
                                           level->is_listed ? REMOVE_LIST : REMOVE_LIST_RESTART,
                                           &walk->list, sizeof walk->list)) {
        return sys->GetLastError();
    }
    level->is_listed = true;
    walk->names = (remove_name *)(void *)&walk->list;
    return 0;
}

static bool name__is_dots(const remove_name *name)
{
    size_t units = name->name_bytes / sizeof *name->name;
    return units <= 2 && name->name[0] == L'.' && (units == 1 || name->name[1] == L'.');
}

/* What is gone already, or goes with somebody's last handle, is no error. */
static bool walk__is_gone(uint32_t error)
{
    return ioc_errmap_from_native(error) == IOCP_ENOTFOUND || error == REMOVE_DELETE_PENDING;
}

static uint32_t walk__open(const remove_walk *walk, const remove_name *name, ACCESS_MASK access,
                           HANDLE *file)
{
    USHORT bytes = (USHORT)name->name_bytes;
    ioc_nt_string string = {.length = bytes, .size = bytes, .text = name->name};
    ioc_nt_name object = {.size = sizeof object, .root = walk->level->folder, .name = &string};
    ioc_nt_status_block block;
    uint32_t error = 0;
    LONG status =
        walk->open(file, access, &object, &block,
                   FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, REMOVE_OPTIONS);
    if (status < 0) {
        (void)ioc_errmap_from_status((uint32_t)status, false, &error);
    }
    return error;
}

/* One name: it goes, or the walk goes down into it. */
static uint32_t walk__take(remove_walk *walk, const remove_name *name)
{
    bool is_tree = ioc_remove_is_tree(name->attributes);
    HANDLE file = INVALID_HANDLE_VALUE;
    uint32_t error =
        walk__open(walk, name, is_tree ? IOC_REMOVE_TREE_ACCESS : IOC_REMOVE_ACCESS, &file);
    if (error != 0) {
        return walk__is_gone(error) ? 0 : error;
    }
    return is_tree ? walk__go_down(walk, file) : ioc_remove_one(walk->port->sys, file);
}

static uint32_t walk__step(remove_walk *walk)
{
    remove_name *name = walk->names;
    if (name == NULL) {
        uint32_t error = walk__list(walk);
        return error == ERROR_NO_MORE_FILES ? ioc_remove_one(walk->port->sys, walk__go_up(walk))
                                            : error;
    }
    walk->names =
        name->next != 0 ? (remove_name *)(void *)((unsigned char *)name + name->next) : NULL;
    return name__is_dots(name) ? 0 : walk__take(walk, name);
}

uint32_t ioc_remove_tree(ioc_win_port *port, HANDLE folder, const ioc_atomic_u32 *is_cancelled)
{
    const ioc_sys *sys = port->sys;
    remove_walk *walk = ioc_alloc_take_raw(port->alloc, sizeof *walk);
    HMODULE ntdll = sys->GetModuleHandleW(L"ntdll.dll");
    if (walk == NULL || ntdll == NULL) {
        uint32_t error = walk == NULL ? ERROR_NOT_ENOUGH_MEMORY : sys->GetLastError();
        (void)sys->CloseHandle(folder);
        ioc_alloc_give(port->alloc, walk);
        return error;
    }
    walk->port = port;
    walk->level = NULL;
    uint32_t error = walk__go_down(walk, folder);
    ioc_nt_look_up(sys, ntdll, "NtOpenFile", &walk->open);
    if (error == 0 && walk->open == NULL) {
        error = ERROR_PROC_NOT_FOUND;
    }
    while (walk->level != NULL && error == 0) {
        error = ioc_load_u32(is_cancelled) != 0 ? ERROR_OPERATION_ABORTED : walk__step(walk);
    }
    while (walk->level != NULL) {
        (void)sys->CloseHandle(walk__go_up(walk));
    }
    ioc_alloc_give(port->alloc, walk);
    return error;
}
