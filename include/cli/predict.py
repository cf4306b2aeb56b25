"""`slipstream predict MODEL`: through the gateway; if it is down, in this process, and it says so."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.core.catalog import load_spec
from include.core.errors import DataError, UnreachableError
from include.core.nearest import did_you_mean
from include.core.request import Json
from include.core.spec import ModelSpec
from include.core.spec.dtypes import is_text, kind_of, length_of

SHAPES: Shapes = {
    "": {
        "id": "of the request; empty where none was logged",
        "score": "the probability of the label being 1; of a ranking what it orders by, and `place` instead of `label`; of a "
        "number `value` (and `low`, `high`) instead of both; of classes `class` and `probabilities`",
        "label": "0 or 1",
        "version": "that answered; null: the default answer", "arm": "champion or challenger",
        "degraded": "what stood in for by defaults", "through": "the gateway, or this process, in words",
        "explanation": "with --explain: what it is `of`, the `base` and the `contributions` of features that are added to it; or "
        "what is `missing`, and `why`",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument(
        "--entity", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="the entity's keys, such as origin=JFK"
    )
    parser.add_argument(
        "--features", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="those of the request, such as hour=9"
    )
    parser.add_argument("--at", default="", metavar="TIME", help="as if asked then (ISO 8601, UTC); by default now")
    parser.add_argument(
        "--explain", nargs="?", type=int, const=True, default=False, metavar="N",
        help="by how much each feature moved the answer, or the N that moved it most (serving.explain of the spec)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    context = open_context()
    spec = load_spec(options.model, context.settings.models)
    entity, features = _entity(spec, options.entity), _features(spec, options.features)
    said = _ask(context, spec, entity, features, options.at, options.explain)
    answer(options, said, [] if options.json else [_words(spec, said), *_why(said.get("explanation"))])
    return 0


def _words(spec: ModelSpec, said: Mapping[str, Any]) -> str:
    by = f"version {said['version']} ({said['arm']})" if said["version"] is not None else "no version"
    degraded = f"; degraded: {', '.join(said['degraded'])}" if said["degraded"] else ""
    return f"{_said(spec, said)} by {by} {said['through']}{degraded}"


def _why(told: Mapping[str, Any] | None) -> list[str]:
    """The explanation, a line a feature."""
    if told is None:
        return []
    if "missing" in told:
        return [f"not explained: {told['why']}"]
    moved = {**told["contributions"], **({"all others": told["rest"]} if "rest" in told else {})}
    width = max(map(len, moved))
    return [f"{told['of']} is {told['base']:.4g} on the average; here", *(f"  {n:{width}}  {v:+.4g}" for n, v in moved.items())]


def _said(spec: ModelSpec, said: Mapping[str, Any]) -> str:
    """The answer itself, by what is in it."""
    if "label" in said:
        return f"{spec.label} = {said['label']} (score {said['score']:.4f})"
    if "class" in said:
        return f"{spec.label} = {said['class']} (probability {said['probabilities'][said['class']]:.4f})"
    if "value" in said:
        unit = f" {getattr(spec.problem, 'unit', '')}".rstrip()
        interval = f" ({said['low']:.6g} to {said['high']:.6g})" if "low" in said else ""
        return f"{spec.label} = {said['value']:.6g}{unit}{interval}"
    return f"{spec.label}: score {said['score']:.6g}"


def _ask(
    context: CliContext, spec: ModelSpec, entity: dict[str, str], features: dict[str, Any], at: str, explain: bool | int
) -> dict[str, Any]:
    from include.serving.client import open_client

    url = context.settings.gateway_url
    try:
        said = open_client(context.settings).predict(spec.name, entity, features, event_time=at, explain=explain)
        return {**said, "through": f"through the gateway at {url}"}
    except UnreachableError:
        from include.cli.in_process import predict

        said = predict(context, spec, entity, features, at)
        if explain:
            said["explanation"] = {"missing": "no_gateway", "why": "it is the gateway that explains, and it does not answer"}
        return {**said, "through": f"in this process (the gateway at {url} does not answer; nothing was logged)"}


def _entity(spec: ModelSpec, given: Sequence[str]) -> dict[str, str]:
    """Entity keys are text, as in the partitions."""
    return _pairs("--entity", given, spec.features.keys)


def _features(spec: ModelSpec, given: Sequence[str]) -> dict[str, Any]:
    kinds = {feature.name: feature.dtype for feature in spec.features.sent}
    return {name: _value(name, text, kinds[name]) for name, text in _pairs("--features", given, list(kinds)).items()}


def _pairs(option: str, given: Sequence[str], allowed: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or name not in allowed:
            raise DataError(f"{option} takes NAME=VALUE.", seen=text, hint=did_you_mean(name, allowed, "names"))
        pairs[name] = value
    return pairs


def _value(name: str, text: str, dtype: str) -> Json:
    """The text as the feature's type; `null` is unknown."""
    if text == "null":
        return None
    try:
        return _read(text, dtype)
    except ValueError as error:
        hint = {"bool": "say true or false.", "vector": f"say its numbers as JSON: {name}='[0.1, ...]'."}.get(kind_of(dtype), "")
        raise DataError(f"The feature {name} is of type {dtype}.", seen=text[:200], hint=hint) from error


def _read(text: str, dtype: str) -> Json:
    """Raises ValueError for a text that is none of the type."""
    if is_text(dtype):
        return text
    if dtype == "bool":
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _no_truth(text)
    length = length_of(dtype)
    if not length:
        return float(text) if dtype == "float" else int(text)
    values = json.loads(text)
    if not isinstance(values, list) or len(values) != length or not all(isinstance(each, int | float) for each in values):
        raise ValueError(f"not {length} numbers")
    return values


def _no_truth(text: str) -> Json:
    raise ValueError(f"{text} is neither true nor false")
