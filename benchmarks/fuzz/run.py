"""A real gateway process under the fuzz: many callers at once, so that good and bad requests share its turns."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import httpx
import numpy as np

import tests.support.gateway_world as gateway_world
from benchmarks.fuzz.bad import draw
from benchmarks.fuzz.cases import COLUMNS, KNOWN, PUSH, Case, Grammar, heat_of, now
from include.routing.route import Route
from tests.support.gateway_world import MODEL, TOKEN, World, body, eventually, heat_score, signature

CALLERS = 48
AGAIN_SECONDS = 0.05  # after a 429, which asks to send it again
KINDS = dict(zip(COLUMNS, ("float", "int", "category", "float", "int"), strict=True))
SPEC = gateway_world.SPEC.replace(
    'Feature(name="heat", default=0.5),', 'Feature(name="heat", default=0.5), Feature(name="trips", dtype="int"),'
).replace('Feature(name="size")', 'Feature(name="size"), Feature(name="hour", dtype="int", default=0)')


@dataclass
class Tally:
    requests: int = 0
    good: int = 0
    again: int = 0  # answers 429
    kinds: Counter[str] = field(default_factory=Counter)
    harmed: list[str] = field(default_factory=list)  # good ones with another answer than the right one
    accepted: list[str] = field(default_factory=list)  # bad ones that were not refused by name
    opened: float = 0.0  # times that a circuit opened

    @property
    def met(self) -> bool:
        return not (self.harmed or self.accepted or self.opened)


def fuzz(home: Path, number: int, seed: int) -> Tally:
    """So many requests against a gateway of its own, in that folder."""
    with _gateway(home) as world:
        pushed = now().replace(microsecond=0) - timedelta(hours=1)
        rows = [{"place": place, "heat": heat_of(place), "event_timestamp": pushed.isoformat()} for place in KNOWN]
        httpx.post(f"{world.url}{PUSH}", json={"rows": rows}, headers={"authorization": f"Bearer {TOKEN}"}).raise_for_status()
        tally = Tally()
        asyncio.run(_callers(world.url, draw(Grammar(seed, pushed), number), tally))
        page = httpx.get(f"{world.url}/metrics").text
        tally.opened = sum(
            float(value) for value in re.findall(r"^slipstream_circuit_opened_total\S* (\S+)$", page, re.MULTILINE)
        )
        return tally


@contextmanager
def _gateway(home: Path) -> Iterator[World]:
    with patch.object(gateway_world, "SPEC", SPEC):
        world = World(home)
    model = heat_score()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = len(COLUMNS)
    world.register(1, model, signature(tuple(KINDS.items())))
    world.route(Route(champion=1))
    world.start()
    try:
        eventually(lambda: httpx.post(f"{world.url}/predict/{MODEL}", json=body()).status_code == 200)
        yield world
    finally:
        world.stop()


async def _callers(url: str, cases: Iterator[Case], tally: Tally) -> None:
    """Each sends the next case when it has its answer."""
    connector = aiohttp.TCPConnector(limit=CALLERS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60), max_line_size=1 << 16) as session:

        async def caller() -> None:
            for case in cases:
                await _ask(session, url, case, tally)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def _ask(session: aiohttp.ClientSession, url: str, case: Case, tally: Tally) -> None:
    while True:
        try:
            async with session.post(
                url + case.path, data=case.body, headers=case.headers, skip_auto_headers=["content-type"]
            ) as answer:
                status, content, length = (
                    answer.status,
                    await answer.read(),
                    answer.headers.get("inference-header-content-length"),
                )
        except aiohttp.ClientError as error:
            status, content, length = 0, repr(error).encode(), None
        if status != 429:
            break
        tally.again += 1
        await asyncio.sleep(AGAIN_SECONDS)
    tally.requests += 1
    tally.good += case.good
    tally.kinds[f"{'good' if case.good else 'bad'} {case.name}"] += 1
    wrong = _wrong(case, status, content, length)
    if wrong:
        told = f"{case.name} {case.path[:60]} {case.body[:300]!r}: {wrong}; status {status} {content[:300]!r}"
        (tally.harmed if case.good else tally.accepted).append(told)


def _wrong(case: Case, status: int, content: bytes, length: str | None) -> str:
    """What is wrong with an answer; "" if nothing is."""
    if status not in case.statuses:
        return f"expected {case.statuses}"
    if case.names is not None:
        named = str(json.loads(content).get("field", ""))
        return "" if named and case.names in named else f"names {named!r}, expected {case.names!r}"
    if case.scores is None:
        return ""
    scores, degraded = _scores(content, length)
    if degraded:
        return "degraded"
    return "" if np.allclose(scores, case.scores, atol=1e-6) else f"scores {scores}, expected {case.scores}"


def _scores(content: bytes, length: str | None) -> tuple[list[float], bool]:
    """The scores of an answer, and whether any is degraded."""
    answer: dict[str, Any] = json.loads(content[: int(length)] if length else content)
    if "outputs" in answer:
        data = np.frombuffer(content[int(length) :], "<f4").tolist() if length else answer["outputs"][0]["data"]
        return data, False
    answers = answer.get("responses", [answer])
    return [each["score"] for each in answers], any(each["degraded"] for each in answers)
