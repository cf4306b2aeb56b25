"""Expressions as one Python function: what the gateway computes of a request, in a microsecond or two.

The function's source is written here from typed trees. Nothing of an author's text is in it: names of columns are looked up in
lists, texts and numbers are bound as objects. What each operation gives is in include/request_features/values.py.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from include.core.expression.checked import TIME, TYPES, Expression
from include.core.expression.tree import Call, Case, Cast, Column, Constant, Node, Type, columns_of
from include.core.spec import Feature
from include.request_features import values as v
from include.request_features.logic import HELPERS

LARGEST = 3.4e38  # the model computes in float32: what is beyond has no value
Derive = Callable[[dict[str, Any], datetime], None]

_FLOATS: dict[str, Any] = {
    "/": v.divide, "**": v.power, "%": v.remainder, "atan2": math.atan2, "floor": v.floor, "ceil": v.ceiling,
    "sqrt": v.bounded(math.sqrt), "exp": v.exponential, "ln": v.logarithm(math.log), "log10": v.logarithm(math.log10),
    "log2": v.logarithm(math.log2), "sin": v.bounded(math.sin), "cos": v.bounded(math.cos), "tan": v.bounded(math.tan),
    "asin": v.bounded(math.asin), "acos": v.bounded(math.acos), "atan": math.atan, "radians": math.radians,
    "degrees": math.degrees, "sign": v.sign, "abs": abs,
}  # fmt: skip
_WHOLE: dict[str, Any] = {"//": v.divide_whole, "%": v.remainder_whole, "sign": v.sign}
_TEXTS: dict[str, str] = {
    "||": "{0} + {1}", "length": "len({0})", "contains": "{1} in {0}", "starts_with": "{0}.startswith({1})",
    "ends_with": "{0}.endswith({1})", "left": "{0}[:{1}]", "substring": "{0}[{1} - 1:{1} - 1 + {2}]",
}  # fmt: skip
_SAME = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
# Of floats of which one may be NaN.
_FLOAT_ORDER = {
    "=": "equal({0}, {1})", "<>": "not equal({0}, {1})", "<": "greater({1}, {0})", "<=": "at_least({1}, {0})",
    ">": "greater({0}, {1})", ">=": "at_least({0}, {1})",
}  # fmt: skip
_CASTS: dict[tuple[Type, Type], str] = {
    ("int", "float"): "float({0})", ("float", "int"): "to_whole({0})", ("bool", "int"): "int({0})",
    ("bool", "float"): "float({0})", ("int", "bool"): "{0} != 0", ("int", "text"): "str({0})",
    ("bool", "text"): "('true' if {0} else 'false')",
}  # fmt: skip
_BUILTINS = {"float": float, "int": int, "bool": bool, "str": str, "len": len, "abs": abs}
# What of a column is no value of its type: made one, as training's SQL reads it.
_READ = {
    "float": "if {0}.__class__ is not float: {0} = float({0})", "int": "if {0}.__class__ is not int: {0} = int({0})",
    "bool": "if {0}.__class__ is not bool: {0} = bool({0})", "text": "if {0}.__class__ is not str: {0} = str({0})",
}  # fmt: skip


def compiled(expressions: Sequence[Expression], features: Mapping[str, Feature]) -> Derive:
    """A function of a row by name, which gets a value, or None, of each expression, and of the moment asked about (UTC, no zone).

    `features`: every name that is read or computed, with its dtype and default. In a row None and NaN are unknown.
    """
    source = _Source(features)
    for expression in expressions:
        source.add(expression)
    return source.function()


def whole_default(default: Any) -> int:
    """What the default of a whole number is where an expression reads it."""
    return round(float(default))


class _Source:
    def __init__(self, features: Mapping[str, Feature]) -> None:
        self.features = features
        self.names: dict[str, Any] = {**HELPERS, **_BUILTINS}
        self.lines: list[str] = []
        self.columns: dict[str, str] = {}  # a column's local variable
        self.count = itertools.count()

    def add(self, expression: Expression) -> None:
        feature = self.features[expression.name]
        for name in columns_of(expression.node):
            if name not in self.columns:
                self.read(name)
        self.columns[expression.name] = local = self.temporary()
        self.lines.append(f"{local} = {self.write(expression.node)}")
        if feature.dtype == "float":
            self.lines.append(f"if {local} is not None and not -LARGEST <= {local} <= LARGEST: {local} = None")
        self.lines.append(f"row[{self.bind(expression.name)}] = {local}")
        self.default(local, feature)

    def read(self, name: str) -> None:
        if name == TIME:
            self.columns[name] = "moment"
            return
        feature = self.features[name]
        self.columns[name] = local = self.temporary()
        self.lines.append(f"{local} = row.get({self.bind(name)})")
        self.lines.append(f"if {local} is not None:")
        self.lines.append(f"    if {local} != {local}: {local} = None")
        self.lines.append(f"    el{_READ[TYPES[feature.dtype]].format(local)}")
        self.default(local, feature)

    def default(self, local: str, feature: Feature) -> None:
        """What stands for a missing value where another expression reads it."""
        if feature.default is not None:
            makers: dict[str, Callable[[Any], Any]] = {"float": float, "int": whole_default, "bool": bool, "text": str}
            of_type = makers[TYPES[feature.dtype]]
            self.lines.append(f"if {local} is None: {local} = {self.bind(of_type(feature.default))}")

    def function(self) -> Derive:
        body = "\n".join(f"    {line}" for line in self.lines)
        space: dict[str, Any] = {**self.names, "LARGEST": LARGEST, "__builtins__": {}}
        exec(compile(f"def derive(row, moment):\n{body}\n", "<request features>", "exec"), space)
        made: Derive = space["derive"]
        return made

    # -- one node -----------------------------------------------------------------------------------------------------------

    def temporary(self) -> str:
        return f"t{next(self.count)}"

    def bind(self, value: object) -> str:
        name = f"k{next(self.count)}"
        self.names[name] = value
        return name

    def write(self, node: Node) -> str:
        """Python of the node's value; None where it has none."""
        if isinstance(node, Constant):
            return "None" if node.value is None else self.bind(node.value)
        if isinstance(node, Column):
            return self.columns[node.name]
        if isinstance(node, Cast):
            return "None" if node.of.type == "null" else self.strict(_CASTS[node.of.type, node.type], [node.of])
        if isinstance(node, Case):
            branches = " ".join(f"{self.write(value)} if {self.write(condition)} else" for condition, value in node.branches)
            return f"({branches} {self.write(node.otherwise)})"
        return self.call(node)

    def call(self, node: Call) -> str:
        name, arguments = node.name, node.arguments
        if name in _SAME:
            return self.compare(name, arguments)
        if name in ("and", "or"):
            return self.junction(name, *map(self.write, arguments))
        if name in ("is_null", "is_not_null"):
            return f"({self.write(arguments[0])} {'is' if name == 'is_null' else 'is not'} None)"
        if name == "between":
            return self.between(*arguments)
        if name in HELPERS:  # what takes None as well
            return f"{name}({', '.join(self.write(each) for each in arguments)})"
        if name == "in":
            return f"is_in({', '.join(self.write(each) for each in arguments)})"
        return self.strict(self.template(node), arguments)

    def template(self, node: Call) -> str:
        """Python over arguments that are there."""
        name, of = node.name, node.arguments[0].type if node.arguments else "null"
        if name == "pi":
            return self.bind(math.pi)
        if name in ("+", "-", "*"):
            return f"{{0}} {name} {{1}}" if node.type == "float" else f"whole({{0}} {name} {{1}})"
        if name in ("neg", "abs"):
            made = "-{0}" if name == "neg" else "abs({0})"
            return made if node.type == "float" else f"whole({made})"
        if name == "not":
            return "not {0}"
        if name == "round":
            return "round_half_away({0})" if len(node.arguments) == 1 else "round_to({0}, {1})"
        if name in _TEXTS:
            return _TEXTS[name]
        if name == "right":
            return f"{self.bind(v.right)}({{0}}, {{1}})"
        tables: dict[Type, Mapping[str, Any]] = {"time": v.PARTS, "float": _FLOATS, "int": _WHOLE}
        function = tables[of][name]
        places = ", ".join(f"{{{place}}}" for place in range(len(node.arguments)))
        return f"{self.bind(function)}({places})"

    def strict(self, template: str, arguments: Sequence[Node]) -> str:
        """None where an argument is None."""
        tests, locals_ = [], []
        for each in arguments:
            written = self.write(each)
            if isinstance(each, Constant) and each.value is not None:
                locals_.append(written)
            elif isinstance(each, Column):
                locals_.append(written)
                tests += [] if written == "moment" else [f"{written} is None"]
            else:
                local = self.temporary()
                locals_.append(local)
                tests.append(f"({local} := {written}) is None")
        body = template.format(*locals_)
        return f"(None if {' or '.join(tests)} else {body})" if tests else f"({body})"

    def compare(self, name: str, arguments: Sequence[Node], exact: bool | None = None) -> str:
        if exact is None:
            exact = arguments[0].type != "float" or all(map(_never_nan, arguments))
        return self.strict(f"{{0}} {_SAME[name]} {{1}}" if exact else _FLOAT_ORDER[name], arguments)

    def between(self, of: Node, low: Node, high: Node) -> str:
        """Of a missing value neither comparison knows anything."""
        local = self.temporary()
        again = f" {local}"  # no column is called so: what was computed is read again
        self.columns[again] = local
        kept, exact = Column(again, of.type), of.type != "float" or all(map(_never_nan, (of, low, high)))
        both = (self.compare(name, (kept, each), exact) for name, each in ((">=", low), ("<=", high)))
        return f"(None if ({local} := {self.write(of)}) is None else {self.junction('and', *both)})"

    def junction(self, name: str, left: str, right: str) -> str:
        """AND and OR of true, false and unknown."""
        decides = "False" if name == "and" else "True"
        one, other = self.temporary(), self.temporary()
        either = f"({one} := {left}) is {decides} or ({other} := {right}) is {decides}"
        return f"({decides} if {either} else None if {one} is None or {other} is None else {decides != 'True'})"


def _never_nan(node: Node) -> bool:
    """Columns are read without NaN, and no constant is one."""
    return isinstance(node, Column | Constant) or (isinstance(node, Cast) and node.of.type != "float")
