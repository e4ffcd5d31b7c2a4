#include "pseudo_console.h"

bool ioc_pseudo_console_find(const ioc_sys *sys, ioc_pseudo_calls *calls)
{
    HMODULE kernel32 = sys->GetModuleHandleW(L"kernel32.dll");
    if (kernel32 == NULL) {
        return false;
    }
    ioc_nt_look_up(sys, kernel32, "CreatePseudoConsole", &calls->CreatePseudoConsole);
    ioc_nt_look_up(sys, kernel32, "ResizePseudoConsole", &calls->ResizePseudoConsole);
    ioc_nt_look_up(sys, kernel32, "ClosePseudoConsole", &calls->ClosePseudoConsole);
    return calls->CreatePseudoConsole != NULL && calls->ResizePseudoConsole != NULL &&
           calls->ClosePseudoConsole != NULL;
}

/* 0, or the Win32 code; what has none is told as it is. */
static uint32_t pseudo__error(HRESULT result)
{
    if (result >= 0) {
        return 0;
    }
    if (result == E_NOTIMPL) {
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
    return HRESULT_FACILITY(result) == FACILITY_WIN32 ? (uint32_t)HRESULT_CODE(result)
                                                      : (uint32_t)result;
}

uint32_t ioc_pseudo_console_open(const ioc_win_port *port, const ioc_pseudo_calls *calls,
                                 COORD size, HANDLE input, HANDLE output,
                                 ioc_pseudo_console **opened)
{
    ioc_pseudo_console *self = ioc_alloc_take(port->alloc, sizeof *self);
    if (self == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    self->calls = *calls;
    uint32_t error =
        pseudo__error(calls->CreatePseudoConsole(size, input, output, 0, &self->native));
    if (error != 0) {
        ioc_alloc_give(port->alloc, self);
        return error;
    }
    *opened = self;
    return 0;
}

/* One that the pool refuses, for want of memory, ends with this process. */
void ioc_pseudo_console_close(const ioc_win_port *port, ioc_pseudo_console *self)
{
    (void)port->sys->QueueUserWorkItem(self->calls.ClosePseudoConsole, self->native,
                                       WT_EXECUTELONGFUNCTION);
    ioc_alloc_give(port->alloc, self);
}

int ioc_pseudo_console_resize(ioc_port *base, ioc_handle *handle, uint32_t columns, uint32_t rows)
{
    const ioc_pseudo_console *self = ioc_win_handle_of(handle)->console;
    const COORD size = {.X = (SHORT)columns, .Y = (SHORT)rows};
    if (self == NULL) {
        return IOCP_ENOTSUP;
    }
    uint32_t error = pseudo__error(self->calls.ResizePseudoConsole(self->native, size));
    return error == 0 ? IOCP_OK : ioc_port_fail(ioc_win_port_of(base), error);
}
