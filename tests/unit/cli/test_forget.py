"""`slipstream forget` and `slipstream forgotten`, as a person gives them."""

from __future__ import annotations

import getpass
import json
from typing import Any

import pytest

from include.cli import main as cli
from include.cli.exits import Exit
from tests.support.lived_subject import lived as lived
from tests.support.lived_subject import world as world
from tests.support.subject_world import MODEL, TOLD, WHO, SubjectWorld


@pytest.fixture(autouse=True)
def _settled(world: SubjectWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(world.home))
    monkeypatch.setenv("SLIPSTREAM_MODELS", "tests.unit.operators.models")
    monkeypatch.setenv("SLIPSTREAM_REGISTRY", "folder")
    monkeypatch.setenv("SLIPSTREAM_ONLINE_URL", f"sqlite:///{world.home / 'online.db'}")


def test_it_shows_does_proves_and_looks_again(world: SubjectWorld, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["forget", MODEL, "--entity", f"customer={WHO}"]
    before = world.files()
    assert cli.main(asked) == Exit.DONE
    told = capsys.readouterr().out
    assert "Nothing was changed" in told
    assert "shop 1 (Candidate)" in told
    assert world.files() == before
    assert cli.main([*asked, "--verify"]) == Exit.FOUND
    assert "places hold a value" in capsys.readouterr().out
    assert cli.main([*asked, "--yes", "--reason", "ticket 4711"]) == Exit.DONE
    told = capsys.readouterr().out
    assert "Proof: forgetting/" in told
    assert not any(each in told for each in TOLD)
    assert cli.main([*asked, "--verify"]) == Exit.DONE
    assert "Nothing was found." in capsys.readouterr().out
    assert cli.main(["forgotten"]) == Exit.DONE
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "remove" in line]
    assert "done, once" in line
    request = line.split()[0]
    assert cli.main(["forgotten", request, "--json"]) == Exit.DONE
    shown = json.loads(capsys.readouterr().out)
    assert shown["intact"]
    assert shown["proof"]["reason"] == "ticket 4711"
    world.storage.write(f"forgetting/{request}/proof-0001.json", b'{"rows": 0}')
    assert cli.main(["forgotten", request]) == Exit.FOUND


@pytest.mark.parametrize(
    ("asked", "words", "hint"),
    [
        (["--entity", "client=ann"], "client is a key of no entity of shop", "its keys are customer"),
        (["--entity", "customer"], "An entity is given as KEY=VALUE", "passenger=123"),
        (["--entity", "customer=a", "--entity", "customer=b"], "each of its keys once", ""),
        ([], "Nothing is a key of no entity of shop", "customer"),
        (["--entity", f"customer={WHO}", "--yes", "--reason", f"{WHO} asked"], "The reason names the subject", "its number"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(
    world: SubjectWorld, asked: list[str], words: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = world.files()
    assert cli.main(["forget", MODEL, *asked]) == Exit.ERROR
    told = capsys.readouterr().err
    assert words in told
    assert hint in told
    assert world.files() == before


def test_asked_again_it_says_that_there_was_nothing_and_what_is_not_complete_is_listed_so(
    world: SubjectWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["forget", MODEL, "--entity", f"customer={WHO}", "--yes", "--reason", "ticket 4711"]
    assert cli.main(asked) == Exit.DONE
    assert "--verify in place of --yes" in capsys.readouterr().out
    assert cli.main(asked) == Exit.DONE
    assert "Nothing of the subject was found this time. By all times" in capsys.readouterr().out
    monkeypatch.setenv("SLIPSTREAM_REGISTRY", "mlflow")
    monkeypatch.setenv("SLIPSTREAM_MLFLOW_URL", "http://127.0.0.1:9")
    assert cli.main(asked) == Exit.FOUND
    assert "not read: the registry's server: MLflow at http://127.0.0.1:9 does not answer" in capsys.readouterr().out
    assert cli.main(["forgotten"]) == Exit.DONE
    assert "not complete: run it again" in capsys.readouterr().out


def test_without_a_reason_it_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as wrong:
        cli.main(["forget", MODEL, "--entity", "customer=a", "--yes"])
    assert wrong.value.code == Exit.USAGE


def test_a_short_value_is_looked_for_among_keys_alone(world: SubjectWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["forget", MODEL, "--entity", "customer=12", "--verify"]) == Exit.DONE
    assert "too short to be told from others" in capsys.readouterr().out


def test_what_learned_from_the_rows_and_is_in_production_is_trained_again_where_it_is_asked_for(
    world: SubjectWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.versions.record import Stage
    from tests.support.versions import move

    move(world.control, MODEL, 1, Stage.PRODUCTION, "t")
    asked = ["forget", MODEL, "--entity", f"customer={WHO}", "--yes", "--reason", "ticket", "--retrain", "--json"]
    runs: list[tuple[Any, ...]] = []

    class Airflow:
        def trigger_as(self, *given: Any) -> None:
            runs.append(given)

    monkeypatch.setattr("include.cli.context.CliContext.airflow", lambda _: Airflow())
    assert cli.main(asked) == Exit.DONE
    (said,) = json.loads(capsys.readouterr().out)["retrained"]
    ((dag, name, conf),) = runs
    assert (dag, conf) == (f"{MODEL}_training", {"asked_by": getpass.getuser()})
    assert name in said
    assert name.startswith("forget__")
    monkeypatch.setattr("include.cli.context.CliContext.airflow", lambda _: None)
    assert cli.main(asked) == Exit.DONE
    assert "run shop_training yourself" in capsys.readouterr().out


def test_there_is_no_such_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["forgotten", "../x"]) == Exit.ERROR
    assert "There is no request to forget" in capsys.readouterr().err
    assert cli.main(["forgotten"]) == Exit.DONE
    assert "Nobody was forgotten here yet" in capsys.readouterr().out
