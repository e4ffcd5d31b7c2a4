"""tools/mutants.sh: see there."""

import argparse
import hashlib
import json
import pickle
import re
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


def planted(all_suites):
    """All mutants, and the digest of what they come from. If that is known, so are they."""
    stamp = digest(ROOT / "src", ROOT / "include", TOOLS / "find.py", TOOLS / "plant.py",
                   TOOLS / "list.txt")
    store = BUILD / "planted"
    if store.exists():
        former, mutants = pickle.loads(store.read_bytes())
        if former == stamp:
            return mutants, stamp
    print("planting", flush=True)
    store.unlink(missing_ok=True)
    entries = plant.listed(TOOLS / "list.txt")
    arguments = {s.name: suites.clang_arguments(s, ROOT) for s in all_suites}
    plantings = []
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        file = str(path.relative_to(ROOT))
        if file not in plant.LEFT_OUT:
            name = "wine" if is_win32(file) else "native"
            plantings.append(plant.Planting(ROOT, file, arguments[name], entries.pop(file, [])))
    if entries:
        raise plant.Broken(f"list: no such file: {', '.join(entries)}")
    plant.number(plantings)
    for planting in plantings:
        planting.drop_what_is_no_c()
    plant.write(ROOT, BUILD / "tree", plantings)
    mutants = [m for p in plantings for m in p.mutants]
    store.write_bytes(pickle.dumps((stamp, mutants)))
    return mutants, stamp


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

    def add(self, mutant, suite, by, failure):
        result = {"key": mutant.key, "suite": suite.name, "by": by, "failure": failure,
                  "file": self.file(mutant), "tests": self.tests}
        self.known[mutant.key, suite.name] = result
        with open(self.path, "a") as file:
            file.write(json.dumps(result) + "\n")

    def survived(self, mutant, suite):
        result = self.of(mutant, suite)
        return result is not None and not result["by"]

    def caught(self, mutant):
        found = [self.of(mutant, suite) for suite in ("native", "wine")]
        return any(r is not None and r["by"] for r in found)


def record(suite, stamp):
    """Runs all programs with no defect, unless these very ones have been."""
    store = suite.build / "recorded"
    stamp += digest(ROOT / "test", *TOOLS.glob("mutants.*"))
    if store.exists():
        former, suite.programs = pickle.loads(store.read_bytes())
        if former == stamp:
            return
    suite.programs = {}
    for program in suite.names():
        suite.record(program)
        print(f"{suite.name}: {program} {suite.programs[program][0]:.1f} s", flush=True)
    store.write_bytes(pickle.dumps((stamp, suite.programs)))


def programs_for(suite, mutant, catches):
    """Those that reach it, and first those that cost little and have caught much in its file."""
    reach = [p for p, (_, places) in suite.programs.items()
             if mutant.place == 0 or mutant.place in places]
    return sorted(reach, key=lambda p: suite.programs[p][0] / (1 + catches[mutant.file, p]))


def run_one(suite, mutant, catches, slot):
    for program in programs_for(suite, mutant, catches):
        failure = suite.run(program, mutant.number, suite.limit(program), slot=slot)
        if failure:
            catches[mutant.file, program] += 1
            return program, failure
    return None, None


def run_suite(suite, mutants, results, stamp):
    left = [m for m in mutants if results.of(m, suite.name) is None]
    print(f"{suite.name}: {len(mutants)} defects, {len(mutants) - len(left)} known", flush=True)
    if not left:
        return
    suite.built()
    slots = SimpleQueue()
    for slot in range(JOBS):
        suite.prepare(slot)
        slots.put(slot)
    record(suite, stamp)
    catches, done = Counter(), []

    def job(mutant):
        slot = slots.get()
        try:
            by, failure = run_one(suite, mutant, catches, slot)
        finally:
            slots.put(slot)
        results.add(mutant, suite, by, failure)
        done.append(mutant)
        print(f"{suite.name} {len(done)}/{len(left)} {'caught' if by else 'NOT CAUGHT'} "
              f"{mutant.number} {mutant.key} {f'[{by}: {failure}]' if by else ''}", flush=True)

    with ThreadPoolExecutor(JOBS) as pool:
        try:
            for future in [pool.submit(job, m) for m in left]:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


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


def percent(caught, of):
    return f"{100 * caught / of:.1f} %" if of else "-"


def report(mutants, equal, results):
    survivors = [m for m in mutants if not results.caught(m) and m.key not in equal]
    for mutant in survivors:
        print(difference(mutant))
    rows = defaultdict(Counter)
    for mutant in mutants:
        fate = ("equal" if mutant.key in equal else
                "caught" if results.caught(mutant) else "survived")
        for name in (mutant.folder, "all"):
            rows[name].update(["planted", fate])
    print("\n| folder | planted | change nothing | caught | survived |\n|---|---|---|---|---|")
    for name, row in sorted(rows.items(), key=lambda r: (r[0] == "all", r[0])):
        changing = row["planted"] - row["equal"]
        print(f"| {name} | {row['planted']} | {row['equal']} | {row['caught']} "
              f"({percent(row['caught'], changing)}) | {row['survived']} |")
    wrong = [m.key for m in mutants if m.key in equal and results.caught(m)]
    for key in wrong:
        print(f"is said to change nothing, and was caught: {key}")
    row = rows["all"]
    print(f"\n{row['planted']} planted, {row['equal']} change nothing, {row['caught']} caught "
          f"({percent(row['caught'], row['planted'] - row['equal'])}), {row['survived']} survived")
    return 1 if wrong else 0


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
    mutants, stamp = planted(both)
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
    return report(selected, equal, results)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except plant.Broken as broken:
        sys.exit(f"mutants: {broken}")
