"""`slipstream requirements`: what the models' repositories ask of the environment, and whether it is there."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from include.cli.answer import Shapes, answer
from include.cli.context import open_context
from include.cli.exits import found
from include.core import catalog, requirements
from include.core.errors import SlipstreamError, one_line
from include.core.table import table

SHAPES: Shapes = {
    "": {
        "models": "by name: `files` that ask, what is `unmet`, and the `problem` where a file cannot be read",
        "broken_places": "by place, why its models cannot be found",
        "constraints": "the platform's locked versions, where they were asked for",
    }
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--constraints", action="store_true", help="print the platform's locked versions, for pip's -c")


def run(options: argparse.Namespace) -> int:
    """FOUND where something is not met."""
    if options.constraints:
        locked = requirements.constraints()
        answer(options, {"models": {}, "broken_places": {}, "constraints": locked}, locked)
        return 0
    models = open_context().settings.models
    asked = {name: _of(name, models) for name in catalog.owner_names(models)}
    places = {text: one_line(error) for text, error in catalog.broken_places(models).items()}
    answer(options, {"models": asked, "broken_places": places, "constraints": []}, _lines(asked, places))
    return found(bool(places) or any(each["unmet"] or each["problem"] for each in asked.values()))


def _of(name: str, models: str) -> dict[str, object]:
    try:
        files = [str(path) for path in requirements.files(name, models)]
        lacking = [phrase for phrases in requirements.unmet(name, models).values() for phrase in phrases]
    except SlipstreamError as error:
        return {"files": [], "unmet": [], "problem": one_line(error)}
    return {"files": files, "unmet": lacking, "problem": ""}


def _lines(asked: Mapping[str, Mapping[str, object]], places: Mapping[str, str]) -> Iterator[str]:
    yield table(("model", "requirements", "state"), [(n, _words(e["files"]) or "none", _state(e)) for n, e in asked.items()])
    yield from (f"{text}: {error}" for text, error in places.items())


def _state(each: Mapping[str, object]) -> str:
    if each["problem"]:
        return str(each["problem"])
    lacking = _words(each["unmet"])
    return f"lacks {lacking}" if lacking else "met"


def _words(listed: object) -> str:
    return ", ".join(map(str, listed)) if isinstance(listed, list) else ""
