"""A fit that begins from the champion's weights: which champion, what it is handed, and what its result says."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from include.core.ledger import Ledger
from include.core.request import Json, Ref, Request, Result
from include.core.spec import ModelSpec
from include.core.task import perform
from include.training.job import TrainingJob
from include.training.request import train_request as asked
from include.training.request import tune_request
from include.training.warm_start import WEIGHTS, Begun, cold_because
from tests.support import training_example
from tests.support.training_example import NETWORK, commit, settings, table, train_request, training_set
from tests.unit.operators.models.shop.spec import SPEC

HERE = "tests.unit.training.test_warm_start"
SET = Ref("ledger/training_set/x/g0/result.json", "0" * 64, "training_set")


def fit_counting(job: TrainingJob) -> None:
    """A fit whose weights are how many fits have come before it."""
    before = int(job.champion.weights) if job.champion else 0
    training_example.fit_logistic(job)
    if job.champion is not None:
        job.begun.append(Begun(True))
    if job.keeps_weights:
        job.weights_path.write_text(str(before + 1))


class Bench:
    def __init__(self, home: Path) -> None:
        self.settings = settings(home)
        self.ledger = Ledger(self.settings.storage())
        self.data = training_set(self.ledger, home / "in", table(), table(200, seed=2))

    def train(self, fit: str = f"{HERE}:fit_counting", champion: Result | None = None, **training: Json) -> Result:
        request = train_request(self.ledger, self.data, fit, **training)
        if champion is not None:
            inputs = {**request.inputs, "champion": self.ledger.ref(champion)}
            request = Request(request.step, request.function, request.model, request.params, inputs)
            self.ledger.record(request)
        return perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)

    def weights(self, of: Result) -> bytes:
        return self.ledger.storage.read(of.files[WEIGHTS].path)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def spec(**training: Json) -> ModelSpec:
    return SPEC.model_copy(update={"training": SPEC.training.model_copy(update=training)})


def test_weights_are_kept_where_warm_starts_are_asked_for_and_the_next_fit_begins_from_them(bench: Bench) -> None:
    first = bench.train(warm_start=True)
    assert (bench.weights(first), "warm_start" in first.value) == (b"1", False)
    second = bench.train(champion=first, warm_start=True)
    assert (bench.weights(second), second.value["warm_start"]) == (b"2", {"warm": True})
    assert second.key != first.key
    assert WEIGHTS not in bench.train().files


def test_a_fit_that_knows_nothing_of_champions_is_said_to_have_begun_cold(bench: Bench) -> None:
    first = bench.train(warm_start=True)
    value = bench.train("tests.support.training_example:fit_logistic", champion=first, warm_start=True).value
    assert value["warm_start"] == {"warm": False, "why": "the fit does not take the champion's weights (job.champion)"}


def test_a_champions_damaged_weights_stop_the_training(bench: Bench) -> None:
    first = bench.train(warm_start=True)
    Path(bench.ledger.storage.uri(first.files[WEIGHTS].path)).write_bytes(b"9")
    with pytest.raises(Exception, match="digest"):
        bench.train(champion=first, warm_start=True)


def test_how_it_began_names_a_few_places_and_counts_the_rest() -> None:
    begun = Begun(True, fresh=tuple(f"carrier={number}" for number in range(23)))
    assert begun.to_json(2)["fresh"] == ["carrier=0", "carrier=1", "and 21 more"]
    assert Begun.from_json(begun.to_json()) == begun


def test_the_setting_changes_no_key_while_it_is_off_and_no_search_ever() -> None:
    plain, on = spec(), spec(warm_start=True)
    assert "warm_start" not in asked(plain, SET).params["training"]
    assert asked(on, SET).params["training"]["warm_start"] is True
    assert tune_request(on, SET).key == tune_request(plain, SET).key
    champion = Ref("ledger/train/y/g0/result.json", "1" * 64, "train")
    assert asked(on, SET, None, champion).inputs == {"training_set": SET, "champion": champion}
    assert asked(on, SET, None, champion).key != asked(on, SET).key


def test_what_no_fit_may_begin_from_is_said_in_words(bench: Bench) -> None:
    ours = spec(warm_start=True, fit=f"{HERE}:fit_counting")

    def why(champion: Result) -> str:
        return cold_because(ours, bench.ledger.ref(champion), bench.ledger)

    imported = commit(bench.ledger, Request("import", "x:y", "example", {}), training_outcome())
    assert why(imported) == "the version in production was not trained here: it is a result of the step 'import'"
    assert why(bench.train()).startswith("no weights are kept with the version in production")
    other = bench.train("tests.support.training_example:fit_logistic", warm_start=True)
    assert why(other) == "the version in production is of another fit: tests.support.training_example:fit_logistic"
    assert why(bench.train(warm_start=True)) == ""


def training_outcome() -> training_example.Outcome:
    return training_example.Outcome({}, {})


@pytest.mark.whole
def test_a_network_goes_on_where_the_champion_stood(bench: Bench) -> None:
    """Through the step itself: two Lightning fits, of which the second has one epoch of nearly no learning."""
    fit = "include.models.flight_delay.train:fit"
    first = bench.train(fit, warm_start=True, params={**NETWORK, "epochs": 2})
    slow = cast("Json", {**NETWORK, "epochs": 1, "learning_rate": 1e-9})
    second = bench.train(fit, champion=first, warm_start=True, params=slow)
    cold = bench.train(fit, warm_start=True, params=slow)
    assert second.value["warm_start"] == {"warm": True}
    assert second.value["metrics"]["log_loss"] == pytest.approx(first.value["metrics"]["log_loss"], abs=1e-4)
    assert cold.value["metrics"]["log_loss"] > first.value["metrics"]["log_loss"] + 0.01
