"""docs/reference/spec.md is what the classes of the spec say."""

from __future__ import annotations

import inspect

import pytest
from pydantic import BaseModel

import include.core.spec as sections
from include.core.spec import AnyKind, Frozen
from tests.support.scripts import load_script

script = load_script("spec_reference")


def test_the_page_is_what_the_classes_say() -> None:
    assert script.PAGE.read_text() == script.page(), "write it anew: make docs"


def test_every_section_is_on_the_page() -> None:
    every = {
        part
        for part in vars(sections).values()
        if inspect.isclass(part) and issubclass(part, Frozen) and part not in (Frozen, AnyKind)
    }
    assert every == set(script.parts().values())


@pytest.mark.parametrize("part", script.parts().values(), ids=lambda part: part.__name__)
def test_every_field_is_explained_in_whole_sentences(part: type[BaseModel]) -> None:
    found = script.documented(part)
    assert set(found) == set(part.model_fields)
    for name, (_, text) in found.items():
        assert text[:1].isupper(), f"{part.__name__}.{name}: {text!r}"
        assert text.endswith("."), f"{part.__name__}.{name}: {text!r}"


def test_types_bounds_and_defaults_are_those_of_the_classes() -> None:
    text = script.page()
    assert "| `lookback_days` | `int`, at least 0, at most 366 | `0` |" in text
    assert "| `latency` | `timedelta`, more than 0, at most 1 second | 50 milliseconds |" in text
    assert '| `strategy` | `Literal["canary", "blue_green"]` | `"canary"` |' in text
    assert "| `score_tolerance` | `float \\| None`, at least 1 | `5.0` |" in text
    assert "| `evaluation` | `Evaluation` | `Evaluation()` |" in text
    assert "| `owner` | `str` | required |" in text
