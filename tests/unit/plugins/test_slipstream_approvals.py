"""Approvals behind Airflow's own login: who may answer, who it is that answers, and what the answer says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from include.core.control import versions
from include.core.spec import Approval
from include.governance.audit import history
from include.rollout.approval_gate import Standing
from include.rollout.approvals import ask
from include.rollout.history import live_rollout, read_rollout
from include.rollout.machine import enter_stage, open_rollout, record_verdict
from include.rollout.rollback import roll_back_model
from include.routing.route import Route, set_route
from tests.support.console_site import Site
from tests.support.toy_ledger import MODEL, SPEC

PATH = f"/api/models/{MODEL}/approval"
ASKS = SPEC.model_copy(
    update={"rollout": SPEC.rollout.model_copy(update={"approval": Approval(before="traffic", persons=2)})}
)  # fmt: skip


@pytest.fixture
def waits(site: Site) -> Iterator[Standing]:
    """Version 1 waits for two persons before it gets any traffic; `user` asked for its training: see `site`."""
    mine = sa.and_(versions.c.model == MODEL, versions.c.version == 1)
    with site.control.transaction() as connection:
        kept = connection.execute(sa.select(versions.c.stage).where(mine)).one()
        connection.execute(versions.update().where(mine).values(stage="Candidate"))
    epoch = site.control.take(f"rollout/{MODEL}", "t")
    rollout = open_rollout(site.control, ASKS, 1, request=f"r{epoch}", actor="t", epoch=epoch)
    enter_stage(site.control, rollout, "smoke", epoch)
    record_verdict(site.control, rollout, "smoke", {"answer": "promote", "reasons": ["it answers"]}, epoch)
    standing = ask(site.control, rollout, epoch)
    assert standing is not None
    yield standing
    if live_rollout(site.control, MODEL) is not None:
        roll_back_model(site.control, MODEL, actor="t", reason="the test is over")
    with site.control.transaction() as connection:
        connection.execute(versions.update().where(mine).values(stage=kept.stage))
        set_route(connection, MODEL, Route(champion=2, previous=1))


def body(standing: Standing, answer: str = "approve", **more: Any) -> dict[str, Any]:
    return {"version": 1, "answer": answer, "reason": "looked at it", "seen": standing.seen, **more}


def test_who_reads_sees_what_waits_and_whether_they_may_answer(site: Site, waits: Standing) -> None:
    shown = {}
    for role in ("viewer", "op"):
        with site.client(role) as client:
            (one,) = client.get("/api/approvals").json()
            assert client.get(PATH).json()["waiting"] == one
            shown[role] = one["may_answer"]
    assert shown == {"viewer": False, "op": True}
    assert (one["version"], one["missing"], one["seen"], one["trained_by"]) == (1, 2, waits.seen, "user")
    assert set(one["metrics"]) >= {"auc"}
    assert set(one["metrics"]["auc"]) == {"version", "champion"}
    assert [each["stage"] for each in one["evidence"]] == ["smoke"]


def test_a_viewer_and_nobody_answer_nothing(site: Site, waits: Standing) -> None:
    with site.client() as nobody, site.client("viewer") as viewer:
        assert [client.post(PATH, json=body(waits)).status_code for client in (nobody, viewer)] == [401, 403]
        assert nobody.get("/api/approvals").status_code == nobody.get(PATH).status_code == 401
    assert history(site.control, MODEL, limit=1)[0].action != "approval.approve"


def test_two_persons_answer_and_each_is_who_logged_in(site: Site, waits: Standing) -> None:
    with site.client("user") as trainer, site.client("op") as op, site.client("admin") as admin:
        refused = trainer.post(PATH, json=body(waits))
        assert (refused.status_code, "triggered the training" in refused.json()["error"]) == (403, True)
        first = op.post(PATH, json=body(waits))
        assert (first.status_code, first.json()["missing"], first.json()["by"]) == (200, 1, "op")
        again = op.post(PATH, json=body(waits))
        assert (again.status_code, "has approved version 1" in again.json()["error"]) == (403, True)
        assert admin.post(PATH, json=body(waits, via="command line")).json()["missing"] == 0
        assert op.get("/api/approvals").json() == []
        assert admin.post(PATH, json=body(waits)).status_code == 403
    told = [(row.action, row.actor) for row in history(site.control, MODEL, limit=5)]
    assert ("approval.approve", "admin (Airflow)") in told
    assert ("approval.refused", "user (Airflow)") in told


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "ann"}, {"version": "1"}, {"answer": "perhaps"}, {"reason": ""}, {"seen": "abc"}, {"via": "airflow"},
        {"person": {"id": "ann"}},
    ],
)  # fmt: skip
def test_nobody_says_who_they_are_and_nothing_half_said_counts(site: Site, waits: Standing, wrong: dict[str, Any]) -> None:
    with site.client("op") as op:
        assert op.post(PATH, json=body(waits, **{"reason": "fine as it is", **wrong})).status_code == 422
        assert op.post("/api/models/none/approval", json=body(waits)).status_code in (403, 404)


def test_an_answer_for_what_is_no_more_is_refused_and_a_no_ends_it(site: Site, waits: Standing) -> None:
    with site.client("op") as op:
        stale = op.post(PATH, json=body(waits, seen="0" * 64))
        assert (stale.status_code, "has changed since" in stale.json()["error"]) == (409, True)
        done = op.post(PATH, json=body(waits, "reject", reason="the slice of January"))
        assert (done.status_code, done.json()["approved"]) == (200, False)
        assert op.post(PATH, json=body(waits)).status_code == 409
        assert op.get(PATH).json() == {"waiting": None, "said": [], "nobody": ""}
        why = op.get(PATH, params={"version": 1}).json()["nobody"]
        assert why.startswith("its rollout is over, rolled back (rejected by op: the slice of January")
    assert read_rollout(site.control, waits.rollout.id).reason == "rejected by op: the slice of January"


def test_a_page_of_another_site_answers_nothing(site: Site, waits: Standing) -> None:
    with site.client("op") as op:
        done = op.post(PATH, json=body(waits), headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
    assert done.status_code == 403
