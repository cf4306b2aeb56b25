"""A subject goes from everything, whenever it is killed; what is others' stays as it was, byte for byte."""

from __future__ import annotations

import json
import unicodedata
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from include.backup.index import index, key_of
from include.core.advisory_lock import advisory_lock
from include.core.errors import ConflictError, DataError, FencedError, SpecError, SupersededError, UnreachableError
from include.core.request import Outcome, Ref, Request
from include.core.scratch import mark
from include.core.subject import Subject
from include.core.time import now
from include.data import published
from include.data.published import publish, resource
from include.forgetting.again import without_forgotten
from include.forgetting.record import chained, records
from include.forgetting.run import look
from include.forgetting.search import Hit, Wanted, in_control, in_folder, in_online, in_storage
from include.governance.audit import history
from include.governance.lineage import trace
from include.governance.seals import write_seal
from include.prediction_log.reader import read_records
from include.retention.ledger import Bounds
from include.retention.run import Place as Gc
from include.retention.run import collect
from include.scoring import table as scores
from include.versions import queries as versions
from tests.support.aged import at_each_point, killed_at, let_pass
from tests.support.effort import effort
from tests.support.fault_points import in_sources
from tests.support.subject_world import DAYS, MAIL, MODEL, TOLD, WHO, SubjectWorld, customers, parquet

ON_SERVER = {"forget.mlflow.written"}  # of a registry's: tests/integration/test_forget_mlflow.py
POINTS = sorted({name for name in in_sources() if name.startswith("forget.")} - ON_SERVER)
OTHERS = {"customer-1", "customer-2", "customer-3"}


class Jobs:
    """Nothing is under way."""

    def under_way(self) -> list[str]:
        return []


def hits(world: SubjectWorld, tmp_path: Path) -> list[Hit]:
    """Everything that holds one of the subject's values."""
    wanted = Wanted.of(TOLD)
    return [
        *in_storage(world.storage, wanted, tmp_path / "search"),
        *in_folder(world.home, wanted, world.home / "store"),
        *in_control(world.control, wanted),
        *in_online(world.store, [MODEL], [WHO]),
    ]


def rows_left(world: SubjectWorld, answers: int = 2) -> None:
    """What is others' is all there."""
    for day, ref in published.published(world.control, MODEL, DAYS[0], DAYS[-1]).items():
        assert world.table(ref, "entities.parquet")["customer"].to_pylist() == ["customer-1", "customer-2", "customer-3"]
        assert world.table(ref, "labels.parquet")["request_id"].to_pylist() == [f"{day}-{n}" for n in range(3)]
        assert world.ledger.resolve(ref).value["rows"] == {"customer": 3, "entities": 3, "labels": 3}
        assert world.ledger.verify(world.ledger.resolve(ref)) == []
    assert [record.id for record in read_records(world.log, MODEL)] == ["o1", "o1"]
    assert world.store.count(MODEL, world.spec.features.views[0]) == 3
    assert list(scores.wrong(world.control, world.storage, MODEL)) == []
    assert len(list(world.storage.list("asynchronous"))) == answers


def test_nothing_of_the_subject_is_left_and_what_is_others_stays(world: SubjectWorld, tmp_path: Path) -> None:
    assert len(hits(world, tmp_path)) > 40, "or the search finds nothing of what there is"
    before = world.files()
    done = world.forget()
    assert hits(world, tmp_path) == []
    rows_left(world)
    assert done.complete
    assert [(each.model, each.version) for each in done.learned] == [(MODEL, 1)]
    assert (done.online, done.predictions, done.answers, done.events, done.registry) == ({MODEL: 1}, {MODEL: 3}, 1, 2, 1)
    assert done.control_rows == 1
    after = world.files()
    touched = {path for path in before if after.get(path) != before[path]}
    kept = {path for path in before if path not in touched}
    assert {path for path in kept if path.endswith("model.onnx")} == {path for path in before if path.endswith("model.onnx")}
    assert all(path.split("/")[1] not in ("train",) or "checkpoints" in path or "rows" in path for path in touched)


def test_references_and_the_lineage_say_what_happened_and_nothing_is_broken(world: SubjectWorld) -> None:
    training_set, reference, judged = (only(world, step) for step in ("training_set", "reference", "evaluate"))
    before = trace(world.ledger, world.control, MODEL, 1)
    done = world.forget()
    after = trace(world.ledger, world.control, MODEL, 1)
    assert after.intact
    assert before.counts == after.counts, "the same things, by the digests of before"
    said = {node.role: node.detail["forgotten"] for node in after.root.walk() if "forgotten" in node.detail}
    assert {"training_set", "evaluation", "2013-01-01", "verdict", "raw orders", "raw returns"} <= set(said)
    (mark,) = said["training_set"]
    assert (mark["request"], mark["rows"]) == (done.request, 6)  # type: ignore[index]
    left = world.ledger.resolve(training_set)
    assert (left.value["rows"], left.value["holdout_rows"]) == (6, 3)
    assert customers([world.table(training_set, "train.parquet")]) == {"customer-1"}
    assert world.table(judged, "background.parquet")["price"].to_pylist() == [10.0], "what it is explained against"
    with pytest.raises(DataError, match="not made anew yet"):
        world.ledger.resolve(reference)


def only(world: SubjectWorld, step: str) -> Ref:
    """The only result of a step."""
    (key,) = world.ledger.requested(step)
    result = world.ledger.result(key)
    assert result is not None
    return world.ledger.ref(result)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.thorough
def test_killed_anywhere_it_goes_on(world: SubjectWorld, tmp_path: Path, point: str) -> None:
    for skip in range(effort(1, 3)):
        with killed_at(point, skip):
            world.forget()
    done = world.forget()
    assert hits(world, tmp_path) == []
    rows_left(world)
    assert done.complete
    assert trace(world.ledger, world.control, MODEL, 1).intact
    (record,) = records(world.storage)
    assert not record.under_way
    assert chained(world.control, record)
    proof = json.loads(world.storage.read(done.proof))
    assert sum(each["rows"] for each in proof["files"]) == 13, "also what an attempt that was killed took out"


def test_every_point_is_passed(world: SubjectWorld) -> None:
    with at_each_point(lambda: None) as passed:
        world.forget()
    assert set(POINTS) <= set(passed)


def test_done_again_it_finds_nothing_and_changes_nothing_but_its_record(world: SubjectWorld) -> None:
    world.forget()
    before = world.files()
    again = world.forget()
    assert (again.found.rows, again.complete, again.online, again.superseded, again.again) == (0, True, {MODEL: 0}, 0, True)
    changed = {path for path, digest in world.files().items() if before.get(path) != digest}
    assert all(path.startswith("forgetting/") or "_redactions" in path for path in changed), changed


def test_the_record_the_proof_and_the_audit_chain_name_nobody_and_vouch_for_each_other(world: SubjectWorld) -> None:
    done = world.forget()
    (record,) = records(world.storage)
    proof = json.loads(world.storage.read(done.proof))
    assert (proof["by"], proof["reason"], proof["keys"], proof["mode"]) == ("a person", "ticket 4711", ["customer"], "remove")
    assert proof["learned"] == [{"model": MODEL, "version": 1, "semver": "1.0.0", "stage": "Candidate", "given_up": ""}]
    assert all(each["before"] != each["after"] for each in (*proof["files"], *proof["results"]))
    assert [row.action for row in history(world.control) if row.action.startswith("forget")] == ["forget.done", "forget.begin"]
    assert chained(world.control, record)
    world.storage.write(done.proof, world.storage.read(done.proof).replace(b"4711", b"4712"))
    assert not chained(world.control, record)


def test_a_warehouse_that_still_has_the_subject_lands_the_others_alone(world: SubjectWorld) -> None:
    rows = parquet({"id": ["x", "y"], "customer": [WHO, "customer-1"], "price": [1.0, 2.0]})
    landed = world.commit("land", {"source": "orders"}, {}, {"rows": {"2013-01-09": 2}}, {"2013-01-09.parquet": rows})
    made = world.ledger.resolve(landed)
    assert without_forgotten(made, world.ledger, world.spec, world.settings) == made, "nobody is on the list"
    world.forget()
    again = world.commit("land", {"source": "orders", "anew": 1}, {}, {"rows": {"2013-01-09": 2}}, {"2013-01-09.parquet": rows})
    left = without_forgotten(world.ledger.resolve(again), world.ledger, world.spec, world.settings)
    assert left.value == {"rows": {"2013-01-09": 1}}
    for ref in (landed, again):
        assert world.table(ref, "2013-01-09.parquet")["customer"].to_pylist() == ["customer-1"]
    assert without_forgotten(left, world.ledger, world.spec, world.settings) == left


def test_masked_the_rows_stay_without_their_keys(world: SubjectWorld) -> None:
    training_set = only(world, "training_set")
    done = world.forget(mode="mask")
    assert done.complete
    for ref in published.published(world.control, MODEL, DAYS[0], DAYS[-1]).values():
        assert world.table(ref, "entities.parquet")["customer"].to_pylist()[:2] == ["forgotten"] * 2
        assert world.ledger.resolve(ref).value["rows"] == {"customer": 4, "entities": 5, "labels": 5}
    assert customers([world.table(training_set, "train.parquet")]) == {"forgotten", "customer-1"}
    assert world.store.read(MODEL, world.spec.features.views[0], [(WHO,)]) == [None]


def test_a_zombie_cannot_bring_the_rows_back(world: SubjectWorld) -> None:
    """It had read them before, and commits or publishes after."""
    day = DAYS[0]
    (ref,) = published.published(world.control, MODEL, day, day).values()
    key = world.ledger.resolve(ref).key
    request, epoch = world.ledger.request(key), world.control.take(resource(MODEL, day), "a zombie")
    attempt = world.ledger.open_attempt(key, 0)
    world.forget()
    with pytest.raises(SupersededError):
        world.ledger.commit(request, attempt, Outcome({"day": str(day)}, {}), 0.1)
    with pytest.raises(FencedError):
        publish(world.control, MODEL, day, ref, {"customer": 4}, epoch)


def test_work_under_way_begins_anew(world: SubjectWorld) -> None:
    """A training on the rows has no result yet: whatever it has read, it may not commit."""
    data = only(world, "training_set")
    request = Request("train", "include.train.step:run", MODEL, {"another": 1}, {"training_set": data}, "c0")
    world.ledger.record(request)
    attempt = world.ledger.open_attempt(request.key, 0)
    assert world.forget().superseded == 1
    with pytest.raises(SupersededError):
        world.ledger.commit(request, attempt, Outcome({}, {}), 0.1)


def test_what_killed_processes_left_behind_goes_as_well(world: SubjectWorld) -> None:
    """Files of an attempt that never committed, half a file beside a partition, a scratch folder; a late one is refused."""
    day = only_day(world)
    request = Request("features", "include.features.step:run", MODEL, {"day": "2013-01-08"}, {"verdict": day}, "c0")
    world.ledger.record(request)
    attempt = world.ledger.open_attempt(request.key, 0)
    rows = parquet({"customer": [WHO]})
    path = f"{attempt.folder}/a{attempt.number}/0123456789ab/customer.parquet"
    world.storage.write(path, rows)
    dead = f"{mark().split('-')[0]}-99999999-1-abcdefabcdef"  # a process that is not there
    half = world.home / f"store/raw/{MODEL}/orders/date=2013-01-01/.tmp-{dead}"
    scratch = world.settings.scratch() / f"slipstream-{dead}"
    scratch.mkdir(parents=True)
    for place in (half, scratch / "rows.parquet"):
        place.write_bytes(rows)
    assert world.forget().complete
    assert not world.storage.exists(path)
    assert not half.exists()
    assert not scratch.exists()
    with pytest.raises(SupersededError):
        world.ledger.commit(request, attempt, Outcome({}, {}), 0.1)


def only_day(world: SubjectWorld) -> Ref:
    """The verdict of some day."""
    key = next(iter(world.ledger.requested("validate")))
    result = world.ledger.result(key)
    assert result is not None
    return world.ledger.ref(result)


def test_however_many_attempts_it_takes_it_is_carried_out_once(world: SubjectWorld) -> None:
    """And what those that were cut off took out is counted."""
    points = ("forget.found", "forget.online", "forget.purged", "forget.pending", "forget.predictions", "forget.proven")
    for point in points[-effort(2, len(points)) :]:
        with killed_at(point):
            world.forget()
    done = world.forget()
    (record,) = records(world.storage)
    (path,) = record.proofs()
    assert [row.action for row in history(world.control) if row.action.startswith("forget")] == ["forget.done", "forget.begin"]
    assert chained(world.control, record)
    proof = json.loads(world.storage.read(path))
    assert (proof["online"], proof["predictions"], proof["published"]) == ({MODEL: 1}, {MODEL: 3}, done.published)
    assert (proof["attempts"], len(proof["published"]), len(proof["scores"])) == (effort(2, 4), 3, 1)
    assert not record.under_way
    world.forget()
    assert len(record.proofs()) == 2, "asked again it is another time"


def test_its_values_are_known_until_it_is_complete(world: SubjectWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry's server that was away holds values that no row tells any more by the next time."""
    known: list[bool] = []

    def server(settings: object, models: object, subject: Subject) -> tuple[int, list[str]]:
        known.append(subject.owns(MAIL))
        if len(known) == 1:
            raise UnreachableError("It is away.")
        return 0, []

    monkeypatch.setattr("include.forgetting.run.clean_server", server)
    done = world.forget()
    assert (done.complete, done.found.unread) == (False, {"the registry's server": "It is away."})
    (record,) = records(world.storage)
    assert not record.under_way
    assert world.forget().complete
    assert known == [True, True]
    assert not world.storage.exists(f"forgetting/{record.name}/found.json")
    assert len(record.proofs()) == 2


def test_a_subject_in_no_row_is_recorded(world: SubjectWorld) -> None:
    before = world.files("ledger", "raw", "scores", "registry")
    done = world.forget("customer=nobody-at-all")
    assert (done.anything, done.complete) == (False, True)
    assert world.files("ledger", "raw", "scores", "registry") == before
    assert [row.action for row in history(world.control) if row.action.startswith("forget")] == ["forget.done", "forget.begin"]


def test_a_key_is_found_in_whatever_type_and_form_it_is_written(world: SubjectWorld) -> None:
    """As a number and as text; with its accent as one character or as two."""
    texts = pa.array(["5", "55"])
    for who in (pa.array([5, 55], pa.int64()), texts, pa.array([5.0, 55.0]), texts.dictionary_encode()):
        columns = {"id": ["p", "q"], "customer": who, "ordered_at": pa.array([datetime.fromisoformat("2013-01-04")] * 2)}
        world.put("orders", date(2013, 1, 4), parquet(columns))
        seen, _ = look(world.place, world.scope("customer=5"))
        assert list(seen.files.values()) == [1]
    other_form = unicodedata.normalize("NFD", WHO)
    assert other_form != WHO
    seen, _ = look(world.place, world.scope(f"customer={other_form}"))
    assert seen.rows > 30


def test_what_cannot_be_read_is_named_and_the_rest_is_done(world: SubjectWorld) -> None:
    path = f"raw/{MODEL}/orders/date=2013-01-09/part.parquet"
    world.storage.write(path, b"PAR1 half a file")
    done = world.forget()
    assert not done.complete
    assert list(done.found.unread) == [path]
    rows_left(world)


def test_two_at_once_and_one_beside_a_gc_are_refused(world: SubjectWorld) -> None:
    before = world.files()
    for name in ("forget", "gc"):
        with advisory_lock(world.control, name, file=name) as alone:
            assert alone
            with pytest.raises(ConflictError, match=f"slipstream {name} is at work"):
                world.forget()
    assert world.files() == before


def test_a_source_of_which_nothing_says_whose_it_is_is_refused_before_anything(world: SubjectWorld) -> None:
    before = world.files()
    data = world.spec.data.model_copy(update={"subject_columns": {}})
    world.spec = world.spec.model_copy(update={"data": data})
    with pytest.raises(SpecError, match="Nothing says whose the rows of returns of shop are") as refused:
        world.forget()
    assert "impersonal_sources" in refused.value.hint
    assert world.files() == before
    world.spec = world.spec.model_copy(update={"data": data.model_copy(update={"impersonal_sources": ("returns",)})})
    assert world.forget().complete


def test_a_gc_a_backup_and_an_invalidation_go_on_as_before(world: SubjectWorld) -> None:
    """Nothing that is needed is given up, every reference is known to the backup, and what is asked for anew is made anew."""
    write_seal(world.control, world.storage, actor="t")
    world.forget()
    let_pass(world.home / "store", 400)
    jobs = Jobs()
    place = Gc(
        world.settings,
        world.control,
        world.ledger,
        lambda: jobs,
        lambda _: world.spec,
        (MODEL,),
        now,
        "t",  # type: ignore[arg-type]
    )
    collect(place, Bounds.stopped(timedelta(days=30)), None, dry_run=False)
    assert trace(world.ledger, world.control, MODEL, 1).intact
    rows_left(world, answers=0)  # their time was over
    known = {(key_of(line["path"]), line["digest"]) for line in index(world.storage)}
    named = [ref for *_, ref in (*versions.references(world.control), *published.references(world.control))]
    assert len(named) == 6
    assert all((key_of(ref.uri), ref.digest) in known for ref in named)
    assert world.forget().complete
