#include "api.h"
#include "spawn.h"
#include "stop.h"

/* ---- Starting ---- */

#define PROCESSES IOC_ON(IOCP_HANDLE_PROCESS)
#define ENDS      IOC_ON(IOCP_HANDLE_PIPE_END)

/* More than a child can be told of on its command line. */
#define INHERITED_MAX 4096

static bool spawn__is_flags(uint32_t flags, const void *job)
{
    const uint32_t consoles = flags & (IOCP_SPAWN_NO_WINDOW | IOCP_SPAWN_NEW_CONSOLE |
                                       IOCP_SPAWN_DETACHED | IOCP_SPAWN_PSEUDO_CONSOLE);
    bool is_tree = (flags & IOCP_SPAWN_TREE) != 0;
    return flags < 2u * IOCP_SPAWN_PSEUDO_CONSOLE && (consoles & (consoles - 1)) == 0 &&
           (is_tree || (flags & IOCP_SPAWN_KILL_ON_CLOSE) == 0) && !(is_tree && job != NULL);
}

static bool spawn__is_native(const void *native)
{
    return native != NULL && (intptr_t)native != -1; /* INVALID_HANDLE_VALUE */
}

static bool spawn__is_stdio(const iocp_spawn_stdio_t *stdio)
{
    return stdio->give <= IOCP_GIVE_NATIVE && stdio->reserved == 0 &&
           (stdio->give != IOCP_GIVE_NATIVE || spawn__is_native(stdio->native));
}

/*
 * One synchronous handle cannot be read and written at once, so there are two. A size without a console
 * is a flag that was forgotten.
 */
static bool spawn__is_console(const iocp_spawn_options_t *options)
{
    const iocp_spawn_stdio_t *input = &options->stdio[IOCP_STDIN];
    const iocp_spawn_stdio_t *output = &options->stdio[IOCP_STDOUT];
    if ((options->flags & IOCP_SPAWN_PSEUDO_CONSOLE) == 0) {
        return options->columns == 0 && options->rows == 0;
    }
    bool is_one = input->give == output->give &&
                  (input->give == IOCP_GIVE_PIPE ? input->handle.id == output->handle.id
                                                 : input->native == output->native);
    return ioc_api_is_console_size(options->columns, options->rows) &&
           input->give >= IOCP_GIVE_PIPE && output->give >= IOCP_GIVE_PIPE && !is_one &&
           options->stdio[IOCP_STDERR].give == IOCP_GIVE_OURS;
}

static bool spawn__is_inherited(void *const *inherit, size_t count)
{
    bool is_valid = count <= INHERITED_MAX && (inherit != NULL || count == 0);
    for (size_t i = 0; is_valid && i < count; i++) {
        is_valid = spawn__is_native(inherit[i]);
    }
    return is_valid;
}

/* Of the arguments and the verbatim line there is one; only the former say which program. */
static bool spawn__is_command(const iocp_spawn_options_t *options)
{
    bool has_arguments = options->arguments != NULL && options->arguments[0] != NULL;
    bool has_line = options->command_line != NULL && options->program != NULL;
    const char *name = options->program != NULL ? options->program
                       : has_arguments          ? options->arguments[0]
                                                : "";
    return has_arguments != (options->command_line != NULL) && (has_arguments || has_line) &&
           name[0] != '\0';
}

static bool spawn__read_options(const iocp_spawn_options_t *given, iocp_spawn_options_t *options)
{
    return given != NULL && ioc_api_read_options(given, options, sizeof *options) == IOCP_OK &&
           spawn__is_flags(options->flags, options->job) && spawn__is_command(options) &&
           spawn__is_stdio(&options->stdio[0]) && spawn__is_stdio(&options->stdio[1]) &&
           spawn__is_stdio(&options->stdio[2]) && spawn__is_console(options) &&
           spawn__is_inherited(options->inherit, options->inherit_count);
}

static int spawn__find_ends(iocp_loop_t *loop, const iocp_spawn_options_t *options,
                            ioc_handle **ends)
{
    int status = IOCP_OK;
    for (int i = 0; i < IOC_SPAWN_STREAMS && status == IOCP_OK; i++) {
        ends[i] = NULL;
        if (options->stdio[i].give == IOCP_GIVE_PIPE) {
            status = ioc_api_find_handle(loop, options->stdio[i].handle, ENDS, true, &ends[i]);
        }
    }
    return status;
}

/* The operation has their native handles. One end may stand in two places. */
static void spawn__take_ends(ioc_ops *ops, ioc_handle **ends)
{
    for (int i = 0; i < IOC_SPAWN_STREAMS; i++) {
        ioc_handle *end = ends[i];
        for (int k = i; k < IOC_SPAWN_STREAMS; k++) {
            ends[k] = ends[k] == end ? NULL : ends[k];
        }
        if (end != NULL) {
            (void)ioc_handle_give_away(ops, end);
        }
    }
}

static int spawn__plan(iocp_loop_t *loop, ioc_op *op, const iocp_spawn_options_t *options,
                       ioc_handle **ends)
{
    const ioc_opening none = {0};
    ioc_ops *ops = &loop->loop_only.ops;
    int status = ioc_op_copy(ops, op, &none, sizeof none);
    if (status == IOCP_OK) {
        status = IOC_API_ASK(loop, spawn_plan, op, options, ends);
    }
    if (status == IOCP_OK) {
        spawn__take_ends(ops, ends);
    }
    return status;
}

int IOCP_CALL iocp_spawn(iocp_loop_t *loop, const iocp_spawn_options_t *given,
                         iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    iocp_spawn_options_t options;
    ioc_handle *ends[IOC_SPAWN_STREAMS];
    bool is_valid = callback != NULL && spawn__read_options(given, &options);
    int status = ioc_api_check_open(loop, is_valid);
    if (status == IOCP_OK) {
        status = spawn__find_ends(loop, &options, ends);
    }
    if (status == IOCP_OK) {
        status = ioc_api_begin(loop, IOCP_TYPE_SPAWN, true, callback, userdata, &op);
    }
    if (status != IOCP_OK) {
        return status;
    }
    return ioc_api_end(loop, op, spawn__plan(loop, op, &options, ends), id);
}

/* ---- Processes ---- */

int IOCP_CALL iocp_process_adopt(iocp_loop_t *loop, void *native, iocp_handle_t *id)
{
    ioc_handle *handle = NULL;
    int status = ioc_api_begin_open(loop, native != NULL, id, &handle);
    if (status != IOCP_OK) {
        return status;
    }
    status = IOC_API_ASK(loop, process_adopt, handle, native);
    return ioc_api_end_open(loop, handle, status, id);
}

int IOCP_CALL iocp_process_wait(iocp_loop_t *loop, iocp_handle_t process, iocp_callback_t callback,
                                void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    int status =
        ioc_api_begin_on(loop, process, IOCP_TYPE_PROCESS_WAIT, true, callback, userdata, &op);
    return status == IOCP_OK ? ioc_api_end(loop, op, IOCP_OK, id) : status;
}

int IOCP_CALL iocp_process_stop(iocp_loop_t *loop, iocp_handle_t process, uint64_t grace_ns,
                                iocp_callback_t callback, void *userdata, iocp_op_t *id)
{
    ioc_op *op = NULL;
    const ioc_stop stop = {.grace_ns = grace_ns};
    int status =
        ioc_api_begin_on(loop, process, IOCP_TYPE_PROCESS_STOP, true, callback, userdata, &op);
    if (status != IOCP_OK) {
        return status;
    }
    status = ioc_op_copy(&loop->loop_only.ops, op, &stop, sizeof stop);
    return ioc_api_end(loop, op, status, id);
}

int IOCP_CALL iocp_process_get_id(const iocp_loop_t *loop, iocp_handle_t process,
                                  uint32_t *process_id)
{
    ioc_handle *handle = NULL;
    int status =
        ioc_api_find_handle(ioc_api_mutable(loop), process, PROCESSES, process_id != NULL, &handle);
    if (status == IOCP_OK) {
        *process_id = handle->process_id;
    }
    return status;
}
