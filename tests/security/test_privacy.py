"""What a log says of people: hashes that only the installation can compute, requests that can be taken out, and no stranger
who stands in for somebody else by guessing an id."""

from __future__ import annotations

import importlib
import stat
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.cli import main as cli
from include.core.control import ControlStore
from include.core.entity_key import CONNECTION, entity_key, pseudonym
from include.core.ledger import Ledger
from include.core.settings import Settings
from include.core.spec import Feature, Ranking, View
from include.core.task import perform
from include.data.window import Window, moment
from include.features.skew_step import read_sample
from include.features.withdrawn_step import snapshot as withdrawn
from include.governance.audit import history
from include.monitoring.collect_step import snapshot
from include.prediction_log.layout import log_files, segments
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.redaction import redact
from include.prediction_log.shared import log_of
from include.prediction_log.sql_view import open_log, select
from include.prediction_log.tail import read_tail
from include.prediction_log.writer import PredictionLog
from include.rollout.evidence_accumulator import StageAccumulator
from include.rollout.stage_terms import StageTerms
from include.routing.entity_hash import unit
from tests.support import shop
from tests.support.evidence import slices_of
from tests.support.rotated_log import rotate
from tests.support.synthetic_predictions import commit, labels, spec

MODEL, WHEN = "late_small", "2013-04-02T10:00:00"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", raising=False)
    return Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path / "home")})


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return Ledger(settings.storage())


@pytest.fixture
def log(settings: Settings) -> Iterator[PredictionLog]:
    log = PredictionLog(settings.home, MODEL)
    yield log
    log.close()


def prediction(log: PredictionLog, request: str, origin: str, second: int, score: float = 0.5, **more: Any) -> Record:
    """What the gateway writes for a request about an origin."""
    hashed = log.pseudonym(unit(origin, MODEL))
    features = {"temp": 40.5, "precip": None, "hour": 7.0, "carrier_code": "UA"}
    at = f"2026-01-01T00:00:{second:02d}.000000+00:00"
    return Record("prediction", request, at, WHEN, hashed, {"origin": origin}, features, 1, "champion", score, **more)


# -- the key


def test_the_hash_in_the_log_cannot_be_computed_without_the_key(settings: Settings, log: PredictionLog, tmp_path: Path) -> None:
    number = unit("JFK", MODEL)
    assert log.pseudonym(number) != f"{number:016x}"
    assert log.pseudonym(number) == pseudonym(entity_key(settings.home, {}), number)
    assert log.pseudonym(number) != PredictionLog(tmp_path / "another", MODEL).pseudonym(number)


def test_the_key_is_made_once_and_readable_by_its_owner_alone(settings: Settings) -> None:
    first = entity_key(settings.home, {})
    path = settings.home / "secrets" / "entity_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert entity_key(settings.home, {}) == first
    assert [each.name for each in path.parent.iterdir()] == ["entity_key"]


def test_a_connection_brings_the_key_to_machines_without_the_file(settings: Settings, tmp_path: Path) -> None:
    environ = {f"AIRFLOW_CONN_{CONNECTION.upper()}": "generic://:a-key@/"}
    assert entity_key(settings.home, environ) == entity_key(tmp_path / "elsewhere", environ)
    assert not (settings.home / "secrets").exists()


def test_live_traffic_keeps_its_arms_whatever_the_key() -> None:
    numbers = {name: unit(name, "m") % 10_000 for name in ("ann", "bob", "7")}
    assert numbers == {"ann": 6363, "bob": 9760, "7": 192}  # as ever since the first rollout


# -- a guessed id


def collected(
    ledger: Ledger, settings: Settings, published: dict[date, Any] | None = None, **changes: Any
) -> tuple[Any, list[dict[str, Any]]]:
    request = snapshot(log_of(settings), spec(**changes), "2013-04-08", published or {})
    result = perform(request, ledger.open_attempt(request.key, 0), ledger, settings)
    return result, pq.read_table(ledger.storage.uri(result.files["predictions.parquet"].path)).to_pylist()


def day(ledger: Ledger, tmp_path: Path, owner: str = "JFK") -> dict[date, Any]:
    """A published day whose entity row says that request `r` is about an origin."""
    made = tmp_path / "made"
    made.mkdir()
    rows = pa.table({"request_id": ["r"], "event_timestamp": [moment(WHEN)], "origin": [owner], "film": ["alien"]})
    files = {"labels.parquet": labels([("r", 1, moment("2013-04-02T14:00"))]), "entities.parquet": rows}
    return {date(2013, 4, 2): commit(ledger, "features", {}, files, made)}


@pytest.mark.parametrize("redacted", [False, True], ids=["keys logged", "keys redacted"])
@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["stranger first", "stranger last"])
def test_a_label_goes_to_the_record_of_its_own_entity(
    ledger: Ledger, settings: Settings, log: PredictionLog, tmp_path: Path, order: tuple[int, int], redacted: bool
) -> None:
    records = [prediction(log, "r", "EWR", order[0], 0.9), prediction(log, "r", "JFK", order[1], 0.1)]
    if redacted:
        for record in records:
            record.entity = {}
    log.write(records)
    result, rows = collected(ledger, settings, day(ledger, tmp_path))
    assert [(row["score"], row["label"]) for row in rows] == [(0.1, 1.0)]
    assert result.value["contested"] == 1


def test_a_contested_candidate_is_its_querys_whatever_the_candidate(
    ledger: Ledger, settings: Settings, log: PredictionLog, tmp_path: Path
) -> None:
    log.write([prediction(log, "r", "EWR", 1, 0.9), prediction(log, "r", "JFK", 2, 0.1)])
    features = spec().features
    views = tuple(view.model_copy(update={"keys": ("origin", "film")}) for view in features.views)
    ranking = {"features": features.model_copy(update={"views": views}), "problem": Ranking(query="origin", item="film")}
    _, rows = collected(ledger, settings, day(ledger, tmp_path), **ranking)
    assert [(row["score"], row["label"], row["origin"]) for row in rows] == [(0.1, 1.0, "JFK")]


def test_an_id_that_nothing_settles_counts_for_nobody_and_is_reported(
    ledger: Ledger, settings: Settings, log: PredictionLog, tmp_path: Path
) -> None:
    log.write([prediction(log, "r", "EWR", 1), prediction(log, "r", "JFK", 2), prediction(log, "other", "LGA", 3)])
    result, rows = collected(ledger, settings, day(ledger, tmp_path, "SFO"))
    assert [row["request_id"] for row in rows] == ["other"]
    assert result.value["contested"] == 1


def test_a_request_that_is_sent_again_is_no_contest(ledger: Ledger, settings: Settings, log: PredictionLog) -> None:
    log.write([prediction(log, "r", "JFK", 2, 0.9), prediction(log, "r", "JFK", 1, 0.1)])
    result, rows = collected(ledger, settings)
    assert [row["score"] for row in rows] == [0.1]
    assert (result.value["duplicates"], result.value["contested"]) == (1, 0)


def test_records_of_before_the_key_are_joined_as_they_were(
    ledger: Ledger, settings: Settings, log: PredictionLog, tmp_path: Path
) -> None:
    old = prediction(log, "r", "JFK", 2, 0.1)
    old.unit, old.entity = f"{unit('JFK', MODEL):016x}", {}
    log.write([old, prediction(log, "r", "EWR", 1, 0.9)])
    _, rows = collected(ledger, settings, day(ledger, tmp_path))
    assert [(row["score"], row["label"]) for row in rows] == [(0.1, 1.0)]


def test_the_skew_check_leaves_a_contested_id_out_and_counts_it(settings: Settings, log: PredictionLog) -> None:
    log.write([prediction(log, "r", "EWR", 1), prediction(log, "r", "JFK", 2), prediction(log, "again", "JFK", 5, 0.9)])
    log.write([prediction(log, "again", "JFK", 4, 0.1)])
    sample = read_sample(log_of(settings), MODEL, datetime.fromisoformat("2013-04-01"), datetime.fromisoformat("2013-04-08"))
    assert [(record.id, record.score) for record in sample.records] == [("again", 0.1)]
    assert sample.contested == 1


@pytest.mark.parametrize("first", ["stranger", "owner"])
def test_a_stranger_cannot_have_anothers_row_left_out_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setattr("include.features.offline.sources.good_rows", shop.good_rows)
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})
    life = shop.Shop(Ledger(settings.storage()), settings)
    life.land_days(8)
    refs = life.days(8)
    whole = life.read(life.training_set(refs), "train").to_pylist()
    row = next(row for row in whole if row["customer"] == "ann")
    log = PredictionLog(settings.home, shop.SPEC.name)
    asked = {"stranger": ("bob", 2), "owner": (row["customer"], 1)}  # who, and the version that answered; 2 is rolled back
    for second, who in enumerate(sorted(asked, key=lambda each: each != first)):
        customer, version = asked[who]
        hashed, at = log.pseudonym(unit(customer, shop.SPEC.name)), f"2026-01-01T00:00:{second:02d}.000000+00:00"
        entity: dict[str, Any] = {"customer": customer}
        log.write(
            [Record("prediction", row["request_id"], at, "2013-01-03T12:00:00", hashed, entity, version=version, score=0.5)]
        )
    log.close()

    def left(gone: int) -> set[str]:
        request = withdrawn(log_of(settings), shop.SPEC, "2013-01-08T00:00:00", [gone])
        made = perform(request, life.ledger.open_attempt(request.key, 0), life.ledger, settings)
        rows = life.read(life.training_set({**refs, "withdrawn": life.ledger.ref(made)}), "train").to_pylist()
        return {each["request_id"] for each in whole} - {each["request_id"] for each in rows}

    assert left(2) == set()  # the stranger's request was answered by a version that was rolled back, the owner's was not
    assert left(1) == {row["request_id"]}


@pytest.mark.parametrize("order", [("JFK", "EWR"), ("EWR", "JFK")])
def test_the_judge_counts_no_label_of_a_contested_id(log: PredictionLog, order: tuple[str, str]) -> None:
    stage = StageAccumulator(StageTerms("canary_5", 1, 1000, False, {}, True, 0.5, True))
    for second, origin in enumerate(order):
        stage.add(prediction(log, "r", origin, second, 0.9))
    stage.add(prediction(log, "mine", "LGA", 5, 0.9))
    stage.add_label(Record("label", "r", "2026-01-01T00:01:00+00:00", label=0.0))
    assert "loss" not in str(slices_of(stage)).lower()
    stage.add_label(Record("label", "mine", "2026-01-01T00:01:00+00:00", label=0.0))
    assert len(slices_of(stage)) > 3


# -- redaction


def everything(log: PredictionLog) -> list[Record]:
    at = "2026-01-01T00:00:30.000000+00:00"
    return [
        prediction(log, "r1", "JFK", 1), prediction(log, "r2", "JFK", 2), prediction(log, "other", "EWR", 3),
        Record("shadow", "r1", at, unit=log.pseudonym(unit("JFK", MODEL)), version=2, score=0.4),
        Record("label", "r1", at, label=1.0), Record("outcome", "r2", at, label=1.0, metric="refund"),
        Record("label", "other", at, label=0.0),
    ]  # fmt: skip


@pytest.mark.parametrize("rotated", [False, True], ids=["segments", "Parquet"])
def test_a_request_is_taken_out_of_the_log_whole(settings: Settings, log: PredictionLog, rotated: bool) -> None:
    log.write(everything(log))
    if rotated:
        log.close()
        assert rotate(settings.home, MODEL, 0)
    before = len(list(read_records(settings.home, MODEL)))
    assert redact(settings.home, MODEL, lambda record: record.id == "r1") == 3
    assert redact(settings.home, MODEL, lambda record: record.id == "r1") == 0
    left = list(read_records(settings.home, MODEL))
    assert len(left) == before - 3
    assert {record.id for record in left} == {"r2", "other"}
    inputs = spec().features.inputs
    with open_log(log_files(settings.home, MODEL), inputs, Window(moment("2013-04-01"), moment("2013-04-08"))) as connection:
        assert select(connection, inputs).records == 2
    held = b"".join(path.read_bytes() for path in (settings.home / "predictions").rglob("*.*"))
    assert rotated or b'"r1"' not in held


def test_whoever_writes_or_reads_on_is_not_disturbed(settings: Settings, log: PredictionLog) -> None:
    log.write(everything(log))
    records, cursor = read_tail(settings.home, MODEL, "2026-01-01T00:00:00", {})
    size = segments(settings.home, MODEL)[0].stat().st_size
    redact(settings.home, MODEL, lambda record: record.id == "r1")
    assert segments(settings.home, MODEL)[0].stat().st_size == size
    log.write([prediction(log, "new", "LGA", 40)])
    more, _ = read_tail(settings.home, MODEL, "2026-01-01T00:00:00", cursor)
    assert (len(records), [record.id for record in more]) == (7, ["new"])


def test_a_segment_that_was_redacted_rotates_as_any_other(settings: Settings, log: PredictionLog) -> None:
    log.write(everything(log))
    redact(settings.home, MODEL, lambda record: record.id == "r1")
    log.close()
    rotate(settings.home, MODEL, 0)
    assert {record.id for record in read_records(settings.home, MODEL)} == {"r2", "other"}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> shop.Shop:
    monkeypatch.setattr("include.features.offline.sources.good_rows", shop.good_rows)
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    monkeypatch.delenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", raising=False)
    command = importlib.import_module("include.cli.redact")
    monkeypatch.setattr(command, "load_spec", lambda name, package: shop.SPEC)
    monkeypatch.setattr(cli, "_require_model", lambda name: None)  # it is no model of a package
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})
    life = shop.Shop(Ledger(settings.storage()), settings)
    ControlStore(settings.control_url).create_tables()
    life.land_days(8)
    return life


@pytest.mark.parametrize("by", ["request", "entity"])
def test_the_command_takes_out_tells_what_is_left_and_is_audited(
    toy: shop.Shop, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.training_set(toy.days(8))
    request = next(row for row in shop.orders_of(shop.FIRST).to_pylist() if row["customer"] == "ann")["id"]
    log = PredictionLog(toy.settings.home, shop.SPEC.name)
    for name, customer in ((request, "ann"), ("else", "bob")):
        hashed = log.pseudonym(unit(customer, shop.SPEC.name))
        log.write([Record("prediction", name, "2026-01-01T00:00:00.000000+00:00", WHEN, hashed, version=1, score=0.5)])
    log.close()
    chosen = ["--request", request] if by == "request" else ["--entity", "customer=ann"]
    assert cli.main(["redact", "shop", *chosen]) == 0
    assert "Nothing was changed" in capsys.readouterr().out
    assert len(list(read_records(toy.settings.home, "shop"))) == 2
    assert cli.main(["redact", "shop", *chosen, "--yes"]) == 0
    told = capsys.readouterr().out
    assert "1 records of the prediction log were overwritten" in told
    assert "features/" in told
    assert "training_set/" in told
    assert [record.id for record in read_records(toy.settings.home, "shop")] == ["else"]
    held = b"".join(path.read_bytes() for path in (toy.settings.home / "store" / "predictions").rglob("*.*"))
    assert request.encode() not in held
    assert cli.main(["redact", "shop", *chosen, "--yes"]) == 0
    assert "holds none of them" in capsys.readouterr().out
    rows = history(ControlStore(toy.settings.control_url), "shop")
    assert [row.action for row in rows] == ["redact", "redact"]
    assert request not in str(rows)
    assert "ann" not in str([row.detail for row in rows])


def test_half_an_entity_is_refused_with_its_keys(toy: shop.Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["redact", "shop", "--entity", "client=ann"]) == 1
    assert "customer" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["redact", "shop"])


@pytest.mark.parametrize("logged", [True, False], ids=["keys logged", "keys redacted"])
def test_of_a_ranking_an_entity_is_whose_lists_they_are(toy: shop.Shop, logged: bool) -> None:
    view = View(name="tastes", keys=("customer", "film"), features=(Feature(name="taste"),))
    spec = shop.SPEC.model_copy(
        update={
            "features": shop.SPEC.features.model_copy(update={"views": (view,)}),
            "problem": Ranking(query="customer", item="film"),
        }
    )
    context: Any = SimpleNamespace(settings=toy.settings)
    command, given = importlib.import_module("include.cli.redact"), ["customer=ann"]
    mine = command._of_entity(spec, given, command._units(context, spec, given))
    for customer in ("ann", "bob"):
        hashed = PredictionLog(toy.settings.home, "shop").pseudonym(unit(customer, "shop"))
        entity: dict[str, Any] = {"customer": customer, "film": "alien"} if logged else {}
        assert mine(Record("prediction", "r", WHEN, unit="" if logged else hashed, entity=entity)) == (customer == "ann")
