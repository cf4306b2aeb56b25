"""The spec says how a training set is held; without a word, as ever, and under the same keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.core.errors import SpecError
from include.core.ledger import Attempt, Ledger
from include.core.request import Ref
from include.core.spec import Ranking
from include.core.task import Task, perform
from include.models.flight_delay.spec import SPEC
from include.problems.of import problem_of
from include.training import reading
from include.training.job import TrainingJob
from include.training.reading import read_rows
from include.training.request import train_request as request_of
from include.training.rows.streamed import StreamedRows
from tests.support.linear_models import linear
from tests.support.training_example import settings, table, train_request, training_set


def task_of(home: Path, **training: object) -> Task:
    ours = settings(home)
    ledger = Ledger(ours.storage())
    data = training_set(ledger, home / "in", table(), table(200, seed=2))
    request = train_request(ledger, data, **training)  # type: ignore[arg-type]
    (home / "work").mkdir(exist_ok=True)
    return Task(request, Attempt(request.key, 0, 1), ledger, ours, home / "work")


@pytest.mark.parametrize(("bound", "streams"), [(None, False), (1200, False), (1199, True), (0, True)])
def test_a_set_of_more_rows_than_the_bound_is_streamed(bound: int | None, streams: bool, tmp_path: Path) -> None:
    task = task_of(tmp_path, **({} if bound is None else {"memory_rows": bound}))
    train, validation, _ = read_rows(task, task.file("training_set", "train.parquet"))
    assert isinstance(train, StreamedRows) == isinstance(validation, StreamedRows) == streams
    assert (len(train), len(validation)) == (1080, 120)


def test_a_request_without_the_field_says_nothing_of_it() -> None:
    ref = Ref("x", "0" * 64, "training_set")
    training = request_of(SPEC, ref).params["training"]
    assert isinstance(training, dict)
    assert "memory_rows" not in training
    bound = SPEC.model_copy(update={"training": SPEC.training.model_copy(update={"memory_rows": 10})})
    assert request_of(bound, ref).key != request_of(SPEC, ref).key


def test_a_ranking_is_not_streamed(tmp_path: Path) -> None:
    asked = reading.Asked("late", problem_of(Ranking(query="carrier", item="hour")), (), "tensor", 7)
    with pytest.raises(SpecError, match="must stay together"):
        reading._streamed(tmp_path, asked, reading.Place(settings(tmp_path).storage(), "rows", tmp_path))


def test_a_set_beyond_the_machine_s_memory_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_memory", lambda: 4 * 3 * 1200 - 1)
    task = task_of(tmp_path)
    with pytest.raises(SpecError, match=r"(?s)does not fit into memory.*training\.memory_rows"):
        read_rows(task, task.file("training_set", "train.parquet"))
    monkeypatch.setattr(reading, "_memory", lambda: 4 * 3 * 1200)
    assert len(read_rows(task, task.file("training_set", "train.parquet"))[0]) == 1080


def test_the_bound_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST", tmp_path / "memory.max")
    machine = reading._memory()
    for text, expected in (("max\n", machine), ("4096\n", 4096)):
        (tmp_path / "memory.max").write_text(text)
        assert reading._memory() == expected


def fit_in_batches(job: TrainingJob) -> None:
    """Least squares by sums over batches."""
    gram, moment = np.zeros((4, 4)), np.zeros(4)
    for rows in job.train.batches(100):
        filled = np.column_stack([np.nan_to_num(rows.features.astype(np.float64)), np.ones(len(rows))])
        gram += filled.T @ filled
        moment += filled.T @ rows.labels.astype(np.float64)
    found = np.linalg.solve(gram, moment)[:, None]
    job.model_path.write_bytes(linear(found[:-1], found[-1], "Sigmoid"))


def test_a_fit_that_takes_batches_comes_to_the_same_model_and_leaves_no_blocks(tmp_path: Path) -> None:
    values = []
    for bound in (None, 0):
        task = task_of(tmp_path, fit=f"{__name__}:fit_in_batches", **({} if bound is None else {"memory_rows": bound}))
        request = task.request
        result = perform(request, task.ledger.open_attempt(request.key, 0), task.ledger, task.settings)
        assert not list(task.storage.list(f"ledger/{request.key}/g0/rows"))
        values.append(result.value)
    assert values[0]["rows"] == values[1]["rows"] == 1080
    assert values[0]["metrics"].keys() == values[1]["metrics"].keys()
    for name, value in values[0]["metrics"].items():
        assert values[1]["metrics"][name] == pytest.approx(value, abs=1e-6), name


def test_a_fit_that_wants_arrays_is_told_the_choice(tmp_path: Path) -> None:
    task = task_of(tmp_path, memory_rows=100)
    with pytest.raises(SpecError, match=r"(?s)more rows than training\.memory_rows.*1,080 rows"):
        perform(task.request, task.ledger.open_attempt(task.request.key, 0), task.ledger, task.settings)
