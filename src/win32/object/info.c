#include "info.h"

#include "record.h"

#define INFO_ID ((FILE_INFO_BY_HANDLE_CLASS)18) /* FileIdInfo */

bool ioc_info_is_unknown(uint32_t error)
{
    return error == ERROR_INVALID_PARAMETER || error == ERROR_INVALID_FUNCTION ||
           error == ERROR_NOT_SUPPORTED || error == ERROR_CALL_NOT_IMPLEMENTED ||
           error == ERROR_INVALID_LEVEL;
}

static bool info__ask(const ioc_sys *sys, HANDLE file, FILE_INFO_BY_HANDLE_CLASS what, void *answer,
                      DWORD size)
{
    return sys->GetFileInformationByHandleEx(file, what, answer, size);
}

static void info__set_basic(iocp_file_info_t *info, const FILE_BASIC_INFO *basic)
{
    info->attributes = basic->FileAttributes;
    info->created_ns = ioc_record_time(basic->CreationTime.QuadPart);
    info->written_ns = ioc_record_time(basic->LastWriteTime.QuadPart);
    info->changed_ns = ioc_record_time(basic->ChangeTime.QuadPart);
    info->accessed_ns = ioc_record_time(basic->LastAccessTime.QuadPart);
}

ioc_info_id ioc_info_read_id(const ioc_sys *sys, HANDLE file)
{
    ioc_info_id id;
    return info__ask(sys, file, INFO_ID, &id, sizeof id) ? id : (ioc_info_id){.volume = 0};
}

static void info__set_id(iocp_file_info_t *info, const ioc_info_id *id)
{
    info->volume = id->volume;
    info->file = id->file[0];
    info->file_high = id->file[1];
}

static uint32_t info__read_file(const ioc_sys *sys, HANDLE file, iocp_file_info_t *info)
{
    FILE_BASIC_INFO basic;
    FILE_STANDARD_INFO standard;
    FILE_ATTRIBUTE_TAG_INFO tag = {0};
    if (!info__ask(sys, file, FileBasicInfo, &basic, sizeof basic) ||
        !info__ask(sys, file, FileStandardInfo, &standard, sizeof standard)) {
        return sys->GetLastError();
    }
    bool is_reparse = (basic.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
    if (is_reparse && !info__ask(sys, file, FileAttributeTagInfo, &tag, sizeof tag)) {
        return sys->GetLastError();
    }
    info__set_basic(info, &basic);
    info->size = standard.Directory ? 0 : (uint64_t)standard.EndOfFile.QuadPart;
    info->links = standard.NumberOfLinks;
    info->reparse_tag = tag.ReparseTag;
    info->kind = ioc_record_kind(info->attributes, info->reparse_tag);
    ioc_info_id id = ioc_info_read_id(sys, file);
    info__set_id(info, &id);
    return 0;
}

uint32_t ioc_info_read(const ioc_sys *sys, HANDLE file, iocp_file_info_t *info)
{
    *info = (iocp_file_info_t){.kind = IOCP_KIND_OTHER};
    DWORD type = sys->GetFileType(file);
    if (type == FILE_TYPE_DISK) {
        return info__read_file(sys, file, info);
    }
    return type == FILE_TYPE_UNKNOWN ? sys->GetLastError() : 0;
}
