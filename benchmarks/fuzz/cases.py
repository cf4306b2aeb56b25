"""Requests of every kind a gateway takes, good and bad, each with what must come back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np

from tests.integration.gateway_world import MODEL, TOKEN

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
DEFAULT, TTL = 0.5, timedelta(days=2)
BIG = (2**63, -(2**63) - 1, 2**64, 10**30)
NO_TIMES = (
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-05:00",
    "yesterday",
    "2013-02-30T00:00:00Z",
    "",
    1364817600,
    True,
    [],
)


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

    def cases(self, number: int, bad: float = 0.1) -> Iterator[Case]:
        for _ in range(number):
            self.count += 1
            kinds = BAD if self.draw.random() < bad else GOOD
            yield self.draw.choice(kinds)(self)

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
        if self.draw.random() < 0.05:
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
        label: dict[str, Json] = {"id": self.of("labels", f"id-{self.count}", "é"), "label": self.of(0, 1, True, 0.5, -1e300)}
        label |= {"at": self.of(None, self.past(), "9999-12-31T23:59:59Z")} if self.draw.random() < 0.5 else {}
        return label | ({"metric": self.of(None, "revenue")} if self.draw.random() < 0.5 else {})

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
    return _binary("infer binary", g.text(asked), raw, scores=scores)


def _binary(name: str, head: bytes, raw: bytes, **what: Any) -> Case:
    headers = {"authorization": f"Bearer {TOKEN}", "inference-header-content-length": str(len(head))}
    return Case(name, INFER, head + raw, headers=headers, **what)


# -- bad -------------------------------------------------------------------------------------------------


def bad_predict(g: Grammar) -> Case:
    """One thing is wrong with a good item, alone or in a batch."""
    item, _ = g.item()
    place = g.of(*BIG, True, None, 5.5, 5.0, [], {}, "x" * 1001)
    changes: list[tuple[str, Callable[[], Any]]] = [
        ("entity.place", lambda: item["entity"].update(place=place)),
        ("entity.place", lambda: item["entity"].clear()),
        ("entity", lambda: item.update(entity=g.of(None, [], "oslo", 5))),
        ("entity.x", lambda: item["entity"].update(x=1)),
        ("event_time", lambda: item.update(event_time=g.of(*NO_TIMES))),
        ("features.size", lambda: item["features"].update(size=g.of("1", True, 1e39, [], {}))),
        ("features.size", lambda: item["features"].pop("size")),
        ("features.colour", lambda: item["features"].update(colour=g.of(1, True, [], "x" * 1001))),
        ("features.hour", lambda: item["features"].update(hour=g.of(2.5, 2**53 + 1, True, "1"))),
        ("features.x", lambda: item["features"].update(x=1)),
        ("id", lambda: item.update(id=g.of("", "x" * 201, 5, True))),
        ("x", lambda: item.update(x=1)),
    ]
    field_, change = g.draw.choice(changes)
    change()
    if g.draw.random() < 0.5 and field_ != "x":
        items = [g.item()[0] for _ in range(3)]
        items.insert(2, item)
        return g.sent("predict many", PREDICT, {"requests": items}, names=f"requests[2].{field_}", statuses=(400,))
    return g.sent("predict", PREDICT, item, names=field_, statuses=(400,))


def bad_body(g: Grammar) -> Case:
    path = g.of(PREDICT, PUSH, FEEDBACK, INFER)
    whole = g.text(g.item()[0])
    body = g.of(
        b"", b"{", whole[:-1], b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe", b'{"entity":{"place":"\xff"}}', b'{"id":"\\ud800"}', b"nothing",
        b'{"x":1e999}', b'{"x":' + b"9" * 5000 + b"}", b"[]", b"5", b'"text"', b"null",
    )  # fmt: skip
    return Case("body", path, body, headers={"authorization": f"Bearer {TOKEN}"}, names="", statuses=(400,))


def bad_batch(g: Grammar) -> Case:
    items = g.of([], [g.item()[0]] * 1001)
    return g.sent("predict many", PREDICT, {"requests": items}, names="requests", statuses=(400,))


def bad_push(g: Grammar) -> Case:
    row, place = g.row(), g.draw.randint(0, 3)
    name, value = g.draw.choice([
        ("place", g.of(*BIG, True, None, 5.5, [], "x" * 1001)), ("trips", g.of(*BIG, 2.5, "1", True)), ("heat", g.of("1", True, [])),
        ("event_timestamp", g.of(*NO_TIMES, "9999-12-31T00:00:00Z", "1500-01-01T00:00:00Z")), ("x", 1),
    ])  # fmt: skip
    rows = [g.row() for _ in range(3)]
    rows.insert(place, row | {name: value})
    return g.sent("push", PUSH, {"rows": rows}, names=name, statuses=(400,))


def bad_push_shape(g: Grammar) -> Case:
    row = g.row()
    name = g.of("place", "event_timestamp")
    del row[name]
    value, path, told = g.of(
        ({"rows": [row]}, PUSH, name), ({"rows": []}, PUSH, "rows"), ({}, PUSH, "rows"), ({"rows": [g.row()]}, f"{PUSH}x", "view")
    )
    return g.sent("push", path, value, names=told, statuses=(400, 404))


def bad_feedback(g: Grammar) -> Case:
    label = g.label()
    name, value = g.draw.choice([
        ("label", g.of("1", None, [])), ("id", g.of("", 5, "x" * 201)), ("at", g.of(*NO_TIMES)), ("metric", g.of("Bad Name", 5, "")), ("x", 1),
    ])  # fmt: skip
    label |= {name: value}
    told = name
    content = g.of(label, {"labels": [g.label(), label]}, {"labels": []})
    if content == {"labels": []}:
        told = "labels"
    return g.sent("feedback", FEEDBACK, content, names=told, statuses=(400,))


def bad_tensor(g: Grammar) -> Case:
    tensor = {"name": "features", "shape": [1, 5], "datatype": "FP32", "data": [0.5, 1.0, 1.0, 1.0, 1.0]}
    inputs, more = [tensor], {}
    told, change = g.draw.choice([
        ("features", {"shape": g.of([1, 4], [5], [0, 5], [-1, 5], [10**9, 10**9], [1001, 5], [10**30, 5])}),
        ("features.datatype", {"datatype": g.of("INT64", "BYTES", "FP8", "")}),
        ("features", {"data": g.of([1, 2], ["a"] * 5, [True] * 5, [1e39, 0, 0, 0, 0], [10**400, 0, 0, 0, 0], [[1], 2, 3, 4, 5], None, {})}),
        ("inputs", {"name": g.of("nothing", "heat", "")}), ("inputs", {"name": 5}), ("features.binary_data_size", {"parameters": {"binary_data_size": g.of(-1, 10**9, True, "20")}}),
        ("", {}), ("outputs", {}), ("parameters", {}), ("inputs", {"twice": True}), ("inputs", {"none": True}),
    ])  # fmt: skip
    inputs = [tensor | change]
    if change.get("twice"):
        inputs = [tensor, tensor]
    if change.get("none"):
        inputs = []
    if told == "":
        return _binary(
            "infer binary",
            g.text({"inputs": [tensor | {"parameters": {"binary_data_size": 20}}]}),
            b"x" * g.of(0, 19, 21),
            names="",
            statuses=(400,),
        )
    if told == "outputs":
        more = {"outputs": g.of([{"name": "other"}], 5, [{"name": "score", "parameters": 5}])}
    if told == "parameters":
        more = {"parameters": g.of(5, [], {"binary_data_output": "false"}, {"binary_data_output": 1})}
    if 10**400 in (change.get("data") or ()) or change.get("shape") == [10**30, 5]:
        told = ""
    return g.sent("infer", INFER, {"inputs": inputs, **more}, names=told, statuses=(400,))


def bad_path(g: Grammar) -> Case:
    path, told = g.of(
        ("/predict/nobody", "model"), (f"/v2/models/{MODEL}/versions/99/infer", "version"), (f"/v2/models/{MODEL}/versions/{'9' * 5000}/infer", "version"),
        (f"/v2/models/{MODEL}/versions/x/infer", "version"), ("/nothing", "path"), (f"/feedback/nobody", "model"),
    )  # fmt: skip
    return g.sent("path", path, g.item()[0], names=told, statuses=(404,))


def bad_header(g: Grammar) -> Case:
    headers = {
        "authorization": f"Bearer {TOKEN}",
        "inference-header-content-length": g.of("-1", "x", "9" * 5000, "0", "99999", "٣".encode().decode("latin-1")),
    }
    return Case("header", INFER, b'{"inputs": []}', headers=headers, names="Inference-Header-Content-Length", statuses=(400,))


GOOD = [one, one, one, many, push, feedback, tensors, named, binary]
BAD = [
    bad_predict,
    bad_predict,
    bad_predict,
    bad_body,
    bad_batch,
    bad_push,
    bad_push,
    bad_push_shape,
    bad_feedback,
    bad_tensor,
    bad_path,
    bad_header,
]


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
