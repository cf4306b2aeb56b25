"""trace: from the served version to the raw bytes, and what it says when they are not those bytes."""

from __future__ import annotations

import json
import subprocess
from datetime import date
from pathlib import Path

import pytest

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.errors import DataError
from include.governance.lineage import Trace, trace
from include.governance.node import State
from include.governance.registry import register, resource
from include.governance.tree import checksums, render
from include.versions.record import Stage
from tests.support.toy_ledger import MODEL, Loop
from tests.support.versions import move


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop.under(tmp_path)


@pytest.fixture
def control(tmp_path: Path, loop: Loop) -> ControlStore:
    """With one version in production, made of six days."""
    store = ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    store.create_tables()
    register(store, FolderRegistry(loop.ledger.storage), loop.package(days=6), store.take(resource(MODEL), "t"))
    move(store, MODEL, 1, Stage.PRODUCTION, "t")
    return store


def states(traced: Trace, role: str) -> set[State]:
    return {node.state for node in traced.root.walk() if node.role == role}


def test_it_walks_from_the_served_version_to_raw_partitions_definitions_parameters_and_code(
    loop: Loop, control: ControlStore
) -> None:
    traced = trace(loop.ledger, control, MODEL)
    assert traced.intact
    assert traced.record.version == 1
    assert states(traced, "raw flights") == states(traced, "training_set") == states(traced, "verdict") == {State.VERIFIED}
    raw = {node.digest for node in traced.root.walk() if node.role == "raw flights"}
    assert len(raw) == 6
    parameters = next(node for node in traced.root.walk() if node.role == "parameters")
    assert parameters.detail == {"hidden": 8}
    assert {"feature definitions", "code"} <= {node.role for node in traced.root.walk()}
    assert json.loads(json.dumps(traced.to_json()))["intact"] is True


def test_the_text_folds_alike_days_and_ends_with_a_verdict(loop: Loop, control: ControlStore) -> None:
    text = render(trace(loop.ledger, control, MODEL))
    assert "toy version 1" in text
    assert "… 4 more days, all intact" in text
    assert "hidden=8" in text
    assert "every digest holds" in text.splitlines()[-1]
    assert text.count("raw flights") == 2  # of the first day and of the last, once each
    assert text.count(": as above") == 2  # the evaluation's training set and model
    assert "more days" not in render(trace(loop.ledger, control, MODEL), everything=True)


def test_every_path_that_is_shown_is_there_and_every_digest_of_no_file_is_found(loop: Loop, control: ControlStore) -> None:
    """On a real ledger: a person opens what a line names."""
    traced = trace(loop.ledger, control, MODEL)
    text = render(traced, everything=True)
    root = loop.ledger.storage.root
    assert f"Paths are below {root}" in text
    named = {word for word in text.split() if word.startswith(("ledger/", "raw/"))}
    assert len(named) == 3 + 6 * 3  # train, training set and evaluation; a verdict, features and a partition for each day
    for path in named:
        assert (Path(root) / path).exists(), path
        if path.startswith("ledger/"):
            assert (Path(root) / path).with_name("request.json").is_file()
    (first,) = [line for line in text.splitlines() if "toy version 1" in line]
    assert traced.record.entry.key in first


def test_the_list_of_files_is_one_that_sha256sum_checks(loop: Loop, control: ControlStore) -> None:
    listed = checksums(trace(loop.ledger, control, MODEL))
    assert {line.rpartition("/")[2] for line in listed.splitlines()} >= {"model.onnx", "part.parquet", "labels.parquet"}
    done = subprocess.run(["sha256sum", "--check", "--strict"], input=listed, cwd=loop.ledger.storage.root, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == len(listed.splitlines())


def test_a_changed_raw_partition_is_named(loop: Loop, control: ControlStore) -> None:
    loop.ledger.storage.write(f"raw/{MODEL}/flights/date={date(2013, 1, 3)}/part.parquet", b"tampered")
    traced = trace(loop.ledger, control, MODEL)
    assert not traced.intact
    broken = [node.detail["day"] for node in traced.root.walk() if node.state is State.CHANGED]
    assert set(broken) == {"2013-01-03"}
    text = render(traced)
    assert "✗ changed" in text
    assert "2013-01-03" in text
    assert "LINEAGE IS BROKEN" in text


def test_a_missing_file_of_a_result_is_distinguished_from_a_changed_one(loop: Loop, control: ControlStore) -> None:
    train = loop.ledger.resolve(trace(loop.ledger, control, MODEL).record.entry.lineage.train)
    loop.ledger.storage.delete(train.files["model.onnx"].path)
    assert states(trace(loop.ledger, control, MODEL), "train") == {State.MISSING}
    loop.ledger.storage.write(train.files["model.onnx"].path, b"other")
    assert states(trace(loop.ledger, control, MODEL), "train") == {State.CHANGED}


def test_why_something_is_missing_is_reported_on_one_line(loop: Loop, control: ControlStore) -> None:
    train = loop.ledger.resolve(trace(loop.ledger, control, MODEL).record.entry.lineage.train)
    loop.ledger.storage.delete(train.path)
    problems = [node.detail["problem"] for node in trace(loop.ledger, control, MODEL).root.walk() if "problem" in node.detail]
    assert problems
    assert all("Next: " in problem and "\n" not in problem for problem in problems)


def test_without_a_served_version_one_must_be_named(loop: Loop, control: ControlStore) -> None:
    move(control, MODEL, 1, Stage.ARCHIVED, "t")
    with pytest.raises(DataError, match="--version N"):
        trace(loop.ledger, control, MODEL)
    assert trace(loop.ledger, control, MODEL, version=1).intact
