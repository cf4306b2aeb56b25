from __future__ import annotations

import json
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC
from itertools import repeat
from pathlib import Path

import pytest

from include.core.digest import digest_json
from include.core.errors import DataError, IntegrityError, NotReadyError, PermanentError, SupersededError
from include.core.ledger import Attempt, Ledger
from include.core.request import Outcome, Ref, Request, Result
from include.core.storage import LocalStorage
from tests.support.processes import FORKS

REQUEST = Request("train", "m:run", "model", {"a": 1}, {"up": Ref("/x", "d1", "features")}, "code")
KEY = REQUEST.key


def write(folder: Path, content: bytes, name: str = "model.onnx") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def commit(ledger: Ledger, folder: Path, content: bytes = b"weights", generation: int = 0, number: int = 1) -> Result:
    outcome = Outcome({"auc": 0.7}, {"model.onnx": write(folder, content)})
    return ledger.commit(REQUEST, Attempt(KEY, generation, number), outcome, 1.23456)


# -- keys --------------------------------------------------------------------------------------------------


def test_a_key_depends_on_everything_but_where_the_inputs_lie() -> None:
    body = REQUEST.to_json()
    assert Request.from_json(json.loads(json.dumps(body))) == REQUEST
    moved = Request(**{**vars(REQUEST), "inputs": {"up": Ref("s3://elsewhere", "d1", "features")}})
    assert moved.key == KEY
    for change in ({"params": {"a": 2}}, {"inputs": {"up": Ref("/x", "d2", "features")}}, {"code": "other"}, {"model": "n"},
                   {"function": "m:other"}, {"step": "tune"}):  # fmt: skip
        assert Request(**{**vars(REQUEST), **change}).key != KEY


def test_a_job_is_named_after_key_generation_and_attempt() -> None:
    attempt = Attempt("training_set/" + "ab" * 16, 2, 3)
    assert attempt.job == "slip-training-set-" + ("ab" * 10) + "-g2-a3"
    assert attempt.checkpoints == f"ledger/{attempt.key}/g2/checkpoints"


# -- races -------------------------------------------------------------------------------------------------


def open_attempts(root: str, worker: int) -> tuple[int, int]:
    ledger = Ledger(LocalStorage(root))
    generation = ledger.open_generation(KEY, f"token-{worker % 3}", "race")
    return generation, ledger.open_attempt(KEY, generation).number


@pytest.mark.thorough
def test_processes_that_share_a_token_share_a_generation_and_its_attempt(tmp_path: Path) -> None:
    with ProcessPoolExecutor(6, mp_context=FORKS) as pool:
        opened = list(pool.map(open_attempts, repeat(str(tmp_path), 18), range(18)))
    by_token = [{opened[n] for n in range(18) if n % 3 == token} for token in range(3)]
    assert all(len(same) == 1 for same in by_token)
    assert sorted(same.pop()[0] for same in by_token) == [1, 2, 3]
    assert {number for _, number in opened} == {1}
    assert Ledger(LocalStorage(tmp_path)).generation(KEY) == 3


def test_what_was_asked_for_is_listed_by_step_whatever_came_of_it(ledger: Ledger) -> None:
    asked = [Request(step, "tests:none", "toy", {"day": day}) for step in ("train", "training_set") for day in (1, 2)]
    for request in asked:
        ledger.record(request)
    ledger.open_attempt(asked[0].key, ledger.generation(asked[0].key))
    assert list(ledger.requested()) == sorted(request.key for request in asked)
    assert list(ledger.requested("train")) == sorted(request.key for request in asked[:2])
    assert list(ledger.requested("score")) == []


def test_an_attempt_is_live_until_it_is_ended(ledger: Ledger) -> None:
    first = ledger.open_attempt(KEY, 0)
    assert ledger.open_attempt(KEY, 0) == first
    ledger.end_attempt(first, "worker died")
    ledger.end_attempt(first, "said twice: the first reason stays")
    second = ledger.open_attempt(KEY, 0)
    assert second.number == 2
    assert ledger.ended(KEY, 0) == ["worker died"]


def test_attempts_are_told_with_what_they_were_given_and_why_they_ended(ledger: Ledger) -> None:
    machine = {"backend": "ray", "workers": 2, "resources": {"cpus": 4}}
    ledger.end_attempt(ledger.open_attempt(REQUEST.key, 0, machine), "killed")
    again = ledger.open_attempt(REQUEST.key, 0)
    assert ledger.open_attempt(REQUEST.key, 0, machine) == again  # who opened it has said what it runs on
    first, second = ledger.tried(REQUEST.key, 0)
    assert (first.number, first.machine, first.reason) == (1, machine, "killed")
    assert first.ended is not None
    assert first.ended >= first.opened
    assert (second.number, second.machine, second.ended, second.reason) == (2, {}, None, "")
    assert ledger.tried("train/nothing", 0) == []


def test_the_first_commit_wins(ledger: Ledger, tmp_path: Path) -> None:
    first = commit(ledger, tmp_path / "1", b"first", number=1)
    second = commit(ledger, tmp_path / "2", b"second", number=2)
    assert second == first
    assert second.attempt == 1
    assert ledger.verify(second) == []


def test_of_many_committers_one_result_stands_and_is_whole(ledger: Ledger, tmp_path: Path) -> None:
    def one(n: int) -> Result:
        return commit(ledger, tmp_path / str(n), f"weights {n}".encode() * 1000, number=1 + n % 2)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(16)))
    assert len({result.digest for result in results}) == 1
    assert ledger.verify(results[0]) == []


def test_a_zombie_of_the_same_attempt_cannot_damage_what_was_committed(ledger: Ledger, tmp_path: Path) -> None:
    """Two processes run one attempt: the slower one has looked, found no result, and then stores its files."""
    zombie = Ledger(LocalStorage(ledger.storage.root))
    real_exists = zombie.storage.exists

    def commit_of_the_other_in_between(path: str) -> bool:
        there = real_exists(path)
        if path.endswith("result.json") and not there:
            commit(ledger, tmp_path / "quick", b"committed")
        return there

    zombie.storage.exists = commit_of_the_other_in_between  # type: ignore[method-assign]
    result = commit(zombie, tmp_path / "slow", b"late and different")
    assert ledger.verify(result) == []
    assert ledger.fetch(result, "model.onnx", tmp_path).read_bytes() == b"committed"


def test_a_superseded_attempt_cannot_commit_and_leaves_nothing(ledger: Ledger, tmp_path: Path) -> None:
    old = ledger.open_attempt(KEY, 0)
    ledger.open_generation(KEY, "run-2", "fresh")
    before = list(ledger.storage.list("ledger"))
    with pytest.raises(SupersededError, match=r"Generation 0 of train/.*generation 1 was opened"):
        commit(ledger, tmp_path / "z", generation=old.generation)
    assert list(ledger.storage.list("ledger")) == before
    assert ledger.result(KEY) is None


def test_a_generation_that_was_collected_is_never_worked_on_again(ledger: Ledger, tmp_path: Path) -> None:
    commit(ledger, tmp_path / "1")
    assert ledger.current(KEY) == 0
    ledger.storage.create(f"ledger/{KEY}/g0/collected.json", b"{}")
    assert [ledger.current(KEY), ledger.current(KEY)] == [1, 1]
    mine = ledger.open_generation(KEY, "run-2", "fresh")
    assert (mine, ledger.open_generation(KEY, "run-2", "fresh"), ledger.current(KEY)) == (2, 2, 2)
    ledger.storage.create(f"ledger/{KEY}/g2/collected.json", b"{}")
    assert (ledger.open_generation(KEY, "run-2", "fresh"), ledger.current(KEY)) == (3, 3)


def test_a_new_generation_hides_the_old_result_but_keeps_it(ledger: Ledger, tmp_path: Path) -> None:
    old = commit(ledger, tmp_path / "1")
    assert ledger.result(KEY) == old
    ledger.open_generation(KEY, "run-2", "fresh")
    assert ledger.result(KEY) is None
    assert ledger.result(KEY, 0) == old
    assert ledger.resolve(ledger.ref(old)) == old


# -- integrity ---------------------------------------------------------------------------------------------


def test_a_result_survives_its_json(ledger: Ledger, tmp_path: Path) -> None:
    result = commit(ledger, tmp_path / "1")
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert result.seconds == 1.235
    assert ledger.request(KEY) == REQUEST


def test_a_results_digest_covers_value_and_files_only(ledger: Ledger, tmp_path: Path) -> None:
    result = commit(ledger, tmp_path / "1")
    body = {"value": {"auc": 0.7}, "files": {"model.onnx": result.files["model.onnx"].digest}}
    assert result.digest == digest_json(body)


def test_verify_finds_missing_and_flipped_files(ledger: Ledger, tmp_path: Path) -> None:
    files = {name: write(tmp_path / "out", name.encode(), name) for name in ("good", "gone", "flipped")}
    result = ledger.commit(REQUEST, Attempt(KEY, 0, 1), Outcome({}, files), 0)
    ledger.storage.delete(result.files["gone"].path)
    ledger.storage.write(result.files["flipped"].path, b"flippee")
    assert sorted(ledger.verify(result)) == ["flipped", "gone"]
    with pytest.raises(IntegrityError, match=r"(?s)flipped does not match its digest.*slipstream invalidate train/"):
        ledger.fetch(result, "flipped", tmp_path)
    with pytest.raises(DataError, match=r"(?s)no file 'other'.*'flipped'"):
        ledger.fetch(result, "other", tmp_path)


def test_a_ref_to_something_else_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    ref = ledger.ref(commit(ledger, tmp_path / "1"))
    assert ref.kind == "train"
    with pytest.raises(IntegrityError, match="not the one that was asked for"):
        ledger.resolve(Ref(ref.uri, "0" * 64, ref.kind))
    with pytest.raises(DataError, match=r"(?s)is gone.*computed again"):
        ledger.resolve(Ref(ref.uri.replace("/g0/", "/g7/"), "0" * 64, ref.kind))


def test_a_ref_to_what_was_collected_leads_to_the_same_result_computed_anew(ledger: Ledger, tmp_path: Path) -> None:
    """A request that was recorded before names the first generation; what it was made from is the second as well."""
    ref = ledger.ref(commit(ledger, tmp_path / "1"))
    ledger.storage.create(f"ledger/{KEY}/g0/collected.json", b"{}")
    ledger.storage.delete(f"ledger/{KEY}/g0/result.json")
    with pytest.raises(DataError, match="is gone"):
        ledger.resolve(ref)
    again = commit(ledger, tmp_path / "2", generation=ledger.current(KEY))
    assert ledger.resolve(ref) == again
    assert again.generation == 1
    other = Ref(ref.uri, "0" * 64, ref.kind)
    with pytest.raises(DataError, match="is gone"):
        ledger.resolve(other)


ROOTS = ("", "/srv/old/store/", "/srv/ledger/a/b/g0/", "s3://bucket/prefix/", "s3://bucket/")


@pytest.mark.parametrize("root", ROOTS)
def test_a_ref_stored_under_any_root_finds_the_result_under_this_one(ledger: Ledger, tmp_path: Path, root: str) -> None:
    result = commit(ledger, tmp_path / "1")
    stored = {"uri": f"{root}{result.path}", "digest": result.digest, "kind": "train"}
    assert Ref.from_json(stored) == ledger.ref(result) == Ref(result.path, result.digest, "train")
    assert ledger.resolve(Ref(**stored)) == ledger.resolve(Ref.from_json(stored)) == result
    with pytest.raises(IntegrityError, match="not the one that was asked for"):  # another installation's of the same key
        ledger.resolve(Ref.from_json({**stored, "digest": "0" * 64}))


@pytest.mark.parametrize("root", ROOTS)
def test_a_request_of_another_root_has_the_same_key_and_is_written_without_it(ledger: Ledger, root: str) -> None:
    here = Request("evaluate", "m:run", "model", {}, {"train": Ref("ledger/train/ab/g0/result.json", "d1", "train")}, "code")
    stored = here.to_json()
    stored["inputs"]["train"]["uri"] = f"{root}ledger/train/ab/g0/result.json"
    assert Request.from_json(stored) == here
    assert Request.from_json(stored).key == here.key
    assert Request.from_json(stored).to_json() == here.to_json()


def test_nothing_that_the_ledger_writes_names_its_root(ledger: Ledger, tmp_path: Path) -> None:
    first = commit(ledger, tmp_path / "1")
    request = Request("evaluate", "m:run", "model", {}, {"train": ledger.ref(first)}, "code")
    attempt = ledger.open_attempt(request.key, 0)
    ledger.commit(request, attempt, Outcome({}, {"report": write(tmp_path / "out", b"r", "report")}), 0)
    ledger.end_attempt(ledger.open_attempt(request.key, ledger.open_generation(request.key, "t", "r")), "ended")
    written = [ledger.storage.read(path) for path in ledger.storage.list("ledger")]
    assert len(written) > 7
    assert not [data for data in written if str(tmp_path).encode() in data]


def test_half_a_result_is_an_integrity_error(ledger: Ledger, tmp_path: Path) -> None:
    result = commit(ledger, tmp_path / "1")
    ledger.storage.write(result.path, b'{"key": "tra')
    with pytest.raises(IntegrityError, match=r"result\.json is not JSON"):
        ledger.result(KEY)


@pytest.mark.parametrize("kind", [DataError, NotReadyError, PermanentError])
def test_the_error_a_job_died_of_is_kept_with_its_class(ledger: Ledger, kind: type[PermanentError]) -> None:
    attempt = ledger.open_attempt(KEY, 0)
    assert ledger.error(attempt) is None
    ledger.record_error(attempt, kind("what", seen=3, safe="safe", hint="hint"))
    again = ledger.error(attempt)
    assert type(again) is kind
    assert (again.what, again.seen, again.safe, again.hint) == ("what", "3", "safe", "hint")


@pytest.mark.parametrize("seen", ["JFK", "None", "", 3, {"a": "it's"}, None, object], ids=repr)
def test_a_job_s_error_reads_the_same_once_it_is_read_back(ledger: Ledger, seen: object) -> None:
    error = DataError("A.", seen=seen, safe="B.", hint="C")
    first, second = ledger.open_attempt(KEY, 0), Attempt(KEY, 1, 1)
    ledger.record_error(first, error)
    again = ledger.error(first)
    assert again is not None
    ledger.record_error(second, pickle.loads(pickle.dumps(again)))  # and handed on once more
    assert str(ledger.error(second)) == str(again) == str(error)


def test_when_an_attempt_was_opened(ledger: Ledger) -> None:
    attempt = ledger.open_attempt(KEY, 0)
    opened = ledger.opened_at(attempt)
    assert opened is not None
    assert opened.tzinfo is UTC
    assert ledger.opened_at(ledger.open_attempt(KEY, 0)) == opened  # whoever finds it open does not open it anew
    assert ledger.opened_at(Attempt(KEY, 0, attempt.number + 1)) is None
