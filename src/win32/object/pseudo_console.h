/*
 * A pseudo console (ConPTY): a host between programs that want a console and two pipes. It reads from
 * one what is typed, and writes to the other what is to be seen. Windows has it since 10 1809, so its
 * functions are looked up.
 *
 * Its end. ClosePseudoConsole asks the host to end, which asks the programs in it. Before Windows 11
 * 24H2 it waits until all of them have ended and the host has written the last of what is to be seen: for
 * whoever reads that, and this may be the loop that closes. So nobody waits for it. It is given to the
 * pool as it is, and runs without any code of ours: neither the loop nor the DLL has to stay (see apc.h).
 * The loop reads on meanwhile; or it ends, and closes its end of the pipe, by which the host's write
 * ends, too.
 */
#ifndef IOC_PSEUDO_CONSOLE_H
#define IOC_PSEUDO_CONSOLE_H

#include "../overlapped.h"

/* PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, which not all headers have. Its value is the HPCON itself. */
#define IOC_PSEUDO_CONSOLE_ATTRIBUTE 0x00020016u

/* The last one as the pool calls it: with one argument, too, and an answer that nobody sees. */
typedef struct ioc_pseudo_calls {
    HRESULT(WINAPI *CreatePseudoConsole)(COORD, HANDLE input, HANDLE output, DWORD, void **console);
    HRESULT(WINAPI *ResizePseudoConsole)(void *console, COORD);
    LPTHREAD_START_ROUTINE ClosePseudoConsole;
} ioc_pseudo_calls;

typedef struct ioc_pseudo_console {
    void *native; /* HPCON */
    ioc_pseudo_calls calls;
} ioc_pseudo_console;

/* False: the system has none. */
bool ioc_pseudo_console_find(const ioc_sys *sys, ioc_pseudo_calls *calls);

/*
 * Any thread, and it may take its time. 0, or the Win32 code. The host has handles of its own to both
 * pipes, once a program has been started in it.
 */
uint32_t ioc_pseudo_console_open(const ioc_win_port *port, const ioc_pseudo_calls *calls,
                                 COORD size, HANDLE input, HANDLE output,
                                 ioc_pseudo_console **opened);

/* Any thread. It does not wait. */
void ioc_pseudo_console_close(const ioc_win_port *port, ioc_pseudo_console *self);

/* A slot of ioc_backend. */
int ioc_pseudo_console_resize(ioc_port *port, ioc_handle *handle, uint32_t columns, uint32_t rows);

#endif
