"""What a person starts in the console, as runs of a real Airflow: each click becomes one, and the page shows what came of it.

    make e2e-console

A model that never trained, on a platform of its own: its history is taken in, two versions are trained, the second is rolled out
under callers, paused, ended, offered again, rolled out by hand and rolled back, and a quarantine is released after its rule was
mended. The page is never loaded again on the way, and the keyboard's focus stays.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from include.core.digest import PROJECT
from include.versions.queries import records
from tests.e2e.console_acts import LOOK, MODEL, PATIENCE, Acts, acting, day
from tests.support.airflow_world import Run
from tests.support.browser import Browser, missing, until
from tests.support.console_walk import Look, Walk
from tests.unit.operators.models.shop.orders import CUSTOMERS

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser"),
]
LAST, SET_ASIDE, DEAR = 22, 5, 10  # days that land; the one with a quarantine, and the rows in it
IMAGE = PROJECT / "docs" / "images" / "console-live-rollout.png"


@pytest.fixture(scope="module")
def acts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acts]:
    home = Path(tempfile.mkdtemp(prefix="slipstream-console-"))  # not tmp_path: root's PostgreSQL is nobody's
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        with acting(home) as world, Browser(port, tmp_path_factory.mktemp("profile")) as browser:
            tokens = {role: world.token(role) for role in ("viewer", "op", "admin")}
            yield Acts(world, Walk(browser, world.platform.url("airflow"), tokens), home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_a_range_that_is_taken_in_is_a_run_and_its_days_are_published(acts: Acts) -> None:
    acts.land(1, LAST)
    acts.land(SET_ASIDE, SET_ASIDE, dear=DEAR)
    acts.open()
    said = acts.act("Take in days…", "the history", first=str(day(1)), last=str(day(LAST)))
    run = acts.ended(acts.run_of(said, "features_range"))
    assert (run["state"], run["note"], run["triggering_user_name"]) == ("success", "the history", "op")
    assert f"22 of {LAST} days" in acts.shows("#ranges", "done")
    assert acts.walk.focused() == "Take in days…"
    row = acts.told("features.backfill")
    assert (row.actor, row.detail["reason"], row.detail["run"]) == ("op (Airflow)", "the history", run["dag_run_id"])


def test_a_training_is_a_run_and_its_version_appears_without_a_reload(acts: Acts) -> None:
    acts.open()
    run = acts.ended(acts.run_of(acts.act("Train now…", "the first version"), "training"))
    assert (run["state"], run["note"], run["triggering_user_name"]) == ("success", "the first version", "op")
    acts.shows("#versions", "1.0.0")
    acts.shows("#traffic", "version 1 · 100 %")  # a first version has nobody to be compared with: its event rolled it out
    assert acts.walk.focused() == "Train now…"
    assert acts.told("training.start").detail["run"] == run["dag_run_id"]
    assert acts.browser.errors() == []


def test_a_click_that_is_sent_twice_is_one_run_and_a_viewer_starts_none(acts: Acts) -> None:
    url, body = f"{acts.walk.url}/slipstream/api/models/{MODEL}/train", {"reason": "twice", "token": "ab" * 12}
    before = {each["dag_run_id"] for each in acts.world.airflow.runs(f"{MODEL}_training")}

    def post(role: str, **more: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {acts.walk.tokens[role]}"}
        return httpx.post(url, json={**body, **more}, headers=headers, trust_env=False, timeout=60)

    assert post("viewer").status_code == 403
    late = post("op", as_of="2050-01-01")
    assert (late.status_code, "has not come" in late.json()["error"]) == (409, True)
    assert [post("op").json()["run"] for _ in range(2)] == [f"console__{body['token']}"] * 2
    made = {each["dag_run_id"] for each in acts.world.airflow.runs(f"{MODEL}_training")} - before
    assert made == {f"console__{body['token']}"}
    assert acts.ended(Run(acts.world, f"{MODEL}_training", made.pop(), MODEL))["state"] == "success"
    assert len(records(acts.services.control, MODEL)) == 1  # the same data and code: the same version


def test_a_rollout_is_paused_ended_and_begun_again_by_hand_and_its_evidence_grows_on_the_page(acts: Acts) -> None:
    acts.open()
    run = acts.ended(acts.run_of(acts.act("Train now…", "with fewer days", as_of=str(day(LAST - 1))), "training"))
    assert (run["state"], run["conf"]) == ("success", {"as_of": f"{day(LAST - 1)}T00:00:00"})
    acts.shows("#rollout", "Version 2")
    assert acts.act("Pause rollout…", "a look at the logs") == "The rollout is paused."
    assert "a look at the logs" in acts.shows("#rollout", "Paused by op")
    assert acts.walk.focused() == "Resume rollout…"
    assert acts.act("Resume rollout…", "they are fine") == "The rollout goes on."
    assert acts.act("Abort rollout…", "the wrong one") == "The rollout is over."
    acts.shows("#rollout", "rolled back")
    assert acts.act("Offer again…", "it was the right one") == "Version 2 is a candidate again."
    acts.shows("#versions", "Candidate")
    run_of_it = acts.run_of(acts.act("Roll out…", "its turn"), "rollout")
    acts.shows("#rollout", "The stage shadow now")
    with acts.asked():
        seen = [requests(acts)]
        for _ in range(3):
            acts.look_again()
            until(lambda: requests(acts) > seen[-1], 120)
            seen.append(requests(acts))
        picture(acts)
        assert "errors: the challenger's" in acts.browser.text("#rollout")
        acts.at_once = len(CUSTOMERS)
        acts.shows("#rollout", "promoted")
        acts.shows("#traffic", "version 2 · 100 %")
        ended = acts.ended(run_of_it)
        assert (ended["state"], ended["note"], ended["triggering_user_name"]) == ("success", "its turn", "op")
        assert acts.act("Roll back…", "complaints") == "Version 2 is out, version 1 answers."
        acts.shows("#traffic", "version 1 · 100 %")
    assert min(acts.answered[1], acts.answered[2]) > 0, acts.answered
    reasons = {
        name: acts.told(name).detail["reason"] for name in ("rollout.pause", "rollout.resume", "rollout.restore", "rollout.start")
    }
    assert list(reasons.values()) == ["a look at the logs", "they are fine", "it was the right one", "its turn"]
    assert acts.browser.errors() == []


def test_a_quarantine_is_released_once_its_rule_is_mended(acts: Acts) -> None:
    path = f"quality?name={MODEL}&last={day(SET_ASIDE)}"
    acts.open(path)
    acts.press("Look…")
    until(lambda: "None of them passes today's rules" in acts.browser.text("dialog"), PATIENCE)
    assert acts.browser.run("return [...document.querySelectorAll('dialog button')].map(each => each.innerText)") == ["Close"]
    acts.mend_the_rule()
    acts.open(path, Look("viewer", LOOK.theme, LOOK.width))
    acts.press("Look…")
    until(lambda: "You may look, not release" in acts.browser.text("dialog"), PATIENCE)
    acts.open(path)
    acts.press("Look…")
    until(lambda: f"{DEAR} would pass" in acts.browser.text("dialog"), PATIENCE)
    said = acts.go_on("prices up to 200 are right")
    assert f"{DEAR} rows will be released" in said
    run = acts.ended(acts.run_of(said, "features_range"))
    assert (run["state"], run["note"]) == ("success", "prices up to 200 are right")
    acts.look_again()
    until(
        lambda: "released quarantine" in acts.browser.text("#acts") and "Look…" not in acts.browser.text("#partitions"), PATIENCE
    )
    assert "prices up to 200 are right" in acts.browser.text("#acts")
    assert acts.told("quarantine.release").detail["rows"] == DEAR
    assert acts.browser.errors() == []


def requests(acts: Acts) -> int:
    """How many of the challenger's answers the page says were seen in this stage."""
    found = re.search(r"([\d,]+)(?: of 400 requests| requests, 400 were needed)", acts.browser.text("#rollout"))
    return int(found[1].replace(",", "")) if found else 0


def picture(acts: Acts) -> None:
    """For the documentation, where it is asked for."""
    if os.environ.get("CONSOLE_IMAGES"):
        acts.browser.run("document.querySelector('#rollout').scrollIntoView()")
        IMAGE.write_bytes(acts.browser.picture())
