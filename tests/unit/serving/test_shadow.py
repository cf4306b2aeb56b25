from __future__ import annotations

import asyncio
import io
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from include.core.errors import DataError, UnreachableError
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.writer import PredictionLog
from include.serving.models.loaded_model import AwayError, ModelError, Unanswered
from include.serving.shadow import _LENGTH, GATHERED, Copy, Frame, Scorer, Shadow, frames
from include.serving.telemetry.counters import ARENA, Metrics
from include.serving.telemetry.metrics_page import metrics_page
from include.serving.telemetry.shared_memory import SharedMemory

NOBODY = (sys.executable, "-c", "pass")  # a shadow process that ends at once


def copies(count: int, size: float = 1.0) -> list[Copy]:
    return [Copy(3, f"r{n}", "00", 5, 0.25, 1, {"size": size}) for n in range(count)]


class Model:
    """Fails on a row whose size is above 10."""

    answers = None  # a plain binary problem

    def score_all(self, rows: list[dict[str, Any]]) -> list[float]:
        return [self.score_row(row) for row in rows]

    def score_row(self, row: dict[str, Any]) -> float:
        if row["size"] > 10:
            raise ModelError("too large")
        return 0.75


def scorer(home: Path, load: Any) -> tuple[Scorer, Metrics]:
    metrics = Metrics()
    return Scorer(load, home, home, metrics), metrics


def test_frames_are_read_until_the_gateway_closes(tmp_path: Path) -> None:
    data = msgspec.msgpack.encode(Frame("toy", copies(2)))
    whole = _LENGTH.pack(len(data)) + data
    assert list(frames(io.BytesIO(whole + whole))) == [Frame("toy", copies(2))] * 2
    assert len(list(frames(io.BytesIO(whole + whole[:-1])))) == 1


def test_one_row_that_fails_fails_alone(tmp_path: Path) -> None:
    made, metrics = scorer(tmp_path, lambda *_: Model())
    made.take(Frame("toy", [*copies(2), *copies(1, size=99)]))
    seen = [(r.score, r.error, r.against, r.against_version, r.generation) for r in read_records(tmp_path, "toy")]
    assert seen == [(0.75, None, 0.25, 1, 5)] * 2 + [(None, "too large", 0.25, 1, 5)]
    text = metrics_page(metrics.series(), {})
    assert 'slipstream_shadow_total{model="toy",version="3",result="scored"} 2' in text
    assert 'slipstream_shadow_total{model="toy",version="3",result="failed"} 1' in text


def test_a_server_that_does_not_answer_is_asked_once_for_all_copies(tmp_path: Path) -> None:
    class Gone(Model):
        calls = 0

        def score_all(self, rows: list[dict[str, Any]]) -> list[float]:
            self.calls += 1
            raise Unanswered("version 3 failed: away")

    gone = Gone()
    made, _ = scorer(tmp_path, lambda *_: gone)
    made.take(Frame("toy", copies(5)))
    assert [(r.score, r.error) for r in read_records(tmp_path, "toy")] == [(None, "version 3 failed: away")] * 5
    assert gone.calls == 1


def test_a_shadow_whose_server_is_away_is_loaded_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def load(model: str, version: int, scratch: Path) -> Any:
        asked.append(version)
        if len(asked) == 1:
            raise AwayError("version 3 waits for its server")
        return Model()

    made, _ = scorer(tmp_path, load)
    for _ in range(3):
        made.take(Frame("toy", copies(1)))
    assert asked == [3]  # not at every copy
    monkeypatch.setitem(made._away, ("toy", 3), 0.0)
    made.take(Frame("toy", copies(1)))
    assert [r.score for r in read_records(tmp_path, "toy")] == [0.75]


def test_the_logs_own_lines_are_as_good_as_copies(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "toy")
    answered = [
        Record("prediction", f"r{n}", "", unit="00", features={"size": 1.0}, version=1, score=0.25, generation=5)
        for n in range(2)
    ]
    seen = []
    for kind, frame in (("copies", Frame("toy", copies(2))), ("lines", Frame("toy", version=3, lines=log.encode(answered)))):
        home = tmp_path / kind
        home.mkdir()
        made, _ = scorer(home, lambda *_: Model())
        made.take(frame)
        seen.append([structs.replace(record, at="") for record in read_records(home, "toy")])
    assert seen[0] == seen[1]
    assert [record.id for record in seen[0]] == ["r0", "r1"]


@pytest.mark.parametrize(("error", "asked"), [(UnreachableError("away"), 2), (DataError("corrupt"), 1)])
def test_a_version_that_cannot_be_loaded_is_dropped(tmp_path: Path, error: Exception, asked: int) -> None:
    calls = []

    def load(*arguments: Any) -> Any:
        calls.append(arguments)
        raise error

    made, metrics = scorer(tmp_path, load)
    made.take(Frame("toy", copies(4)))
    made.take(Frame("toy", copies(4)))
    assert len(calls) == asked  # a store that is away is asked again, a corrupt file is not
    assert 'result="dropped"} 8' in metrics_page(metrics.series(), {})


def test_a_shadow_that_takes_nothing_drops_and_never_waits(tmp_path: Path) -> None:
    memory = SharedMemory(2 * ARENA)
    metrics = Metrics(memory, 0)
    sleeping = (sys.executable, "-c", "import time; time.sleep(60)")
    shadow = Shadow(metrics, memory, 1, sleeping)
    done = threading.Event()

    def offer() -> None:
        for _ in range(2000):
            shadow.offer("toy", copies(10))
        done.set()

    threading.Thread(target=offer, daemon=True).start()
    assert done.wait(30)
    assert 'result="dropped"}' in metrics_page(metrics.series(), {})
    shadow.stop(0.2)


def test_a_shadow_that_dies_is_started_again_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.serving.shadow.RESTART_SECONDS", 0.0)
    memory = SharedMemory(2 * ARENA)
    shadow = Shadow(Metrics(memory, 0), memory, 1, NOBODY)
    started = set()
    for _ in range(50):
        shadow.offer("toy", copies(1))
        assert shadow._starter is not None
        shadow._starter.join(10)
        assert shadow._process is not None
        assert shadow._process.wait(10) == 0
        started.add(shadow._process.pid)
        if len(started) == 3:
            break
    shadow.stop(0.2)
    assert len(started) == 3


def test_lines_of_several_batches_go_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    shadow, sent = Shadow(Metrics(), SharedMemory(2 * ARENA), 1, NOBODY), []
    monkeypatch.setattr(shadow, "_send", lambda data: sent.append(msgspec.msgpack.decode(data, type=Frame)) or True)

    async def offers() -> None:
        for number in range(3):
            shadow.offer_lines("toy", 3, b"%d\n" % number, 1)
        shadow.offer_lines("toy", 4, b"other\n", 1)
        assert not sent
        for _ in range(200):
            if sent:
                return
            await asyncio.sleep(0.01)

    asyncio.run(offers())
    assert sent == [Frame("toy", [], 3, b"0\n1\n2\n"), Frame("toy", [], 4, b"other\n")]


def test_lines_that_do_not_fit_are_counted_as_dropped_and_none_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    shadow = Shadow(metrics, SharedMemory(2 * ARENA), 1, NOBODY)
    monkeypatch.setattr(shadow, "_send", lambda _: False)

    async def offers() -> None:
        for _ in range(GATHERED):
            shadow.offer_lines("toy", 3, b"x\n", 2)

    asyncio.run(offers())
    text = metrics_page(metrics.series(), {})
    assert f'slipstream_shadow_total{{model="toy",version="3",result="dropped"}} {2 * GATHERED}' in text


def test_candidates_that_are_placed_among_each_other_go_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    shadow, sent = Shadow(Metrics(), SharedMemory(2 * ARENA), 1, NOBODY), []
    monkeypatch.setattr(shadow, "_send", lambda data: sent.append(msgspec.msgpack.decode(data, type=Frame)) or True)
    shadow.offer("toy", copies(450))
    shadow.offer("toy", copies(450), whole=True)
    assert [len(frame.copies) for frame in sent] == [200, 200, 50, 450]


def test_a_list_that_came_twice_in_a_turn_is_placed_only_where_it_is_whole(tmp_path: Path) -> None:
    asked = [Copy(3, f"r{n}", "00", 5, 0.25, 1, {"size": 1.0}, place=place, at="t") for n, place in enumerate((1, 0, 1, 0, 2))]
    other = [Copy(3, "r9", "01", 5, 0.25, 1, {"size": 1.0}, place=4, at="t")]  # the others of its list were dropped
    made, _ = scorer(tmp_path, lambda *_: Model())
    made.take(Frame("toy", asked + other))
    assert [r.place for r in read_records(tmp_path, "toy")] == [0, 1, 0, 1, 2, None]
