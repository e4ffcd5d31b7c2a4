#include "pipe.h"

#include <string.h>

/* ---- Names ---- */

#define NAME_MACHINES "\\\\"
#define NAME_PIPES    "\\pipe\\"

static char name__lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

/* Past what a name has to begin with, in whatever case, or NULL. */
static const char *name__skip(const char *name, const char *beginning)
{
    for (; *beginning != '\0'; name++, beginning++) {
        if (name__lower(*name) != *beginning) {
            return NULL;
        }
    }
    return name;
}

/* Behind the machine, or NULL. */
static const char *name__behind_machine(const char *name)
{
    const char *machine = name__skip(name, NAME_MACHINES);
    const char *end = machine != NULL ? strchr(machine, '\\') : NULL;
    return end != machine ? end : NULL;
}

bool ioc_pipe_is_remote(const char *name)
{
    return name__skip(name, NAME_MACHINES "." NAME_PIPES) == NULL &&
           name__skip(name, NAME_MACHINES "?" NAME_PIPES) == NULL;
}

bool ioc_pipe_is_name(const char *name, bool may_be_remote)
{
    const char *pipes = name__behind_machine(name);
    const char *own = pipes != NULL ? name__skip(pipes, NAME_PIPES) : NULL;
    return own != NULL && own[0] != '\0' && strlen(name) < IOC_PIPE_NAME_BYTES &&
           (may_be_remote || !ioc_pipe_is_remote(name));
}

/* ---- Connecting ---- */

int ioc_pipe_set_name(ioc_ops *ops, ioc_op *op, const char *name, uint32_t flags)
{
    size_t bytes = strlen(name) + 1;
    int status = ioc_op_take_block(ops, op, sizeof(ioc_pipe_connect) + bytes);
    if (status == IOCP_OK) {
        ioc_pipe_connect *connect = ioc_pipe_connect_of(op);
        *connect = (ioc_pipe_connect){.flags = flags};
        memcpy(connect->name, name, bytes);
    }
    return status;
}
