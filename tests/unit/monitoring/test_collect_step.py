from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import NotReadyError
from include.core.ledger import Ledger
from include.core.request import Ref, Request
from include.core.settings import Settings
from include.core.spec import Feature, MultiClass, Ranking, Serving, View
from include.core.task import perform
from include.data.window import moment
from include.monitoring.collect_step import snapshot
from include.monitoring.feedback_step import told_snapshot
from include.prediction_log.shared import log_of
from tests.support.synthetic_predictions import commit, labels, record, spec, write_log

AS_OF = "2013-04-08"


class Collected:
    def __init__(self, ledger: Ledger, request: Request, settings: Settings) -> None:
        self.result = perform(request, ledger.open_attempt(request.key, 0), ledger, settings)
        self.value: dict[str, Any] = dict(self.result.value)
        self.table: pa.Table = pq.read_table(ledger.storage.uri(self.result.files["predictions.parquet"].path))

    def column(self, name: str) -> dict[str, Any]:
        return dict(zip(self.table["request_id"].to_pylist(), self.table[name].to_pylist(), strict=True))


def collect(ledger: Ledger, settings: Settings, published: dict[date, Ref] | None = None) -> Collected:
    return Collected(ledger, snapshot(log_of(settings), spec(), AS_OF, published or {}), settings)


def test_writes_every_input_by_name_sorted_by_event_time(ledger: Ledger, settings: Settings) -> None:
    write_log(settings, [record("b", "2013-04-03T10:00:00"), record("a", "2013-04-02T10:00:00Z")])
    found = collect(ledger, settings)
    assert found.table.column_names == [
        "request_id", "event_time", "version", "arm", "score",
        "temp", "precip", "hour", "carrier_code", "degraded", "label", "label_timestamp", "explored", "withdrawn",
    ]  # fmt: skip
    assert found.table["request_id"].to_pylist() == ["a", "b"]
    assert found.table.schema.field("event_time").type == pa.timestamp("us")
    row = found.table.to_pylist()[0]
    assert (row["temp"], row["precip"], row["hour"], row["carrier_code"], row["label"]) == (40.5, None, 7, "UA", None)


def test_the_window_holds_its_start_and_not_its_end(ledger: Ledger, settings: Settings) -> None:
    times = {"before": "2013-03-31T23:59:59.999999", "start": "2013-04-01T00:00:00", "end": "2013-04-08T00:00:00"}
    zoned = record("zoned", "2013-04-08T01:00:00+02:00")  # 23:00 UTC of the 7th
    write_log(settings, [*(record(name, at) for name, at in times.items()), zoned])
    assert collect(ledger, settings).table["request_id"].to_pylist() == ["start", "zoned"]


def test_of_one_id_the_first_record_written_counts(ledger: Ledger, settings: Settings) -> None:
    later = record("x", "2013-04-02T10:00:00", score=0.9, at="2026-01-01T00:00:09.000000+00:00")
    write_log(settings, [later], "a.jsonl")
    write_log(settings, [record("x", "2013-04-02T10:00:00", score=0.1)], "b.jsonl")
    found = collect(ledger, settings)
    assert found.column("score") == {"x": 0.1}
    assert found.value["duplicates"] == 1


def test_torn_lines_and_other_kinds_are_no_predictions(ledger: Ledger, settings: Settings) -> None:
    shadow = record("s", "2013-04-02T10:00:00", kind="shadow")
    write_log(settings, [record("x", "2013-04-02T10:00:00"), shadow], tail='{"kind":"prediction","id":"torn","feat')
    write_log(settings, [record("y", "2013-04-02T11:00:00")], "b.jsonl", tail="not json\n\n")
    found = collect(ledger, settings)
    assert found.table["request_id"].to_pylist() == ["x", "y"]


def test_degraded_answers_are_marked(ledger: Ledger, settings: Settings) -> None:
    marked = record("d", "2013-04-02T10:00:00", degraded=["online"], version=None)
    write_log(settings, [marked, record("f", "2013-04-02T10:00:00", degraded=[]), record("n", "2013-04-02T10:00:00")])
    found = collect(ledger, settings)
    assert found.column("degraded") == {"d": True, "f": False, "n": False}
    assert found.value["degraded"] == 1
    assert found.value["versions"] == {"1": 2, "None": 1}


def test_labels_join_once_they_have_arrived(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    write_log(settings, [record(name, "2013-04-02T10:00:00") for name in ("landed", "flying", "never")])
    landed, flying = ("landed", 1, moment("2013-04-02T14:00")), ("flying", 1, moment("2013-04-08T01:00"))
    day = commit(ledger, "features", {}, {"labels.parquet": labels([landed, flying])}, scratch)
    found = collect(ledger, settings, {date(2013, 4, 2): day})
    assert found.column("label") == {"landed": 1.0, "flying": None, "never": None}
    assert found.value["labelled"] == 1


def test_a_corrected_label_counts_as_corrected_and_contradicting_ones_count_for_nothing(
    ledger: Ledger, settings: Settings, scratch: Path
) -> None:
    write_log(settings, [record(name, "2013-04-02T10:00:00") for name in ("twice", "fixed", "torn")])
    early, late = moment("2013-04-02T14:00"), moment("2013-04-03T14:00")
    first = labels([("twice", 1, early), ("fixed", 0, early), ("torn", 0, early), ("stranger", 1, early), ("twice", None, late)])
    second = labels([("twice", 1, early), ("fixed", 1, late), ("torn", 1, early)])
    published = {
        date(2013, 4, 2): commit(ledger, "features", {}, {"labels.parquet": first}, scratch),
        date(2013, 4, 3): commit(ledger, "features", {}, {"labels.parquet": second}, scratch),
    }
    found = collect(ledger, settings, published)
    assert found.column("label") == {"twice": 1.0, "fixed": 1.0, "torn": None}
    counts = {name: found.value[f"labels_{name}"] for name in ("corrected", "contradicting", "of_unknown_requests")}
    assert counts == {"corrected": 1, "contradicting": 1, "of_unknown_requests": 1}


def test_a_label_known_before_its_request_is_no_label_of_it(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    write_log(settings, [record(name, "2013-04-02T10:00:00") for name in ("before", "at", "after")])
    asked = moment("2013-04-02T10:00:00")
    known = {"before": asked - timedelta(microseconds=1), "at": asked, "after": asked + timedelta(hours=1)}
    rows = labels([(name, 1, at) for name, at in known.items()])
    found = collect(ledger, settings, {date(2013, 4, 2): commit(ledger, "features", {}, {"labels.parquet": rows}, scratch)})
    assert found.column("label") == {"before": None, "at": 1.0, "after": 1.0}
    assert (found.value["labelled"], found.value["labels_before_request"]) == (2, 1)
    assert found.value["labels_of_unknown_requests"] == 0


def test_equal_content_has_equal_keys_whatever_the_files(ledger: Ledger, settings: Settings) -> None:
    lines = [record("a", "2013-04-02T10:00:00"), record("b", "2013-04-03T10:00:00")]
    path = write_log(settings, lines)
    key = snapshot(log_of(settings), spec(), AS_OF, {}).key
    path.unlink()
    write_log(settings, lines[1:], "z.jsonl")
    write_log(settings, [*lines[:1], record("later week", "2013-04-09T00:00:00")], "y.jsonl")
    assert snapshot(log_of(settings), spec(), AS_OF, {}).key == key
    write_log(settings, [record("b", "2013-04-03T10:00:00", score=0.26)], "z.jsonl")
    assert snapshot(log_of(settings), spec(), AS_OF, {}).key != key


def test_records_that_arrive_after_the_snapshot_do_not_change_it(ledger: Ledger, settings: Settings) -> None:
    write_log(settings, [record("a", "2013-04-02T10:00:00")])
    request = snapshot(log_of(settings), spec(), AS_OF, {})
    write_log(settings, [record("late", "2013-04-02T11:00:00", at="2026-01-01T00:01:00.000000+00:00")], "b.jsonl")
    found = Collected(ledger, request, settings)
    assert found.table["request_id"].to_pylist() == ["a"]
    assert snapshot(log_of(settings), spec(), AS_OF, {}).key != request.key


def test_a_log_that_lost_records_is_refused(ledger: Ledger, settings: Settings) -> None:
    path = write_log(settings, [record("a", "2013-04-02T10:00:00")])
    request = snapshot(log_of(settings), spec(), AS_OF, {})
    path.unlink()
    with pytest.raises(NotReadyError, match=r"no longer holds the 1 records of 2013-04-01/2013-04-08"):
        Collected(ledger, request, settings)


def test_an_empty_window_is_a_result_of_no_rows(ledger: Ledger, settings: Settings) -> None:
    found = collect(ledger, settings)
    assert found.value["rows"] == 0
    assert found.value["absent_columns"] == []
    assert found.table.num_rows == 0
    assert "temp" in found.table.column_names


def test_columns_that_disappear_or_appear_are_named(ledger: Ledger, settings: Settings) -> None:
    write_log(settings, [record("a", "2013-04-02T10:00:00", features={"temp": 1.0, "hour": 3, "carrier_code": "UA", "new": 5})])
    found = collect(ledger, settings)
    assert found.value["absent_columns"] == ["precip"]
    assert found.value["unexpected_columns"] == ["new"]


def test_redacted_inputs_are_not_missed(ledger: Ledger, settings: Settings) -> None:
    write_log(settings, [record("a", "2013-04-02T10:00:00", features={"temp": 1.0, "precip": 0, "hour": 3})])
    redacting = spec(serving=Serving(redact=("carrier_code",)))
    assert Collected(ledger, snapshot(log_of(settings), redacting, AS_OF, {}), settings).value["absent_columns"] == []


def test_what_is_missing_is_the_default_as_in_a_training_set_and_is_counted(ledger: Ledger, settings: Settings) -> None:
    """Else every entity that nothing is known of looks like a broken feed, where training rows have the default instead."""
    view = View(name="weather", keys=("origin",), features=(Feature(name="temp"), Feature(name="precip", default=0.5)))
    request = (Feature(name="hour", dtype="int", default=12), Feature(name="carrier_code", dtype="category", default="none"))
    features = spec().features.model_copy(update={"views": (view,), "request": request})
    nothing = {"temp": None, "precip": None, "hour": None, "carrier_code": None}
    write_log(settings, [record("a", "2013-04-02T10:00:00"), record("b", "2013-04-02T10:00:00", features=nothing)])
    found = Collected(ledger, snapshot(log_of(settings), spec(features=features), AS_OF, {}), settings)
    names = ("temp", "precip", "hour", "carrier_code")
    assert [found.column(name)["a"] for name in names] == [40.5, 0.5, 7, "UA"]
    assert [found.column(name)["b"] for name in names] == [None, 0.5, 12, "none"]
    assert found.value["defaulted"] == {"precip": 2, "hour": 1, "carrier_code": 1}
    redacting = spec(features=features, serving=Serving(redact=("precip",)))
    hidden = Collected(ledger, snapshot(log_of(settings), redacting, AS_OF, {}), settings)
    assert hidden.column("precip") == {"a": None, "b": None}
    assert hidden.value["redacted"] == ["precip"]


def test_answers_that_the_champion_did_not_choose_and_those_of_withdrawn_versions_are_tagged(
    ledger: Ledger, settings: Settings
) -> None:
    at = "2013-04-02T10:00:00"
    write_log(settings, [
        record("plain", at), record("canary", at, arm="challenger", version=2, explored="challenger"),
        record("drawn", at, explored="random", decision=0), record("default", at, version=None),
    ])  # fmt: skip
    found = Collected(ledger, snapshot(log_of(settings), spec(), AS_OF, {}, withdrawn=[2, 5]), settings)
    assert found.column("explored") == {"plain": "", "canary": "challenger", "drawn": "random", "default": ""}
    assert found.column("withdrawn") == {"plain": False, "canary": True, "drawn": False, "default": False}
    assert found.value["explored"] == 2
    assert snapshot(log_of(settings), spec(), AS_OF, {}).key != snapshot(log_of(settings), spec(), AS_OF, {}, withdrawn=[2]).key


def test_the_windows_before_come_along_with_their_late_labels(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    before = [
        record("older", "2013-03-20T10:00:00"),
        record("late", "2013-03-26T10:00:00"),
        record("gone", "2013-03-10T10:00:00"),
    ]
    write_log(settings, [record("now", "2013-04-02T10:00:00"), *before])
    day = commit(ledger, "features", {}, {"labels.parquet": labels([("late", 1, moment("2013-04-05T00:00:00"))])}, scratch)
    found = collect(ledger, settings, {date(2013, 3, 26): day})
    earlier = pq.read_table(ledger.storage.uri(found.result.files["earlier.parquet"].path))
    assert earlier["request_id"].to_pylist() == ["older", "late"]  # two windows back, and no further
    assert earlier["label"].to_pylist() == [None, 1.0]
    assert found.table["request_id"].to_pylist() == ["now"]
    assert found.value["labelled"] == 0
    assert found.value["labels_of_unknown_requests"] == 0


def test_what_a_shadow_said_stands_beside_what_was_answered(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    shadow = {"kind": "shadow", "id": "a", "at": "2026-01-01T00:00:09.000000+00:00", "version": 2, "score": 0.75, "against": 0.25}
    write_log(
        settings,
        [record("a", "2013-04-02T10:00:00"), shadow, {**shadow, "id": "nobody"}, {**shadow, "score": None, "version": 3}],
    )
    day = commit(ledger, "features", {}, {"labels.parquet": labels([("a", 0, moment("2013-04-03T00:00:00"))])}, scratch)
    found = collect(ledger, settings, {date(2013, 4, 2): day})
    pairs = pq.read_table(ledger.storage.uri(found.result.files["shadow.parquet"].path)).to_pylist()
    assert [(p["request_id"], p["version"], p["score"], p["answered"], p["answered_by"], p["label"]) for p in pairs] == [
        ("a", 2, 0.75, 0.25, 1, 0.0)
    ]
    assert found.value["rows"] == 1
    key = snapshot(log_of(settings), spec(), AS_OF, {}).key
    write_log(settings, [{**shadow, "version": 4}], "b.jsonl")
    assert snapshot(log_of(settings), spec(), AS_OF, {}).key != key


def test_classes_are_kept_by_name_with_all_outputs_and_new_ones_are_counted(ledger: Ledger, settings: Settings) -> None:
    model = spec(problem=MultiClass(classes=("1", "2")))
    lines = [record(name, "2013-04-02T10:00:00", score=0.7, outputs=[0.3, 0.7]) for name in ("a", "b", "c")]
    write_log(settings, lines)
    told = pa.table(
        {
            "request_id": ["a", "b"],
            "late": ["2", "7"],
            "label_timestamp": pa.array([moment("2013-04-03"), moment("2013-04-03")], pa.timestamp("us")),
        }
    )
    files = {"labels.parquet": told, "entities.parquet": pa.table({"request_id": pa.array([], pa.string())})}
    published = {date(2013, 4, 2): commit(ledger, "features", {}, files, settings.home)}
    found = Collected(ledger, snapshot(log_of(settings), model, AS_OF, published), settings)
    assert found.column("label") == {"a": "2", "b": None, "c": None}
    assert found.column("outputs")["a"] == [0.3, 0.7]
    assert (found.value["labelled"], found.value["labels_outside"]) == (1, 1)


def test_a_ranking_keeps_its_query(ledger: Ledger, settings: Settings) -> None:
    model = spec(problem=Ranking(query="user", item="carrier_code"))
    write_log(settings, [record("a", "2013-04-02T10:00:00", entity={"user": "u1"})])
    found = Collected(ledger, snapshot(log_of(settings), model, AS_OF, {}), settings)
    assert found.column("user") == {"a": "u1"}


def test_labels_that_callers_sent_stand_in_for_those_that_have_not_landed(
    ledger: Ledger, settings: Settings, tmp_path: Path
) -> None:
    asked = [record(name, "2013-04-02T10:00:00") for name in ("landed", "told", "both", "foreknown", "neither")]
    at = "2013-04-05T00:00:00.000000+00:00"
    sent = {"told": 1.0, "both": 1.0, "foreknown": 1.0, "unasked": 1.0}
    known = {"foreknown": "2013-04-01T00:00:00"}
    write_log(settings, [
        *asked,
        *({"kind": "label", "id": name, "at": at, "label": value, "event_time": known.get(name)} for name, value in sent.items()),
    ])  # fmt: skip
    landed = labels([(name, value, moment("2013-04-04")) for name, value in (("landed", 1), ("both", 0))])
    folder = tmp_path / "made"
    folder.mkdir()
    published = {date(2013, 4, 2): commit(ledger, "features", {}, {"labels.parquet": landed}, folder)}
    log, model = log_of(settings), spec()
    request = told_snapshot(log, model, moment(AS_OF), 7)
    feedback = ledger.ref(perform(request, ledger.open_attempt(request.key, 0), ledger, settings))
    found = Collected(ledger, snapshot(log, model, AS_OF, published, feedback=feedback), settings)
    assert found.column("label") == {"landed": 1, "told": 1, "both": 0, "foreknown": None, "neither": None}
    assert (found.value["labelled"], found.value["labels_told"], found.value["labels_before_request"]) == (3, 1, 1)
    without = Collected(ledger, snapshot(log, model, AS_OF, published), settings)
    assert without.column("label") == {"landed": 1, "told": None, "both": 0, "foreknown": None, "neither": None}
    assert "labels_told" not in without.value
