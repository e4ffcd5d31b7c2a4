/*
 * What a standard stream leads to, and how bytes get there: by calls that wait until it is done. All
 * of it runs on a thread of the pool, one at a time, except where something else is said.
 *
 *   synchronous   ReadFile and WriteFile, which use the position that is shared with others
 *   overlapped    the same with an OVERLAPPED of its own, and a wait for its event. The event's lowest
 *                 bit is set, so that no packet goes to the port that others may have bound the file
 *                 object to. Such a file has no position: it is read from its beginning on and written
 *                 behind its end
 *   a console     ReadConsoleW and WriteConsoleW
 *
 * A console is asked for a line without anybody's buffer: the line stays here, and whoever reads
 * takes as much of it as there is room for. That way the question can outlast the read that put it.
 * ReadConsoleW succeeds without a character when somebody presses Ctrl-C, and also when it is
 * cancelled (microsoft/terminal 12143): then it is asked again, unless it is to end.
 */
#ifndef IOC_MEDIUM_H
#define IOC_MEDIUM_H

#include "../port.h"

#include "text/recode.h"

#define IOC_MEDIUM_UNITS 4096 /* of a line that is taken at once */

typedef struct ioc_medium ioc_medium;

/* What became of a call, or of several: the code of the one that failed, and what went through. */
typedef struct ioc_moved {
    uint32_t error;
    uint32_t bytes;
} ioc_moved;

typedef struct ioc_medium_class {
    ioc_moved (*read)(ioc_medium *medium, void *data, uint32_t size);
    ioc_moved (*write)(ioc_medium *medium, const void *data, uint32_t size);
    bool asks; /* it is read by ioc_medium_ask and ioc_medium_take */
} ioc_medium_class;

/* The lines of a console that is read. */
typedef struct ioc_medium_lines {
    wchar_t units[IOC_MEDIUM_UNITS];
    const wchar_t *at; /* what is not taken yet */
    const wchar_t *end;
    ioc_to_utf8 text;
    bool is_within; /* a line: its end was not seen yet */
    bool is_over;   /* Ctrl-Z was typed, and nobody told so yet */
} ioc_medium_lines;

struct ioc_medium {
    const ioc_win_port *port;
    HANDLE native;
    const ioc_medium_class *what; /* NULL: not looked at yet */
    ioc_atomic_u32 is_asked;      /* to end; set by any thread */
    bool is_file;
    bool is_pipe;          /* or a socket */
    OVERLAPPED overlapped; /* and its event, once there is one */
    HANDLE event;
    uint64_t position;       /* of a file that is overlapped */
    ioc_medium_lines *lines; /* of a console */
    ioc_from_utf8 text;      /* that is written to a console */
};

/* `native` is the medium's from here on. Any thread. */
void ioc_medium_init(ioc_medium *medium, const ioc_win_port *port, HANDLE native);

/* Nobody is at work on it. The loop thread. */
void ioc_medium_deinit(ioc_medium *medium);

/* Find out what it is, unless that is known. 0, or why it is not. */
uint32_t ioc_medium_look(ioc_medium *medium, bool is_read);

/* Read or write. Of a medium that is known, and that does not ask. */
ioc_moved ioc_medium_read(ioc_medium *medium, void *data, uint32_t size);
ioc_moved ioc_medium_write(ioc_medium *medium, const void *data, uint32_t size);

/* Ask a console for a line. 0: there is something to take. */
uint32_t ioc_medium_ask(ioc_medium *medium);

/* Whether there is; and take it, or the end, in UTF-8. The loop thread, while nobody asks. */
bool ioc_medium_has(const ioc_medium *medium);
ioc_moved ioc_medium_take(ioc_medium *medium, void *data, uint32_t size);

/*
 * Have the call end that a thread of ours is in, if it is in one: N.B. it may be about to call. Any
 * thread, which holds that one back from leaving meanwhile.
 */
void ioc_medium_interrupt(ioc_medium *medium, DWORD thread_id);

#endif
