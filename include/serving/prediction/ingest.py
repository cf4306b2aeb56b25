"""What comes in besides requests: feature rows for the online store, labels for the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from include.core.errors import DataError
from include.core.keys import INT64, key_text
from include.core.spec import ModelSpec, PartitionOwner, View
from include.core.spec.dtypes import Kind, kind_of
from include.core.time import ALLOWED as TIME
from include.core.time import precise, utc
from include.model_contract.definition import present_views
from include.prediction_log.record import LABEL, OUTCOME, Record
from include.problems.problem import Problem
from include.serving.http.request_error import UNREADABLE, RequestError, decode_problem
from include.serving.prediction.request_types import KEY, KEYS_ALLOWED, allowed, check_texts, value_type

MAX_ROWS = 10_000
ARROW: dict[Kind, pa.DataType] = {
    "float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "category": pa.string(), "text": pa.string(),
    "vector": pa.list_(pa.float32()),
}  # fmt: skip
PYTHON: dict[str, Any] = {
    "float": float | None,
    "int": Annotated[int, msgspec.Meta(ge=-INT64, le=INT64 - 1)] | None,
    "category": str | None,
}


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


class ClassLabel(msgspec.Struct, forbid_unknown_fields=True):
    """The same where the truth is a class: its name, or the whole number that is its name. An outcome is a number here, too."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    label: str | int | float | bool
    at: datetime | None = None
    metric: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,62}$")] | None = None


class ClassFeedback(msgspec.Struct, forbid_unknown_fields=True):
    labels: Annotated[list[ClassLabel], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]


_label, _labels = msgspec.json.Decoder(Label), msgspec.json.Decoder(Feedback)
_class_label, _class_labels = msgspec.json.Decoder(ClassLabel), msgspec.json.Decoder(ClassFeedback)


def decode_labels(body: bytes, problem: Problem) -> list[Record]:
    """`{"id", "label"}` or `{"labels": [...]}` as log records. Raises RequestError for what is no label of the problem."""
    one, many, what = _label.decode, _labels.decode, "a number"
    if problem.outputs_add_up:
        one, many, what = _class_label.decode, _class_labels.decode, "the name of a class"  # type: ignore[assignment]
    try:
        return [_record(one(body), "", problem)]
    except UNREADABLE as error:
        wrong: Exception = error
    if b'"labels"' in body:
        try:
            return [_record(label, f"labels[{place}].", problem) for place, label in enumerate(many(body).labels)]
        except UNREADABLE as error:
            # A single label may have that text as a value; the error of its own form is then the one that helps.
            wrong = wrong if decode_problem(error)[1] in ("id", "label", "at", "metric") else error
    allowed = f"{{id, label, at?, metric?}} or {{labels: [...]}}, a label being {what}"
    said, field = decode_problem(wrong)
    raise RequestError(400, f"The labels cannot be read: {said}.", field=field or "labels", allowed=allowed) from None


def _record(label: Label | ClassLabel, prefix: str, problem: Problem) -> Record:
    known = _moment(label.at, f"{prefix}at").isoformat() if label.at else None
    if label.metric:
        value = _outcome(label.label, f"{prefix}label")
        return Record(kind=OUTCOME, id=label.id, at=precise(), event_time=known, label=value, metric=label.metric)
    truth = _truth(label.label, f"{prefix}label", problem)
    if not problem.outputs_add_up:
        return Record(kind=LABEL, id=label.id, at=precise(), event_time=known, label=truth)
    # By its name: its place may be another class's by the time it is read.
    return Record(kind=LABEL, id=label.id, at=precise(), event_time=known, label_class=str(problem.show_label(truth)))


def _truth(value: object, field: str, problem: Problem) -> float:
    try:
        return problem.read_label(value)
    except DataError as error:
        rule = error.what.removeprefix("A label must be ").rstrip(".")
        allowed: object = list(problem.outputs) if problem.outputs_add_up else rule
        raise RequestError(400, error.what, field=field, value=value, allowed=allowed) from None


def _outcome(value: float | str, field: str) -> float:
    if isinstance(value, str):
        raise RequestError(400, "The value of an outcome is a number.", field=field, value=value, allowed="a number")
    return float(value)


def push_targets(spec: PartitionOwner, name: str, read: Iterable[Sequence[View]]) -> list[View]:
    """Where rows pushed to a view of a model or a feature set go: its present version, and rows without a version if a served
    model reads those.

    `name@version` names another version that is served: it alone gets them. `read`: what the served models read of this owner.
    Raises RequestError (404).
    """
    served = {(view.name, view.version): view for views in read for view in views}
    plain, _, version = name.partition("@")
    if version:
        found = [served[plain, version]] if (plain, version) in served else []
        found = [view.model_copy(update={"pushed": False}) for view in found]  # the day's partition is of the present version
    else:
        found = [view for view in _present(spec) if view.name == name]
        if found and found[0].version and isinstance(spec, ModelSpec) and ((name, "") in served or not served):
            found.append(found[0].model_copy(update={"version": "", "pushed": False}))
    if not found:
        allowed = [*(view.name for view in spec.features.own), *(f"{each}@{of}" for each, of in served if of)]
        for view in spec.features.shared:
            if view.name == plain:  # whoever may push to one model must not change what others read
                what = f"{name} is a view of the feature set {view.set}, not {spec.name}'s own."
                raise RequestError(404, what, field="view", value=name, allowed=f"POST /push/{view.set}/{name}")
        raise RequestError(404, f"{spec.name} has no such view.", field="view", value=name, allowed=allowed)
    return found


def _present(spec: PartitionOwner) -> tuple[View, ...]:
    """The versions of the code that runs: they change with the process only."""
    if spec.name not in _presents:
        _presents[spec.name] = present_views(spec.features.computed)
    return _presents[spec.name]


_presents: dict[str, tuple[View, ...]] = {}


def decode_rows(spec: PartitionOwner, view: View, body: bytes) -> pa.Table:
    """`{"rows": [{keys, features, "event_timestamp"}]}` as the table the online store takes. Raises RequestError.

    A feature that is left out or null is unknown from that moment on.
    """
    row = _row_type(view)
    shape = msgspec.defstruct("Push", [("rows", Annotated[list[row], msgspec.Meta(min_length=1, max_length=MAX_ROWS)])])  # type: ignore[valid-type]
    try:
        decoded: Any = msgspec.json.decode(body, type=shape)
    except UNREADABLE as error:
        said, field = decode_problem(error)
        what = f"The rows of {spec.name}/{view.name} cannot be read: {said}."
        raise RequestError(400, what, field=field or "rows", allowed=_allowed(view, field)) from None
    return _table(view, [msgspec.structs.asdict(each) for each in decoded.rows])


def _allowed(view: View, field: str) -> object:
    """What may stand in a row's field; all that a row has where it is not one of them that is wrong."""
    name = field.rpartition(".")[2]
    if name in view.keys:
        return KEYS_ALLOWED
    if name == "event_timestamp":
        return TIME
    whole = {"keys": list(view.keys), "features": [f.name for f in view.features], "event_timestamp": TIME}
    return next((allowed(feature.dtype) for feature in view.features if feature.name == name), whole)


def _row_type(view: View) -> Any:
    features = [(feature.name, PYTHON.get(feature.dtype) or value_type(feature.dtype), None) for feature in view.features]
    keys = [(key, KEY) for key in view.keys]
    return msgspec.defstruct("Row", [*keys, ("event_timestamp", datetime), *features], forbid_unknown_fields=True)


def _table(view: View, rows: list[dict[str, Any]]) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for key in view.keys:
        columns[key] = pa.array([key_text(row[key]) for row in rows], pa.string())
    times = [_moment(row["event_timestamp"], f"rows[{place}].event_timestamp") for place, row in enumerate(rows)]
    columns["event_timestamp"] = pa.array(times, pa.timestamp("us"))
    for feature in view.features:
        values = [row[feature.name] for row in rows]
        if feature.dtype == "text":
            for place, value in enumerate(values):
                check_texts(value, f"rows[{place}].{feature.name}")
        columns[feature.name] = pa.array(values, ARROW[kind_of(feature.dtype)])
    return pa.table(columns)


def unwritable(view: View, error: DataError) -> RequestError:
    """The refusal of rows that the store does not take, with the column that its error names."""
    names = ("event_timestamp", *view.keys, *(feature.name for feature in view.features))
    field = next((f"rows.{name}" for name in names if repr(name) in error.what), "rows")
    return RequestError(400, f"The rows were not written: {error}", field=field, value=error.seen, allowed=_allowed(view, field))


def _moment(moment: datetime, field: str) -> datetime:
    """UTC, without a zone. Raises RequestError."""
    try:
        return utc(moment)
    except DataError as error:
        raise RequestError(400, error.what, field=field, value=error.seen, allowed=TIME) from None
