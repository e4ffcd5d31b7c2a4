/* Codes to names and texts. Raw codes become portable ones in the backend's own table. */
#include "iocploop.h"

#include "base.h"

typedef struct error_entry {
    int code;
    const char *name;
    const char *text;
} error_entry;

static const error_entry error_table[] = {
    {IOCP_OK, "IOCP_OK", "no error"},
    {IOCP_EINVAL, "IOCP_EINVAL", "invalid argument"},
    {IOCP_ENOMEM, "IOCP_ENOMEM", "out of memory"},
    {IOCP_EBADF, "IOCP_EBADF", "the handle is closed or was never open"},
    {IOCP_ENOENT, "IOCP_ENOENT", "the operation has ended or never was"},
    {IOCP_EBUSY, "IOCP_EBUSY", "busy, or not allowed at this point"},
    {IOCP_ECLOSING, "IOCP_ECLOSING", "the loop is being destroyed"},
    {IOCP_ETHREAD, "IOCP_ETHREAD", "called from the wrong thread"},
    {IOCP_ENOTSUP, "IOCP_ENOTSUP", "not supported by this handle, operation or system"},
    {IOCP_EUNKNOWN, "IOCP_EUNKNOWN", "an error without a name of its own, see the native code"},
    {IOCP_ECANCELED, "IOCP_ECANCELED", "cancelled by this program"},
    {IOCP_ETIMEDOUT, "IOCP_ETIMEDOUT", "timed out"},
    {IOCP_EOF, "IOCP_EOF", "end of the stream or file"},
    {IOCP_EACCES, "IOCP_EACCES", "permission denied"},
    {IOCP_EADDRINUSE, "IOCP_EADDRINUSE", "the address is in use"},
    {IOCP_EADDRNOTAVAIL, "IOCP_EADDRNOTAVAIL", "the address is not available on this machine"},
    {IOCP_EAFNOSUPPORT, "IOCP_EAFNOSUPPORT", "the address family is not supported"},
    {IOCP_EALREADY, "IOCP_EALREADY", "already in progress"},
    {IOCP_ECONNABORTED, "IOCP_ECONNABORTED", "aborted by the local system"},
    {IOCP_ECONNREFUSED, "IOCP_ECONNREFUSED", "connection refused"},
    {IOCP_ECONNRESET, "IOCP_ECONNRESET", "connection reset by the peer"},
    {IOCP_EDESTADDRREQ, "IOCP_EDESTADDRREQ", "a destination address is required"},
    {IOCP_EFAULT, "IOCP_EFAULT", "bad memory address, or a buffer that is too small"},
    {IOCP_EHOSTUNREACH, "IOCP_EHOSTUNREACH", "no route to the host"},
    {IOCP_EISCONN, "IOCP_EISCONN", "the socket or pipe is connected already"},
    {IOCP_EMFILE, "IOCP_EMFILE", "too many open handles"},
    {IOCP_EMSGSIZE, "IOCP_EMSGSIZE", "the message is too long"},
    {IOCP_ENETDOWN, "IOCP_ENETDOWN", "the network is down"},
    {IOCP_ENETRESET, "IOCP_ENETRESET", "the connection was ended by the network"},
    {IOCP_ENETUNREACH, "IOCP_ENETUNREACH", "no route to the network"},
    {IOCP_ENOBUFS, "IOCP_ENOBUFS", "no buffer space in the system or network stack"},
    {IOCP_ENOPROTOOPT, "IOCP_ENOPROTOOPT", "the protocol has no such option"},
    {IOCP_ENOTCONN, "IOCP_ENOTCONN", "the socket or pipe is not connected"},
    {IOCP_ENOTSOCK, "IOCP_ENOTSOCK", "not a socket"},
    {IOCP_EPIPE, "IOCP_EPIPE",
     "this side of the connection was shut down, or nobody reads the pipe"},
    {IOCP_EPROTONOSUPPORT, "IOCP_EPROTONOSUPPORT", "the protocol is not supported"},
    {IOCP_EPROTOTYPE, "IOCP_EPROTOTYPE", "the protocol does not fit the socket's type"},
    {IOCP_EAGAIN, "IOCP_EAGAIN", "a resource is short for the moment"},
    {IOCP_ENOTOVERLAPPED, "IOCP_ENOTOVERLAPPED", "the handle was opened without overlapped I/O"},
    {IOCP_ENOTFOUND, "IOCP_ENOTFOUND", "no such file or folder"},
    {IOCP_EEXIST, "IOCP_EEXIST", "the file exists already"},
    {IOCP_ENOSPC, "IOCP_ENOSPC", "no space left on the disk, or for this file"},
    {IOCP_ENAMETOOLONG, "IOCP_ENAMETOOLONG", "the path is too long"},
    {IOCP_EIO, "IOCP_EIO", "the device failed"},
    {IOCP_EASYNC, "IOCP_EASYNC", "the loop still has asyncs"},
    {IOCP_ENOTFOLDER, "IOCP_ENOTFOLDER", "not a folder, where one is needed"},
    {IOCP_EISFOLDER, "IOCP_EISFOLDER", "a folder, where none can be used"},
    {IOCP_ENOTEMPTY, "IOCP_ENOTEMPTY", "the folder is not empty"},
    {IOCP_EXDEV, "IOCP_EXDEV", "from one volume to another"},
    {IOCP_ELOOP, "IOCP_ELOOP", "too many links, or one that leads nowhere"},
    {IOCP_ENONAME, "IOCP_ENONAME", "no host, or no service, has this name"},
    {IOCP_ENOADDRESS, "IOCP_ENOADDRESS", "the name has no address of this family"},
    {IOCP_ENOEXEC, "IOCP_ENOEXEC", "not a program that this system can run"},
    {IOCP_EELEVATION, "IOCP_EELEVATION", "the program asks for an administrator's rights"},
};

static const error_entry *error__find(int code)
{
    for (size_t i = 0; i < IOC_COUNT_OF(error_table); i++) {
        if (error_table[i].code == code) {
            return &error_table[i];
        }
    }
    return NULL;
}

const char *IOCP_CALL iocp_error_name(int error)
{
    const error_entry *entry = error__find(error);
    return entry != NULL ? entry->name : "IOCP_E?";
}

const char *IOCP_CALL iocp_error_text(int error)
{
    const error_entry *entry = error__find(error);
    return entry != NULL ? entry->text : "unknown error code";
}
