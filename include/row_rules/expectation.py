"""What a data scientist writes in `expectations.py`: rules as values, without importing great_expectations.

    EXPECTATIONS = {
        "flights": (
            *columns(flight_id="text", distance="number"),
            Expectation("ExpectColumnValuesToBeBetween", column="distance", min_value=1, on_failure="quarantine"),
        ),
    }

The class names and arguments are great_expectations' own. `on_failure` says what a failure does:
`stop` the partition, `quarantine` the offending rows (row-level rules only), or just `warn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal, get_args

from include.core.errors import SpecError
from include.core.reference import load
from include.row_rules.catalogue import ARGUMENTS, REQUIRED

OnFailure = Literal["stop", "quarantine", "warn"]

ROW_LEVEL = frozenset(
    {
        "ExpectColumnValuesToNotBeNull",
        "ExpectColumnValuesToBeNull",
        "ExpectColumnValuesToBeBetween",
        "ExpectColumnValuesToBeInSet",
        "ExpectColumnValuesToNotBeInSet",
        "ExpectColumnValuesToMatchRegex",
        "ExpectColumnValuesToNotMatchRegex",
        "ExpectColumnValuesToBeOfType",
        "ExpectColumnValuesToBeInTypeList",
        "ExpectColumnValuesToBeUnique",
        "ExpectCompoundColumnsToBeUnique",
    }
)

KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "text": ("str",),
        "integer": ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        "number": ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        "timestamp": ("datetime64",),
        "boolean": ("bool",),
    }
)


@dataclass(frozen=True, init=False)
class Expectation:
    """One rule. `kind` is a great_expectations class name; `arguments` are that class's own.

    Raises SpecError for an unknown class, argument or `on_failure`, and for a missing argument.
    """

    kind: str
    on_failure: OnFailure
    arguments: Mapping[str, Any]

    def __init__(self, kind: str, /, *, on_failure: OnFailure = "stop", **arguments: Any) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "on_failure", on_failure)
        object.__setattr__(self, "arguments", MappingProxyType(arguments))
        _check(self)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads; none for a rule about the whole table."""
        single = [str(self.arguments[name]) for name in ("column", "column_A", "column_B") if name in self.arguments]
        listed = self.arguments.get("column_list", ()) if not self.kind.startswith("ExpectTable") else ()
        return (*single, *listed)

    @property
    def types(self) -> tuple[str, ...]:
        """The types it allows, if it is a rule about a column's type."""
        given = self.arguments.get("type_list") or (self.arguments.get("type_"),)
        return tuple(str(name) for name in given if name)

    def __str__(self) -> str:
        body = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.kind}({body})"


@dataclass(frozen=True)
class Suite:
    """The rules of one source. More than `quarantine_limit` of its rows in quarantine stops the partition."""

    rules: tuple[Expectation, ...] = ()
    quarantine_limit: float = 0.2

    def __post_init__(self) -> None:
        wrong = [rule for rule in self.rules if not isinstance(rule, Expectation)]
        if wrong:
            raise SpecError("A suite holds Expectation(...) values.", seen=wrong[0])
        if not 0 <= self.quarantine_limit <= 1:
            raise SpecError("quarantine_limit must be a share from 0 to 1.", seen=self.quarantine_limit)


def columns(**kinds: str) -> tuple[Expectation, ...]:
    """A rule on each column's type, in words: text, integer, number, timestamp, boolean."""
    unknown = sorted(set(kinds.values()) - set(KINDS))
    if unknown:
        raise SpecError(f"columns(): {unknown[0]!r} is no kind of column.", hint=f"use one of {', '.join(KINDS)}.")
    kind = "ExpectColumnValuesToBeInTypeList"
    return tuple(Expectation(kind, column=name, type_list=list(KINDS[word])) for name, word in kinds.items())


def load_suite(reference: str, source: str) -> Suite:
    """The rules that `"package.module:EXPECTATIONS"` holds for a source; none if it does not name it."""
    declared = load(reference)
    if not isinstance(declared, Mapping):
        raise SpecError(f"{reference!r} must be a mapping from source to expectations.", seen=type(declared).__name__)
    suite = declared.get(source, ())
    return suite if isinstance(suite, Suite) else Suite(tuple(suite))


def _check(rule: Expectation) -> None:
    if rule.kind not in ARGUMENTS:
        near = get_close_matches(rule.kind, ARGUMENTS, n=1)
        raise SpecError(
            f"{rule.kind!r} is no expectation that Slipstream runs.",
            hint=f"did you mean {near[0]}?" if near else "the names are in include/row_rules/catalogue.py.",
        )
    if rule.on_failure not in get_args(OnFailure):
        raise SpecError(f"{rule}: on_failure must be one of {', '.join(get_args(OnFailure))}.", seen=rule.on_failure)
    unknown = sorted(set(rule.arguments) - ARGUMENTS[rule.kind])
    missing = sorted(REQUIRED[rule.kind] - set(rule.arguments))
    if unknown or missing:
        raise SpecError(
            f"{rule}: " + (f"{unknown[0]!r} is no argument here." if unknown else f"{missing[0]!r} is missing."),
            hint=f"its arguments are {', '.join(sorted(ARGUMENTS[rule.kind])) or 'none'}.",
        )
    _check_quarantine(rule)


def _check_quarantine(rule: Expectation) -> None:
    if rule.on_failure != "quarantine":
        return
    if rule.kind not in ROW_LEVEL:
        raise SpecError(
            f"{rule}: on_failure='quarantine' needs a rule about single rows; this one is about all of them.",
            hint=f"use 'stop' or 'warn', or one of {', '.join(sorted(ROW_LEVEL))}.",
        )
    partial = sorted({"row_condition", "condition_parser", "ignore_row_if"} & set(rule.arguments))
    if partial:
        raise SpecError(f"{rule}: {partial[0]!r} cannot be used with on_failure='quarantine'.", hint="drop it, or use 'warn'.")
