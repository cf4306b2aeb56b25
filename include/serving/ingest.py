"""What comes in besides requests: feature rows for the online store, labels for the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from include.core.adapters import adapter
from include.core.spec import ModelSpec, View
from include.serving.log import Record, timestamp
from include.serving.refusal import Refusal

MAX_ROWS = 10_000
ARROW = {"float": pa.float64(), "int": pa.int64(), "category": pa.string()}
PYTHON: dict[str, Any] = {"float": float | None, "int": int | None, "category": str | None}


class Label(msgspec.Struct, forbid_unknown_fields=True):
    """The truth about one prediction: `id` is the request's, `label` the value, `at` when it became known.

    With `metric` it is no truth but a business outcome of that name: above 0 if it happened.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    label: float | bool
    at: datetime | None = None
    metric: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,62}$")] | None = None


class Feedback(msgspec.Struct, forbid_unknown_fields=True):
    labels: Annotated[list[Label], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]


def decode_labels(body: bytes) -> list[Record]:
    """`{"id", "label"}` or `{"labels": [...]}` as log records. Raises Refusal."""
    kind: Any = Feedback if b'"labels"' in body else Label
    try:
        decoded = msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        allowed = "{id, label, at?, metric?} or {labels: [...]}, a label being a number"
        raise Refusal(400, f"The labels cannot be read: {error}.", field="labels", allowed=allowed) from None
    return [_record(label) for label in (decoded.labels if isinstance(decoded, Feedback) else [decoded])]


def _record(label: Label) -> Record:
    known = utc(label.at).isoformat() if label.at else None
    kind = "outcome" if label.metric else "label"
    return Record(kind=kind, id=label.id, at=timestamp(), event_time=known, label=float(label.label), metric=label.metric or "")


def push_targets(spec: ModelSpec, name: str, read: Iterable[Sequence[View]]) -> list[View]:
    """Where rows pushed to a view go: its present version, and rows without a version if a served model reads those.

    `name@version` names another version that is served: it alone gets them. `read`: what the served models read.
    Raises Refusal (404).
    """
    served = {(view.name, view.version): view for views in read for view in views}
    plain, _, version = name.partition("@")
    if version:
        found = [served[plain, version]] if (plain, version) in served else []
        found = [view.model_copy(update={"pushed": False}) for view in found]  # the day's partition is of the present version
    else:
        found = [view for view in _present(spec) if view.name == name]
        if found and found[0].version and ((name, "") in served or not served):
            found.append(found[0].model_copy(update={"version": "", "pushed": False}))
    if not found:
        allowed = [*(view.name for view in spec.features.views), *(f"{each}@{of}" for each, of in served if of)]
        raise Refusal(404, f"{spec.name} has no such view.", field="view", value=name, allowed=allowed)
    return found


def _present(spec: ModelSpec) -> tuple[View, ...]:
    """The versions of the code that runs: they change with the process only."""
    if spec.name not in _presents:
        _presents[spec.name] = adapter("features.present")(spec.features)
    return _presents[spec.name]


_presents: dict[str, tuple[View, ...]] = {}


def decode_rows(spec: ModelSpec, view: View, body: bytes) -> pa.Table:
    """`{"rows": [{keys, features, "event_timestamp"}]}` as the table the online store takes. Raises Refusal.

    A feature that is left out or null is unknown from that moment on.
    """
    row = _row_type(view)
    shape = msgspec.defstruct("Push", [("rows", Annotated[list[row], msgspec.Meta(min_length=1, max_length=MAX_ROWS)])])  # type: ignore[valid-type]
    try:
        decoded: Any = msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        allowed = {"keys": list(view.keys), "features": [f.name for f in view.features], "event_timestamp": "ISO 8601"}
        raise Refusal(
            400, f"The rows of {spec.name}/{view.name} cannot be read: {error}.", field="rows", allowed=allowed
        ) from None
    return _table(view, [msgspec.structs.asdict(each) for each in decoded.rows])


def _row_type(view: View) -> Any:
    features = [(feature.name, PYTHON[feature.dtype], None) for feature in view.features]
    keys = [(key, str | int) for key in view.keys]
    return msgspec.defstruct("Row", [*keys, ("event_timestamp", datetime), *features], forbid_unknown_fields=True)


def _table(view: View, rows: list[dict[str, Any]]) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for key in view.keys:
        try:
            columns[key] = pa.array([row[key] for row in rows])
        except pa.ArrowException:
            raise Refusal(
                400, "A key must have one type in all rows.", field=key, allowed="all text, or all whole numbers"
            ) from None
    columns["event_timestamp"] = pa.array([utc(row["event_timestamp"]) for row in rows], pa.timestamp("us"))
    for feature in view.features:
        columns[feature.name] = pa.array([row[feature.name] for row in rows], ARROW[feature.dtype])
    return pa.table(columns)


def utc(moment: datetime) -> datetime:
    """In UTC, without a zone: as feature rows have it."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
