"""Waiting for a route: all that are alive, by name, and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.core.control import ControlStore, gateways
from include.core.errors import GateClosed, UnreachableError
from include.routing.gateways import ALIVE_SECONDS, Identity, Report, report
from include.serving import applied as module
from include.serving.applied import wait_for_all
from include.serving.client import GatewayClient
from tests.support.stores import empty_control

AWAY = "http://127.0.0.1:9"


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return empty_control(tmp_path)


def says(control: ControlStore, number: int, generation: int, silent: bool = False, **refused: Any) -> None:
    report(control, Identity(f"g{number}", f"h:{number}", "here", number, "1", ""), Report({"toy": generation}, refused))
    if silent:
        with control.transaction() as connection:
            mine = gateways.c.gateway == f"g{number}"
            connection.execute(gateways.update().where(mine).values(beat=gateways.c.beat - ALIVE_SECONDS - 60))


def test_all_that_are_alive_are_waited_for_and_the_silent_are_named(
    control: ControlStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, generation, silent in ((1, 5, False), (2, 4, False), (3, 4, True)):
        says(control, number, generation, silent)
    monkeypatch.setattr(module.time, "sleep", lambda _: says(control, 2, 5))  # it follows while somebody waits
    with caplog.at_level("INFO"):
        seen = wait_for_all(control, "toy", 5, timeout=20)
    assert seen is not None
    assert (seen["generation"], sorted(seen["gateways"])) == (5, ["g1 (h:1 on here)", "g2 (h:2 on here)"])
    assert [each["gateway"] for each in seen["silent"]] == ["g3 (h:3 on here)"]
    assert seen["silent"][0]["seconds"] > ALIVE_SECONDS
    assert "Not waited for, and perhaps serving the route before: g3 (h:3 on here), silent since" in caplog.text


def test_who_falls_silent_meanwhile_is_waited_for_no_longer(control: ControlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    says(control, 1, 5)
    says(control, 2, 4)
    monkeypatch.setattr(module.time, "sleep", lambda _: says(control, 2, 4, silent=True))
    seen = wait_for_all(control, "toy", 5, timeout=20)
    assert seen is not None
    assert [each["gateway"] for each in seen["silent"]] == ["g2 (h:2 on here)"]


def test_one_that_does_not_follow_is_named_with_what_it_serves(control: ControlStore) -> None:
    for number, generation, silent in ((1, 5, False), (2, 4, False), (3, 1, True)):
        says(control, number, generation, silent)
    with pytest.raises(
        UnreachableError, match=r"(?s)route 5 of toy within 0 s.*Not waited for: g3 .*\{'g2 \(h:2 on here\)': 4\}"
    ):
        wait_for_all(control, "toy", 5, timeout=0)


def test_a_refusal_closes_the_gate_and_one_of_an_earlier_route_does_not(control: ControlStore) -> None:
    says(control, 1, 5)
    says(control, 2, 4, toy=(5, {"9": "rotten"}))
    with pytest.raises(GateClosed, match=r"refused route 5 of toy: g2 .*rotten"):
        wait_for_all(control, "toy", 5, timeout=20)
    says(control, 2, 4, toy=(4, {"8": "rotten"}))
    with pytest.raises(UnreachableError, match="within 0 s"):
        wait_for_all(control, "toy", 5, timeout=0)


def test_with_none_alive_that_is_said_at_once_with_those_that_were(control: ControlStore) -> None:
    assert wait_for_all(control, "toy", 5, timeout=20) is None
    client = GatewayClient(AWAY, control=lambda: control)
    with pytest.raises(UnreachableError, match=r"No gateway is alive \(none has reported itself to the control store\)"):
        client.wait_applied("toy", 5)
    says(control, 3, 5, silent=True)
    with pytest.raises(UnreachableError, match=r"No gateway is alive \(not heard of: g3 .*silent since .*did not answer"):
        client.wait_applied("toy", 5)


def test_a_gateway_that_answers_and_does_not_report_itself_yet_is_asked(
    control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = GatewayClient(AWAY, control=lambda: control)
    monkeypatch.setattr(client, "status", lambda: {"models": {"toy": {"generation": 5}}})
    assert client.wait_applied("toy", 5) == {"generation": 5}
    says(control, 1, 6)
    assert client.wait_applied("toy", 5)["generation"] == 6
