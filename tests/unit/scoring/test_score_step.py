from __future__ import annotations

from math import exp
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.digest import digest_file
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.request import Ref, Result
from include.core.settings import Settings
from include.core.spec import Binary, Costs, Features, Ranking
from include.core.task import perform
from include.request_features.definition import signature_part
from include.scoring import rows as rows_module
from include.scoring import score_step, scorer
from include.scoring.score_step import PLAIN
from include.scoring.scored import schema
from tests.support import scoring_days
from tests.support.scoring_days import DAYS, publish, request

SCHEMA = schema(PLAIN, ("origin",))


def score(ledger: Ledger, settings: Settings, inputs: dict[str, Ref], **changes: Any) -> Result:
    asked = request(inputs, **changes)
    return perform(asked, ledger.open_attempt(asked.key, 0), ledger, settings)


def table(ledger: Ledger, result: Result) -> pa.Table:
    return pq.read_table(ledger.storage.uri(result.files["scores.parquet"].path))


def test_each_entity_of_the_day_is_scored_with_what_was_known_when_it_asked(
    ledger: Ledger, settings: Settings, scratch: Path
) -> None:
    result = score(ledger, settings, publish(ledger, scratch, count=40))
    rows = table(ledger, result).to_pylist()
    assert result.value == {"day": DAYS[1], "rows": 40, "version": 7}
    assert [row["request_id"] for row in rows] == [f"{DAYS[1]}-{n}" for n in range(40)]
    # Request 1: JFK at 00:31 knows the weather of 00:00 (100), UA is code 2. Request 31: 01:01 knows 101.
    assert rows[1]["score"] == pytest.approx(1 / (1 + exp(-(1.00 + 2))), rel=1e-6)
    assert rows[31]["score"] == pytest.approx(1 / (1 + exp(-(1.01 + 2))), rel=1e-6)
    # Request 0: EWR has no weather (default 10), and its carrier was never seen (code 0).
    assert rows[0]["score"] == pytest.approx(1 / (1 + exp(-0.10)), rel=1e-6)
    assert {row["version"] for row in rows} == {7}


def test_the_day_before_feeds_its_first_minutes(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    inputs = publish(ledger, scratch)
    alone = score(ledger, settings, {name: ref for name, ref in inputs.items() if name != DAYS[0]})
    both = score(ledger, settings, inputs)
    assert alone.key != both.key
    assert alone.files["scores.parquet"].digest == both.files["scores.parquet"].digest  # midnight's weather is the day's own


def test_days_after_the_scored_one_are_not_looked_at(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    rows = table(ledger, score(ledger, settings, publish(ledger, scratch), day=DAYS[0])).to_pylist()
    assert rows[1]["score"] == pytest.approx(1 / (1 + exp(-2.0)), rel=1e-6)  # 0 degrees at midnight of the first day


def test_scored_again_it_gives_the_same_bytes(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    first = score(ledger, settings, publish(ledger, scratch))
    again = score(ledger, settings, publish(ledger, scratch), nonce=1)
    assert first.key != again.key
    assert first.files["scores.parquet"].digest == again.files["scores.parquet"].digest


def test_batches_do_not_change_the_scores(
    ledger: Ledger, settings: Settings, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = publish(ledger, scratch, count=50)
    whole = table(ledger, score(ledger, settings, inputs))
    monkeypatch.setattr(scorer, "BATCH_ROWS", 7)
    assert table(ledger, score(ledger, settings, inputs, nonce=1)).equals(whole)


def test_a_day_in_many_parts_gives_the_same_bytes(
    ledger: Ledger, settings: Settings, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer, "BATCH_ROWS", 7)
    inputs = publish(ledger, scratch, count=50)
    rows = table(ledger, score(ledger, settings, inputs))
    parts = pa.concat_tables([SCHEMA.empty_table(), *(rows.slice(start, 7) for start in range(0, 50, 7))])
    for group in (14, 25, 28, 1000):
        pq.write_table(parts, scratch / "whole.parquet", compression="zstd", row_group_size=group)
        monkeypatch.setattr(score_step, "GROUP", group)
        for at_once in (7, 14, 49):
            monkeypatch.setattr(rows_module, "ROWS", at_once)
            result = score(ledger, settings, inputs, nonce=f"{group}-{at_once}")
            assert result.value["rows"] == 50
            assert result.files["scores.parquet"].digest == digest_file(scratch / "whole.parquet"), (group, at_once)


def test_a_day_without_entities_has_an_empty_file_of_the_same_schema(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    result = score(ledger, settings, publish(ledger, scratch, count=0))
    found = table(ledger, result)
    assert (result.value["rows"], found.num_rows, found.schema) == (0, 0, SCHEMA)


def test_an_unpublished_day_is_refused_by_name(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    with pytest.raises(DataError, match=r"2013-04-09 is not published"):
        score(ledger, settings, publish(ledger, scratch), day="2013-04-09")


def test_a_model_without_a_version_number_scores_too(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    rows = table(ledger, score(ledger, settings, publish(ledger, scratch), version=None)).to_pylist()
    assert [row["version"] for row in rows] == [None] * 9


def test_a_ranking_places_each_row_in_the_list_of_its_query(
    ledger: Ledger, settings: Settings, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = scoring_days.entities

    def entities(day: str, count: int) -> pa.Table:
        """With a column that is neither a key nor a feature: three requests a session."""
        rows = plain(day, count)
        numbers = [int(name.rpartition("-")[2]) for name in rows["request_id"].to_pylist()]
        return rows.append_column("session", pa.array([number // 3 for number in numbers]))

    monkeypatch.setattr(scoring_days, "entities", entities)
    problem = Ranking(query="session", item="origin").model_dump(mode="json")
    rows = table(ledger, score(ledger, settings, publish(ledger, scratch, 9, problem), problem=problem)).to_pylist()
    for session in (rows[0:3], rows[3:6], rows[6:9]):
        assert sorted(row["place"] for row in session) == [1, 2, 3]
        ranked = [row["score"] for row in sorted(session, key=lambda row: row["place"])]
        assert ranked == sorted(ranked, reverse=True)


def test_a_version_of_another_problem_scores_nothing(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    """It has an output of the same name and shape."""
    problem = Ranking(query="session", item="origin").model_dump(mode="json")
    with pytest.raises(DataError, match="Version 7 was trained for another problem than the spec now states"):
        score(ledger, settings, publish(ledger, scratch), problem=problem)


def test_a_cost_decides_beside_the_score(ledger: Ledger, settings: Settings, scratch: Path) -> None:
    problem = Binary(costs=Costs(false_positive=1.0, false_negative="temp")).model_dump(mode="json")
    rows = table(ledger, score(ledger, settings, publish(ledger, scratch, count=9), problem=problem, threshold=0.5)).to_pylist()
    assert {row["decision"] for row in rows} == {1}  # a no costs as much as the temperature, ten and more


def computing(expression: str, field: str = "extra") -> Features:
    """The small model's features with `temp` computed of a field, and not looked up."""
    whole = scoring_days.FEATURES.model_dump(mode="json")
    whole["views"][0]["features"][0]["name"] = "seen"
    whole["request"].insert(0, {"name": "temp", "expression": expression})
    return Features.model_validate({**whole, "request_fields": [{"name": field}]})


def test_a_batch_is_scored_by_the_versions_own_expression(
    ledger: Ledger, settings: Settings, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spec's is another by now: what the version was trained with counts."""
    trained, present = computing("extra * 2"), computing("extra * 1000")
    plain, view = scoring_days.entities, scoring_days.weather

    def entities(day: str, count: int) -> pa.Table:
        rows = plain(day, count)
        return rows.append_column("extra", pa.array([float(number) for number in range(len(rows))]))

    monkeypatch.setattr(scoring_days, "entities", entities)
    monkeypatch.setattr(scoring_days, "weather", lambda day, value: view(day, value).rename_columns({"temp": "seen"}))
    monkeypatch.setattr(scoring_days, "signature_of", lambda _: signature_part(trained))
    inputs = publish(ledger, scratch)
    rows = table(ledger, score(ledger, settings, inputs, features=present.model_dump(mode="json"))).to_pylist()
    by_id = {row["request_id"]: row for row in rows}
    # Request 0 is the last of nine as they lie: `extra` is 8, its carrier was never seen.
    assert by_id[f"{DAYS[1]}-0"]["score"] == pytest.approx(1 / (1 + exp(-0.16)), rel=1e-6)
    other = computing("other", "other").model_dump(mode="json")
    with pytest.raises(DataError, match=r"'extra' .float., which its expressions read, does not come with a request any more"):
        score(ledger, settings, inputs, features=other)
