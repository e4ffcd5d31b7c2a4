/*
 * What the system writes of a folder into one buffer, made into entries for the program: records of
 * its changes, and of the names in it. Each is told in WTF-8, with what there is known of it.
 *
 * Portable and pure: memory in, memory out. A buffer is read to its end and no further, whatever its
 * offsets and lengths say; one that lies is torn, and what came before that is told.
 *
 * A rename is two records, the old name and then the new one, and one entry. The two may come in two
 * buffers: then the old one is kept until the next. What is next to an old name and is no new one
 * says that the name went elsewhere, and it is removed. (Two renames of two threads may lie within
 * each other; where the system tells the file's id, that decides, otherwise they are what they look
 * like.)
 */
#ifndef IOC_RECORD_H
#define IOC_RECORD_H

#include "base.h"
#include "iocploop.h"

/* The structures, by their names in <winnt.h> and <winbase.h>. */
typedef enum ioc_record_form {
    IOC_RECORD_CHANGE,          /* FILE_NOTIFY_INFORMATION */
    IOC_RECORD_DETAILED_CHANGE, /* FILE_NOTIFY_EXTENDED_INFORMATION */
    IOC_RECORD_NAME_ID,         /* FILE_ID_EXTD_DIR_INFO */
    IOC_RECORD_NAME_HALF_ID,    /* FILE_ID_BOTH_DIR_INFO */
    IOC_RECORD_NAME             /* FILE_FULL_DIR_INFO */
} ioc_record_form;

/* Such a buffer. */
typedef struct ioc_records {
    const unsigned char *bytes;
    size_t size;
    ioc_record_form form;
    uint64_t volume; /* what the ids of files belong to, 0: not known */
} ioc_records;

/* Where the entries are put, and what came of it. Everything but `memory` and `room` is set. */
typedef struct ioc_entries {
    unsigned char *memory; /* aligned for any type; may be NULL without room */
    size_t room;
    size_t used; /* that all entries take; above `room`: these are of no use, give more */
    iocp_entry_t *first;
    iocp_entry_t *last;
    bool is_torn;
    const char *kept; /* the old name of a rename, whose new one is not there yet, or NULL */
    size_t kept_length;
    uint64_t kept_file; /* its id, or 0 */
} ioc_entries;

/*
 * Read a buffer. `kept`, of `length` bytes, is what the last one of this folder has left, or NULL; it
 * is no part of the memory.
 */
void ioc_entries_read(ioc_entries *self, const ioc_records *records, const char *kept,
                      size_t length, uint64_t kept_file);

/* No buffer comes: the one entry is that the name which was kept is gone. */
void ioc_entries_give_up(ioc_entries *self, const char *kept, size_t length);

/* The times of a file system, in 100 ns since 1601, as those of the library; 0 is not known. */
int64_t ioc_record_time(int64_t time);

/* The kind by attributes and reparse tag, as one sees it who does not follow links. */
iocp_file_kind_t ioc_record_kind(uint32_t attributes, uint32_t reparse_tag);

#endif
