"""Names as MLflow takes them: held against MLflow's own validation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import Metric, Param
from mlflow.utils.validation import _validate_metric, _validate_param

from include.backends.mlflow.names import LONGEST, LONGEST_VALUE, NAME_TAG, decoded, encoded, parts, whole_names

ODD = [
    "recall@10", "huber[delta=1]", "../x", "..", ".", "/x", "x/", "a//b", "a/./b", "a/../b", "train (mean)", "a:40:b", "a:_:b",
    ":_:a", "..0", "x@@", "\0", "a\nb", "größe", "🙂", "a,b;c%d", ":", "::", ":40:", "lr@start", "p" * 300, "@" * 100,
]  # fmt: skip


@pytest.mark.parametrize("name", ["loss", "val/auc", "val:auc", "train loss", "a.b-c_d", "Größe", "1", "a" * LONGEST])
def test_a_name_that_mlflow_takes_stays_as_it_is(name: str) -> None:
    assert encoded(name) == decoded(name) == name


def taken(name: str) -> None:
    """Raises MlflowException where MLflow would."""
    _validate_metric(name, 0.5, 0, 0)
    _validate_param(name, "x")
    Metric(name, 0.5, 0, 0)
    Param(name, "x")


@pytest.mark.parametrize("name", ODD)
def test_any_other_is_taken_in_another_form_and_read_back(name: str) -> None:
    taken(encoded(name))
    if len(name) < 100:
        assert decoded(encoded(name)) == name


def test_no_two_odd_names_meet() -> None:
    names = [*ODD, "recall:40:10", "..:2f:x", ":2f:x", "p" * 299, "p" * 301, "p" * 299 + "@"]
    assert len({encoded(name) for name in names}) == len(names)


@given(st.text(st.sampled_from("ab/.:@_ -40f\n\0é"), min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_whatever_the_name_it_is_taken_and_read_back(near: str, any_name: str) -> None:
    for name in (near, any_name):
        taken(encoded(name))
        assert decoded(encoded(name)) == name


def test_the_whole_of_a_name_that_is_too_long_is_a_tag_of_the_run() -> None:
    long = "m" * 300
    tags = whole_names({long, "loss", "recall@10"})
    assert list(tags.values()) == [long]
    assert encoded(long).endswith(f":{next(iter(tags)).removeprefix(NAME_TAG)}:")


@pytest.mark.parametrize("size", [0, 1, LONGEST_VALUE, LONGEST_VALUE + 1, 3 * LONGEST_VALUE])
def test_a_value_that_is_too_long_comes_in_numbered_parts(size: int) -> None:
    value = "".join(chr(97 + n % 26) for n in range(size))
    made = parts("lr@start", value)
    assert "".join(made.values()) == value
    for name, part in made.items():
        taken(name)
        assert len(part) <= LONGEST_VALUE
    assert len(made) == max(1, -(-size // LONGEST_VALUE))
