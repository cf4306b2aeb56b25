"""Good requests of every kind a gateway takes, each with what must come back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np

from tests.support.gateway_world import MODEL, TOKEN

Json = Any
KNOWN = [
    *(f"city {n}" for n in range(60)),
    *map(str, range(-20, 60)),
    "05",
    "5.0",
    "5 ",
    " 5",
    "é",
    "e\u0301",
    '"',
    "\\",
    "\n",
    "\x00",
]
COLUMNS = ("heat", "trips", "colour", "size", "hour")
GZIP = 100_000  # bytes; the gateway lets no body grow too much when it is decompressed
DEFAULT, TTL = 0.5, timedelta(days=2)


@dataclass(frozen=True)
class Case:
    name: str
    path: str
    body: bytes
    scores: tuple[float, ...] | None = None  # of a good one that is scored
    names: str | None = None  # that the answer to a bad one names; None: it is good
    statuses: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return self.names is None


def heat_of(place: str) -> float:
    """What was pushed for a known place; exact in float32."""
    return (KNOWN.index(place) % 64) / 64


class Grammar:
    """Draws cases. `pushed`: when the heats of the known places were pushed (UTC, without zone)."""

    def __init__(self, seed: int, pushed: datetime) -> None:
        self.draw, self.pushed, self.count = Random(seed), pushed, 0

    # -- pieces ---------------------------------------------------------------------------------------

    def of(self, *values: Any) -> Any:
        return self.draw.choice(values)

    def text(self, value: Json) -> bytes:
        """The value as one of the ways to write it: keys in any order, escapes or UTF-8, spaces or none."""
        if isinstance(value, dict):
            value = dict(self.draw.sample(list(value.items()), len(value)))
        style: dict[str, Any] = self.of({}, {"indent": 1}, {"separators": (",", ":")})
        return json.dumps(value, ensure_ascii=self.draw.random() < 0.5, **style).encode()

    def sent(self, name: str, path: str, value: Json, **what: Any) -> Case:
        body, headers = self.text(value), {"authorization": f"Bearer {TOKEN}"}
        if self.draw.random() < 0.05 and len(body) < GZIP:
            body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
        return Case(name, path, body, headers=headers, **what)

    def key(self) -> tuple[str | int, float]:
        """A place as callers write it, and its heat."""
        if self.draw.random() < 0.2:
            return f"nowhere {self.draw.random()}", DEFAULT
        place = self.draw.choice(KNOWN)
        number = place.lstrip("-").isdecimal() and str(int(place)) == place
        return (int(place) if number and self.draw.random() < 0.5 else place), heat_of(place)

    def time(self) -> tuple[Json, bool]:
        """A moment as callers write it, and whether what was pushed is still fresh then."""
        kind = self.draw.randrange(6)
        if kind == 0:
            return None, True
        if kind == 1:
            return self.of(
                "0001-01-01T00:00:00Z", "0001-01-01T00:00:00-05:00", "1970-01-01T00:00:00", "2000-02-29T23:59:59+14:00"
            ), True
        if kind == 2:
            return self.of("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+05:00", "2100-01-01T00:00:00.123456"), False
        moment = self.pushed + timedelta(seconds=self.draw.uniform(-1e6, 1e6))
        fresh = moment.replace(microsecond=0) - self.pushed <= TTL - timedelta(seconds=2)
        if abs(moment - self.pushed - TTL) < timedelta(seconds=5):
            return None, True
        zone = self.draw.randrange(-12 * 60, 14 * 60)
        shifted = moment + timedelta(minutes=zone)
        sign, minutes = "-" if zone < 0 else "+", abs(zone)
        return self.of(
            f"{moment.isoformat()}Z", moment.isoformat(), f"{shifted.isoformat()}{sign}{minutes // 60:02}:{minutes % 60:02}"
        ), fresh

    def item(self) -> tuple[dict[str, Json], float]:
        place, heat = self.key()
        moment, fresh = self.time()
        size = self.of(None, 0, -0.0, 1.5, -3e38, 5e-324, 10**20, 0.1)
        item: dict[str, Json] = {
            "entity": {"place": place},
            "features": {"colour": self.of(None, "red", "é" * 40, ""), "size": size},
        }
        if self.draw.random() < 0.5:
            item["features"]["hour"] = self.of(None, 0, -(2**53), 2**53)
        if moment is not None or self.draw.random() < 0.5:
            item["event_time"] = moment
        if self.draw.random() < 0.5:
            item["id"] = self.of(None, f"id-{self.count}", "é" * 200, "\x00", '"labels"', "requests")
        return item, heat if fresh else DEFAULT

    def row(self) -> dict[str, Json]:
        place: Json = self.of(f"pushed {self.count}", 10**6 + self.count, f"\u2028{self.count}")
        row = {"place": place, "event_timestamp": self.past()}
        values = {"heat": self.of(None, 0, 0.25, 1e300, 10**30), "trips": self.of(None, 0, 2**63 - 1, -(2**63))}
        return row | {name: value for name, value in values.items() if self.draw.random() < 0.7}

    def past(self) -> str:
        moment = self.pushed - timedelta(seconds=self.draw.uniform(0, 1e6))
        return str(self.of(f"{moment.isoformat()}Z", moment.isoformat(), f"{(moment + timedelta(hours=9)).isoformat()}+09:00"))

    def label(self) -> dict[str, Json]:
        label: dict[str, Json] = {"id": self.of("labels", f"id-{self.count}", "é"), "label": self.of(0, 1, True)}
        label |= {"at": self.of(None, self.past(), "9999-12-31T23:59:59Z")} if self.draw.random() < 0.5 else {}
        outcome: dict[str, Json] = {"metric": "revenue", "label": self.of(0, 0.5, -1e300)}
        return label | (self.of({"metric": None}, outcome) if self.draw.random() < 0.5 else {})

    def rows(self) -> tuple[list[list[float | None]], tuple[float, ...]]:
        """Encoded rows, and their scores."""
        rows = [
            [self.of(None, 0.0, 0.25, 1.0), self.of(None, 3.0), 1.0, self.of(None, 0.5), 0.0]
            for _ in range(self.draw.randint(1, 8))
        ]
        return rows, tuple(DEFAULT if row[0] is None else row[0] for row in rows)


# -- good ------------------------------------------------------------------------------------------------

PREDICT, PUSH, FEEDBACK, INFER = f"/predict/{MODEL}", f"/push/{MODEL}/weather", f"/feedback/{MODEL}", f"/v2/models/{MODEL}/infer"


def one(g: Grammar) -> Case:
    item, score = g.item()
    return g.sent("predict", PREDICT, item, scores=(score,))


def many(g: Grammar) -> Case:
    items = [g.item() for _ in range(g.draw.randint(1, 12))]
    return g.sent("predict many", PREDICT, {"requests": [item for item, _ in items]}, scores=tuple(score for _, score in items))


def push(g: Grammar) -> Case:
    return g.sent("push", PUSH, {"rows": [g.row() for _ in range(g.draw.randint(1, 6))]})


def feedback(g: Grammar) -> Case:
    labels = [g.label() for _ in range(g.draw.randint(1, 4))]
    return g.sent("feedback", FEEDBACK, g.of(labels[0], {"labels": labels}))


def polite(g: Grammar, inputs: Sequence[Json]) -> dict[str, Json]:
    """What clients send beside the inputs."""
    extra = {
        "id": g.of(None, "x", ""),
        "parameters": g.of(None, {}, {"binary_data_output": False}),
        "outputs": g.of(None, [], [{"name": "score"}]),
    }
    return {"inputs": list(inputs)} | {name: value for name, value in extra.items() if g.draw.random() < 0.5}


def tensors(g: Grammar) -> Case:
    rows, scores = g.rows()
    data: Json = [float("nan") if value is None and g.draw.random() < 0.3 else value for row in rows for value in row]
    if g.draw.random() < 0.5:
        data = [data[start : start + 5] for start in range(0, len(data), 5)]
    tensor = {"name": "features", "shape": [len(rows), 5], "datatype": g.of("FP32", "FP64", "FP16"), "data": data}
    if g.draw.random() < 0.5:
        tensor["parameters"] = g.of(None, {}, {"binary_data_size": None})
    return g.sent("infer", INFER, polite(g, [tensor]), scores=scores)


def named(g: Grammar) -> Case:
    rows, scores = g.rows()
    columns: dict[str, Json] = {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}
    columns["colour"] = [g.of(None, "red", "never seen") for _ in rows]
    kinds = {"heat": "FP64", "trips": "INT64", "colour": "BYTES", "size": "FP32", "hour": "INT64"}
    columns |= {name: [None if value is None else int(value) for value in columns[name]] for name in ("trips", "hour")}
    shape = g.of([len(rows)], [len(rows), 1])
    inputs = [{"name": name, "shape": shape, "datatype": kinds[name], "data": data} for name, data in columns.items()]
    return g.sent("infer by name", INFER, polite(g, g.draw.sample(inputs, len(inputs))), scores=scores)


def binary(g: Grammar) -> Case:
    rows, scores = g.rows()
    kind, dtype = g.of(("FP32", "<f4"), ("FP64", "<f8"), ("FP16", "<f2"))
    raw = np.array(rows, dtype=dtype).tobytes()  # None is NaN
    tensor = {
        "name": "features",
        "shape": [len(rows), 5],
        "datatype": kind,
        "data": None,
        "parameters": {"binary_data_size": len(raw)},
    }
    asked = polite(g, [tensor]) | g.of({}, {"parameters": {"binary_data_output": True}, "outputs": None})
    return binary_case("infer binary", g.text(asked), raw, scores=scores)


def binary_case(name: str, head: bytes, raw: bytes, **what: Any) -> Case:
    headers = {"authorization": f"Bearer {TOKEN}", "inference-header-content-length": str(len(head))}
    return Case(name, INFER, head + raw, headers=headers, **what)


GOOD = [one, one, one, many, push, feedback, tensors, named, binary]


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
