/*
 * Command lines: a program of Windows gets one text, and takes it apart by itself. Nearly all do so
 * by the rules of CommandLineToArgvW and of the C runtime ("Parsing C command-line arguments"):
 *
 * - Blanks and tabs separate arguments, except between quotes.
 * - 2n backslashes before a quote are n, and the quote is one of those between which blanks count;
 *   2n + 1 are n, and the quote is a part of the argument. All others stand for themselves.
 * - What "" between quotes is, they do not agree upon: here it never stands there.
 * - The first argument, the program's name, is another matter: it ends at the next quote if it
 *   begins with one, whatever stands before that. So it is always in quotes, and has none inside.
 *
 * What is written here they all read in the same way, and as what it was. Programs with rules of
 * their own (cmd.exe, msiexec, those of Cygwin) are given a line that was written for them.
 * N.B. A program that asks for its line in the code page of its system (GetCommandLineA) gets other
 * characters for those that this does not have, among them quotes for some that look like one.
 *
 * cmd.exe is such a program, and runs each batch file. It takes its line apart by rules that no
 * quoting is safe from: % counts between quotes, too. So a batch file gets only arguments in which
 * nothing means anything to it: letters and digits of ASCII and -_./:\ (an empty one is fine).
 */
#ifndef IOC_TEXT_COMMAND_LINE_H
#define IOC_TEXT_COMMAND_LINE_H

#include "base.h"

/* The longest that CreateProcessW takes, with the zero. */
#define IOC_COMMAND_LINE_UNITS 32767

/* The longest that cmd.exe takes, with the zero. */
#define IOC_COMMAND_LINE_BATCH_UNITS 8192

/*
 * The line of a program with these arguments, of which the first is its name, and NULL follows the
 * last: how many units it takes, with the zero, and as many of them into `units` as there is room
 * for. 0: there is none. An argument is not UTF-8, the name has a quote in it, there is not even a
 * name, or the line would be longer than any.
 */
size_t ioc_command_line(const char *const *arguments, wchar_t *units, size_t room);

/*
 * The line of cmd.exe (which the caller looks for in the system's folder, and gives to
 * CreateProcessW as the program) that runs the batch file of this full path with the arguments of
 * `line`, a line that ioc_command_line has made. The name in that counts for nothing: cmd.exe would
 * look for it in the working folder first. As above; 0: it is refused. An argument could be taken
 * apart, the path has a % in it, or it is too long.
 */
size_t ioc_command_line_of_batch(const wchar_t *path, const wchar_t *line, wchar_t *units,
                                 size_t room);

#endif
