/*
 * A program with a loop on its console, for a test that types and looks at the other end. It says
 * "[ready]", and answers each line by "[HEX text]": the bytes that a read has brought, and the same
 * written. Besides it answers
 *
 *   limit    and a limit of time for the next read, with nothing typed: "[IOCP_ETIMEDOUT]"
 *   end      and its loop ends, while a thread still waits for a line; then WIN_ECHO_GOOD
 *   Ctrl-Z   "[IOCP_EOF]"
 */
#ifndef TEST_WIN_ECHO_H
#define TEST_WIN_ECHO_H

#define WIN_ECHO_GOOD 5 /* the exit code, if no call was refused and all ended well */

/* The program's main. Its streams are the console's, also where the system has not made them so. */
int win_echo_run(void);

#endif
