from __future__ import annotations

import inspect

import pytest
from pydantic import BaseModel

import include.core.spec as sections
from include.core.spec import Frozen
from scripts.spec_reference import COMMAND, PARTS, TARGET, documented, reference


def test_the_reference_in_the_docs_is_current() -> None:
    assert TARGET.read_text() == reference(), f"docs/spec.md is stale: run `{COMMAND}`, and commit what it writes"


def test_every_section_is_in_the_reference() -> None:
    every = {
        part for part in vars(sections).values() if inspect.isclass(part) and issubclass(part, Frozen) and part is not Frozen
    }
    assert every == set(PARTS.values())


@pytest.mark.parametrize("part", PARTS.values(), ids=lambda part: part.__name__)
def test_every_field_is_explained_in_whole_sentences(part: type[BaseModel]) -> None:
    found = documented(part)
    assert list(found) == list(part.model_fields)
    for name, (_, text) in found.items():
        assert text[:1].isupper(), f"{part.__name__}.{name}: {text!r}"
        assert text.endswith("."), f"{part.__name__}.{name}: {text!r}"


def test_types_bounds_and_defaults_are_those_of_the_classes() -> None:
    text = reference()
    assert "| `lookback_days` | `int`, at least 0, at most 366 | `0` |" in text
    assert "| `latency` | `timedelta`, more than 0, at most 1 second | 50 milliseconds |" in text
    assert '| `strategy` | `Literal["canary", "blue_green"]` | `"canary"` |' in text
    assert "| `score_tolerance` | `float \\| None`, at least 1 | `5.0` |" in text
    assert "| `evaluation` | `Evaluation` | `Evaluation()` |" in text
    assert "| `owner` | `str` | required |" in text
