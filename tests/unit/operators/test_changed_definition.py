"""A view's definition changes after days were published: catch-up says which days, and makes them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from include.cli.main import main
from include.core import request
from include.core.digest import Code
from include.core.errors import DataError
from include.core.spec import Feature, ModelSpec
from include.data.published import published as published_days
from include.model_contract.view_version import versions
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.unit.operators.models.shop import features, spec

pytestmark = pytest.mark.thorough  # whole days through every step

SPEC = spec.SPEC
HERE = "tests.unit.operators.models.shop"


@pytest.fixture
def says(published: Life, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Days 1 to 4 are published, and online as they stand."""

    def call(*argv: str) -> str:
        capsys.readouterr()
        assert main(["features", "catch-up", MODEL, "--all", *argv]) == 0
        return capsys.readouterr().out

    call()
    return call


def with_view(**changes: Any) -> ModelSpec:
    view = SPEC.features.views[0].model_copy(update=changes)
    return SPEC.model_copy(update={"features": SPEC.features.model_copy(update={"views": (view,)})})


def another_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an edit of the model's features.py: other SQL, and another digest of the code that has it."""
    old = features.views
    monkeypatch.setattr(f"{HERE}.features.views", lambda when: {"customer": old(when)["customer"].replace("avg(", "2 * avg(")})
    real = request.code_of

    def edited(*names: str) -> Code:
        found = real(*names)
        return replace(found, digest=f"{found.digest}edited") if f"{HERE}.features:views" in names else found

    monkeypatch.setattr(request, "code_of", edited)


def another_ttl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{HERE}.spec.SPEC", with_view(ttl=timedelta(days=3)))


def one_feature_less(monkeypatch: pytest.MonkeyPatch) -> None:
    old = features.views
    monkeypatch.setattr(
        f"{HERE}.features.views", lambda when: {"customer": f"SELECT * EXCLUDE (bought) FROM ({old(when)['customer']})"}
    )
    monkeypatch.setattr(f"{HERE}.spec.SPEC", with_view(features=(Feature(name="mean_price"),)))


def made_by(life: Life) -> dict[date, str]:
    refs = published_days(life.services.control, MODEL, day(1), day(9))
    return {each: life.services.ledger.resolve(ref).value["versions"]["customer"] for each, ref in refs.items()}


@pytest.mark.parametrize("change", [another_sql, another_ttl, one_feature_less])
def test_the_days_are_listed_computed_again_published_and_brought_online(
    published: Life, says: Callable[..., str], monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    (old,) = set(made_by(published).values())
    change(monkeypatch)
    new = versions(spec.SPEC.features)["customer"]
    assert new != old
    listed = says("--dry-run")
    assert "4 published days of shop were computed by another definition of its views" in listed
    assert f"2013-01-02  view customer is version {new} now, was {old}" in listed
    assert "To be computed again, published and materialized: 4 of 4 days" in listed
    assert set(made_by(published).values()) == {old}, "a dry run changes nothing"
    said = says()
    assert "Computed again (4 days)" in said
    assert made_by(published) == {day(number): new for number in (1, 2, 3, 4)}
    assert said.count("customer") >= 4
    assert "All 4 published days of shop within reach are online as they stand" in says()
    run = Run({"day": "2013-01-02"}, run_id="backfill")  # the DAG finds what the command computed
    published.publish(day(2), run)
    assert made_by(published)[day(2)] == new


def test_what_was_interrupted_goes_on(published: Life, says: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    another_ttl(monkeypatch)
    left = [2]
    from include.cli import changed

    real = changed.publish_day

    def publish(*args: Any) -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(changed, "publish_day", publish)
    assert main(["features", "catch-up", MODEL]) == 130
    assert len(set(made_by(published).values())) == 2
    monkeypatch.setattr(changed, "publish_day", real)
    assert "2 published days of shop were computed by another definition" in says()
    assert len(set(made_by(published).values())) == 1


def test_days_that_are_to_be_validated_again_are_the_dags(
    published: Life, says: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    another_ttl(monkeypatch)
    published.land(day(2), {"price": [1.0] * 200})
    said = says()
    assert "1 of them are to be validated again first" in said
    assert "--from-date 2013-01-02 --to-date 2013-01-02 --reprocess-behavior completed" in said
    assert "Computed again (3 days)" in said


def test_sql_that_fails_changes_nothing_that_is_published(
    published: Life, says: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = made_by(published)
    another_sql(monkeypatch)
    monkeypatch.setattr(f"{HERE}.features.views", lambda when: {"customer": f"SELECT nothing FROM orders -- {when}"})
    assert main(["features", "catch-up", MODEL]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert made_by(published) == before


def test_other_code_of_labels_or_entities_is_said_and_left_to_a_person(
    published: Life, says: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "other code" not in says()
    monkeypatch.setattr("include.cli.changed.code_digest", lambda *names: "edited")
    said = says("--dry-run")
    assert "4 published days of shop (2013-01-01 to 2013-01-04) have the present views, and were made by other code" in said
    assert "--from-date 2013-01-01 --to-date 2013-01-04 --reprocess-behavior completed" in said
    assert "another definition" not in said


def test_a_view_that_the_code_lost_is_named(published: Life, says: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{HERE}.features.views", lambda when: {})
    with pytest.raises(DataError, match="gives no SQL for view"):
        versions(spec.SPEC.features)
    assert main(["features", "catch-up", MODEL]) == 1
