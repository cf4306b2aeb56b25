"""`slipstream search`: one that is under way, from its records; the newest of several; and what there is not."""

from __future__ import annotations

import json

import pytest

from include.core.ledger import Ledger
from include.core.request import Json, Outcome, Request
from include.core.spec import Float, Search
from include.training.search.records import Decision, Found, Leg, Records
from tests.support.toy_ledger import MODEL, Loop
from tests.unit.cli.conftest import Slipstream


def begun(ledger: Ledger, seed: int, trials: int) -> str:
    """A search of so many trials that were measured, and one that runs."""
    search = Search(space={"c": Float(low=0.0, high=1.0)}, algorithm="random", seed=seed)
    params: dict[str, Json] = {"label": "late", "training": {"fit": "m:fit", "search": search.model_dump(mode="json")}}
    request = Request("tune", "include.training.tune_step:run", MODEL, params)
    ledger.record(request)
    records = Records(ledger.storage, f"{ledger.open_attempt(request.key, 0).checkpoints}/search")
    for number in range(trials + 1):
        point = {"c": number / 10}
        records.decide(number + 1, Decision("start", number, 1, point, number))
        if number < trials:
            found = Found(None, 0, [], 1.0, "CodeError: odd") if number == 1 else Found(0.7 - number / 10, 1, [], 2.0)
            records.find(Leg(point, 1).key, found)
    return request.key


def test_a_search_under_way_is_told_from_its_records(slipstream: Slipstream, loop: Loop) -> None:
    key = begun(loop.ledger, 1, 3)
    status, out, _ = slipstream("search", MODEL)
    assert status == 0
    assert f"The search {key} of {MODEL} is under way, or was: 4 trials" in out
    assert "Trial 2 is the best" in out
    assert "1 failed, first: CodeError: odd" in out
    told = json.loads(slipstream("search", MODEL, "--json")[1])
    assert (told["done"], told["best"], told["params"], told["report"]) == (False, 2, {"c": 0.2}, None)
    assert [trial["log_loss"] for trial in told["trials"]] == [0.7, None, 0.5, None]


def test_the_newest_is_told_unless_a_key_is_given(slipstream: Slipstream, loop: Loop) -> None:
    older, newer = begun(loop.ledger, 1, 0), begun(loop.ledger, 2, 3)
    path = f"ledger/{older}/g0/attempt-1.json"  # of two in one second
    loop.ledger.storage.write(path, loop.ledger.storage.read(path).replace(b'"at":"20', b'"at":"19'))
    assert newer in slipstream("search", MODEL)[1]
    out = slipstream("search", MODEL, "--key", older.partition("/")[2][:8])[1]
    assert older in out
    assert "No trial was measured yet." in out


def test_a_finished_search_is_told_from_its_result(slipstream: Slipstream, loop: Loop) -> None:
    key = begun(loop.ledger, 1, 2)
    report = loop.scratch / "report.html"
    report.write_text("<p>")
    trials: list[Json] = [
        {"params": {"c": 0.3}, "log_loss": 0.4, "trial": 0, "epochs": 1, "legs": [{"until": 1, "value": 0.4}]},
    ]
    value = {"params": {"c": 0.3}, "trials": trials, "metric": "log_loss", "best": 0, "epochs": 1, "curve": [[1, 0.4]]}
    loop.ledger.commit(loop.ledger.request(key), loop.ledger.open_attempt(key, 0), Outcome(value, {"report.html": report}), 0.1)
    told = json.loads(slipstream("search", MODEL, "--json")[1])
    assert told["done"]
    assert told["params"] == {"c": 0.3}
    assert told["report"].endswith("report.html")


def test_what_is_not_there_is_said(slipstream: Slipstream, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    status, _, error = slipstream("search", MODEL)
    assert status != 0
    assert f"There is no search of '{MODEL}'." in error
    assert "training.search=Search(...)" in error
    begun(loop.ledger, 1, 1)
    monkeypatch.setenv("SLIPSTREAM_REGISTRY", "folder")
    status, _, error = slipstream("search", MODEL, "--deliver")
    assert status != 0
    assert "'folder' shows no runs of trials" in error
