"""`slipstream check` of a regulated model: a line for each thing it lacks, with what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.authoring.check import check_model
from include.authoring.profile import CHECKS, unmet
from include.core.errors import SpecError
from include.core.settings import Settings
from include.core.spec import Evaluation, ModelSpec
from include.core.spec.data import Retention, VersionsKept
from include.core.spec.fairness import Attribute, Fairness
from include.governance.dossier.keys import rotate
from include.services.services import Services
from tests.support.toy_ledger import SPEC

REASON = "its rows are of machines, of which none is in a group"


def spec(**more: Any) -> ModelSpec:
    fields = {name: getattr(SPEC, name) for name in SPEC.model_fields_set}
    return ModelSpec(**{**fields, "profile": "regulated", **more})


def services(home: Path, **environ: str) -> Services:
    return Services(Settings.from_env({"SLIPSTREAM_HOME": str(home), **environ}))


def lacking(model: ModelSpec, known: Services) -> list[str]:
    return [check.name for check, _ in unmet(model, known)]


def test_a_standard_model_is_asked_nothing(tmp_path: Path) -> None:
    assert lacking(SPEC, services(tmp_path)) == []


def test_each_thing_that_lacks_is_named_until_it_is_there(tmp_path: Path) -> None:
    assert lacking(spec(), services(tmp_path)) == ["slices", "fairness", "retention", "audit anchor", "dossier"]
    fair = Fairness(attributes=(Attribute(column="hour"),))
    sliced = spec(evaluation=Evaluation(slices=("hour",)), fairness=fair)
    rotate(tmp_path, {})
    assert lacking(sliced, services(tmp_path)) == ["retention", "audit anchor"]
    assert lacking(sliced, services(tmp_path, SLIPSTREAM_AUDIT_ANCHOR="log:", SLIPSTREAM_KEEP_PREDICTIONS="182")) == ["retention"]
    assert lacking(sliced, services(tmp_path, SLIPSTREAM_AUDIT_ANCHOR="log:", SLIPSTREAM_KEEP_PREDICTIONS="183")) == []
    for days, lacks in ((365, []), (90, ["retention"])):  # the spec comes before the setting
        kept = SPEC.data.model_copy(update={"retention": Retention(predictions_days=days)})
        platform = services(tmp_path, SLIPSTREAM_AUDIT_ANCHOR="log:", SLIPSTREAM_KEEP_PREDICTIONS="183")
        assert lacking(spec(evaluation=Evaluation(slices=("hour",)), fairness=fair, data=kept), platform) == lacks
    excepted = dict.fromkeys(("slices", "fairness", "retention"), REASON)
    assert lacking(spec(profile_exceptions=excepted), services(tmp_path)) == ["audit anchor"]
    bare = Evaluation(slices=("hour",), explanations=None, robustness=None, privacy=None)
    assert lacking(spec(evaluation=bare, profile_exceptions=excepted), services(tmp_path)) == [
        "explanations", "robustness", "privacy", "audit anchor",
    ]  # fmt: skip


def test_versions_are_kept_for_as_long_as_their_answers(tmp_path: Path) -> None:
    def ruled(days: int, logged: int | None = None) -> ModelSpec:
        rule = Retention(versions=VersionsKept(days=days), predictions_days=logged)
        return spec(data=SPEC.data.model_copy(update={"retention": rule}))

    for days, logged in ((182, None), (364, 365)):
        with pytest.raises(SpecError, match=f"versions: days={days} is less than profile="):
            ruled(days, logged)
    for days, named in ((183, False), (364, True), (400, False)):
        kept = {"SLIPSTREAM_KEEP_PREDICTIONS": "400"} if days > 183 else {}
        assert ("versions" in lacking(ruled(days), services(tmp_path, **kept))) == named


def test_every_check_says_what_to_do_next() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.asks and check.next.endswith(".") for check in CHECKS)


def test_check_has_a_line_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Services, "spec", lambda self, name: spec(profile_exceptions={"slices": REASON, "fairness": REASON}))
    monkeypatch.setattr(Services, "feature_set_names", lambda self: [])
    report = check_model("toy", services(tmp_path), fit=False, dags=False)
    lines = "\n".join(report.lines())
    assert not report.passed
    assert f"regulated: 5 of {len(CHECKS)} are met; except fairness: {REASON}; except slices: {REASON}" in lines
    assert [finding.check for finding in report.findings if finding.status == "failed" and "Profile" in finding.detail] == [
        "retention", "audit anchor", "dossier",
    ]  # fmt: skip
    assert "Next: slipstream dossier key --new" in lines
