#!/usr/bin/env python3
"""watch_folder.py PROGRAM OUTPUT FOLDER [CHANGES [SEED]]: makes changes at random in a folder that
watch_folder mirrors; in the end the two are the same, which `diff -r` says.

PROGRAM is the example, OUTPUT a file for what it says, FOLDER a fresh folder for both trees."""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

PROGRAM, OUTPUT, FOLDER = (os.path.abspath(path) for path in sys.argv[1:4])
CHANGES = int(sys.argv[4]) if len(sys.argv) > 4 else 400
chance = random.Random(int(sys.argv[5]) if len(sys.argv) > 5 else 1)
RUN = os.path.abspath(os.path.join(os.path.dirname(__file__), "../wine-run.sh"))
PATIENCE = 120  # seconds, after which something hangs
NAMES = ["a", "b", "long name", "ä ö", "漢字", "x.txt"]


def check(is_so, what):
    if not is_so:
        raise SystemExit(what)


def said():
    with open(OUTPUT, errors="replace") as file:
        return file.read().replace("\r", "")


def difference():
    return subprocess.run(["diff", "-r", "from", "to"], capture_output=True).stdout.decode(
        errors="replace")


def wait(child, is_so, what):
    """Until it is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        check(child.poll() is None, f"it ended: {said()}")
        check(time.monotonic() < end, what())
        time.sleep(0.1)


def paths(is_folder):
    found = ["from"] if is_folder else []
    for folder, folders, files in os.walk("from"):
        found += [os.path.join(folder, name) for name in (folders if is_folder else files)]
    return sorted(found)


def fresh():
    """A name that may be taken."""
    return os.path.join(chance.choice(paths(True)), chance.choice(NAMES))


def write(path, mode):
    with open(path, mode) as file:
        file.write(chance.randbytes(chance.randrange(5000)))


# Of a folder that moves Wine loses sight, so that is done once, in the end.
def change():
    what = chance.randrange(10)
    target, files, folders = fresh(), paths(False), paths(True)[1:]
    if what < 4:
        if not os.path.isdir(target):
            write(target, "wb")
    elif what < 5:
        if not os.path.exists(target) and target.count("/") < 4:
            os.mkdir(target)
    elif what < 6 and files:
        write(chance.choice(files), "ab")
    elif what < 7 and files:
        os.remove(chance.choice(files))
    elif what < 8 and folders and chance.randrange(3) == 0:
        shutil.rmtree(chance.choice(folders))
    elif files:
        source = chance.choice(files)
        if not os.path.exists(target) and not target.startswith(source + "/"):
            os.rename(source, target)


def main():
    os.chdir(FOLDER)
    os.mkdir("from")
    os.mkdir("to")
    write("to/not in the other", "wb")
    write("from/there before", "wb")
    open(OUTPUT, "w").close()
    environment = {**os.environ, "IOCPLOOP_WINE_OUTPUT": OUTPUT,
                   "IOCPLOOP_WINE_TIMEOUT": str(2 * PATIENCE)}
    child = subprocess.Popen([RUN, PROGRAM, "from", "to"], env=environment, stdin=subprocess.DEVNULL)
    try:
        wait(child, lambda: "watching\n" in said(), lambda: "it does not begin")
        wait(child, lambda: not difference(), difference)
        for i in range(CHANGES):
            change()
            if i % 100 == 99:
                wait(child, lambda: not difference(), difference)
        os.makedirs("from/last/inner")
        write("from/last/inner/file", "wb")
        wait(child, lambda: not difference(), difference)
        os.rename("from/last", "from/moved")
        wait(child, lambda: not difference(), difference)
        print(f"{CHANGES} changes, {len(paths(False))} files and {len(paths(True))} folders in the end")
        child.send_signal(signal.SIGTERM)
        code = child.wait(PATIENCE)
        print(said())
        check(code == 0 and said().endswith("the end\n"), f"it ended with {code}")
        check(not difference(), difference())
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait(PATIENCE)


main()
