"""tools/mutants.sh: see there."""

import argparse
import hashlib
import json
import pickle
import re
import signal
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import plant
import suites

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools/mutants"
BUILD = ROOT / "build/mutants"
JOBS = 2
MOST_IN_FILE = 1000  # defects, so that the numbers of a file do not depend on those before it
EVERY = 15  # of the defects by rule, one of so many is planted unless more are asked for


def digest(*paths):
    """Of files, and of all files below folders."""
    total = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.[chp]*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".pyc":
                total.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return total.hexdigest()


# ---- Planting and choosing


def with_headers(path, known):
    """The file and all of ours that it includes: on these depends what can be planted in it."""
    if path not in known:
        known.add(path)
        for name in re.findall(r'^#include ["<](.+)[">]', path.read_text(), re.M):
            for folder in (path.parent, ROOT / "src", ROOT / "include"):
                if (folder / name).is_file():
                    with_headers((folder / name).resolve(), known)
    return known


def planted(all_suites):
    """All mutants. A file that is what it was, with the same headers, is not planted again."""
    store = BUILD / "planted"
    entries = plant.listed(TOOLS / "list.txt")
    arguments = {s.name: suites.clang_arguments(s, ROOT) for s in all_suites}
    tools = digest(TOOLS / "find.py", TOOLS / "plant.py")
    known = pickle.loads(store.read_bytes()) if store.exists() else {}
    for number, path in enumerate(sorted((ROOT / "src").rglob("*.[ch]"))):
        file = str(path.relative_to(ROOT))
        if file in plant.LEFT_OUT:
            continue
        listed = entries.pop(file, [])
        first = 1 + number * MOST_IN_FILE
        stamp = (tools, digest(*sorted(with_headers(path, set()))), listed, first)
        if file not in known or known[file][0] != stamp:
            print(f"planting {file}", flush=True)
            name = "wine" if is_win32(file) else "native"
            known[file] = stamp, plant.plant(ROOT, file, arguments[name], listed, first)
            store.write_bytes(pickle.dumps(known))
    if entries:
        raise plant.Broken(f"list: no such file: {', '.join(entries)}")
    found = {file: what for file, (_, what) in known.items() if (ROOT / file).exists()}
    plant.write(ROOT, BUILD / "tree", found)
    return [m for file in sorted(found) for m in found[file][0]]


def is_win32(file):
    return file.startswith("src/win32/")


def sample(mutants, every):
    """All of the list, and of the others in each file one of so many, spread over the rules."""
    files = defaultdict(list)
    for mutant in mutants:
        if not mutant.is_listed:
            files[mutant.file].append(mutant)
    found = [m for m in mutants if m.is_listed]
    for group in files.values():
        group.sort(key=lambda m: (m.edit.rule, hashlib.sha256(m.key.encode()).digest()))
        found += group[::every]
    return found


def chosen(mutants, options):
    if options.only:
        found = [m for m in mutants if options.only in (str(m.number), m.key)]
        return found or [m for m in mutants if options.only in m.key]
    found = sample(mutants, 1 if options.all else options.every)
    if options.files:
        found = [m for m in found if any(m.file.startswith(f) for f in options.files)]
    return sorted(found, key=lambda m: m.number)


def equal_ones(mutants):
    """equal.txt: the keys of the mutants that change nothing, each with the reason."""
    keys = {m.key for m in mutants}
    equal = {}
    for block in re.split(r"\n\s*\n", (TOOLS / "equal.txt").read_text()):
        lines = [l for l in block.splitlines() if l and not l.startswith("#")]
        reasons = [l.strip() for l in lines if l.startswith("    ")]
        for key in (l for l in lines if not l.startswith("    ")):
            if key not in keys:
                raise plant.Broken(f"equal: there is no such defect: {key}")
            if not reasons:
                raise plant.Broken(f"equal: no reason: {key}")
            equal[key] = " ".join(reasons)
    return equal


# ---- Running


class Results:
    """What is known of each mutant in each suite, kept from run to run.

    A mutant that was caught stays so while its file is what it was; one that was not, also while
    the tests are.
    """

    def __init__(self, fresh):
        self.path = BUILD / "results"
        if fresh:
            self.path.unlink(missing_ok=True)
        self.files = {}
        self.tests = digest(ROOT / "test")
        self.known = {}
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            result = json.loads(line)
            self.known[result["key"], result["suite"]] = result

    def file(self, mutant):
        if mutant.file not in self.files:
            self.files[mutant.file] = digest(ROOT / mutant.file)
        return self.files[mutant.file] + mutant.edit.new

    def of(self, mutant, suite):
        result = self.known.get((mutant.key, suite))
        if result is None or result["file"] != self.file(mutant):
            return None
        return result if result["by"] or result["tests"] == self.tests else None

    def add(self, mutant, suite, by, failure, runs):
        result = {"key": mutant.key, "suite": suite.name, "by": by, "failure": failure,
                  "runs": runs, "file": self.file(mutant), "tests": self.tests}
        self.known[mutant.key, suite.name] = result
        with open(self.path, "a") as file:
            file.write(json.dumps(result) + "\n")

    def survived(self, mutant, suite):
        result = self.of(mutant, suite)
        return result is not None and not result["by"]

    def fate(self, mutant):
        found = [r for r in (self.of(mutant, s) for s in ("native", "wine")) if r is not None]
        if any(r["by"] for r in found):
            return "caught"
        return "survived" if found else "not run"

    def is_reached(self, mutant):
        return any(r["runs"] for r in (self.of(mutant, s) for s in ("native", "wine")) if r)


def record(suite, stamp):
    """Runs the programs with no defect, unless these very ones have been."""
    store = suite.build / "recorded"
    known = pickle.loads(store.read_bytes()) if store.exists() else {}
    stamp += digest(ROOT / "test/support", *TOOLS.glob("mutants.*"))
    stamps = {p: stamp + digest(source) for p, source in suite.sources().items()}

    def job(program, slot):
        known[program] = stamps[program], suite.record(program, slot)
        print(f"{suite.name}: {program} runs", flush=True)

    side_by_side(suite, job, [p for p in stamps if known.get(p, (None,))[0] != stamps[p]])
    suite.programs = {p: known[p][1] for p in stamps if known[p][1] is not None}
    store.write_bytes(pickle.dumps(known))


def side_by_side(suite, job, items):
    """job(item, slot) for each item, so many at a time as there are slots."""
    slots = SimpleQueue()
    for slot in range(JOBS):
        slots.put(slot)

    def run(item):
        slot = slots.get()
        try:
            job(item, slot)
        finally:
            slots.put(slot)

    with ThreadPoolExecutor(JOBS) as pool:
        try:
            for future in [pool.submit(run, item) for item in items]:
                future.result()
        except BaseException:
            suite.is_stopping.set()
            pool.shutdown(cancel_futures=True)
            raise


def programs_for(suite, mutant, catches):
    """Those that reach it; first those that are quick, reach much of its file and have caught much."""
    def in_file(place):
        return place // MOST_IN_FILE == mutant.number // MOST_IN_FILE

    def costs(program):
        seconds, places = suite.programs[program]
        return seconds / (1 + sum(map(in_file, places)) + 100 * catches[mutant.file, program])

    return sorted((p for p, (_, places) in suite.programs.items()
                   if mutant.place == 0 or mutant.place in places), key=costs)


def seen(suite, program, mutant, slot):
    """What a program says of a defect. What names no test is looked at twice: a loaded machine
    makes programs late, and Wine loses some."""
    def run():
        return suite.run(program, mutant.number, suite.limit(program), slot=slot)

    failure = run()
    names_no_test = failure is not None and re.match("exit code|time limit", failure)
    return run() if names_no_test else failure


def run_one(suite, mutant, catches, slot):
    """The program that catches it and what was seen, and how many programs ran."""
    programs = programs_for(suite, mutant, catches)
    for runs, program in enumerate(programs, 1):
        failure = seen(suite, program, mutant, slot)
        if failure:
            catches[mutant.file, program] += 1
            return program, failure, runs
    return None, None, len(programs)


def run_suite(suite, mutants, results, stamp):
    left = [m for m in mutants if results.of(m, suite.name) is None]
    left.sort(key=lambda m: not m.is_listed)  # what most tells first, should it be broken off
    print(f"{suite.name}: {len(mutants)} defects, {len(mutants) - len(left)} known", flush=True)
    if not left:
        return
    suite.built()
    for slot in range(JOBS):
        suite.prepare(slot)
    record(suite, stamp)
    catches = Counter((key.split()[0], r["by"]) for (key, name), r in results.known.items()
                      if name == suite.name and r["by"])
    done = []

    def job(mutant, slot):
        by, failure, runs = run_one(suite, mutant, catches, slot)
        results.add(mutant, suite, by, failure, runs)
        done.append(mutant)
        print(f"{suite.name} {len(done)}/{len(left)} {'caught' if by else 'NOT CAUGHT'} "
              f"{mutant.number} {mutant.key} {f'[{by}: {failure}]' if by else ''}", flush=True)

    side_by_side(suite, job, left)


def concerns(suite, mutant, results):
    """The core runs on Windows, too, where the simulation has not caught a defect."""
    if suite.name == "native":
        return not is_win32(mutant.file)
    return is_win32(mutant.file) or results.survived(mutant, "native")


# ---- Telling


def difference(mutant):
    """The lines of a defect, without it and with it."""
    text = (ROOT / mutant.file).read_bytes()
    edit = mutant.edit
    start = text.rfind(b"\n", 0, edit.start) + 1
    end = text.find(b"\n", edit.end)
    new = text[start:edit.start] + edit.new.encode() + text[edit.end:end]
    return "\n".join([f"{mutant.file}:{mutant.line} {mutant.number} {mutant.key}"] +
                     [f"  - {squeezed(text[start:end])}", f"  + {squeezed(new)}"])


def squeezed(text):
    return " ".join(text.decode().split())


def percent(row):
    """Of those that change something and were run."""
    of = row["caught"] + row["survived"]
    return f"{100 * row['caught'] / of:.1f} %" if of else "-"


def report(mutants, equal, results):
    fates = [(m, "equal" if m.key in equal else results.fate(m)) for m in mutants]
    rows = defaultdict(Counter)
    for mutant, fate in fates:
        for name in (mutant.folder, "all"):
            rows[name].update(["planted", fate])
        if fate == "survived":
            print(difference(mutant))
            if not results.is_reached(mutant):
                print("  no program reaches it")
    print("\n| folder | planted | change nothing | caught | survived |\n|---|---|---|---|---|")
    for name, row in sorted(rows.items(), key=lambda r: (r[0] == "all", r[0])):
        print(f"| {name} | {row['planted']} | {row['equal']} | {row['caught']} "
              f"({percent(row)}) | {row['survived']} |")
    row = rows["all"]
    print(f"\n{row['planted']} planted, {row['equal']} change nothing, {row['caught']} caught "
          f"({percent(row)}), {row['survived']} survived" +
          (f", {row['not run']} not run" if row["not run"] else ""))


# ---- The command


def parsed():
    parser = argparse.ArgumentParser(prog="tools/mutants.sh")
    parser.add_argument("files", nargs="*", metavar="FILE", help="or a folder: only its defects")
    parser.add_argument("--all", action="store_true", help="every defect that there is")
    parser.add_argument("--every", type=int, default=EVERY, metavar="K",
                        help=f"one of K of each file ({EVERY}), and all of the list")
    parser.add_argument("--only", metavar="N", help="the one of this number, or with this in its name")
    parser.add_argument("--suite", choices=("native", "wine"), help="not the other")
    parser.add_argument("--list", action="store_true", help="show the defects, run nothing")
    parser.add_argument("--fresh", action="store_true", help="forget the results of earlier runs")
    return parser.parse_args()


def main():
    options = parsed()
    both = [suites.Native(ROOT, BUILD), suites.Wine(ROOT, BUILD)]
    suites.make_tree(ROOT, BUILD / "tree")
    mutants = planted(both)
    stamp = digest(BUILD / "tree/src")
    equal = equal_ones(mutants)
    selected = chosen(mutants, options)
    if not selected:
        raise plant.Broken("no such defect")
    if options.list:
        print("\n".join(map(difference, selected)))
        return 0
    results = Results(options.fresh)
    for suite in both:
        if options.suite in (None, suite.name):
            suite.configured()
            run_suite(suite, [m for m in selected if m.key not in equal and
                              concerns(suite, m, results)], results, stamp)
    report(selected, equal, results)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("mutants: told to end"))
    try:
        sys.exit(main())
    except plant.Broken as broken:
        sys.exit(f"mutants: {broken}")
