"""Bad requests, each with what its refusal names, and the draw among all kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import JsonValue

from benchmarks.fuzz.cases import FEEDBACK, GOOD, INFER, PREDICT, PUSH, Case, Grammar, binary_case
from tests.support.gateway_world import MODEL, TOKEN

BIG = (2**63, -(2**63) - 1, 2**64, 10**30)
NO_TIMES: tuple[JsonValue, ...] = (
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-05:00",
    "yesterday",
    "2013-02-30T00:00:00Z",
    "",
    1364817600,
    True,
    [],
)


def draw(g: Grammar, number: int, bad: float = 0.1) -> Iterator[Case]:
    """So many cases, that share of them bad."""
    for _ in range(number):
        g.count += 1
        yield g.draw.choice(BAD if g.draw.random() < bad else GOOD)(g)


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
        b"", b"{", whole[:-1], b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe", b'{"entity":{"place":"\xff"}}', b'{"id":"\\ud800"}',
        b"nothing",
        b'{"x":1e999}', b'{"x":' + b"9" * 5000 + b"}", b"[]", b"5", b'"text"', b"null",
    )  # fmt: skip
    return Case("body", path, body, headers={"authorization": f"Bearer {TOKEN}"}, names="", statuses=(400,))


def bad_batch(g: Grammar) -> Case:
    items = g.of([], [g.item()[0]] * 1001)
    return g.sent("predict many", PREDICT, {"requests": items}, names="requests", statuses=(400,))


def bad_push(g: Grammar) -> Case:
    row, place = g.row(), g.draw.randint(0, 3)
    name, value = g.draw.choice([
        ("place", g.of(*BIG, True, None, 5.5, [], "x" * 1001)), ("trips", g.of(*BIG, 2.5, "1", True)),
        ("heat", g.of("1", True, [])),
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
    label = g.label() | {"metric": None}
    name, value = g.draw.choice([
        ("label", g.of("1", None, [], 0.5, 2)), ("id", g.of("", 5, "x" * 201)), ("at", g.of(*NO_TIMES)),
        ("metric", g.of("Bad Name", 5, "")), ("x", 1),
    ])  # fmt: skip
    label |= {name: value}
    told = name
    content = g.of(label, {"labels": [g.label(), label]}, {"labels": []})
    if content == {"labels": []}:
        told = "labels"
    return g.sent("feedback", FEEDBACK, content, names=told, statuses=(400,))


def bad_tensor(g: Grammar) -> Case:
    tensor = {"name": "features", "shape": [1, 5], "datatype": "FP32", "data": [0.5, 1.0, 1.0, 1.0, 1.0]}
    more: dict[str, Any] = {}
    told, change = g.draw.choice([
        ("features", {"shape": g.of([1, 4], [5], [0, 5], [-1, 5], [10**9, 10**9], [1001, 5], [10**30, 5])}),
        ("features.datatype", {"datatype": g.of("INT64", "BYTES", "FP8", "")}),
        ("features", {"data": g.of([1, 2], ["a"] * 5, [True] * 5, [[1], 2, 3, 4, 5], {})}),
        ("features", {"data": g.of([1e39, 0, 0, 0, 0], [10**400, 0, 0, 0, 0])}),
        ("inputs", {"name": g.of("nothing", "heat", "")}), ("inputs", {"name": 5}), ("features", {"data": None}),
        ("features.binary_data_size", {"parameters": {"binary_data_size": g.of(-1, 10**9, True, "20")}}),
        ("", {}), ("outputs", {}), ("parameters", {}), ("inputs", {"twice": True}), ("inputs", {"none": True}),
    ])  # fmt: skip
    inputs = [tensor | change]
    if change.get("twice"):
        inputs = [tensor, tensor]
    if change.get("none"):
        inputs = []
    if told == "":
        return binary_case(
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
    versions = f"/v2/models/{MODEL}/versions"
    path, told = g.of(
        ("/predict/nobody", "model"), ("/feedback/nobody", "model"), (f"{versions}/99/infer", "version"), ("/nothing", "path"),
        (f"{versions}/{'9' * 5000}/infer", "version"), (f"{versions}/x/infer", "version"),
    )  # fmt: skip
    return g.sent("path", path, g.item()[0], names=told, statuses=(404,))


def bad_header(g: Grammar) -> Case:
    headers = {
        "authorization": f"Bearer {TOKEN}",
        "inference-header-content-length": g.of("-1", "x", "9" * 5000, "0", "99999", "٣".encode().decode("latin-1")),
    }
    return Case("header", INFER, b'{"inputs": []}', headers=headers, names="Inference-Header-Content-Length", statuses=(400,))


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
