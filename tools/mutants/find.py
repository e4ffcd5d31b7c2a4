"""Finds the places where a rule plants a defect: what stands between them and the text is clang's."""

import re
from dataclasses import dataclass

from clang.cindex import CursorKind as Kind
from clang.cindex import Index, StorageClass

# What a macro expands to is no text of ours. They are written in capitals, but for these. (So are
# enumerators, which do no harm here: there is nothing inside them.)
MACRO = re.compile(rb"\b(?:[A-Z][A-Z0-9_]+|assert|offsetof|alignas|static_assert)\b")

OPERATORS = {
    "<": ("bound", "<="), "<=": ("bound", "<"), ">": ("bound", ">="), ">=": ("bound", ">"),
    "==": ("equality", "!="), "!=": ("equality", "=="),
    "&&": ("logic", "||"), "||": ("logic", "&&"),
    "+": ("arithmetic", "-"), "-": ("arithmetic", "+"),
    "*": ("arithmetic", "/"), "/": ("arithmetic", "*"),
    "+=": ("arithmetic", "-="), "-=": ("arithmetic", "+="),
    "&": ("bits", "|"), "|": ("bits", "&"), "<<": ("bits", ">>"), ">>": ("bits", "<<"),
    "|=": ("bits", "&="), "&=": ("bits", "|="),
}
CONSTANTS = {"0": "1", "1": "0", "true": "false", "false": "true"}
LABELS = (Kind.CASE_STMT, Kind.DEFAULT_STMT, Kind.LABEL_STMT)
NOT_RUN = (Kind.CXX_UNARY_EXPR, Kind.STRUCT_DECL, Kind.ENUM_DECL, Kind.UNION_DECL,
           Kind.TYPEDEF_DECL, Kind.STATIC_ASSERT)  # the first is sizeof


@dataclass
class Edit:
    """One defect: `new` instead of what stands from start to end. `old` is what the key shows."""

    rule: str
    start: int
    end: int
    new: str
    old: str


class Source:
    """The text of a file as clang counts it, in bytes, and what its tree says."""

    def __init__(self, path, arguments):
        self.path = path
        self.bytes = path.read_bytes()
        self.tree = Index.create().parse(str(path), args=arguments)
        errors = [d for d in self.tree.diagnostics if d.severity >= d.Error]
        if errors:
            raise SystemExit(f"{path}: {errors[0]}")
        self.macros = [self._macro_span(match) for match in MACRO.finditer(self.bytes)]

    def text(self, start, end):
        return self.bytes[start:end].decode()

    def of(self, node):
        return self.text(*span(node))

    def entities(self):
        """The functions and the variables at file scope that are defined in this file."""
        for node in self.tree.cursor.get_children():
            if node.location.file is None or node.location.file.name != str(self.path):
                continue
            if node.kind == Kind.VAR_DECL or (node.kind == Kind.FUNCTION_DECL and
                                              node.is_definition()):
                yield node

    def is_macros(self, node):
        """Whether a node is, or lies within, what a macro has expanded to."""
        start, end = span(node)
        return any(first <= start and end <= last for first, last in self.macros)

    def _macro_span(self, match):
        end = match.end()
        if self.bytes[end:end + 1] != b"(":
            return match.start(), end
        depth = 0
        for at in range(end, len(self.bytes)):
            depth += {40: 1, 41: -1}.get(self.bytes[at], 0)
            if depth == 0:
                return match.start(), at + 1
        return match.start(), end


def span(node):
    return node.extent.start.offset, node.extent.end.offset


def children(node):
    return list(node.get_children())


def bare(node):
    """Without the parentheses and conversions around it."""
    while node.kind in (Kind.UNEXPOSED_EXPR, Kind.PAREN_EXPR) and len(children(node)) == 1:
        node = children(node)[0]
    return node


def body_of(function):
    return next(c for c in function.get_children() if c.kind == Kind.COMPOUND_STMT)


class Finder:
    """All edits of one function."""

    def __init__(self, source, function):
        self.source = source
        self.edits = []
        self.compared = set()
        self.walk(body_of(function))

    def add(self, rule, start, end, new, old):
        self.edits.append(Edit(rule, start, end, new, old))

    def replace(self, rule, node, new):
        self.add(rule, *span(node), new, self.source.of(node))

    def walk(self, node):
        if node.kind in NOT_RUN or self.source.is_macros(node):
            self.constant(node)
            return
        self.statements(node)
        self.condition(node)
        self.expression(node)
        for child in self.inside(node):
            self.walk(child)

    def inside(self, node):
        """What of a node is computed when it runs."""
        parts = children(node)
        if node.kind == Kind.CASE_STMT:
            return parts[1:]
        if node.kind == Kind.VAR_DECL:
            if node.storage_class == StorageClass.STATIC:
                return []
            return [c for c in parts if c.kind.is_expression() and
                    "=" in self.source.text(node.location.offset, span(c)[0])]
        if node.kind == Kind.INIT_LIST_EXPR:  # {0} is no number
            return [c for c in parts if bare(c).kind != Kind.INTEGER_LITERAL]
        return parts

    # ---- Statements: a call or an assignment that is left out

    def statements(self, node):
        parts = children(node)
        if node.kind == Kind.COMPOUND_STMT:
            bodies = parts
        elif node.kind == Kind.IF_STMT:
            bodies = parts[1:]
        elif node.kind in LABELS or node.kind in (Kind.WHILE_STMT, Kind.FOR_STMT):
            bodies = parts[-1:]
        else:
            bodies = []
        for body in bodies:
            self.leave_out(body)

    def leave_out(self, statement):
        node = bare(statement)
        if node.kind == Kind.CSTYLE_CAST_EXPR:  # (void)
            node = bare(children(node)[-1])
        is_count = node.kind == Kind.UNARY_OPERATOR and self.operator(node) in ("++", "--")
        is_set = node.kind == Kind.BINARY_OPERATOR and self.operator(node) == "="
        if not self.source.is_macros(statement) and (
                is_count or is_set or
                node.kind in (Kind.CALL_EXPR, Kind.COMPOUND_ASSIGNMENT_OPERATOR)):
            self.replace("delete", statement, "(void)0")

    # ---- Conditions, the other way round

    def condition(self, node):
        condition = self.condition_of(node)
        if condition is None or self.source.is_macros(condition):
            return
        inner = bare(condition)
        if inner.kind in (Kind.BINARY_OPERATOR, Kind.UNARY_OPERATOR) and (
                self.operator(inner) in ("==", "!=", "!")):
            return  # another rule does the same
        self.replace("negate", condition, f"!({self.source.of(condition)})")

    def condition_of(self, node):
        parts = children(node)
        if node.kind in (Kind.IF_STMT, Kind.WHILE_STMT, Kind.CONDITIONAL_OPERATOR):
            return parts[0]
        if node.kind == Kind.DO_STMT:
            return parts[1]
        if node.kind == Kind.FOR_STMT:
            heads = [p for p in parts[:-1] if self.semicolons_before(node, p) == 1]
            return heads[0] if heads else None
        return None

    def semicolons_before(self, loop, part):
        return self.source.text(span(loop)[0], span(part)[0]).count(";")

    # ---- Expressions

    def operator(self, node):
        parts = children(node)
        if node.kind == Kind.UNARY_OPERATOR:
            (start, end), (first, last) = span(node), span(parts[0])
            return (self.source.text(start, first) or self.source.text(last, end)).strip()
        text = self.source.text(span(parts[0])[1], span(parts[1])[0])
        return re.sub(r"/\*.*?\*/", "", text, flags=re.S).strip()

    def expression(self, node):
        if node.kind in (Kind.BINARY_OPERATOR, Kind.COMPOUND_ASSIGNMENT_OPERATOR):
            self.binary(node)
        elif node.kind == Kind.UNARY_OPERATOR and self.operator(node) in ("!", "++", "--"):
            self.unary(node)
        elif node.kind == Kind.CALL_EXPR:
            self.arguments(node)
        else:
            self.constant(node)

    def binary(self, node):
        left, right = children(node)
        operator = self.operator(node)
        if operator not in OPERATORS:
            return
        rule, new = OPERATORS[operator]
        if rule == "equality":
            self.compared |= {span(left), span(right)}
        start = self.source.bytes.index(operator.encode(), span(left)[1])
        self.add(rule, start, start + len(operator), new, self.source.of(node))

    def unary(self, node):
        operator = self.operator(node)
        if operator == "!":
            self.replace("not", node, self.source.of(children(node)[0]))
        else:
            text = self.source.of(node)
            other = "--" if operator == "++" else "++"
            self.replace("arithmetic", node, text.replace(operator, other, 1))

    def constant(self, node):
        text = self.source.of(node)
        if node.kind == Kind.INTEGER_LITERAL and text.rstrip("uUlL") in CONSTANTS:
            digits = text.rstrip("uUlL")
            self.replace("constant", node, CONSTANTS[digits] + text[len(digits):])
        elif node.kind == Kind.DECL_REF_EXPR and span(node) not in self.compared:
            if text == "IOCP_OK":
                self.replace("status", node, "IOCP_EINVAL")
            elif re.fullmatch(r"IOCP_E[A-Z]+", text):
                self.replace("status", node, "IOCP_OK")

    def arguments(self, node):
        arguments = list(node.get_arguments())
        for one, two in zip(arguments, arguments[1:]):
            kinds = [bare(a).type.get_canonical().spelling for a in (one, two)]
            texts = [self.source.of(a) for a in (one, two)]
            if kinds[0] == kinds[1] and texts[0] != texts[1]:
                between = self.source.text(span(one)[1], span(two)[0])
                self.add("swap", span(one)[0], span(two)[1], texts[1] + between + texts[0],
                         self.source.of(node))


def statement_spans(source, function):
    """Each statement before which something can be inserted."""
    def visit(node):
        for child in node.get_children():
            inner = child
            while inner.kind in LABELS:
                inner = children(inner)[-1]
                if node.kind == Kind.COMPOUND_STMT and inner.kind not in LABELS:
                    yield span(inner)
            if node.kind == Kind.COMPOUND_STMT and child.kind not in LABELS:
                yield span(child)
            yield from visit(child)
    yield from visit(body_of(function))
