"""The smoke test: the challenger on the real server, before any traffic. Refused unless every check passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from include.core.errors import GateClosed, PermanentError
from include.core.spec import Feature, ModelSpec
from include.core.spec.dtypes import length_of
from include.problems.of import of_spec
from include.problems.problem import Problem

REPEATS = 10
SLOW_REPEATS = 40  # more calls of a version that seems slow, interleaved with the champion's

Outputs = list[float] | list[list[float]]  # a row's one output, or several in the order of the problem's


class Server(Protocol):
    """What the smoke test asks of a gateway (include/serving/client.py)."""

    def columns(self, model: str, version: int) -> list[dict[str, str]]:
        """The loaded version's inputs: [{"name", "dtype"}]."""

    def infer(self, model: str, version: int, rows: Sequence[Mapping[str, Any]]) -> tuple[Outputs, float]:
        """Outputs of rows of named inputs, and the microseconds the server spent on them."""


def probes(spec: ModelSpec) -> list[dict[str, Any]]:
    """Fixed rows: everything unknown; zeros and empty text; large, negative and never-seen values."""
    values: tuple[Mapping[str, Any], ...] = (
        {"float": None, "int": None, "bool": None, "category": None, "text": None},
        {"float": 0.0, "int": 0, "bool": False, "category": "", "text": ""},
        {"float": 1e6, "int": 1_000_000, "bool": True, "category": "never seen before", "text": "never seen before " * 100},
        {"float": -1e6, "int": -1, "bool": False, "category": "\N{SNOWMAN}", "text": "\N{SNOWMAN} 123 ?!"},
    )
    return [{feature.name: _probe(value, feature.dtype) for feature in spec.features.inputs} for value in values]


def _probe(values: Mapping[str, Any], dtype: str) -> Any:
    """Of a vector each number is the probe of a number."""
    length = length_of(dtype)
    if not length:
        return values[dtype]
    return None if values["float"] is None else [values["float"]] * length


def smoke_test(server: Server, spec: ModelSpec, version: int, champion: int | None = None) -> dict[str, Any]:
    """The evidence of a passed smoke test. Raises GateClosed naming every check that failed.

    A busy server only ever adds time, so the fastest answer counts. If that is above the limit the `champion`, which serves,
    is asked alternately: a minute that slows it just as much is held against neither.
    """
    rows = probes(spec)
    try:
        columns = server.columns(spec.name, version)
        answers = [server.infer(spec.name, version, rows) for _ in range(REPEATS)]
    except PermanentError as error:
        raise _failed(spec, version, [error.what]) from error
    outputs = answers[0][0]
    timed = _timed(server, spec, version, champion, min(spent for _, spent in answers))
    problems = [*_schema_problems(columns, spec.features.inputs), *_output_problems(answers, len(rows), of_spec(spec))]
    if timed["latency_ms"] > spec.evaluation.max_latency_ms * timed["slowdown"]:
        beside = f" (the champion {timed['champion_ms']:.2f} ms in the same minute)" if timed["champion_ms"] else ""
        limit = spec.evaluation.max_latency_ms
        problems.append(f"a row takes {timed['latency_ms']:.2f} ms, more than the limit of {limit} ms{beside}")
    if problems:
        raise _failed(spec, version, problems)
    return {"scores": outputs, **timed, "probes": len(rows), "columns": len(columns)}


def _timed(server: Server, spec: ModelSpec, version: int, champion: int | None, fastest: float) -> dict[str, Any]:
    """Milliseconds a row: `latency_ms`, `champion_ms` where it was asked, and how many times the limit the champion needs
    at that minute (`slowdown`, 1 at least). `fastest`: microseconds of the probes so far."""
    rows, limit = probes(spec), spec.evaluation.max_latency_ms
    scale = 1000 * len(rows)
    if fastest / scale <= limit:
        return {"latency_ms": fastest / scale, "champion_ms": None, "slowdown": 1.0}
    theirs = float("inf")
    for _ in range(SLOW_REPEATS):
        fastest = min(fastest, server.infer(spec.name, version, rows)[1])
        if champion is not None:
            theirs = min(theirs, _champion(server, spec, champion, rows))
    known = theirs != float("inf")
    slowdown = max(1.0, theirs / scale / limit) if known else 1.0
    return {"latency_ms": fastest / scale, "champion_ms": theirs / scale if known else None, "slowdown": slowdown}


def _champion(server: Server, spec: ModelSpec, champion: int, rows: list[dict[str, Any]]) -> float:
    """Microseconds that the champion takes; endless where it does not take these rows: it may have other inputs."""
    try:
        return server.infer(spec.name, champion, rows)[1]
    except PermanentError:
        return float("inf")


def _failed(spec: ModelSpec, version: int, problems: list[str]) -> GateClosed:
    return GateClosed(
        f"The smoke test of {spec.name} version {version} failed: {'; '.join(problems)}.",
        safe="no traffic was sent to it.",
        hint="train again, or look at the model file's signature.",
    )


def _output_problems(answers: list[tuple[Outputs, float]], rows: int, problem: Problem) -> list[str]:
    """What is wrong with the probes' outputs, by the kind of problem; each probe that is wrong by its number."""
    first = answers[0][0]
    problems = ["the same rows got different outputs"] if any(_differ(again, first) for again, _ in answers) else []
    try:
        outputs = np.array(first, dtype=np.float64)
    except (TypeError, ValueError):
        return [*problems, f"its outputs are no numbers of one shape: {first!r:.200}"]
    if outputs.shape != problem.shape(rows):
        return [*problems, problem.check(outputs, rows)]
    each = [(number, problem.check(outputs[number : number + 1], 1)) for number in range(rows)]
    return [*problems, *(f"probe {number} got {wrong}: {first[number]!r:.200}" for number, wrong in each if wrong)]


def _differ(again: Outputs, first: Outputs) -> bool:
    """NaN is the same as NaN here: that it is none of the outputs there may be is said once."""
    return repr(again) != repr(first)


def _schema_problems(columns: list[dict[str, str]], wanted: Sequence[Feature]) -> list[str]:
    seen = [(column["name"], column["dtype"]) for column in columns]
    expected = [(feature.name, feature.dtype) for feature in wanted]
    if seen == expected:
        return []
    different = sorted({name for name, _ in set(seen) ^ set(expected)})
    return [f"its inputs are not the spec's: {different or 'another order'}"]
