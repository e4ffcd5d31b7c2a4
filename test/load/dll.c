/* The DLL beside the program, loaded as a plug-in would, used by two threads, and unloaded. */
#include "load.h"

#include "threads.h"

#include <windows.h>

#include <string.h>

typedef struct load_library {
    HMODULE module;
    int(IOCP_CALL *create)(const iocp_loop_options_t *options, iocp_loop_t **loop);
    int(IOCP_CALL *destroy)(iocp_loop_t *loop, uint64_t timeout_ns);
    int(IOCP_CALL *timer)(iocp_loop_t *loop, uint64_t delay_ns, iocp_callback_t callback,
                          void *userdata, iocp_op_t *op);
    int(IOCP_CALL *post)(iocp_loop_t *loop, iocp_post_fn function, void *arg);
    int(IOCP_CALL *run)(iocp_loop_t *loop, iocp_run_mode_t mode);
    iocp_loop_t *loop;
    int timers;
    int posts;
} load_library;

/* Without a cast between kinds of functions, of which compilers warn. */
static void library__find(const load_library *self, const char *name, void *function)
{
    FARPROC found = GetProcAddress(self->module, name);
    load_require(found != NULL, "iocploop.dll has no %s", name);
    memcpy(function, &found, sizeof found);
}

static load_library library__load(void)
{
    load_library self = {.module = LoadLibraryW(L"iocploop.dll")};
    load_require(self.module != NULL, "cannot load iocploop.dll: error %lu", GetLastError());
    library__find(&self, "iocp_loop_create", &self.create);
    library__find(&self, "iocp_loop_destroy", &self.destroy);
    library__find(&self, "iocp_timer", &self.timer);
    library__find(&self, "iocp_post", &self.post);
    library__find(&self, "iocp_loop_run", &self.run);
    return self;
}

static iocp_action_t IOCP_CALL on_timer(iocp_loop_t *loop, const iocp_result_t *result, void *arg)
{
    load_library *self = arg;
    (void)loop;
    load_require_ok(result->status, "a timer ended");
    self->timers++;
    return IOCP_DISARM;
}

static void IOCP_CALL on_post(iocp_loop_t *loop, void *arg)
{
    load_library *self = arg;
    (void)loop;
    self->posts++;
}

static void library__post(void *arg)
{
    load_library *self = arg;
    load_require_ok(self->post(self->loop, on_post, self), "iocp_post");
}

static void library__use(load_library *self)
{
    test_thread thread;
    load_require_ok(self->create(NULL, &self->loop), "iocp_loop_create");
    load_require_ok(self->timer(self->loop, 1000, on_timer, self, NULL), "iocp_timer");
    load_require(test_thread_start(&thread, library__post, self), "no thread to be had");
    load_require_ok(self->run(self->loop, IOCP_RUN_UNTIL_DONE), "iocp_loop_run");
    test_thread_join(&thread);
    load_require_ok(self->destroy(self->loop, 0), "iocp_loop_destroy");
    load_require(self->timers == 1 && self->posts == 1, "%d timers and %d posts ran", self->timers,
                 self->posts);
}

void load_dll(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        load_library self = library__load();
        library__use(&self);
        load_require(FreeLibrary(self.module) != 0, "FreeLibrary: error %lu", GetLastError());
        load_require(GetModuleHandleW(L"iocploop.dll") == NULL, "something keeps the DLL");
        load_progress();
    }
    load_print("dll: loaded and unloaded %llu times, gone each time\n", (unsigned long long)count);
}
