#include "paths.h"

#include "api.h"

/* What the program asks for, of one path or two. */
typedef struct path_call {
    iocp_type_t type;
    bool is_valid;
    const char *from;
    const char *to; /* NULL: it takes one path */
    uint32_t flags;
} path_call;

static bool path__is_call(const char *path, uint32_t flags, uint32_t known_flags)
{
    return path != NULL && path[0] != '\0' && (flags & ~known_flags) == 0;
}

static int path__start(iocp_loop_t *loop, const path_call *call, iocp_callback_t callback,
                       void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status = ioc_api_begin(loop, call->type, call->is_valid, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_paths_set(&loop->loop_only.ops, op, call->flags);
    if (status == IOCP_OK) {
        status = IOC_API_ASK(loop, paths_plan, op, call->from, call->to);
    }
    return ioc_api_end(loop, op, status, id);
}

static int path__start_two(iocp_loop_t *loop, iocp_type_t type, const char *from, const char *to,
                           uint32_t flags, iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    bool is_valid = path__is_call(from, flags, IOCP_REPLACE) && path__is_call(to, 0, 0);
    const path_call call = {type, is_valid, from, to, flags};
    return path__start(loop, &call, callback, userdata, id);
}

int IOCP_CALL iocp_open(iocp_loop_t *loop, const char *path, uint32_t flags,
                        iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    bool is_valid = path__is_call(path, flags, UINT32_MAX) && ioc_api_is_file_flags(flags);
    const path_call call = {IOCP_TYPE_OPEN, is_valid, path, NULL, flags};
    return path__start(loop, &call, callback, userdata, op);
}

int IOCP_CALL iocp_stat(iocp_loop_t *loop, const char *path, uint32_t flags,
                        iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    bool is_valid = path__is_call(path, flags, IOCP_STAT_LINK);
    const path_call call = {IOCP_TYPE_STAT, is_valid, path, NULL, flags};
    return path__start(loop, &call, callback, userdata, op);
}

int IOCP_CALL iocp_copy(iocp_loop_t *loop, const char *from, const char *to, uint32_t flags,
                        iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return path__start_two(loop, IOCP_TYPE_COPY, from, to, flags, callback, userdata, op);
}

int IOCP_CALL iocp_rename(iocp_loop_t *loop, const char *from, const char *to, uint32_t flags,
                          iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    return path__start_two(loop, IOCP_TYPE_RENAME, from, to, flags, callback, userdata, op);
}

int IOCP_CALL iocp_remove(iocp_loop_t *loop, const char *path, uint32_t flags,
                          iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    bool is_valid = path__is_call(path, flags, IOCP_REMOVE_TREE);
    const path_call call = {IOCP_TYPE_REMOVE, is_valid, path, NULL, flags};
    return path__start(loop, &call, callback, userdata, op);
}

int IOCP_CALL iocp_folder_create(iocp_loop_t *loop, const char *path, uint32_t flags,
                                 iocp_callback_t callback, void *userdata, iocp_op_t *op)
{
    bool is_valid = path__is_call(path, flags, IOCP_FOLDER_PARENTS);
    const path_call call = {IOCP_TYPE_FOLDER_CREATE, is_valid, path, NULL, flags};
    return path__start(loop, &call, callback, userdata, op);
}
