"""The closed list: which operators and functions an expression may use, and what they take and give.

A function is on it where the compiled evaluator gives DuckDB's bits for every input (benchmarks/request_features looks). What
is not: `lower` and `upper` (Unicode tables differ), texts of floats and numbers read from text (forms differ), zones of time (an
extension), everything that is random, asks the clock or looks at several rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.core.expression.tree import Type

NUMERIC: tuple[Type, ...] = ("int", "float")


@dataclass(frozen=True)
class Signature:
    takes: tuple[Type, ...]
    gives: Type
    constants: tuple[tuple[int, int, int], ...] = ()  # place of an argument that is a written number, its least and its most


_FLOAT: Type = "float"


def _floats(*names: str, count: int = 1) -> dict[str, tuple[Signature, ...]]:
    takes: tuple[Type, ...] = tuple(_FLOAT for _ in range(count))
    return {name: (Signature(takes, "float"),) for name in names}


def _parts(*names: str) -> dict[str, tuple[Signature, ...]]:
    return {name: (Signature(("time",), "int"),) for name in names}


_BOTH = (Signature(("int", "int"), "int"), Signature(("float", "float"), "float"))
_TEXTS = (Signature(("text", "text"), "bool"),)

# Where a whole number stands and only the second signature fits, it becomes a float: the first that fits is taken.
SIGNATURES: dict[str, tuple[Signature, ...]] = {
    "+": _BOTH, "-": _BOTH, "*": _BOTH, "%": _BOTH,
    "//": (Signature(("int", "int"), "int"),),
    **_floats("/", "**", "atan2", count=2),
    "neg": (Signature(("int",), "int"), Signature(("float",), "float")),
    "abs": (Signature(("int",), "int"), Signature(("float",), "float")),
    "sign": (Signature(("int",), "int"), Signature(("float",), "int")),
    **_floats("floor", "ceil", "sqrt", "exp", "ln", "log10", "log2", "sin", "cos", "tan", "asin", "acos", "atan"),
    **_floats("radians", "degrees"),
    "round": (Signature(("float",), "float"), Signature(("float", "int"), "float", constants=((1, 0, 15),))),
    "pi": (Signature((), "float"),),
    "and": (Signature(("bool", "bool"), "bool"),), "or": (Signature(("bool", "bool"), "bool"),),
    "not": (Signature(("bool",), "bool"),),
    "||": (Signature(("text", "text"), "text"),),
    "length": (Signature(("text",), "int"),),
    "contains": _TEXTS, "starts_with": _TEXTS, "ends_with": _TEXTS,
    "left": (Signature(("text", "int"), "text", constants=((1, 0, 1000),)),),
    "right": (Signature(("text", "int"), "text", constants=((1, 0, 1000),)),),
    "substring": (Signature(("text", "int", "int"), "text", constants=((1, 1, 1000), (2, 0, 1000))),),
    **_parts("second", "minute", "hour", "day", "month", "year", "quarter", "dayofweek", "isodow", "dayofyear", "week"),
    "epoch": (Signature(("time",), "float"),),
}  # fmt: skip

COMPARISONS = ("=", "<>", "<", "<=", ">", ">=", "distinct", "not_distinct")  # of two values of one type
TESTS = ("is_null", "is_not_null")  # of any value
ALIKE = {"coalesce": 1, "greatest": 1, "least": 1, "nullif": 2, "in": 2}  # of values of one type, which all but `in` give; fewest

ALIASES = {
    "power": "**", "pow": "**", "ceiling": "ceil", "log": "log10", "ifnull": "coalesce", "len": "length", "substr": "substring",
    "prefix": "starts_with", "suffix": "ends_with", "dow": "dayofweek", "weekofyear": "week", "mod": "%",
    "^": "**", "!=": "<>",
}  # fmt: skip
PARTS = ("second", "minute", "hour", "day", "month", "year", "quarter", "dow", "isodow", "doy", "week")  # of date_part
PART_NAMES = {"dow": "dayofweek", "doy": "dayofyear"}

CASTS: dict[str, Type] = {"double": "float", "bigint": "int", "boolean": "bool", "varchar": "text"}
CASTABLE: dict[Type, tuple[Type, ...]] = {
    "float": ("float", "int"), "int": ("float", "int", "bool", "text"), "bool": ("float", "int", "bool", "text"),
    "text": ("text",), "time": (), "null": ("float", "int", "bool", "text"),
}  # fmt: skip

NAMED = sorted(
    {name for name in SIGNATURES if name.isidentifier() and name not in ("and", "or", "not", "neg")}
    | {name for name in ALIKE if name != "in"} | {name for name in ALIASES if name.isidentifier()} | {"if", "date_part"}
)  # fmt: skip
