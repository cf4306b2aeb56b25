"""Expectations by great_expectations 1.24, on a pandas batch in an ephemeral context.

Measured on a day of flights (842 rows, 13 rules, warm process): context 2 ms, data source 6 ms, suite and
batch 2 ms, the rules 53 ms. A Checkpoint adds 20 ms and stores its result as JSON, which fails on the
numpy.bool of ExpectColumnQuantileValuesToBeBetween: so the batch is validated directly.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import pyarrow as pa
from great_expectations.data_context.types.base import ProgressBarsConfig
from pydantic.v1 import ValidationError  # great_expectations builds its expectations with it

from include.core.errors import SpecError
from include.row_rules.expectation import Expectation
from include.validation.plan import SAMPLE, plain
from include.validation.verdict import Check

QUANTILES = "ExpectColumnQuantileValuesToBeBetween"

# A nullable integer column must stay one: as float64, 2**53 + 1 would lose its last digit.
_NULLABLE = {
    pa.int8(): pd.Int8Dtype(), pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(), pa.uint32(): pd.UInt32Dtype(), pa.uint64(): pd.UInt64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}  # fmt: skip


# The names a rule uses for a type, and pandas' names for what `frame` makes of it.
_PANDAS = {
    "datetime64": ["datetime64[s]", "datetime64[ms]", "datetime64[us]", "datetime64[ns]"],
    "bool": ["bool", "BooleanDtype"],
    **{str(dtype).lower(): [str(dtype).lower(), f"{dtype}Dtype"] for dtype in _NULLABLE.values() if str(dtype) != "boolean"},
}


class GreatExpectations:
    """The adapter of `include.validation.port.ExpectationRunner`. Names of batches are unique within one."""

    def __init__(self) -> None:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        # One data source for all batches: adding one writes the context's whole configuration as YAML.
        self._source = context.data_sources.add_pandas("slipstream")

    def check(self, name: str, table: pa.Table, rules: Sequence[Expectation]) -> list[Check]:
        if not rules:
            return []
        asset = self._source.add_dataframe_asset(name)
        batch = asset.add_batch_definition_whole_dataframe(name).get_batch({"dataframe": frame(table)})
        by_rule: dict[int, Any] = {}  # answers come back in an order of the library's own
        for turn, some in enumerate(_turns(rules)):
            suite = gx.ExpectationSuite(name=f"{name} {turn}", expectations=[build(rules[at], at) for at in some])
            answers = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": SAMPLE})
            by_rule |= {_rule(answer): answer for answer in answers.results}
        return [_check(rule, by_rule[at], table.num_rows) for at, rule in enumerate(rules)]


def _turns(rules: Sequence[Expectation]) -> list[list[int]]:
    """Places of the rules that may be judged together.

    The library (1.24) knows a column's quantiles by the column alone: of two such rules in one suite both get the
    values of the first that it works out.
    """
    turns: defaultdict[int, list[int]] = defaultdict(list)
    asked: Counter[str] = Counter()
    for at, rule in enumerate(rules):
        turn = 0
        if rule.kind == QUANTILES:
            turn = asked[rule.columns[0]]
            asked[rule.columns[0]] += 1
        turns[turn].append(at)
    return list(turns.values())


def open_expectations() -> GreatExpectations:
    return GreatExpectations()


def build(rule: Expectation, at: int = 0) -> Any:
    """great_expectations' own object. Raises SpecError with its reason if it refuses the arguments."""
    arguments = dict(rule.arguments)
    if "regex" in arguments:
        arguments["regex"] = strict_regex(arguments["regex"])
    if "type_list" in arguments:
        arguments["type_list"] = [name for given in rule.types for name in _PANDAS.get(given, [given])]
    try:
        return getattr(gxe, rule.kind)(**arguments, meta={"rule": at})
    except (ValidationError, TypeError, ValueError) as error:
        raise SpecError(
            f"great_expectations refuses {rule}: {error}", hint="correct it in the model's expectations.py."
        ) from error


def strict_regex(pattern: str) -> str:
    """The pattern read as SQL engines (RE2) read it: ASCII classes, and `$` only at the very end."""
    parts = r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$"
    return "(?a)" + re.sub(parts, lambda match: r"\Z" if match[0] == "$" else match[0], pattern, flags=re.DOTALL)


def frame(table: pa.Table) -> pd.DataFrame:
    """A pandas frame that keeps integers integers, and has every time in UTC without a zone."""
    fields = [pa.field(f.name, pa.timestamp(f.type.unit)) if pa.types.is_timestamp(f.type) else f for f in table.schema]
    naive = table.cast(pa.schema(fields))
    with_nulls = {f.name for f in fields if naive[f.name].null_count}
    result: pd.DataFrame = naive.to_pandas()
    for field in fields:
        if field.name in with_nulls and field.type in _NULLABLE:
            result[field.name] = naive[field.name].to_pandas(types_mapper=_NULLABLE.get)
    return result


def _rule(answer: Any) -> int:
    return int(answer.expectation_config.meta["rule"])


def _check(rule: Expectation, answer: Any, rows: int) -> Check:
    result = answer.result or {}
    unexpected = int(result.get("unexpected_count") or 0)
    return Check(
        expectation=str(rule),
        column=", ".join(rule.columns),
        on_failure=rule.on_failure,
        success=bool(answer.success),
        judged=int(result.get("element_count") or 0) - int(result.get("missing_count") or 0),
        unexpected=unexpected,
        percent=round(100 * unexpected / rows, 3) if rows else 0.0,
        sample=tuple(plain(value) for value in (result.get("partial_unexpected_list") or [])[:SAMPLE]),
        observed=plain(result.get("observed_value")),
        broken=_exception(answer.exception_info),
    )


def _exception(info: Mapping[str, Any] | None) -> str:
    """The message of an exception inside an expectation; empty if there was none. It comes in two shapes."""
    for part in [info, *(info or {}).values()]:
        if isinstance(part, Mapping) and part.get("raised_exception"):
            trace = str(part.get("exception_traceback") or part.get("exception_message")).strip()
            return re.sub(r"^[\w.]+\.", "", trace.splitlines()[-1])[:500]  # the class without its module
    return ""
