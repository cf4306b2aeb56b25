"""How groups were treated in a window: whom the answers were about, which labels are waited for, and what is an alarm."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.ledger import Ledger
from include.core.request import Result
from include.core.settings import Settings
from include.core.spec import Attribute, Fairness, Limit, ModelSpec, Serving
from include.core.task import perform
from include.data.window import moment
from include.monitoring import alarm
from include.monitoring.collect_step import snapshot
from include.monitoring.fairness import before
from include.monitoring.people import asked_of
from include.prediction_log.shared import log_of
from tests.support.monitor_runs import Monitor, week
from tests.support.synthetic_predictions import beside, commit, labels, predictions, put, record, rows, spec, write_log
from tests.support.synthetic_predictions import collected as collected_value

LIMIT = Limit(measure="demographic_parity_difference", limit=0.1, attribute="sex")
OPPORTUNITY = Limit(measure="equal_opportunity_difference", limit=0.1, attribute="sex")


def section(**changes: Any) -> Fairness:
    values = {"attributes": (Attribute(column="sex"), Attribute(column="hour", bins=(12,))), "limits": (LIMIT, OPPORTUNITY)}
    return Fairness(**{**values, "threshold": 0.3, **changes})


def people(table: pa.Table, unfair: bool = True, seed: int = 1) -> pa.Table:
    """Of each request a sex, which its score tells where the model is unfair."""
    draw = np.random.default_rng(seed)
    score = table["score"].to_numpy()
    sex = np.where(draw.random(len(score)) < (0.2 + 0.6 * (score > 0.3) if unfair else 0.5), "F", "M")
    columns = {"request_id": table["request_id"], "event_time": table["event_time"], "_landed": [True] * len(score)}
    return pa.table({**columns, "_person": pa.nulls(len(score), pa.int64()), "sex": pa.array(sex), "hour": table["hour"]})


class Watch(Monitor):
    """The step on a window with people beside it."""

    def fair(
        self,
        table: pa.Table,
        known: pa.Table,
        past: list[list[str]] | None = None,
        earlier: pa.Table | None = None,
        **counts: Any,
    ) -> Result:
        asked = {"fairness": section().model_dump(mode="json"), "fairness_before": past or [], "consecutive": 2}
        files = {**beside(table, earlier), "people.parquet": known}
        collect = commit(self.ledger, "collect", collected_value(table, **counts), files, self.scratch)
        return self.on(collect, asked)


@pytest.fixture
def watch(ledger: Ledger, settings: Settings, scratch: Path) -> Watch:
    return Watch(ledger, settings, scratch)


def test_one_window_is_told_and_several_in_a_row_are_an_alarm(watch: Watch) -> None:
    table = week()
    known = people(table)
    result = watch.fair(table, known)
    value = result.value
    found = value["fairness"]
    assert [each["verdict"] for each in found["limits"]] == ["missed", "missed"]
    assert (found["alarm"], alarm.alarms(value, None)["fairness"]) == ([], False)
    assert found["words"] == value["words"][-1]
    page = watch.read(result, "report.html")
    assert "How groups of people were treated" in page
    assert "serving.threshold" not in page.split("How groups of people were treated")[1].split("Evidently")[0]
    again = watch.fair(table, known, [["demographic_parity_difference of sex"]]).value
    assert again["fairness"]["alarm"] == ["demographic_parity_difference of sex"]
    assert alarm.alarms(again, None)["fairness"]
    assert "Missed in as many windows in a row as it takes: demographic_parity_difference of sex." in again["fairness"]["words"]


def test_a_fair_model_is_none(watch: Watch) -> None:
    table = week()
    found = watch.fair(table, people(table, unfair=False)).value["fairness"]
    assert {each["verdict"] for each in found["limits"]} == {"holds"}
    assert [each["attribute"] for each in found["attributes"]] == ["sex", "hour"]


def test_what_needs_labels_waits_for_them_and_what_does_not_is_told(watch: Watch) -> None:
    table = week()

    # A label comes after five days: of the last five days none has.
    come = [time + timedelta(days=5) for time in table["event_time"].to_pylist()]
    there = [time < moment("2013-04-09") for time in come]
    kept = [each if ok else None for each, ok in zip(table["label"].to_pylist(), there, strict=True)]
    early = put(table, "label", pa.array(kept, pa.float64()))
    stamped = [each if ok else None for each, ok in zip(come, there, strict=True)]
    early = put(early, "label_timestamp", pa.array(stamped, pa.timestamp("us")))
    found = watch.fair(early, people(table), labelled=sum(there)).value["fairness"]
    assert not found["labels"]
    assert [each["verdict"] for each in found["limits"]] == ["missed", "unjudged"]
    assert "What needs labels waits for them." in found["words"]


def test_answers_whose_entity_row_has_not_landed_are_counted_and_left_out(watch: Watch) -> None:
    table = week()
    known = people(table)
    landed = np.arange(table.num_rows) % 10 > 0
    sexes = [each if landed[place] else None for place, each in enumerate(known["sex"].to_pylist())]
    known = put(put(known, "_landed", landed), "sex", sexes)
    found = watch.fair(table, known).value["fairness"]
    assert found["unlanded"] == 105
    assert "Of 105 answers the entity rows have not landed." in found["words"]
    (sex, _) = found["attributes"]
    assert [each["people"] for each in sex["groups"] if each["group"] == "(not known)"] == [105]


def test_a_window_whose_labels_have_come_since_is_told_with_the_next(watch: Watch) -> None:
    """Its labels came after seven days: in its own check there was none yet."""
    before_it = predictions(rows(moment("2013-03-26"), 7, 150, 9))
    come = [time + timedelta(days=7) for time in before_it["event_time"].to_pylist()]
    late = put(before_it, "label_timestamp", pa.array(come, pa.timestamp("us")))
    table = week()
    nothing = put(table, "label", pa.nulls(table.num_rows, pa.float64()))
    nothing = put(nothing, "label_timestamp", pa.nulls(table.num_rows, pa.timestamp("us")))
    known = pa.concat_tables([people(late), people(table)])
    found = watch.fair(nothing, known, earlier=late, labelled=0).value["fairness"]
    assert found["late_window"] == "2013-03-26/2013-04-02"
    assert [each["verdict"] for each in found["late"]["limits"]] == ["missed", "missed"]
    assert [each["verdict"] for each in found["limits"]] == ["missed", "unjudged"]
    assert "2013-03-26 to 2013-04-02, late labels landed" in found["words"]


def test_without_the_section_nothing_is_asked_and_nothing_said(watch: Watch) -> None:
    assert "fairness" not in watch(week()).value
    assert asked_of(spec()) == {}


def test_earlier_windows_of_the_same_champion_count(watch: Watch) -> None:
    table = week()
    value = watch.fair(table, people(table)).value
    missed = ["demographic_parity_difference of sex", "equal_opportunity_difference of sex"]
    values = {value["window"]: value, "none": watch(week()).value}
    assert before(values, 1, "2013-04-09T00:00:00") == [missed]
    assert before(values, 2, "2013-04-09T00:00:00") == []
    assert before(values, 1, "2013-04-08T00:00:00") == []


# -- whom a request was about ----------------------------------------------------------------------------------------------------

AS_OF = moment("2013-04-09")


def of_people(**changes: Any) -> ModelSpec:
    return spec(fairness=section(**changes))


def gathered(ledger: Ledger, settings: Settings, scratch: Path, model: ModelSpec, **columns: Any) -> pa.Table:
    """`people.parquet` of three requests, of which two have landed."""
    write_log(settings, [record(f"r{n}", f"2013-04-0{n + 3}T10:00:00Z", unit=f"u{n % 2}") for n in range(3)])
    times = pa.array([moment("2013-04-03"), moment("2013-04-04")], pa.timestamp("us"))
    landed = {"request_id": ["r0", "r1"], "event_timestamp": times, "origin": ["JFK", "LGA"]}
    files = {"entities.parquet": pa.table({**landed, **columns}), "labels.parquet": labels([])}
    day = commit(ledger, "features", {"rows": 2}, files, scratch)
    request = snapshot(log_of(settings), model, AS_OF, {date(2013, 4, 4): day})
    result = perform(request, ledger.open_attempt(request.key, 0), ledger, settings)
    return pq.read_table(ledger.storage.uri(result.files["people.parquet"].path))


def test_an_attribute_beside_the_inputs_is_looked_up_by_the_request(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    found = gathered(ledger, settings, scratch, of_people(), sex=["F", None])
    assert found["sex"].to_pylist() == ["F", None, None]
    assert found["hour"].to_pylist() == [7, 7, 7]
    assert found["_landed"].to_pylist() == [True, True, False]
    assert found["_person"].to_pylist() == [1, 2, 1]  # as the log's hash of the keys has it


def test_days_that_were_published_without_the_column_leave_it_unknown(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    found = gathered(ledger, settings, scratch, of_people(person=()))
    assert found["sex"].to_pylist() == [None, None, None]
    assert found["_person"].null_count == 3


def test_what_redaction_keeps_out_of_the_log_is_looked_up_too(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    model = of_people().model_copy(update={"serving": Serving(redact=("hour",))})
    found = gathered(ledger, settings, scratch, model, sex=["F", "M"], hour=[3, 20])
    assert found["hour"].to_pylist() == [3, 20, None]


def test_only_a_model_with_attributes_is_asked_for_them() -> None:
    assert asked_of(of_people())["people"] == {"logged": ["hour"], "looked_up": ["sex"], "person": ["unit"]}
    assert asked_of(of_people(person=()))["people"]["person"] == []
