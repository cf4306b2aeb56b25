"""`slipstream stream`: from a Redis stream to rows online, and what it refuses."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include.cli.main import main
from include.core.spec import FinishedView
from include.online_store.open import open_online
from tests.support.event_logs import DAY, RedisLog, card_spec, payment
from tests.support.online_stores import redis_url

__all__ = ["redis_url"]
MODEL = """
from include.core.spec import FinishedView
from tests.support.event_logs import card_spec

SPEC = card_spec({given})
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in (
        ("HOME", tmp_path / "home"),
        ("MODELS", tmp_path / "models"),
        ("ONLINE_URL", f"sqlite:///{tmp_path}/o.db"),
    ):
        monkeypatch.setenv(f"SLIPSTREAM_{name}", str(value))
    return tmp_path


def model(home: Path, given: str = "") -> None:
    folder = home / "models" / "card_fraud"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").touch()
    (folder / "spec.py").write_text(MODEL.format(given=given))


@pytest.mark.lives
def test_events_become_rows_and_what_cannot_be_read_is_shown(
    home: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model(home)
    monkeypatch.setenv("SLIPSTREAM_STREAM_URL", redis_url)
    log, at = RedisLog(redis_url), datetime.combine(DAY, datetime.min.time())
    for minute in range(5):
        log.send("payments", json.dumps(payment("c1", at + timedelta(minutes=minute), 100)).encode())
    log.send("payments", b"{")
    assert main(["stream", "card_fraud", "--until-end", "--metrics", "127.0.0.1:0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["events"], told["rows"]) == (5, 1)
    (view, *_) = card_spec().features.views
    store = open_online(f"sqlite:///{home}/o.db")
    assert store.read("card_fraud", view, [("c1",)]) == [{"payments": 5, "spent": 500}]
    assert main(["stream", "card_fraud", "--set-aside"]) == 0
    assert "it cannot be read" in capsys.readouterr().out


@pytest.mark.lives
def test_finished_rows_are_taken_in(home: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model(home, 'sources=(), key="", finished=(FinishedView(view="card", topic="rows"),)')
    monkeypatch.setenv("SLIPSTREAM_STREAM_URL", redis_url)
    row = {"card": "c7", "event_timestamp": DAY.isoformat() + "T00:00:00Z", "payments": 3, "spent": 4}
    RedisLog(redis_url).send("rows", json.dumps(row).encode())
    assert main(["stream", "card_fraud", "--rows", "--until-end"]) == 0
    (view, *_) = card_spec(sources=(), key="", finished=(FinishedView(view="card", topic="rows"),)).features.views
    assert open_online(f"sqlite:///{home}/o.db").read("card_fraud", view, [("c7",)]) == [{"payments": 3, "spent": 4}]


@pytest.mark.parametrize(
    ("given", "arguments", "words"),
    [
        ('sources=(), key=""', [], "has no streams"),
        ('sources=(), key=""', ["--rows"], "no topics of finished rows"),
        ("", [], "SLIPSTREAM_STREAM_URL is not set"),
        ("", ["--metrics", "9108"], "no address to serve metrics"),
    ],
)
def test_what_is_missing_is_named(
    home: Path, capsys: pytest.CaptureFixture[str], given: str, arguments: list[str], words: str
) -> None:
    model(home, given)
    assert main(["stream", "card_fraud", *arguments]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--answers", "x"], ["--batch", "0"], ["--rows", "--set-aside"]])
def test_wrong_usage(home: Path, arguments: list[str]) -> None:
    model(home)
    with pytest.raises(SystemExit) as ended:
        main(["stream", "card_fraud", *arguments])
    assert ended.value.code == 2
