"""The test programs, natively and under Wine: built once, recorded once, run for one defect."""

import os
import re
import signal
import subprocess
import threading
import time

# How long a program may take that took so long with no defect: what hangs is caught.
TIMES, SECONDS = 5, 10
POLL_SECONDS = 0.02
FAILED = re.compile(rb"\[  (?:FAILED  |ERROR   )\] (\w+)")  # a test, or what it set up or left
CANNOT_RUN = 77  # says a program that has nothing to show on this system


class Stopped(Exception):
    """We are told to end while a program runs."""


class Suite:
    """What differs from system to system of running a program."""

    kinds = ("unit", "contract")
    suffix = ""
    configure = ()

    def __init__(self, root, build):
        self.root = root
        self.tree = build / "tree"
        self.build = build / self.name
        self.output = build / "output"
        self.programs = {}  # name: (seconds, places)
        self.is_stopping = threading.Event()

    def sources(self):
        """Of the programs, by their names, which are those that test/CMakeLists.txt gives them."""
        return {f"{kind}_{path.stem.removeprefix('test_')}": path for kind in self.kinds
                for path in sorted((self.root / "test" / kind).glob("test_*.c"))}

    def make(self, *arguments):
        log = self.build.with_suffix(".log")
        with open(log, "wb") as file:
            code = subprocess.run(arguments, stdout=file, stderr=subprocess.STDOUT).returncode
        if code != 0:
            raise SystemExit(f"{log.read_text()[-8000:]}\n{self.name} does not build")

    def configured(self):
        self.make("cmake", "-G", "Ninja", "-S", self.tree, "-B", self.build,
                  "-DCMAKE_BUILD_TYPE=", "-DIOCPLOOP_WERROR=OFF", "-DIOCPLOOP_BUILD_BENCH=OFF",
                  "-DIOCPLOOP_BUILD_EXAMPLES=OFF", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
                  f"-DCMAKE_PROJECT_INCLUDE={self.root}/tools/mutants/mutants.cmake",
                  *self.configure)

    def built(self):
        self.make("ninja", "-C", self.build)

    def path(self, program):
        return self.build / "test" / (program + self.suffix)

    def prepare(self, slot):
        """Makes what a job needs for itself, once."""

    def record(self, program, slot):
        """Runs a program without a defect: how long it takes and what it reaches; None: it cannot."""
        record = self.output / f"{self.name}-{program}.places"
        record.write_text("")
        start = time.monotonic()
        failure = self.run(program, 0, 600, {"IOCPLOOP_MUTANT_RECORD": self.seen(record)}, slot)
        if failure == f"exit code {CANNOT_RUN}":
            return None
        if failure:
            raise SystemExit(f"{self.name}: {program} fails without a defect: {failure}")
        return time.monotonic() - start, {int(n) for n in record.read_text().split()}

    def run(self, program, number, limit, extra=None, slot=0):
        """None if all its tests pass, else what was seen."""
        folder = self.output / f"{self.name}-{slot}"
        folder.mkdir(parents=True, exist_ok=True)
        output = folder / "output.txt"
        output.write_bytes(b"")
        environment = {**os.environ, **self.environment(slot, limit, output), **(extra or {}),
                       "IOCPLOOP_MUTANT": str(number)}
        with open(output, "ab") as file:
            child = subprocess.Popen(self.command(program), env=environment, stdout=file,
                                     stderr=file, stdin=subprocess.DEVNULL, cwd=folder,
                                     start_new_session=True)
        try:
            return self.watch(child, output, limit)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                self.end(slot)

    def watch(self, child, output, limit):
        end = time.monotonic() + limit
        while True:
            code = child.poll()
            text = output.read_bytes()
            failed = FAILED.search(text)
            if failed:
                return failed[1].decode()
            if code is not None:
                return None if code == 0 else f"exit code {code}"
            if time.monotonic() > end:
                return f"time limit of {limit:.0f} s"
            if self.is_stopping.is_set():
                raise Stopped
            time.sleep(POLL_SECONDS)

    def limit(self, program):
        return TIMES * self.programs[program][0] + SECONDS

    def seen(self, path):
        """The path as the programs see it."""
        return str(path)

    def end(self, slot):
        """Ends what a program that was broken off may have left."""


class Native(Suite):
    """The core on the simulated backend. Assertions and tests that count blocks catch nearly all
    that the sanitizers would, in a third of the time; memory that was given back is filled."""

    name = "native"

    def environment(self, slot, limit, output):
        return {"MALLOC_PERTURB_": "165"}

    def command(self, program):
        return [self.path(program)]

    def clang_arguments(self):
        return []


class Wine(Suite):
    """Everything, on the IOCP backend."""

    name = "wine"
    kinds = ("unit", "contract", "win32")
    suffix = ".exe"

    def __init__(self, root, build):
        super().__init__(root, build)
        self.configure = (f"-DCMAKE_TOOLCHAIN_FILE={root}/cmake/toolchains/mingw-x64.cmake",
                          f"-DCMOCKA_ROOT={root}/build/deps/mingw-x64")

    def environment(self, slot, limit, output):
        # A time limit of its own that does not come first, and a server of its own for each job.
        return {"IOCPLOOP_WINE": f"mutants-{slot}", "IOCPLOOP_CMOCKA": "1",
                "IOCPLOOP_WINE_TIMEOUT": str(int(limit) + 60), "IOCPLOOP_WINE_OUTPUT": str(output)}

    def command(self, program):
        return [self.root / "tools/wine-run.sh", self.path(program)]

    def prepare(self, slot):
        subprocess.run(["bash", "-c", "source tools/common.sh && wine_prepare"], check=True,
                       cwd=self.root, env={**os.environ, "IOCPLOOP_WINE": f"mutants-{slot}"})

    def clang_arguments(self):
        return ["--target=x86_64-w64-mingw32", "-DUNICODE", "-D_UNICODE", "-DWIN32_LEAN_AND_MEAN",
                "-D_WIN32_WINNT=0x0A00"]

    def seen(self, path):
        return "Z:" + str(path)

    def end(self, slot):
        prefix = self.root / "build/wine" / f"mutants-{slot}"
        subprocess.run(["wineserver", "-k"], env={**os.environ, "WINEPREFIX": str(prefix)},
                       stderr=subprocess.DEVNULL)


def make_tree(root, tree):
    """All but the sources is the project's own."""
    tree.mkdir(parents=True, exist_ok=True)
    for name in ("CMakeLists.txt", "cmake", "include", "test"):
        link = tree / name
        if not link.is_symlink():
            link.symlink_to(root / name)


def clang_arguments(suite, root):
    """How clang reads a file as that suite compiles it."""
    resources = subprocess.run(["clang-14", "-print-resource-dir"], capture_output=True, text=True,
                               check=True).stdout.strip()
    return ["-std=c11", "-x", "c", "-resource-dir", resources, f"-I{root}/include",
            f"-I{root}/src", "-include", f"{root}/tools/mutants/mutants.h",
            *suite.clang_arguments()]
