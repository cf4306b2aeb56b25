from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from include.core.errors import SpecError
from include.row_rules.catalogue import ARGUMENTS, REQUIRED
from include.row_rules.expectation import ROW_LEVEL, Expectation, Suite, columns, load_suite

DECLARED = {"flights": (Expectation("ExpectColumnToExist", column="a"),), "weather": Suite((), quarantine_limit=0.5)}
NOT_A_MAPPING = 3
HERE = "tests.unit.row_rules.test_expectation"


def test_an_expectation_prints_as_it_is_written() -> None:
    rule = Expectation("ExpectColumnValuesToBeBetween", column="distance", min_value=1, on_failure="quarantine")
    assert str(rule) == "ExpectColumnValuesToBeBetween(column='distance', min_value=1)"
    assert (rule.columns, rule.on_failure) == (("distance",), "quarantine")


def test_an_expectation_is_frozen() -> None:
    rule = Expectation("ExpectColumnToExist", column="a")
    with pytest.raises(AttributeError):
        rule.kind = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        rule.arguments["column"] = "b"  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (
            "ExpectColumnValuesToBeBetwen",
            {"column": "a"},
            r"'ExpectColumnValuesToBeBetwen'.*did you mean ExpectColumnValuesToBeBetween",
        ),
        ("Nonsense", {}, r"'Nonsense'.*catalogue\.py"),
        ("ExpectColumnToExist", {"columm": "a"}, r"'columm' is no argument here.*its arguments are column, column_index"),
        ("ExpectColumnToExist", {}, r"'column' is missing"),
        ("ExpectColumnToExist", {"column": "a", "on_failure": "explode"}, r"stop, quarantine, warn.*'explode'"),
        ("ExpectColumnMeanToBeBetween", {"column": "a", "on_failure": "quarantine"}, r"single rows"),
        (
            "ExpectColumnValuesToNotBeNull",
            {"column": "a", "row_condition": "b > 1", "on_failure": "quarantine"},
            r"'row_condition' cannot be used with on_failure='quarantine'",
        ),
    ],
)
def test_a_wrong_expectation_is_refused_with_what_is_allowed(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=f"(?s){message}"):
        Expectation(kind, **arguments)


def test_columns_says_types_in_words() -> None:
    text, number = columns(carrier="text", distance="number")
    assert text.types == ("str",)
    assert {"float64", "int32"} <= set(number.types)
    with pytest.raises(SpecError, match=r"(?s)'txt' is no kind of column.*text, integer"):
        columns(carrier="txt")


def test_a_suite_is_loaded_by_source_and_may_be_a_plain_tuple() -> None:
    assert load_suite(f"{HERE}:DECLARED", "flights") == Suite(DECLARED["flights"])  # type: ignore[arg-type]
    assert load_suite(f"{HERE}:DECLARED", "weather").quarantine_limit == 0.5
    assert load_suite(f"{HERE}:DECLARED", "unnamed") == Suite()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (f"{HERE}:NOT_A_MAPPING", "must be a mapping"),
        (f"{HERE}:ABSENT", "cannot be imported"),
        ("no.such:X", "cannot be imported"),
    ],
)
def test_a_wrong_reference_is_refused(reference: str, message: str) -> None:
    with pytest.raises(SpecError, match=f"(?s){message}"):
        load_suite(reference, "flights")


def test_a_wrong_suite_is_refused() -> None:
    with pytest.raises(SpecError, match=r"(?s)share from 0 to 1.*20"):
        Suite((), quarantine_limit=20)
    with pytest.raises(SpecError, match="'ExpectColumnToExist'"):
        Suite(("ExpectColumnToExist",))  # type: ignore[arg-type]


def test_the_catalogue_is_what_great_expectations_takes() -> None:
    import great_expectations.expectations as gxe

    for name, arguments in ARGUMENTS.items():
        fields = getattr(gxe, name).__fields__
        assert arguments <= set(fields), name
        assert REQUIRED[name] == {field for field in arguments if fields[field].required}, name
    assert set(ARGUMENTS) >= ROW_LEVEL


def test_writing_expectations_imports_no_vendor() -> None:
    code = (
        "import sys, include.models.flight_delay.expectations;"
        "print(sorted({'great_expectations', 'pandas', 'pyarrow', 'duckdb', 'numpy'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
