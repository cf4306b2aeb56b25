from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from include.backends.sklearn.trainer import finish, frame
from include.core.errors import DataError, IntegrityError, SpecError
from include.core.ledger import Ledger
from include.core.needs import Needs
from include.core.request import Request, Result
from include.core.settings import Settings
from include.core.spec.resources import Resources
from include.core.task import perform
from include.model_contract.encoder import Encoder
from include.model_contract.model import open_model
from include.serving.models.loaded_model import LoadedModel
from include.training.job import TrainingJob
from tests.support.training_example import FEATURES, HERE, NETWORK, fit_logistic, settings, table, train_request, training_set


class Bench:
    """A ledger in a temporary folder, and `train` run on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings: Settings = settings(home)
        self.ledger = Ledger(self.settings.storage())

    def run(self, request: Request) -> Result:
        return perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)

    def train(self, rows: pa.Table, fit: str = f"{HERE}:fit_logistic", **training: object) -> Result:
        data = training_set(self.ledger, self.home / "in", rows, table(200, seed=2))
        return self.run(train_request(self.ledger, data, fit, **training))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_fit_of_any_library_gives_a_model_its_signature_and_metrics(bench: Bench) -> None:
    result = bench.train(table())
    assert set(result.files) == {"model.onnx", "signature.json"}
    signature = json.loads(bench.ledger.storage.read(result.files["signature.json"].path))
    assert [item["name"] for item in signature["inputs"]] == ["wind", "hour", "carrier"]
    assert signature["output"] == "score"
    assert signature["label"] == "late"
    assert result.value["metrics"]["auc"] > 0.75
    assert result.value["history"][0]["train_accuracy"] > 0.6


def test_a_pickle_is_refused_unopened(bench: Bench) -> None:
    with pytest.raises(IntegrityError, match="pickle"):
        bench.train(table(), f"{HERE}:fit_pickle")


def test_a_fit_that_writes_nothing_is_reported_so(bench: Bench) -> None:
    with pytest.raises(DataError, match=r"job\.model_path"):
        bench.train(table(), f"{HERE}:fit_nothing")


def test_a_fit_that_cannot_share_its_model_out_is_refused(bench: Bench) -> None:
    with pytest.raises(SpecError, match="does not share its model out") as refused:
        bench.train(table(), strategy="fsdp", workers=2)
    assert "fit_lightning" in refused.value.hint


def test_a_fit_that_is_not_private_is_refused_where_that_was_asked_for(bench: Bench) -> None:
    with pytest.raises(SpecError, match="does not train with differential privacy") as refused:
        bench.train(table(), privacy={"epsilon": 3.0})
    assert "fit_lightning" in refused.value.hint


@pytest.mark.whole
def test_a_private_fit_says_what_it_spent(bench: Bench) -> None:
    """The demonstration's own network: embeddings, and numbers with statistics that are no state of the fit."""
    asked = {"epsilon": 3.0, "delta": 1e-4}
    result = bench.train(table(), "include.models.flight_delay.train:fit", privacy=asked, params=NETWORK)
    spent = result.value["privacy"]
    assert 2.5 < spent["epsilon"] <= 3.0
    assert result.value["metrics"]["epsilon"] == spent["epsilon"]
    assert spent["steps"] == 3 * (result.value["rows"] // 64)
    assert spent["sample_rate"] == pytest.approx(64 / result.value["rows"])


@pytest.mark.parametrize(("workers", "lacks"), [(1, "at least 2 training.workers"), (2, "SLIPSTREAM_JOB_BACKEND=ray")])
def test_a_model_is_shared_out_by_a_ray_cluster_alone(
    workers: int, lacks: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(SpecError, match="shares a model out to workers") as refused:
        bench.train(table(), "include.models.flight_delay.train:fit", strategy="fsdp", workers=workers, params=NETWORK)
    assert lacks in refused.value.hint


def fit_by_its_needs(job: TrainingJob) -> None:
    """Computes in the precision and on the machine that it is asked for, and says which."""
    fit_logistic(job)
    job.report({"bf16": job.precision == "bf16", "cpus": job.needs.resources.cpus}, step=2)


def test_a_fit_that_does_not_ask_for_its_precision_is_refused_any_but_float32(bench: Bench) -> None:
    with pytest.raises(SpecError, match=r"(?s)its own precision.*'bf16'.*job\.precision"):
        bench.train(table(), precision="bf16")
    assert bench.train(table(), precision="32").value["metrics"]["auc"] > 0.75


def test_a_fit_reads_the_precision_and_the_machine_that_it_was_given(bench: Bench) -> None:
    bench.settings = replace(bench.settings, environ={**bench.settings.environ, **Needs(Resources(cpus=2)).handed_on()})
    result = bench.train(table(), f"{__name__}:fit_by_its_needs", precision="bf16")
    assert result.value["history"][-1] == {"step": 2, "bf16": 1.0, "cpus": 2.0}


def test_too_few_rows_are_refused(bench: Bench) -> None:
    with pytest.raises(DataError, match="Too few rows"):
        bench.train(table(80))


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_only_is_refused_with_its_count(bench: Bench, value: int) -> None:
    rows = table(400)
    same = rows.set_column(rows.schema.get_field_index("late"), "late", pa.array(np.full(400, value, np.int8)))
    with pytest.raises(DataError, match=f"{400 * value} of 400 rows are positive"):
        bench.train(same)


def test_a_missing_label_is_refused(bench: Bench) -> None:
    rows = table(400)
    some = pa.array([None, *rows["late"].to_pylist()[1:]], pa.int8())
    with pytest.raises(DataError, match="rows with the label 'late'"):
        bench.train(rows.set_column(rows.schema.get_field_index("late"), "late", some))


def test_an_onnx_file_that_scores_unlike_its_model_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from include.training.job import TrainingJob

    expect = TrainingJob.expect
    monkeypatch.setattr(TrainingJob, "expect", lambda job, scores: expect(job, scores + 0.01))
    with pytest.raises(DataError, match="does not score like"):
        bench.train(table())


def test_the_grid_is_searched_and_the_best_point_is_chosen(bench: Bench) -> None:
    data = training_set(bench.ledger, bench.home / "in", table(), table(200, seed=2))
    request = train_request(bench.ledger, data, search={"c": [1e-6, 1.0]}, params={"other": 1})
    tuned = Request("tune", "include.training.tune_step:run", "example", request.params, request.inputs)
    value = bench.run(tuned).value
    assert value["params"] == {"other": 1, "c": 1.0}
    assert len(value["trials"]) == 2


def test_a_large_grid_is_sampled_the_same_way_each_time() -> None:
    from include.training.tune_step import TRIALS, grid

    search = {"a": list(range(5)), "b": list(range(5))}
    assert len(grid(search, 7)) == TRIALS
    assert grid(search, 7) == grid(search, 7)
    assert grid({}, 7) == [{}]


WORDS: dict[str, object] = {
    "request": [{"name": "wind"}, {"name": "carrier", "dtype": "category"}, {"name": "remark", "dtype": "text"}],
}


def with_remarks(rows: pa.Table, remark: str = "storm") -> pa.Table:
    windy = rows["wind"].to_numpy() > 0
    return rows.append_column("remark", pa.array([f"{remark} ahead 7" if each else "7" for each in windy], pa.string()))


def train_on_columns(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, rows: pa.Table, inputs: str = "columns", **params: str
) -> Result:
    monkeypatch.setattr("tests.support.training_example.FEATURES", {**FEATURES, **WORDS})
    data = training_set(bench.ledger, bench.home / "in", rows, with_remarks(table(200, seed=2)))
    return bench.run(train_request(bench.ledger, data, f"{__name__}:fit_columns", inputs=inputs, params=params))


def fit_columns(job: TrainingJob) -> None:
    codes = OneHotEncoder(handle_unknown=job.params.get("unknown", "ignore"))
    columns = ColumnTransformer([("words", CountVectorizer(), "remark"), ("codes", codes, ["carrier"])])
    finish(make_pipeline(columns, LogisticRegression()).fit(frame(job.train), job.train.labels), job)


def test_a_model_of_columns_is_trained_checked_and_serves_rows_by_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    result = train_on_columns(bench, monkeypatch, with_remarks(table()))
    assert result.value["metrics"]["auc"] > 0.7
    files = {name: bench.ledger.fetch(result, name, bench.home) for name in result.files}
    signature = json.loads(files["signature.json"].read_text())
    assert signature["form"] == "columns"
    encoder, scorer = Encoder.from_json(signature), open_model(files["model.onnx"])
    loaded = LoadedModel(1, "", encoder, scorer)
    row = {"wind": 1.0, "carrier": "C3", "remark": "Storm"}
    calm, unknown = {**row, "remark": "7"}, dict.fromkeys(row)
    scores = [loaded.score_row(each) for each in (row, calm, unknown)]
    assert scores[0] > scores[1]
    assert loaded.score_all([row, calm, unknown]) == pytest.approx(scores)


def test_a_model_that_does_not_answer_what_serving_meets_is_refused_in_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"does not answer rows of missing and unknown values: .*Unknown Category"):
        train_on_columns(bench, monkeypatch, with_remarks(table()), unknown="error")


def test_a_text_without_a_letter_in_any_row_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table()
    with pytest.raises(DataError, match="'remark' has no letter in any row"):
        train_on_columns(bench, monkeypatch, rows.append_column("remark", pa.array(["7"] * len(rows))))


def test_a_text_has_no_place_in_one_tensor(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="one tensor of numbers cannot read text: remark"):
        train_on_columns(bench, monkeypatch, with_remarks(table()), inputs="tensor")
