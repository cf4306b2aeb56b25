"""Persons answer by the command line against a real Airflow, each with a login of their own, while a canary waits for them.

What a tired operator reads is part of what is tested: each refusal says who, why, and what to do.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from include.backends.airflow.person import log_in
from include.cli.main import main
from include.core.control import rollout_events, versions
from include.core.errors import ConflictError
from include.governance.audit import history
from include.local.connections import addresses
from include.rollout.approvals import approval, approvals_of
from include.rollout.history import events, live_rollout, read_rollout
from include.routing.route import Route, read_route, set_route
from include.services.services import Services
from include.versions.trainer import REGISTERED, TRAINED_BY
from tests.support.airflow_world import Run, World, wait_for
from tests.support.shared_airflow import OF_THE_SHOP, SharedAirflow, shops_services
from tests.support.versions import add_candidates
from tests.support.waiting import CANARY, Waiting, challenger_fails

pytestmark = [pytest.mark.whole, pytest.mark.slow, pytest.mark.timeout(900)]  # its sample: tests/unit/cli/test_approve.py

MODEL, DAG = "shop", "shop_rollout"
CHAMPION, FIRST, SECOND, THIRD = 201, 202, 203, 204
Said = tuple[int, str]  # the exit status, and all that was printed
REASON = ("--reason", "looked at January")


@pytest.fixture(scope="module")
def world(shared_airflow: SharedAirflow) -> Iterator[World]:
    with shared_airflow.serving(Path(__file__).parent / "approval_dags" / "deciding.py", DAG) as world:
        yield world


@pytest.fixture(scope="module")
def services(world: World) -> Iterator[Services]:
    with shops_services(world) as made:
        with made.control.transaction() as connection:
            add_candidates(connection, MODEL, CHAMPION, FIRST, SECOND, THIRD)
            set_route(connection, MODEL, Route(champion=CHAMPION))
            for version, by in ((FIRST, "nobody of these"), (SECOND, "admin"), (THIRD, "")):
                made.control.append_audit(connection, "register", REGISTERED, MODEL, {"version": version, TRAINED_BY: by})
        yield made


@pytest.fixture
def slipstream(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command as a user gives it; their password comes from the standard input."""
    for name, value in {**addresses(world.platform), **OF_THE_SHOP}.items():
        monkeypatch.setenv(name, value)

    def call(*argv: str, user: str = "", secret: str = "") -> Said:
        given = [*argv, *(("--user", user, "--password-stdin") if user else ())]
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret or (password(world, user) if user else '')}\n"))
        capsys.readouterr()
        try:
            status = main(given)
        except SystemExit as ended:
            status = int(ended.code or 0)
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return call


def password(world: World, user: str) -> str:
    return str(json.loads((world.platform.airflow / "passwords.json").read_text()).get(user, "none"))


def waits(world: World, services: Services, version: int, home: Path) -> tuple[Run, Waiting]:
    """The version's canary has passed on traffic, and a person is asked."""
    run = world.start(DAG, version=version)
    rollout = wait_for(lambda: live_rollout(services.control, MODEL), "the rollout opens")
    wait_for(lambda: CANARY in {each["stage"] for each in events(services.control, rollout.id)}, "the canary begins")
    waiting = Waiting(services.control, home, services.spec(MODEL), rollout, 0)
    waiting.traffic(400, salt=f"{version}-")
    run.wait("approve", "deferred")
    return run, waiting


def test_who_may_not_answer_reads_why_and_who_may_lets_it_on(
    world: World, services: Services, slipstream: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, waiting = waits(world, services, FIRST, tmp_path)
    status, told = slipstream("rollout", "status", MODEL)
    assert (status, "waits before full_100 for a person of the role risk (admin, tom, viewer)" in told) == (0, True), told

    refusals = [
        (("approve", MODEL, str(FIRST), *REASON), {"user": "viewer"}, "may answer requests of the model's rollout DAG"),
        (("approve", MODEL, str(FIRST), *REASON), {"user": "op"}, f"op may not decide about version {FIRST} of shop: it takes"),
        (("reject", MODEL, str(FIRST), *REASON), {"user": "op"}, "it takes the role 'risk'"),
        (("approve", MODEL, str(FIRST), *REASON), {"user": "admin", "secret": "wrong"}, "does not know admin with this password"),
        (("approve", MODEL, str(FIRST), "--reason", " . "), {"user": "admin"}, "A decision needs a reason"),
        (("approve", MODEL, str(FIRST), *REASON, "--seen", "000000"), {"user": "admin"}, "is another than 000000"),
        (("approve", MODEL, str(SECOND), *REASON), {"user": "admin"}, f"version {FIRST} is being rolled out"),
        (("approve", MODEL, "999", *REASON), {"user": "admin"}, "There is no version 999 of shop."),
        (("approve", "shopp", str(FIRST), *REASON), {"user": "admin"}, "shopp"),
    ]  # fmt: skip
    for argv, who, words in refusals:
        status, told = slipstream(*argv, **who)
        assert status != 0, told
        assert words in told, f"{argv} as {who}:\n{told}"
        assert "  safe: " in told, told
        assert "  next: " in told, told
    monkeypatch.setenv("SLIPSTREAM_AIRFLOW_TOKEN", expired(world))
    status, told = slipstream("approve", MODEL, str(FIRST), *REASON)
    assert (status, "is not valid, or has expired" in told) == (5, True), told
    assert "SLIPSTREAM_AIRFLOW_TOKEN" in told
    monkeypatch.delenv("SLIPSTREAM_AIRFLOW_TOKEN")
    address = world.platform.url("airflow")
    monkeypatch.setenv("SLIPSTREAM_AIRFLOW_URL", "http://127.0.0.1:1")
    status, told = slipstream("approve", MODEL, str(FIRST), *REASON, user="admin")
    assert (status, "does not answer" in told, "nothing was decided" in told) == (4, True, True), told
    monkeypatch.setenv("SLIPSTREAM_AIRFLOW_URL", address)
    standing = approval(services.control, waiting.rollout.id)
    assert standing is not None
    assert (standing.missing, read_route(services.control, MODEL)[1].weight) == (1, 50)

    session = log_in(address, "admin", password(world, "admin"))
    shown = session.look(MODEL, FIRST)["waiting"]
    with services.control.transaction() as connection:  # evaluated again between the look and the answer
        mine = sa.and_(versions.c.model == MODEL, versions.c.version == FIRST)
        connection.execute(versions.update().where(mine).values(record={"metrics": {"auc": 0.6}}))
    body = {"version": FIRST, "answer": "approve", "reason": "as it was", "seen": shown["seen"]}
    with pytest.raises(ConflictError, match="has changed since it was shown: it was evaluated again"):
        session.answer(MODEL, body)
    run.wait("approve", "deferred", tries=2)
    status, told = slipstream("approve", MODEL, str(FIRST), *REASON, user="admin")
    assert (status, f"shop: version {FIRST} is approved by admin: it goes on." in told, "auc: 0.6" in told) == (0, True, True), (
        told
    )
    status, told = slipstream("approve", MODEL, str(FIRST), *REASON, user="admin")  # twice
    assert status == 5, told
    assert f"Version {FIRST} of shop waits for nobody" in told, told
    run.wait("conclude", "success")
    status, told = slipstream("approve", MODEL, str(FIRST), *REASON, user="admin")
    assert (status, "its rollout is over, promoted" in told) == (5, True), told
    (said,) = [each for each in approvals_of(services.control, MODEL, FIRST) if each["event"] == "approved"]
    assert (said["person"]["name"], said["via"], said["reason"]) == ("admin", "command line", "looked at January")
    row = next(row for row in history(services.control, MODEL, limit=20) if row.action == "rollout.promote")
    assert row.actor == "admin (Airflow)"


def test_a_canary_that_goes_bad_is_taken_back_and_whoever_comes_late_reads_it(
    world: World, services: Services, slipstream: Callable[..., Said], tmp_path: Path
) -> None:
    before = read_route(services.control, MODEL)[1].champion
    run, waiting = waits(world, services, SECOND, tmp_path)
    status, told = slipstream("approve", MODEL, str(SECOND), *REASON, user="admin")
    assert (status, f"admin triggered the training of version {SECOND} of shop, so somebody else" in told) == (5, True), told
    waiting.traffic(600, lambda arm, number: True, salt="incident-")  # half of all may fail: the shop's spec
    run.wait("approve", "deferred", tries=2)
    assert waiting.asked().doubts
    status, told = slipstream("approve", MODEL, str(SECOND), *REASON, user="admin")
    assert "doubted since" in told, told
    waiting.traffic(4000, challenger_fails, salt="bad-")
    run.wait("conclude", "failed")
    after = read_rollout(services.control, waiting.rollout.id)
    assert after.reason.startswith(f"while approval was awaited, the judge withdrew its verdict on {CANARY}: ")
    assert (after.state, read_route(services.control, MODEL)[1].champion) == ("rolled_back", before)
    assert "is rolled back: while approval was awaited" in run.log("approve", 2)
    late = page_answer(world, run, "approve", "admin")
    assert late.status_code in (200, 403, 404, 409)  # whatever Airflow does with it, nothing comes of it
    status, told = slipstream("approve", MODEL, str(SECOND), *REASON, user="admin")
    assert (status, "its rollout is over, rolled back (while approval was awaited" in told) == (5, True), told
    assert read_rollout(services.control, waiting.rollout.id).state == "rolled_back"
    waiting_now = httpx.get(
        f"{world.platform.url('airflow')}/slipstream/api/approvals", headers=bearer(world, "admin"), timeout=60
    )
    assert waiting_now.json() == []


def test_after_the_deadline_it_is_too_late(
    world: World, services: Services, slipstream: Callable[..., Said], tmp_path: Path
) -> None:
    run, waiting = waits(world, services, THIRD, tmp_path)
    with services.control.transaction() as connection:  # the request is four days old
        mine = sa.and_(rollout_events.c.rollout == waiting.rollout.id, rollout_events.c.event == "asked")
        connection.execute(rollout_events.update().where(mine).values(at="2013-01-01T00:00:00.000+00:00"))
    run.wait("conclude", "failed")
    status, told = slipstream("approve", MODEL, str(THIRD), *REASON, user="admin")
    assert (status, "its rollout is over, rolled back (not approved within 3 days" in told) == (5, True), told
    assert "was not approved in time" in run.log("approve", 1)


def expired(world: World) -> str:
    """A token of a person whose last letters are not those that Airflow signed."""
    token = log_in(world.platform.url("airflow"), "admin", password(world, "admin")).token
    return f"{token[:-12]}{'A' * 12}"


def bearer(world: World, user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {log_in(world.platform.url('airflow'), user, password(world, user)).token}"}


def page_answer(world: World, run: Run, task: str, user: str) -> Any:
    url = f"{world.platform.url('airflow')}/api/v2{run.path}/taskInstances/{task}/-1/hitlDetails"
    body = {"chosen_options": ["Approve"], "params_input": {"reason": "late"}}
    return httpx.patch(url, json=body, headers=bearer(world, user), timeout=60)
