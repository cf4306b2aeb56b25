from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, f1_score

from include.backends.onnx.model import open_model
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.request import Json, Request, Result
from include.core.task import perform
from include.evaluation import evaluate_step
from include.model_contract.encoder import Encoder
from include.monitoring.performance.comparison import Baseline
from include.monitoring.performance.comparison import measure as monitored
from include.monitoring.performance.terms import Terms
from tests.support.training_example import FEATURES, settings, table, train_request, training_set

EVALUATION: dict[str, Json] = {"metric": "auc", "minimum": 0.6, "baseline": "carrier", "slices": ["carrier"]}


class Bench:
    """Two trained models (the second one is worse) and `evaluate` run on them."""

    def __init__(self, home: Path) -> None:
        self.settings = settings(home)
        self.ledger = Ledger(self.settings.storage())
        self.home = home
        self.data = training_set(self.ledger, home / "in", table(), table(600, seed=2))
        self.model = self.run(train_request(self.ledger, self.data))

    def run(self, request: Request) -> Result:
        return perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)

    def scores(self, holdout: pa.Table) -> np.ndarray:
        """The model's own [n]."""
        signature = json.loads(self.ledger.storage.read(self.model.files["signature.json"].path))
        model = open_model(Path(self.ledger.storage.uri(self.model.files["model.onnx"].path)))
        return model.score(Encoder.from_json(signature).encode_table(holdout))

    def evaluate(
        self,
        data: Result | None = None,
        champion: Result | None = None,
        threshold: float = 0.5,
        cold: Result | None = None,
        params: dict[str, Json] | None = None,
        **changes: Json,
    ) -> Result:
        inputs = {"training_set": self.ledger.ref(data or self.data), "train": self.ledger.ref(self.model)}
        if champion:
            inputs["champion"] = self.ledger.ref(champion)
        if cold:
            inputs["cold"] = self.ledger.ref(cold)
        asked = {"features": FEATURES, "evaluation": {**EVALUATION, **changes}, "label": "late", "threshold": threshold}
        return self.run(
            Request("evaluate", "include.evaluation.evaluate_step:run", "example", {**asked, **(params or {})}, inputs)
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("home"))


def test_a_model_is_measured_beside_its_baselines(bench: Bench) -> None:
    value = bench.evaluate().value
    assert value["rows"] == 600
    assert value["metrics"]["auc"] > value["baselines"]["historical_rate"]["auc"] > 0.5
    assert value["baselines"]["boosted"]["auc"] > 0.7
    assert value["champion"] is None
    assert {row["value"] for row in value["slices"]} == {"C0", "C1", "C2", "C3"}
    latency = value["latency_ms"]
    assert 0 < latency["p50"] <= latency["p99"]
    assert latency["seen"]["p99"] >= latency["p50"]
    assert latency["reference"]["slowdown"] >= 1
    assert latency["load"] >= 0
    assert value["bytes"] == bench.model.files["model.onnx"].bytes
    assert value["gate"] == {"passed": True, "reasons": []}
    assert (value["alone"], value["warnings"]) == ([], [])


def test_the_champion_is_scored_on_the_same_rows_and_holds_back_a_worse_model(bench: Bench) -> None:
    good = bench.evaluate().value["metrics"]["auc"]
    other = training_set(bench.ledger, bench.home / "other", shuffled_labels(table()), table(600, seed=2))
    strong, bench.model = bench.model, bench.run(train_request(bench.ledger, other))
    try:
        value = bench.evaluate(champion=strong, minimum=0.0).value
    finally:
        bench.model = strong
    assert value["champion"]["auc"] == good
    assert not value["gate"]["passed"]
    assert "champion" in value["gate"]["reasons"][0]


def test_a_warm_start_is_compared_with_its_cold_twin_row_by_row(bench: Bench) -> None:
    alone = bench.evaluate().value
    result = bench.evaluate(cold=bench.model)
    assert "cold" not in alone
    assert result.value["cold"]["metrics"] == alone["metrics"]
    assert result.value["cold"]["paired"]["worse"] == 0
    assert "a cold fit of the same rows" in bench.ledger.storage.read(result.files["report.html"].path).decode()


@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_what_is_decided_is_measured_at_the_threshold_that_serves(bench: Bench, threshold: float) -> None:
    """The model, the champion and the baselines alike, and the gate's comparison too."""
    value = bench.evaluate(champion=bench.model, threshold=threshold, metric="accuracy", minimum=0.0).value
    holdout = pq.read_table(bench.ledger.storage.uri(bench.data.files["holdout.parquet"].path))
    label, score = holdout["late"].to_numpy(), bench.scores(holdout)
    assert value["threshold"] == threshold
    assert value["metrics"]["accuracy"] == pytest.approx(accuracy_score(label, score >= threshold), abs=1e-6)
    assert value["metrics"]["f1"] == pytest.approx(f1_score(label, score >= threshold), abs=1e-6)
    assert value["champion"]["accuracy"] == value["metrics"]["accuracy"]
    shown = value["baselines"]["historical_rate"]
    assert (shown["recall"] > 0.5) == (threshold < 0.5)  # few of its scores reach a half


def test_the_same_rows_are_no_drop_for_the_monitoring(bench: Bench) -> None:
    """Evaluated at another threshold than served, the champion's own holdout would look like a fallen model."""
    evaluated = bench.evaluate(threshold=0.3, metric="accuracy", minimum=0.0).value
    holdout = pq.read_table(bench.ledger.storage.uri(bench.data.files["holdout.parquet"].path))
    columns = {"label": holdout["late"].cast(pa.float64()), "score": bench.scores(holdout).astype(float)}
    seen = pa.table({**columns, "event_time": holdout["event_timestamp"]})
    baseline = Baseline(evaluated["metrics"], evaluated["rows"], threshold=evaluated["threshold"])
    found = monitored(seen, baseline, (), Terms("accuracy", 200, 0.3))
    assert found.expected == pytest.approx(found.metrics["accuracy"], abs=1e-6)
    assert found.drop == pytest.approx(0, abs=1e-6)


def shuffled_labels(rows: pa.Table) -> pa.Table:
    labels = rows["late"].to_pylist()
    return rows.set_column(rows.schema.get_field_index("late"), "late", pa.array(labels[::-1], pa.int8()))


def test_the_report_stands_alone_and_tells_all_three(bench: Bench) -> None:
    result = bench.evaluate(champion=bench.model)
    page = bench.ledger.storage.read(result.files["report.html"].path).decode()
    for text in (
        "this model",
        "champion",
        "HistGradientBoosting",
        "historical rate",
        "train_accuracy",
        "C3",
        "<svg",
        "Time of a row",
        "its known cost",
    ):
        assert text in page
    assert not re.search(r"(src|href)=|https?://|@import|<script", page)


def test_a_closed_gate_shows_its_reasons_in_the_report(bench: Bench) -> None:
    result = bench.evaluate(minimum=0.99)
    assert not result.value["gate"]["passed"]
    assert "below the floor 0.9900" in bench.ledger.storage.read(result.files["report.html"].path).decode()


def test_a_holdout_without_rows_is_refused(bench: Bench) -> None:
    empty = training_set(bench.ledger, bench.home / "empty", table(700), table(600).slice(0, 0))
    with pytest.raises(DataError, match="rows with the label"):
        bench.evaluate(empty)


def test_of_more_training_rows_than_a_bound_every_so_many_are_read(tmp_path: Path) -> None:
    rows = pa.table({"n": list(range(1000))})
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=130)
    for most, every in ((1000, 1), (999, 2), (334, 3), (333, 4), (1, 1000)):
        assert evaluate_step._sampled(tmp_path / "rows.parquet", most)["n"].to_pylist() == list(range(0, 1000, every)), most


FAIR: dict[str, Json] = {
    "attributes": [{"column": "sex"}, {"column": "hour", "bins": [8, 16]}],
    "limits": [{"measure": "demographic_parity_ratio", "limit": 0.8, "attribute": "sex"}],
}


def beside(rows: pa.Table, seed: int, unfair: bool) -> pa.Table:
    """With an attribute that is no input; `unfair`: the wind, which the model reads, tells it."""
    draw = np.random.default_rng(seed)
    wind = np.nan_to_num(rows["wind"].to_numpy())
    women = wind + draw.normal(size=len(wind)) * (0.3 if unfair else 1e6) > 0
    return rows.append_column("sex", pa.array(np.where(women, "<F>", "M")))


@pytest.fixture(scope="module")
def unfair(bench: Bench) -> Result:
    return training_set(bench.ledger, bench.home / "unfair", table(), beside(table(600, seed=2), 4, unfair=True))


def test_groups_of_people_are_compared_and_a_missed_limit_closes_the_gate(bench: Bench, unfair: Result) -> None:
    result = bench.evaluate(unfair, params={"fairness": FAIR})
    value = result.value
    found = value["fairness"]
    assert found["limits"][0]["verdict"] == "missed"
    assert [reason for reason in value["gate"]["reasons"] if "(fairness.limits)" in reason]
    assert [each["attribute"] for each in found["attributes"]] == ["sex", "hour"]
    page = bench.ledger.storage.read(result.files["report.html"].path).decode()
    assert "How groups of people are treated" in page
    assert "&lt;F&gt;" in page
    assert "<F>" not in page
    fair = training_set(bench.ledger, bench.home / "fair", table(), beside(table(600, seed=2), 4, unfair=False))
    assert bench.evaluate(fair, params={"fairness": FAIR}).value["gate"]["passed"]


def test_an_attribute_that_the_holdout_lacks_is_named(bench: Bench) -> None:
    with pytest.raises(DataError, match="no column 'sex', which fairness reads"):
        bench.evaluate(params={"fairness": FAIR})


def test_the_champion_on_the_same_rows_is_compared_with(bench: Bench, unfair: Result) -> None:
    limit = {"measure": "equalized_odds_difference", "than_champion": 0.1}
    asked = {**FAIR, "limits": [limit]}
    found = bench.evaluate(unfair, champion=bench.model, params={"fairness": asked}).value["fairness"]
    assert {(each["against"], each["verdict"], each["found"]["value"]) for each in found["limits"]} == {
        ("champion", "holds", 0.0)
    }


def test_inputs_that_are_disturbed_cost_what_they_are_worth(bench: Bench) -> None:
    asked: dict[str, Json] = {"rows": 400, "seed": 7, "noise": [0.1], "limit": 0.05}
    viewed = {**FEATURES, "views": [{"name": "weather", "keys": ["k"], "features": [{"name": "wind"}]}]}
    viewed["request"] = [each for each in FEATURES["request"] if each["name"] != "wind"]
    first = bench.evaluate(params={"features": viewed}, robustness=asked)
    found = first.value["robustness"]
    falls = {(each["what"], each["on"]): each["fall"] for each in found["trials"]}
    assert found["rows"] == 400
    assert list(falls.values()) == sorted(falls.values(), reverse=True)
    assert falls["missing", "wind"] == falls["view missing", "weather"] > 0.05
    assert falls["unknown category", "carrier"] > 0.05 > abs(falls["missing", "hour"])
    assert found["missed"] == [reason for reason in first.value["gate"]["reasons"] if "evaluation.robustness.limit" in reason]
    assert "the view weather is missing" in found["missed"][0]
    page = bench.ledger.storage.read(first.files["report.html"].path).decode()
    assert "With inputs missing, noisy or unknown" in page
    again = bench.evaluate(params={"features": viewed}, robustness={**asked, "limit": None}).value["robustness"]
    assert again["trials"] == found["trials"]
    assert again["missed"] == []


def test_what_moves_the_model_is_told_where_the_spec_asks(bench: Bench) -> None:
    plain = bench.evaluate()
    assert "explanations" not in plain.value
    assert set(plain.files) == {"report.html"}
    asked = {"rows": 300, "repeats": 2, "explained": 20, "background": 12}
    result = bench.evaluate(explanations=asked)
    told = result.value["explanations"]
    assert told["permutation"][0]["feature"] == "wind"
    assert (told["rows"], told["shap"]["rows"], told["shap"]["background"]) == (300, 20, 12)
    assert told["words"].startswith("AUC is worse without wind")
    page = bench.ledger.storage.read(result.files["report.html"].path).decode()
    assert "What the metric needs" in page
    assert "mean |SHAP|" in page
    background = pq.read_table(bench.ledger.storage.uri(result.files["background.parquet"].path))
    assert background.column_names == ["wind", "hour", "carrier"]
    assert background.num_rows == 12
    assert bench.evaluate(explanations=asked).value["explanations"] == told


def test_whether_a_model_gives_its_rows_away_is_told_where_the_spec_asks(bench: Bench) -> None:
    result = bench.evaluate(privacy={"rows": 400, "limit": 0.5})
    told = result.value["privacy"]
    assert (told["members"], told["others"]) == (400, 401)  # the validation rows, and the first of the holdout
    assert {each["attack"] for each in told["attacks"]} == {"loss", "confidence", "calibrated"}
    assert result.value["gate"]["passed"]
    assert "privacy" not in bench.evaluate().value
    assert not bench.evaluate(privacy={"rows": 400, "limit": 0.001}).value["gate"]["passed"]
    assert "The control saw neither side" in bench.ledger.storage.read(result.files["report.html"].path).decode()
