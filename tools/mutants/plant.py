"""
Plants defects: all of them at once, in a copy of the sources, where a number in the environment
says which one is active.

A defect is an edit of a text. For each one the function that it is in has a copy with that edit,
and the function itself, as it is, begins with a switch that calls the copy of the active defect. So
any edit can be planted, and a program without a defect runs the code as it stands. A defect in a
table is a copy of the table, laid over it before the program begins; one in a macro is a choice in
the macro.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass

from clang.cindex import CursorKind as Kind
from clang.cindex import Index, StorageClass

import find

# Which order of memory an atomic access has does not show on the processors at hand, so a defect
# there would tell nothing; and anything else would break all programs.
LEFT_OUT = {"src/atomic.h"}


class Broken(Exception):
    """Something in our lists does not fit the sources."""


@dataclass
class Mutant:
    file: str
    entity: str
    edit: find.Edit
    key: str
    line: int
    number: int = 0
    place: int = 0  # 0: every program reaches it

    @property
    def folder(self):
        return self.file.rpartition("/")[0]

    @property
    def is_listed(self):
        return self.edit.rule == "list"


# ---- What there is to plant


def squeeze(text):
    return " ".join(text.split())


def listed(path):
    """The entries of list.txt, by file: (entity, name, old, new)."""
    entries = defaultdict(list)
    for block in re.split(r"\n\s*\n", path.read_text()):
        lines = [l for l in block.splitlines() if l and not l.startswith("#")]
        if not lines:
            continue
        head = re.fullmatch(r"(\S+) (\S+): (.+)", lines[0])
        if not head or any(l[0] not in "-+" for l in lines[1:]):
            raise Broken(f"{path.name}: not an entry: {lines[0]}")
        old, new = ("\n".join(l[1:].strip() for l in lines[1:] if l[0] == sign) for sign in "-+")
        entries[head[1]].append((head[2], head[3], old, new))
    return entries


class Planting:
    """One file: its defects, and its text with them."""

    def __init__(self, root, file, arguments, entries):
        self.file = file
        self.arguments = arguments
        self.source = find.Source(root / file, arguments)
        self.entities = {node.spelling: node for node in self.source.entities()}
        self.functions = {name: node for name, node in self.entities.items()
                          if node.kind == Kind.FUNCTION_DECL}
        self.mutants = []
        for name, node in self.functions.items():
            self.by_rule(name, node)
        for entry in entries:
            self.by_list(*entry)
        self.mutants.sort(key=lambda m: (m.entity, m.edit.start))

    def add(self, entity, edit, text):
        line = self.source.bytes[:edit.start].count(b"\n") + 1
        key = f"{self.file} {entity} {edit.rule}: {text}"
        self.mutants.append(Mutant(self.file, entity, edit, key, line))

    def by_rule(self, name, node):
        seen = Counter()
        for edit in find.Finder(self.source, node).edits:
            text = squeeze(edit.old)
            seen[edit.rule, text] += 1
            nth = seen[edit.rule, text]
            self.add(name, edit, text if nth == 1 else f"{text} #{nth}")

    def by_list(self, entity, name, old, new):
        start, end = self.span_of(entity)
        pattern = r"\s+".join(re.escape(word) for word in old.split()).encode()
        matches = list(re.finditer(pattern, self.source.bytes[start:end]))
        if len(matches) != 1:
            raise Broken(f"list: {self.file} {entity}: {name}: its old text is there "
                         f"{len(matches)} times")
        first, last = (start + at for at in matches[0].span())
        self.add(entity, find.Edit("list", first, last, new, old), name)

    def span_of(self, entity):
        if entity in self.entities:
            return find.span(self.entities[entity])
        macro = re.search(rb"^#define " + entity.encode() + rb"[ (].*$", self.source.bytes, re.M)
        if not macro:
            raise Broken(f"list: {self.file} has no {entity}")
        return macro.span()

    # ---- The text with the defects in it

    def drop_what_is_no_c(self):
        """Some edits make no program: an error that lies in the copy of a defect takes it out."""
        numbers = {m.number: m for m in self.mutants}
        index = Index.create()
        path = str(self.source.path)
        text = self.planted()
        headers = [(str(h), writable(h.read_text(), self.tables()))
                   for h in self.source.path.parent.glob("*.h")]
        tree = index.parse(path, args=self.arguments + ["-ferror-limit=0", "-w"],
                           unsaved_files=[h for h in headers if h[0] != path] + [(path, text)])
        bad = set()
        for diagnostic in tree.diagnostics:
            if diagnostic.severity < diagnostic.Error:
                continue
            # The offset is one of bytes.
            before = text.encode()[:diagnostic.location.offset].decode()
            number = int(re.findall(r"/\*mutant (\d+)\*/", before)[-1])
            if number == 0 or numbers[number].is_listed:
                raise Broken(f"{self.file}: {diagnostic.spelling} " +
                             (numbers[number].key if number else ""))
            bad.add(number)
        self.mutants = [m for m in self.mutants if m.number not in bad]

    def planted(self):
        """The marks say which copy a text belongs to, for drop_what_is_no_c; 0: none."""
        groups = defaultdict(list)
        for mutant in self.mutants:
            groups[mutant.entity].append(mutant)
        changes = []  # (start, end, text)
        for entity, mutants in groups.items():
            if entity in self.functions:
                changes += self.in_function(self.entities[entity], mutants)
            elif entity in self.entities:
                changes += self.in_table(self.entities[entity], mutants)
            else:
                changes += self.in_macro(entity, mutants)
        return "/*mutant 0*/ " + self.edited(0, len(self.source.bytes), changes)

    def edited(self, start, end, changes):
        text, at = [], start
        for first, last, new in sorted(changes, key=lambda c: c[:2]):
            text += [self.source.text(at, first), new]
            at = last
        return "".join(text) + self.source.text(at, end)

    def copy(self, node, mutant, end):
        """The entity with the edit, under a name of its own, and static."""
        start = find.span(node)[0]
        at = node.location.offset
        name = (at + len(node.spelling), at + len(node.spelling), f"__mutant{mutant.number}")
        edit = (mutant.edit.start, mutant.edit.end, mutant.edit.new)
        text = self.edited(start, end, [c for c in (name, edit) if c[1] <= end])
        return text if node.storage_class == StorageClass.STATIC else "static " + text

    def in_function(self, node, mutants):
        start, end = find.span(node)
        body = find.span(find.body_of(node))[0]
        names = ", ".join(a.spelling for a in node.get_arguments())
        is_void = node.result_type.spelling == "void"
        cases = "".join(
            f"case {m.number}: {'' if is_void else 'return '}{node.spelling}__mutant{m.number}"
            f"({names});{' return;' if is_void else ''} " for m in mutants)
        switch = (f" switch (ioc_mutant_among({mutants[0].number}, {mutants[-1].number})) "
                  f"{{ {cases}}}")
        prototypes = "".join(self.copy(node, m, body).rstrip() + "; " for m in mutants)
        copies = "".join(f"\n/*mutant {m.number}*/ {self.copy(node, m, end)}" for m in mutants)
        changes = [(start, start, prototypes), (body + 1, body + 1, switch),
                   (end, end, copies + "\n/*mutant 0*/")]
        for at, place in {(self.place_at(node, m), m.place) for m in mutants}:
            changes.append((at, at, f" ioc_mutants_reach({place}); "))
        return changes

    def place_at(self, node, mutant):
        """Where the defect is reached: the innermost statement that has it, or the function."""
        spans = [s for s in find.statement_spans(self.source, node)
                 if s[0] <= mutant.edit.start < s[1]]
        body = find.span(find.body_of(node))[0]
        return max((s[0] for s in spans), default=body + 1)

    def in_table(self, node, mutants):
        start, end = find.span(node)
        name = node.spelling
        copies = "".join(
            f"\n/*mutant {m.number}*/ {self.copy(node, m, end)}; "
            f"__attribute__((constructor)) static void {name}__plant{m.number}(void) {{ "
            f"ioc_mutants_load(); if (ioc_mutant_is({m.number})) "
            f"__builtin_memcpy((void *)&{name}, &{name}__mutant{m.number}, "
            f"sizeof {name}__mutant{m.number} < sizeof {name} ? sizeof {name}__mutant{m.number} "
            f": sizeof {name}); }}" for m in mutants)
        const = self.source.bytes.index(b"const ", start)
        behind = self.source.bytes.index(b";", end) + 1
        return [(const, const + len("const "), ""), (behind, behind, copies + "\n/*mutant 0*/")]

    def in_macro(self, entity, mutants):
        if len(mutants) != 1:
            raise Broken(f"list: {self.file}: one defect for a macro, {entity} has more")
        mutant = mutants[0]
        start, end = self.span_of(entity)
        head = re.match(r"#define \w+(\([^)]*\))?\s+", self.source.text(start, end))[0]
        old = self.source.text(start + len(head), end)
        edit = (mutant.edit.start, mutant.edit.end, mutant.edit.new)
        new = self.edited(start + len(head), end, [edit])
        return [(start, end, f"{head}(ioc_mutant_is({mutant.number}) ? ({new}) : ({old}))")]

    def tables(self):
        """The names of the tables that have to be writable."""
        return {m.entity for m in self.mutants
                if m.entity in self.entities and m.entity not in self.functions}


def writable(header, tables):
    """A header without the `const` of the tables that other units know."""
    for table in tables:
        header = re.sub(rf"^extern const (?=.*\b{table}\[)", "extern ", header, flags=re.M)
    return header


def plant(root, file, arguments, entries, first):
    """The mutants of a file, its planted text, and its tables that have to be writable.

    Their numbers, and those of the places where they are reached, begin with `first`.
    """
    planting = Planting(root, file, arguments, entries)
    places = {}
    for offset, mutant in enumerate(planting.mutants):
        mutant.number = first + offset
        if mutant.entity in planting.functions:
            at = planting.place_at(planting.entities[mutant.entity], mutant)
            mutant.place = places.setdefault(at, first + len(places))
    planting.drop_what_is_no_c()
    return planting.mutants, planting.planted(), planting.tables()


def write(root, tree, planted):
    """The sources as they are planted; what does not change is not touched, so that little is built.

    planted: by file, what `plant` returns.
    """
    tables = set().union(*(names for _, _, names in planted.values()))
    for path in sorted((root / "src").rglob("*.[ch]")):
        file = str(path.relative_to(root))
        text = planted[file][1] if file in planted else path.read_text()
        text = writable(text, tables)
        copy = tree / file
        if not copy.exists() or copy.read_text() != text:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text)
    for copy in (tree / "src").rglob("*.[ch]"):
        if not (root / copy.relative_to(tree)).exists():
            copy.unlink()
