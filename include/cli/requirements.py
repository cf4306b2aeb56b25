"""`slipstream requirements`: what the models' repositories ask of the environment, and whether it is there."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from include.cli.context import open_context
from include.core import catalog, requirements
from include.core.errors import SlipstreamError, one_line
from include.core.table import table


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--constraints", action="store_true", help="print the platform's locked versions, for pip's -c")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 all are met, 1 some are not."""
    if options.constraints:
        print("\n".join(requirements.constraints()))
        return 0
    models = open_context().settings.models
    found = {name: _of(name, models) for name in catalog.model_names(models)}
    places = {text: one_line(error) for text, error in catalog.broken_places(models).items()}
    if options.json:
        print(json.dumps({"models": found, "broken_places": places}, indent=2))
    else:
        _print(found, places)
    return int(bool(places) or any(each["unmet"] or each["problem"] for each in found.values()))


def _of(name: str, models: str) -> dict[str, object]:
    try:
        files = [str(path) for path in requirements.files(name, models)]
        lacking = [phrase for phrases in requirements.unmet(name, models).values() for phrase in phrases]
    except SlipstreamError as error:
        return {"files": [], "unmet": [], "problem": one_line(error)}
    return {"files": files, "unmet": lacking, "problem": ""}


def _print(found: Mapping[str, Mapping[str, object]], places: Mapping[str, str]) -> None:
    rows = [(name, _words(each["files"]) or "none", _state(each)) for name, each in found.items()]
    print(table(("model", "requirements", "state"), rows))
    for text, error in places.items():
        print(f"{text}: {error}")


def _state(each: Mapping[str, object]) -> str:
    if each["problem"]:
        return str(each["problem"])
    lacking = _words(each["unmet"])
    return f"lacks {lacking}" if lacking else "met"


def _words(listed: object) -> str:
    return ", ".join(map(str, listed)) if isinstance(listed, list) else ""
