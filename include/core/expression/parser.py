"""From the text of an expression to its tree. Operators bind as DuckDB binds them; a test, and `slipstream check`, hold the tree
against the one that DuckDB's own parser makes of the text (include/request_features/reading.py)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from include.core.expression.functions import CASTS, NAMED
from include.core.expression.tree import Call, Case, Cast, Column, Constant, Node, is_small

LONGEST = 2000  # characters
DEEPEST = 40  # levels of a tree: each operator, call and CASE is one; a chain of operators has as many as operators
LARGEST = 1000  # parts: columns, constants and operators
INT64 = 2**63
TOO_DEEP = (
    f"is nested too deep: at most {DEEPEST} levels are taken, where each operator, call and CASE is one; divide it into several"
)
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>[A-Za-z_][A-Za-z_0-9]*)
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<sign>::|<=|>=|<>|!=|//|\*\*|\|\||[-+*/%^=<>(),])
    |(?P<other>\S)
    )""",
    re.VERBOSE,
)
_WORDS = {
    "and", "or", "not", "is", "null", "true", "false", "in", "between", "case", "when", "then", "else", "end", "distinct", "from",
    "cast", "as",
}  # fmt: skip
# How tightly an operator holds, the loosest first.
OR, AND, NOT, IS, COMPARE, BETWEEN, OTHER, ADD, MULTIPLY, POWER, UNARY, TYPE = range(1, 13)
_BINARY = {
    "or": OR, "and": AND, "=": COMPARE, "<>": COMPARE, "!=": COMPARE, "<": COMPARE, "<=": COMPARE, ">": COMPARE, ">=": COMPARE,
    "||": OTHER, "+": ADD, "-": ADD, "*": MULTIPLY, "/": MULTIPLY, "//": MULTIPLY, "%": MULTIPLY, "^": POWER, "**": POWER,
}  # fmt: skip


def parse(text: str) -> Node:
    """The tree of one expression, not yet typed. Raises ValueError that says what is wrong, where, and what is allowed."""
    if len(text) > LONGEST:
        raise ValueError(f"is {len(text)} characters long; at most {LONGEST} are taken")
    parser = _Parser(text)
    node = parser.expression(0)
    if parser.kind != "end":
        parser.fail("here the expression should end")
    if not is_small(node, DEEPEST, LARGEST):
        raise ValueError(TOO_DEEP)
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str, int]] = []
        self.depth, self.at, end = 0, 0, text.rstrip()
        place = 0
        while place < len(end):
            found = _TOKEN.match(end, place)
            assert found is not None  # `other` takes what nothing else does
            assert found.lastgroup is not None
            kind, value = found.lastgroup, found[found.lastgroup]
            if kind == "name" and value.lower() in _WORDS:
                kind, value = "word", value.lower()
            self.tokens.append((kind, value, found.start(found.lastgroup)))
            place = found.end()
        self.tokens.append(("end", "", len(end)))

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def value(self) -> str:
        """Of the token that is next, where it is an operator or a word of the language; else nothing."""
        kind, value, _ = self.tokens[self.at]
        return value if kind in ("sign", "word") else ""

    def fail(self, what: str) -> NoReturn:
        _, seen, place = self.tokens[self.at]
        raise ValueError(f"{what}; seen {seen or 'the end'!r} at character {place + 1}")

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][1]

    def expect(self, value: str) -> None:
        if self.value != value:
            self.fail(f"{value.upper()!r} is missing")
        self.at += 1

    def accept(self, *values: str) -> bool:
        """Take these tokens, if they are all next."""
        ahead = self.tokens[self.at : self.at + len(values)]
        if [(k in ("sign", "word"), v) for k, v, _ in ahead] != [(True, value) for value in values]:
            return False
        self.at += len(values)
        return True

    # -- operators, by how tightly they hold ------------------------------------------------------------------------------

    def expression(self, least: int) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(TOO_DEEP)
        node = self.prefix()
        while (further := self.infix(node, least)) is not None:
            node = further
        self.depth -= 1
        return node

    def prefix(self) -> Node:
        if self.accept("not"):
            return Call("not", (self.expression(NOT),))
        if self.accept("-"):
            return Call("neg", (self.expression(UNARY),))
        if self.accept("+"):
            self.fail("a sign + before a value says nothing: leave it out")
        return self.primary()

    def infix(self, left: Node, least: int) -> Node | None:
        """What goes on from `left`, if it holds at least that tightly."""
        sign = self.value
        if sign in _BINARY:
            holds = _BINARY[sign]
            if holds < least:
                return None
            self.take()
            made = Call(sign, (left, self.expression(holds + 1)))
            if holds == COMPARE and _BINARY.get(self.value) == COMPARE:
                self.fail("comparisons cannot be chained: join them by AND")
            return made
        if sign == "::" and least <= TYPE:
            self.take()
            return Cast(left, CASTS[self.type_name()])
        if sign == "is" and least <= IS:
            return self.is_(left)
        negated = sign == "not" and self.tokens[self.at + 1][1] in ("in", "between")
        if (sign in ("in", "between") or negated) and least <= BETWEEN:
            self.at += negated
            inside = self.in_(left) if self.accept("in") else self.between(left)
            return Call("not", (inside,)) if negated else inside
        return None

    def is_(self, left: Node) -> Node:
        self.take()
        negated = self.accept("not")
        if self.accept("null"):
            return Call("is_not_null" if negated else "is_null", (left,))
        if self.accept("distinct", "from"):
            return Call("not_distinct" if negated else "distinct", (left, self.expression(IS + 1)))
        return self.fail("after IS there may be [NOT] NULL or [NOT] DISTINCT FROM a value")

    def in_(self, left: Node) -> Node:
        self.expect("(")
        return Call("in", (left, *self.arguments()))

    def between(self, left: Node) -> Node:
        self.expect("between")
        low = self.expression(OTHER)
        self.expect("and")
        return Call("between", (left, low, self.expression(OTHER)))

    # -- what stands by itself --------------------------------------------------------------------------------------------

    def primary(self) -> Node:
        made: dict[str, Callable[[], Node]] = {"number": self.number, "name": self.name, "quoted": self.quoted}
        if self.kind in made:
            return made[self.kind]()
        if self.kind == "text":
            return Constant(self.take()[1:-1].replace("''", "'"), "text")
        for word, value in (("true", True), ("false", False)):
            if self.accept(word):
                return Constant(value, "bool")
        if self.accept("null"):
            return Constant(None, "null")
        if self.accept("case"):
            return self.case()
        if self.accept("cast", "("):
            node = self.expression(0)
            self.expect("as")
            node = Cast(node, CASTS[self.type_name()])
            self.expect(")")
            return node
        if self.accept("("):
            node = self.expression(0)
            self.expect(")")
            return node
        return self.fail("here a value should stand: a name, a number, a text in 'single quotes', a function or CASE")

    def number(self) -> Node:
        text = self.take()
        if not text.isdigit():
            value = float(text)
            if value == float("inf"):
                raise ValueError(f"the number {text} is too large for a DOUBLE")
            return Constant(value, "float", text)
        if int(text) >= INT64:
            raise ValueError(f"the number {text} is too large for a BIGINT; write {text}.0 for a DOUBLE")
        return Constant(int(text), "int", text)

    def quoted(self) -> Node:
        return Column(self.take()[1:-1].replace('""', '"'))

    def name(self) -> Node:
        name = self.take()
        if not self.accept("("):
            return Column(name)
        function = name.lower()
        if function not in NAMED:
            raise ValueError(
                f"{name}() is not on the list: {', '.join(NAMED)}. Those give the same bits in training and in the gateway; none "
                "looks at several rows, asks the clock or is random"
            )
        return Call(function, self.arguments())

    def arguments(self) -> tuple[Node, ...]:
        """Up to the closing bracket."""
        if self.accept(")"):
            return ()
        found = [self.expression(0)]
        while self.accept(","):
            found.append(self.expression(0))
        self.expect(")")
        return tuple(found)

    def case(self) -> Node:
        of = None if self.value == "when" else self.expression(0)
        branches: list[tuple[Node, Node]] = []
        while self.accept("when"):
            condition = self.expression(0)
            self.expect("then")
            branches.append((condition if of is None else Call("=", (of, condition)), self.expression(0)))
        if not branches:
            self.fail("CASE has no WHEN")
        otherwise: Node = self.expression(0) if self.accept("else") else Constant(None, "null")
        self.expect("end")
        return Case(tuple(branches), otherwise)

    def type_name(self) -> str:
        seen = self.tokens[self.at][1]
        if self.kind != "name" or seen.lower() not in CASTS:
            self.fail(f"a value may be cast to {', '.join(name.upper() for name in CASTS)}")
        return self.take().lower()
