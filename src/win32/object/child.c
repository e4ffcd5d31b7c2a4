#include "child.h"

#include "../work.h"
#include "path.h"
#include "process.h"
#include "program.h"
#include "pseudo_console.h"
#include "spawn.h"
#include "text/command_line.h"
#include "text/environment.h"
#include "text/path.h"
#include "text/utf8.h"

#include <string.h>
#include <wchar.h>

/* The texts of a plan, each in memory of its own. */
enum {
    TEXT_NAME,
    TEXT_PATH,
    TEXT_FOUND, /* room for the program's full path */
    TEXT_LINE,
    TEXT_ENVIRONMENT,
    TEXT_FOLDER,
    TEXTS
};

typedef struct spawn_plan {
    ioc_win_port *port;
    uint32_t flags; /* IOCP_SPAWN_ bits */
    bool is_exact;
    bool is_verbatim;
    wchar_t *texts[TEXTS];
    uint32_t gives[IOC_SPAWN_STREAMS]; /* iocp_give_t */
    HANDLE streams[IOC_SPAWN_STREAMS]; /* of PIPE and NATIVE: ours to close */
    HANDLE job;                        /* the program's own, or NULL */
    HANDLE *inherited;                 /* room for the streams' copies, and behind it the others */
    size_t others;
    ioc_pseudo_calls calls; /* of PSEUDO_CONSOLE */
    COORD size;

    /* What came of a run. */
    bool is_refused;
    HANDLE process;
    HANDLE tree;
    ioc_pseudo_console *console;
    DWORD process_id;
} spawn_plan;

static spawn_plan *spawn__plan_of(const ioc_op *op)
{
    return ioc_opening_of(op)->backend;
}

/* ---- Handles of a plan ---- */

/* An end may stand in two places. */
static void plan__close_streams(spawn_plan *plan, uint32_t give)
{
    for (int i = 0; i < IOC_SPAWN_STREAMS; i++) {
        HANDLE stream = plan->streams[i];
        if (stream == NULL || plan->gives[i] != give) {
            continue;
        }
        for (int k = i; k < IOC_SPAWN_STREAMS; k++) {
            plan->streams[k] = plan->streams[k] == stream ? NULL : plan->streams[k];
        }
        (void)plan->port->sys->CloseHandle(stream);
    }
}

/* Another run finds no end of a pair where there was one. */
static bool plan__is_spent(const spawn_plan *plan)
{
    bool is_spent = false;
    for (int i = 0; i < IOC_SPAWN_STREAMS; i++) {
        is_spent = is_spent || (plan->gives[i] == IOCP_GIVE_PIPE && plan->streams[i] == NULL);
    }
    return is_spent;
}

/* Ends of pairs are the last that may fail nothing: they stay where they are if something does. */
static int plan__take_natives(spawn_plan *plan, const iocp_spawn_options_t *options)
{
    for (int i = 0; i < IOC_SPAWN_STREAMS; i++) {
        plan->gives[i] = options->stdio[i].give;
        if (plan->gives[i] == IOCP_GIVE_NATIVE &&
            !ioc_port_duplicate(plan->port, options->stdio[i].native, &plan->streams[i])) {
            plan->streams[i] = NULL;
            return ioc_port_fail_last(plan->port);
        }
    }
    return IOCP_OK;
}

static void plan__take_ends(spawn_plan *plan, ioc_handle *const *ends)
{
    for (int i = 0; i < IOC_SPAWN_STREAMS; i++) {
        if (ends[i] != NULL) {
            plan->streams[i] = ioc_win_handle_of(ends[i])->native;
        }
    }
}

static bool plan__is_listed(const spawn_plan *plan, HANDLE handle)
{
    bool is_listed = false;
    for (size_t i = 0; i < plan->others; i++) {
        is_listed = is_listed || plan->inherited[IOC_SPAWN_STREAMS + i] == handle;
    }
    return is_listed;
}

/* Each once: Windows refuses a list that has one twice. */
static int plan__list_others(spawn_plan *plan, const iocp_spawn_options_t *options)
{
    size_t room = IOC_SPAWN_STREAMS + options->inherit_count;
    plan->inherited = ioc_alloc_take(plan->port->alloc, room * sizeof *plan->inherited);
    if (plan->inherited == NULL) {
        return IOCP_ENOMEM;
    }
    for (size_t i = 0; i < options->inherit_count; i++) {
        if (!plan__is_listed(plan, options->inherit[i])) {
            plan->inherited[IOC_SPAWN_STREAMS + plan->others++] = options->inherit[i];
        }
    }
    return IOCP_OK;
}

/* ---- Texts of a plan ---- */

static int plan__take_room(spawn_plan *plan, int text, size_t units)
{
    plan->texts[text] = ioc_alloc_take_raw(plan->port->alloc, units * sizeof(wchar_t));
    return plan->texts[text] != NULL ? IOCP_OK : IOCP_ENOMEM;
}

static void plan__forget_text(spawn_plan *plan, int text)
{
    ioc_alloc_give(plan->port->alloc, plan->texts[text]);
    plan->texts[text] = NULL;
}

static size_t plan__write_utf8(const void *from, wchar_t *units, size_t room)
{
    return ioc_utf8_to_utf16(from, units, room);
}

static size_t plan__write_path(const void *from, wchar_t *units, size_t room)
{
    return ioc_wtf8_to_utf16(from, units, room);
}

static size_t plan__write_arguments(const void *from, wchar_t *units, size_t room)
{
    return ioc_command_line(from, units, room);
}

static size_t plan__write_environment(const void *from, wchar_t *units, size_t room)
{
    return ioc_environment_block(from, units, room);
}

/* `write` answers 0 if there is no such text, and it takes as many units as it takes. */
static int plan__copy(spawn_plan *plan, int text, const void *from,
                      size_t (*write)(const void *from, wchar_t *units, size_t room))
{
    size_t count = write(from, NULL, 0);
    if (count == 0) {
        return IOCP_EINVAL;
    }
    int status = plan__take_room(plan, text, count);
    if (status == IOCP_OK) {
        (void)write(from, plan->texts[text], count);
    }
    return status;
}

static int plan__set_line(spawn_plan *plan, const iocp_spawn_options_t *options)
{
    plan->is_verbatim = options->command_line != NULL;
    int status =
        plan->is_verbatim
            ? plan__copy(plan, TEXT_LINE, options->command_line, plan__write_utf8)
            : plan__copy(plan, TEXT_LINE, (const void *)options->arguments, plan__write_arguments);
    bool is_too_long =
        status == IOCP_OK && wcslen(plan->texts[TEXT_LINE]) >= IOC_COMMAND_LINE_UNITS;
    return is_too_long ? IOCP_EINVAL : status;
}

/* ioc_environment_order, as Windows wants it. */
static int plan__order(const void *context, const wchar_t *left, size_t left_length,
                       const wchar_t *right, size_t right_length)
{
    const ioc_sys *sys = context;
    return sys->CompareStringOrdinal(left, (int)left_length, right, (int)right_length, TRUE) -
           CSTR_EQUAL;
}

static int plan__set_environment(spawn_plan *plan, const char *const *environment)
{
    ioc_alloc *alloc = plan->port->alloc;
    size_t variables = 0;
    if (environment == NULL) {
        return IOCP_OK;
    }
    while (environment[variables] != NULL) {
        variables++;
    }
    int status =
        plan__copy(plan, TEXT_ENVIRONMENT, (const void *)environment, plan__write_environment);
    if (status != IOCP_OK) {
        return status;
    }
    wchar_t *block = plan->texts[TEXT_ENVIRONMENT];
    const wchar_t **places = ioc_alloc_take_raw(alloc, (variables + 1) * sizeof *places);
    status = places == NULL ? IOCP_ENOMEM
                            : plan__take_room(plan, TEXT_ENVIRONMENT,
                                              ioc_environment_block(environment, NULL, 0));
    if (status == IOCP_OK) {
        ioc_environment_sort(block, plan__order, plan->port->sys, places,
                             plan->texts[TEXT_ENVIRONMENT]);
    }
    ioc_alloc_give(alloc, (void *)places);
    if (plan->texts[TEXT_ENVIRONMENT] != block) {
        ioc_alloc_give(alloc, block);
    }
    return status;
}

/* ---- The program of a plan ---- */

/* The PATH that the child will have, or NULL: it has none. */
static const wchar_t *plan__find_path(const spawn_plan *plan)
{
    static const wchar_t name[] = L"PATH";
    const wchar_t *variable = plan->texts[TEXT_ENVIRONMENT];
    const int length = IOC_COUNT_OF(name) - 1;
    while (*variable != L'\0') {
        size_t units = wcslen(variable);
        if (units > (size_t)length && variable[length] == L'=' &&
            plan__order(plan->port->sys, variable, (size_t)length, name, (size_t)length) == 0) {
            return variable + length + 1;
        }
        variable += units + 1;
    }
    return NULL;
}

static int plan__copy_path(spawn_plan *plan)
{
    const wchar_t *path = plan__find_path(plan);
    size_t units = path != NULL ? wcslen(path) + 1 : 1;
    int status = plan__take_room(plan, TEXT_PATH, units);
    if (status == IOCP_OK) {
        wmemcpy(plan->texts[TEXT_PATH], path != NULL ? path : L"", units);
    }
    return status;
}

/* Our own, which another thread may be changing: again, until it has fitted. */
static int plan__read_path(spawn_plan *plan)
{
    const ioc_sys *sys = plan->port->sys;
    DWORD room = 1;
    for (DWORD units = 0;; room = units) {
        plan__forget_text(plan, TEXT_PATH);
        int status = plan__take_room(plan, TEXT_PATH, room);
        if (status != IOCP_OK) {
            return status;
        }
        plan->texts[TEXT_PATH][0] = L'\0'; /* if there is none */
        units = sys->GetEnvironmentVariableW(L"PATH", plan->texts[TEXT_PATH], room);
        if (units < room) {
            return IOCP_OK;
        }
    }
}

static int plan__set_path(spawn_plan *plan)
{
    return plan->texts[TEXT_ENVIRONMENT] != NULL ? plan__copy_path(plan) : plan__read_path(plan);
}

/* A name with a slash or a colon is a path, and not looked for. */
static int plan__set_program(spawn_plan *plan, const iocp_spawn_options_t *options)
{
    const char *name = options->program != NULL ? options->program : options->arguments[0];
    int status = IOCP_OK;
    plan->is_exact = options->program != NULL;
    if (plan->is_exact || strpbrk(name, "\\/:") != NULL) {
        plan->texts[TEXT_NAME] = ioc_path_native(plan->port, name, &status);
    } else {
        status = plan__copy(plan, TEXT_NAME, name, plan__write_utf8);
        status = status == IOCP_OK ? plan__set_path(plan) : status;
    }
    if (status != IOCP_OK) {
        return status;
    }
    size_t path_units = plan->texts[TEXT_PATH] != NULL ? wcslen(plan->texts[TEXT_PATH]) : 0;
    return plan__take_room(plan, TEXT_FOUND,
                           path_units + wcslen(plan->texts[TEXT_NAME]) + IOC_PROGRAM_ROOM);
}

/* ---- Making a plan ---- */

static bool plan__has_console(const spawn_plan *plan)
{
    return (plan->flags & IOCP_SPAWN_PSEUDO_CONSOLE) != 0;
}

static int plan__set_console(spawn_plan *plan, const iocp_spawn_options_t *options)
{
    plan->size = (COORD){.X = (SHORT)options->columns, .Y = (SHORT)options->rows};
    return !plan__has_console(plan) || ioc_pseudo_console_find(plan->port->sys, &plan->calls)
               ? IOCP_OK
               : IOCP_ENOTSUP;
}

static void plan__free(spawn_plan *plan)
{
    ioc_alloc *alloc = plan->port->alloc;
    plan__close_streams(plan, IOCP_GIVE_PIPE);
    plan__close_streams(plan, IOCP_GIVE_NATIVE);
    for (int text = 0; text < TEXTS; text++) {
        plan__forget_text(plan, text);
    }
    ioc_alloc_give(alloc, plan->inherited);
    ioc_alloc_give(alloc, plan);
}

static int plan__fill(spawn_plan *plan, const iocp_spawn_options_t *options)
{
    int status = plan__set_console(plan, options);
    if (status == IOCP_OK) {
        status = plan__set_line(plan, options);
    }
    if (status == IOCP_OK) {
        status = plan__set_environment(plan, options->environment);
    }
    if (status == IOCP_OK) {
        status = plan__set_program(plan, options);
    }
    if (status == IOCP_OK && options->folder != NULL) {
        status = plan__copy(plan, TEXT_FOLDER, options->folder, plan__write_path);
    }
    if (status == IOCP_OK) {
        status = plan__list_others(plan, options);
    }
    return status == IOCP_OK ? plan__take_natives(plan, options) : status;
}

int ioc_child_plan(ioc_port *base, ioc_op *op, const iocp_spawn_options_t *options,
                   ioc_handle *const *ends)
{
    ioc_win_port *port = ioc_win_port_of(base);
    spawn_plan *plan = ioc_alloc_take(port->alloc, sizeof *plan);
    if (plan == NULL) {
        return IOCP_ENOMEM;
    }
    plan->port = port;
    plan->flags = options->flags;
    plan->job = options->job;
    int status = plan__fill(plan, options);
    if (status != IOCP_OK) {
        plan__free(plan);
        return status;
    }
    plan__take_ends(plan, ends);
    ioc_opening_of(op)->backend = plan;
    op->is_held = true;
    return IOCP_OK;
}

/* No other run has them, and whoever has the other end sees when the child is done with it. */
void ioc_child_ended(ioc_port *port, ioc_op *op)
{
    (void)port;
    plan__close_streams(spawn__plan_of(op), IOCP_GIVE_PIPE);
}

void ioc_child_release(ioc_port *port, ioc_op *op)
{
    (void)port;
    plan__free(spawn__plan_of(op));
    ioc_opening_of(op)->backend = NULL;
}

/* ---- On a thread of the pool: what the child gets ---- */

/* What is there only while the child is created. */
typedef struct spawn_child {
    STARTUPINFOEXW startup;
    wchar_t *batch_line; /* what cmd.exe is to do, or NULL */
    wchar_t interpreter[MAX_PATH + IOC_PROGRAM_ROOM + 2];
    size_t streams; /* of `inherited`, ours to close */
} spawn_child;

static uint32_t child__error(const spawn_plan *plan, bool is_good)
{
    return is_good ? 0 : plan->port->sys->GetLastError();
}

static HANDLE child__open_nothing(const ioc_sys *sys)
{
    SECURITY_ATTRIBUTES inherited = {.nLength = sizeof inherited, .bInheritHandle = TRUE};
    return sys->CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE,
                            FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
}

/* A copy that can be inherited. What we have there may be none at all, or not be open any more. */
static uint32_t child__open_stream(const spawn_plan *plan, int which, HANDLE *stream)
{
    static const DWORD names[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    const ioc_sys *sys = plan->port->sys;
    bool is_ours = plan->gives[which] == IOCP_GIVE_OURS;
    *stream = INVALID_HANDLE_VALUE;
    if (plan->gives[which] == IOCP_GIVE_NOTHING) {
        *stream = child__open_nothing(sys);
        return child__error(plan, *stream != INVALID_HANDLE_VALUE);
    }
    HANDLE from = is_ours ? sys->GetStdHandle(names[which]) : plan->streams[which];
    if (from == NULL || from == INVALID_HANDLE_VALUE) {
        return 0;
    }
    HANDLE self = GetCurrentProcess();
    if (sys->DuplicateHandle(self, from, self, stream, 0, TRUE, DUPLICATE_SAME_ACCESS)) {
        return 0;
    }
    *stream = INVALID_HANDLE_VALUE;
    uint32_t error = sys->GetLastError();
    return is_ours && error == ERROR_INVALID_HANDLE ? 0 : error;
}

/* A console of its own is what it gets where it is to have ours. */
static bool plan__gives_streams(const spawn_plan *plan)
{
    return (plan->flags & IOCP_SPAWN_NEW_CONSOLE) == 0 || plan->gives[0] != IOCP_GIVE_OURS ||
           plan->gives[1] != IOCP_GIVE_OURS || plan->gives[2] != IOCP_GIVE_OURS;
}

/*
 * Its streams are the console's where it is given none. Were it not said that it is given none, it would
 * get ours, if they are no console's (microsoft/terminal 11276).
 */
static uint32_t child__open_console(spawn_plan *plan)
{
    return ioc_pseudo_console_open(plan->port, &plan->calls, plan->size, plan->streams[IOCP_STDIN],
                                   plan->streams[IOCP_STDOUT], &plan->console);
}

/* Those that there are stand at the end of the places for them, before the others. */
static uint32_t child__open_streams(spawn_child *child, spawn_plan *plan)
{
    STARTUPINFOW *startup = &child->startup.StartupInfo;
    HANDLE *const places[] = {&startup->hStdInput, &startup->hStdOutput, &startup->hStdError};
    uint32_t error = 0;
    if (!plan__gives_streams(plan)) {
        return 0;
    }
    startup->dwFlags |= STARTF_USESTDHANDLES;
    if (plan__has_console(plan)) {
        return child__open_console(plan);
    }
    for (int i = 0; i < IOC_SPAWN_STREAMS && error == 0; i++) {
        HANDLE stream = NULL;
        error = child__open_stream(plan, i, &stream);
        *places[i] = stream != INVALID_HANDLE_VALUE ? stream : NULL;
        if (*places[i] != NULL) {
            child->streams++;
            plan->inherited[IOC_SPAWN_STREAMS - child->streams] = stream;
        }
    }
    return error;
}

static void child__close_streams(const spawn_child *child, const spawn_plan *plan)
{
    for (size_t i = 1; i <= child->streams; i++) {
        (void)plan->port->sys->CloseHandle(plan->inherited[IOC_SPAWN_STREAMS - i]);
    }
}

/* ---- On a thread of the pool: the child ---- */

static uint32_t child__create_tree(spawn_plan *plan)
{
    const ioc_sys *sys = plan->port->sys;
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
        .BasicLimitInformation = {.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE}};
    if ((plan->flags & IOCP_SPAWN_TREE) == 0) {
        return 0;
    }
    plan->tree = sys->CreateJobObjectW(NULL, NULL);
    bool is_good = plan->tree != NULL;
    if (is_good && (plan->flags & IOCP_SPAWN_KILL_ON_CLOSE) != 0) {
        is_good = sys->SetInformationJobObject(plan->tree, JobObjectExtendedLimitInformation,
                                               &limits, sizeof limits);
    }
    return child__error(plan, is_good);
}

/* How cmd.exe is told to run a batch file, if it can be told so that nothing is taken apart. */
static uint32_t child__set_interpreter(spawn_child *child, spawn_plan *plan)
{
    const size_t room = IOC_COMMAND_LINE_BATCH_UNITS;
    child->batch_line = ioc_alloc_take_raw(plan->port->alloc, room * sizeof(wchar_t));
    if (child->batch_line == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (ioc_command_line_of_batch(plan->texts[TEXT_FOUND], plan->texts[TEXT_LINE],
                                  child->batch_line, room) == 0) {
        plan->is_refused = true;
        return ERROR_BAD_ARGUMENTS;
    }
    UINT length = plan->port->sys->GetSystemDirectoryW(child->interpreter, MAX_PATH);
    if (length == 0 || length >= MAX_PATH) {
        return length == 0 ? plan->port->sys->GetLastError() : ERROR_FILENAME_EXCED_RANGE;
    }
    wcscpy(child->interpreter + length, L"\\cmd.exe");
    return 0;
}

static DWORD plan__creation_flags(const spawn_plan *plan)
{
    static const struct {
        uint32_t flag;
        DWORD creation;
    } rows[] = {
        {IOCP_SPAWN_GROUP, CREATE_NEW_PROCESS_GROUP},
        {IOCP_SPAWN_NO_WINDOW, CREATE_NO_WINDOW},
        {IOCP_SPAWN_NEW_CONSOLE, CREATE_NEW_CONSOLE},
        {IOCP_SPAWN_DETACHED, DETACHED_PROCESS},
    };
    DWORD creation = EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT;
    for (size_t i = 0; i < IOC_COUNT_OF(rows); i++) {
        creation |= (plan->flags & rows[i].flag) != 0 ? rows[i].creation : 0u;
    }
    return creation;
}

/* With everything that it gets, and nothing else. */
static uint32_t child__create(spawn_child *child, spawn_plan *plan)
{
    PROCESS_INFORMATION information;
    const ioc_sys *sys = plan->port->sys;
    bool is_batch = child->batch_line != NULL;
    STARTUPINFOW *startup = &child->startup.StartupInfo;
    if ((plan->flags & IOCP_SPAWN_HIDDEN) != 0) {
        startup->dwFlags |= STARTF_USESHOWWINDOW;
        startup->wShowWindow = SW_HIDE;
    }
    startup->cb = sizeof child->startup;
    if (!sys->CreateProcessW(is_batch ? child->interpreter : plan->texts[TEXT_FOUND],
                             is_batch ? child->batch_line : plan->texts[TEXT_LINE], NULL, NULL,
                             child->streams + plan->others > 0, plan__creation_flags(plan),
                             plan->texts[TEXT_ENVIRONMENT], plan->texts[TEXT_FOLDER], startup,
                             &information)) {
        return sys->GetLastError();
    }
    (void)sys->CloseHandle(information.hThread);
    plan->process = information.hProcess;
    plan->process_id = information.dwProcessId;
    return 0;
}

/* Of no bytes: it is not set. */
static bool child__set_attribute(const spawn_child *child, const spawn_plan *plan,
                                 DWORD_PTR attribute, void *value, size_t bytes)
{
    return bytes == 0 ||
           plan->port->sys->UpdateProcThreadAttribute(child->startup.lpAttributeList, 0, attribute,
                                                      value, bytes, NULL, NULL);
}

static bool child__set_attributes(const spawn_child *child, const spawn_plan *plan, HANDLE *job)
{
    size_t count = child->streams + plan->others;
    HANDLE *inherited = plan->inherited + (IOC_SPAWN_STREAMS - child->streams);
    HANDLE console = plan->console != NULL ? plan->console->native : NULL;
    return child__set_attribute(child, plan, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, inherited,
                                count * sizeof *inherited) &&
           child__set_attribute(child, plan, PROC_THREAD_ATTRIBUTE_JOB_LIST, job,
                                *job != NULL ? sizeof *job : 0) &&
           child__set_attribute(child, plan, IOC_PSEUDO_CONSOLE_ATTRIBUTE, console,
                                console != NULL ? sizeof console : 0);
}

static uint32_t child__create_with_attributes(spawn_child *child, spawn_plan *plan)
{
    enum {
        ATTRIBUTES = 3
    };
    const ioc_sys *sys = plan->port->sys;
    HANDLE job = plan->tree != NULL ? plan->tree : plan->job;
    SIZE_T bytes = 0;
    (void)sys->InitializeProcThreadAttributeList(NULL, ATTRIBUTES, 0, &bytes); /* how many */
    LPPROC_THREAD_ATTRIBUTE_LIST list = ioc_alloc_take(plan->port->alloc, bytes);
    if (list == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    bool is_good = sys->InitializeProcThreadAttributeList(list, ATTRIBUTES, 0, &bytes);
    uint32_t error = child__error(plan, is_good);
    if (is_good) {
        child->startup.lpAttributeList = list;
        error = child__error(plan, child__set_attributes(child, plan, &job));
        error = error == 0 ? child__create(child, plan) : error;
        sys->DeleteProcThreadAttributeList(list);
    }
    ioc_alloc_give(plan->port->alloc, list);
    return error;
}

static void plan__undo(spawn_plan *plan)
{
    if (plan->tree != NULL) {
        (void)plan->port->sys->CloseHandle(plan->tree);
        plan->tree = NULL;
    }
    if (plan->console != NULL) {
        ioc_pseudo_console_close(plan->port, plan->console);
        plan->console = NULL;
    }
}

/* 0, or the Win32 code: then nothing of the child is there. */
static uint64_t IOCP_CALL spawn__run(void *arg)
{
    spawn_plan *plan = arg;
    const ioc_sys *sys = plan->port->sys;
    spawn_child child = {.streams = 0};
    const ioc_program program = {
        .name = plan->texts[TEXT_NAME], .path = plan->texts[TEXT_PATH], .is_exact = plan->is_exact};
    uint32_t error = ioc_program_find(sys, &program, plan->texts[TEXT_FOUND]);
    if (error == 0 && !plan->is_verbatim && ioc_path_is_batch(plan->texts[TEXT_FOUND])) {
        error = child__set_interpreter(&child, plan);
    }
    error = error == 0 ? child__create_tree(plan) : error;
    error = error == 0 ? child__open_streams(&child, plan) : error;
    error = error == 0 ? child__create_with_attributes(&child, plan) : error;
    child__close_streams(&child, plan);
    ioc_alloc_give(plan->port->alloc, child.batch_line);
    if (error != 0) {
        plan__undo(plan);
    }
    return error;
}

/* ---- Start and end ---- */

/* One that our console knows of. With a console of its own a child has no group. */
static bool plan__has_group(const spawn_plan *plan)
{
    const uint32_t others = IOCP_SPAWN_NO_WINDOW | IOCP_SPAWN_NEW_CONSOLE | IOCP_SPAWN_DETACHED |
                            IOCP_SPAWN_PSEUDO_CONSOLE;
    return (plan->flags & IOCP_SPAWN_GROUP) != 0 && (plan->flags & others) == 0;
}

ioc_start ioc_child_start(ioc_port *base, ioc_op *op)
{
    spawn_plan *plan = spawn__plan_of(op);
    if (plan__is_spent(plan)) {
        return ioc_overlapped_failed(op, ERROR_INVALID_HANDLE);
    }
    plan->is_refused = false;
    *ioc_work_of(op) = (ioc_work){.function = spawn__run, .arg = plan};
    return ioc_work_start(base, op);
}

bool ioc_child_started(ioc_port *base, ioc_op *op)
{
    spawn_plan *plan = spawn__plan_of(op);
    bool has_run = op->outcome.status == IOCP_OK;
    (void)ioc_work_complete(base, op);
    if (!has_run) {
        return true;
    }
    if (plan->is_refused) {
        op->outcome.status = IOCP_EINVAL; /* by a rule of ours */
    } else if (ioc_work_of(op)->value != 0) {
        (void)ioc_overlapped_failed(op, (uint32_t)ioc_work_of(op)->value);
    } else {
        ioc_win_handle *process = ioc_win_opened_by(op);
        ioc_process_open(&process->handle, plan->process, plan->process_id, plan->tree);
        process->has_group = plan__has_group(plan);
        process->console = plan->console;
        plan->tree = NULL;
        plan->console = NULL;
    }
    return true;
}
