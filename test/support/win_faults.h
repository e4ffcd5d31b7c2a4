/*
 * A table of system calls in which any call can be made to fail, and which counts all of them.
 *
 * A call that fails did not take place, and left an error that the system could have left. The
 * exceptions are calls that give something back (CloseHandle, closesocket, WSACleanup, QueueUserWorkItem,
 * by which pseudo consoles are closed): these take
 * place and say that they failed, since nobody could do anything else about it.
 *
 * One table for the whole process, since the system's functions have no room for a context. Counting
 * and failing work on any thread; win_faults_reset and the like are for one.
 */
#ifndef TEST_WIN_FAULTS_H
#define TEST_WIN_FAULTS_H

#include "win32/sys.h"

#include <stdbool.h>
#include <stdint.h>

/* Every call that can fail, in the order of ioc_sys; then those that WSAIoctl gives out. */
typedef enum win_call {
    WIN_CREATE_PORT,
    WIN_DEQUEUE,
    WIN_POST,
    WIN_SET_MODES,
    WIN_CANCEL,
    WIN_CLOSE_HANDLE,
    WIN_GET_HANDLE_INFORMATION,
    WIN_SET_HANDLE_INFORMATION,
    WIN_GET_FILE_TYPE,
    WIN_GET_ATTRIBUTES,
    WIN_GET_ATTRIBUTES_EX,
    WIN_FULL_PATH,
    WIN_CREATE_FILE,
    WIN_READ_FILE,
    WIN_WRITE_FILE,
    WIN_FLUSH_FILE,
    WIN_REOPEN_FILE,
    WIN_READ_CHANGES,
    WIN_CREATE_PIPE,
    WIN_CONNECT_PIPE,
    WIN_SET_PIPE_STATE,
    WIN_GET_PIPE_INFO,
    WIN_GET_PIPE_CLIENT,
    WIN_GET_PIPE_SERVER,
    WIN_DEVICE_CONTROL,
    WIN_GET_SIZE,
    WIN_GET_FILE_INFORMATION,
    WIN_SET_FILE_INFORMATION,
    WIN_COPY_FILE,
    WIN_CREATE_FOLDER,
    WIN_PEEK_PIPE,
    WIN_CONSOLE_MODE,
    WIN_READ_CONSOLE,
    WIN_WRITE_CONSOLE,
    WIN_CREATE_TIMER,
    WIN_SET_TIMER,
    WIN_CANCEL_TIMER,
    WIN_CREATE_EVENT,
    WIN_TRY_WAIT,
    WIN_REGISTER_WAIT,
    WIN_UNREGISTER_WAIT,
    WIN_CREATE_WORK,
    WIN_TRY_SUBMIT,
    WIN_QUEUE_WORK,
    WIN_MAY_RUN_LONG,
    WIN_GET_PROCESS_ID,
    WIN_GET_EXIT_CODE,
    WIN_END_PROCESS,
    WIN_END_JOB,
    WIN_RAISE_CONSOLE,
    WIN_DUPLICATE,
    WIN_CREATE_PROCESS,
    WIN_INIT_ATTRIBUTES,
    WIN_SET_ATTRIBUTE,
    WIN_GET_STD_HANDLE,
    WIN_GET_VARIABLE,
    WIN_GET_SYSTEM_FOLDER,
    WIN_COMPARE,
    WIN_CREATE_JOB,
    WIN_SET_JOB,
    WIN_GET_MODULE,
    WIN_GET_MODULE_OF,
    WIN_LOAD_LIBRARY,
    WIN_FREE_LIBRARY,
    WIN_SET_CONSOLE_HANDLER,
    WIN_GET_PROC,
    WIN_OPEN_THREAD,
    WIN_CANCEL_SYNCHRONOUS,
    WIN_QUEUE_APC,
    WIN_FREQUENCY,
    WIN_COUNTER,
    WIN_CONVERT_SDDL,
    WIN_RANDOM,
    WIN_STARTUP,
    WIN_CLEANUP,
    WIN_SOCKET,
    WIN_CLOSE_SOCKET,
    WIN_IOCTL_SOCKET,
    WIN_BIND,
    WIN_LISTEN,
    WIN_SHUTDOWN,
    WIN_GET_NAME,
    WIN_GET_PEER,
    WIN_SET_OPTION,
    WIN_GET_OPTION,
    WIN_IOCTL,
    WIN_SEND,
    WIN_RECV,
    WIN_CONNECT,
    WIN_SEND_TO,
    WIN_RECV_FROM,
    WIN_LOOK_UP,
    WIN_CANCEL_LOOK_UP,
    WIN_ACCEPT_EX,
    WIN_CONNECT_EX,
    WIN_TRANSMIT_FILE,
    WIN_SEND_MSG,
    WIN_RECV_MSG,
    WIN_CALLS
} win_call;

const ioc_sys *win_faults_table(void);

/* "WSARecv". */
const char *win_call_name(win_call call);

/* Nothing fails, all counts are 0. */
void win_faults_reset(void);

/* The n-th call from now fails, whichever it is. */
void win_faults_fail_nth(uint64_t n);

/* Every call of this function fails from now on, or one only; `error` 0: the usual one. */
void win_faults_fail_all_of(win_call call, uint32_t error);
void win_faults_fail_next_of(win_call call, uint32_t error);

/* Nothing fails any more; the counts stay. */
void win_faults_stop(void);

/* Calls since the reset. */
uint64_t win_faults_count(void);
uint64_t win_faults_count_of(win_call call);

/*
 * Of what no count of handles shows, how much was taken and not given back: Winsock's starts, the
 * pool's work objects, security descriptors, the console's handlers. A reset does not change it.
 */
uint32_t win_faults_held(void);

/* How many were made to fail, and which was the last. */
uint64_t win_faults_struck(void);
win_call win_faults_last_struck(void);

#endif
