"""A first `expectations.py` from a profiled partition: a starting file for its author to correct, never a verdict.

Bounds are the extremes seen, widened by half their distance; a text column with few values becomes a set, one
of one length a length; a column without duplicates a unique one. What a week of data would contradict is a
`warn`; only missing keys and types are `stop` or `quarantine`.

Whatever is proposed is first judged on the partition itself: what that does not pass is left out, and named with
every column that nothing could be said of.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Sequence

import pyarrow.parquet as pq

from include.row_rules.expectation import Expectation, columns
from include.validation.batch import Batch
from include.validation.column import Column
from include.validation.draft import kind_of, rules_of
from include.validation.prove import passing


def propose(batch: Batch, source: str) -> str:
    """Python source: `EXPECTATIONS` for one source, from one partition, which passes them."""
    found, comments = _columns(batch)
    types = {column.name: word for column in found if (word := kind_of(column)) is not None}
    comments += [_unknown(column) for column in found if column.name not in types]
    typed, rules = list(columns(**types)), []
    for column in found:
        if column.name in types:
            drafted, words = rules_of(batch, column)
            rules += drafted
            comments += [f"{_named(column.name)} {word}" for word in words]
    kept, failed = passing(batch, [*typed, *rules, *_row_count(batch)])
    comments += [f"{_named(rule.columns[0] if rule.columns else source)} {_left_out(rule)}" for rule in failed]
    declared = {name: word for (name, word), rule in zip(types.items(), typed, strict=True) if rule in kept}
    return _file(source, batch.rows, declared, [rule for rule in kept if rule not in typed], comments)


def _columns(batch: Batch) -> tuple[list[Column], list[str]]:
    """The columns that SQL knows by the name that the file gives them; a comment on each of the others."""
    names = list(pq.read_schema(batch.path).names)
    known = {name for name, given in zip(batch.types, names, strict=False) if name == given and names.count(name) == 1}
    found = [Column(name, batch.types[name]) for name in dict.fromkeys(names) if name in known]
    others = [name for name in dict.fromkeys(names) if name not in known]
    return found, [
        f"{_named(name)} is left out: a rule needs a name that no other column has, in upper or lower case." for name in others
    ]


def _unknown(column: Column) -> str:
    if column.type == '"NULL"':
        return f"{_named(column.name)} holds no value in this partition, and has no type: it is left out."
    return f"{_named(column.name)} is left out: columns() has no word for the type {_named(column.type)}."


def _left_out(rule: Expectation) -> str:
    arguments = {name: value for name, value in rule.arguments.items() if name != "column"}
    words = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"is left out of {rule.kind}({words}): this very partition does not pass it, however its rows are read."


def _row_count(batch: Batch) -> Iterator[Expectation]:
    if batch.rows:
        bounds = {"min_value": batch.rows // 3, "max_value": batch.rows * 3}
        yield Expectation("ExpectTableRowCountToBeBetween", **bounds, on_failure="warn")


# -- as text -----------------------------------------------------------------------------------------------


def _file(source: str, rows: int, types: dict[str, str], rules: Sequence[Expectation], comments: Iterable[str]) -> str:
    name = _variable(source)
    declared = ", ".join(f"{column!r}: {word!r}" for column, word in types.items())
    lines = [f"*columns(**{{{declared}}}),"] if types else []
    lines += [_line(rule) for rule in rules] + [f"# {comment}" for comment in comments]
    body = "".join(f"    {line}\n" for line in lines)
    return (
        f"# Proposed from one partition of {_named(source)} ({rows:,} rows). Correct what that day could not know.\n\n"
        "from include.row_rules.expectation import Expectation, Suite, columns\n\n"
        f"{name} = (\n{body})\n\nEXPECTATIONS = {{{source!r}: Suite({name})}}\n"
    )


def _line(rule: Expectation) -> str:
    body = ", ".join(f"{name}={value!r}" for name, value in rule.arguments.items())
    return f'Expectation("{rule.kind}", {body}, on_failure="{rule.on_failure}"),'


def _named(name: str) -> str:
    """A name in a comment: it must not end its line."""
    return name if name.isprintable() else repr(name)


def _variable(source: str) -> str:
    name = re.sub(r"\W", "_", source).upper()
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"SOURCE_{name}"
