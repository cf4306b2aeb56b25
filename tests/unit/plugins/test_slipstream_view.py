"""What the Models page is told of the monitored windows."""

from __future__ import annotations

from pathlib import Path

from include.backends.folder.registry import FolderRegistry
from include.core.control import ControlStore
from include.core.request import Json
from include.core.spec import Evaluation, ModelSpec, MultiClass, Ranking, Regression
from include.governance.registry import register, resource
from include.monitoring.windows import keep
from include.overview.standing import overview
from include.rollout.machine import enter_stage, open_rollout
from include.routing.gateways import Identity, Report, report
from include.routing.route import Route, set_route
from plugins.slipstream_view import metric_columns, model_view, windows
from tests.support.toy_ledger import SPEC, Loop


def monitored(window: str, statistic: float, auc: float) -> dict[str, Json]:
    performance = {
        "metric": "auc", "metrics": {"auc": auc}, "errors": {"auc": 0.01}, "expected": 0.75, "words": f"AUC {auc}",
        "drop": None, "drop_error": None,
    }  # fmt: skip
    drift = {"statistic": statistic, "critical": 5.0, "verdict": "none", "words": "No drift."}
    rest = {"as_of": f"{window[11:]}T00:00:00", "kinds": {}, "collected": {"rows": 9, "labelled": 8}}
    return {"window": window, "performance": performance, "drift": drift, **rest}


def test_a_window_computed_again_is_shown_once_as_it_is_now(tmp_path: Path) -> None:
    loop, control = Loop.under(tmp_path), ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    control.create_tables()
    assert windows(loop.ledger, control, SPEC) == []
    second, first = "2013-01-08/2013-01-15", "2013-01-01/2013-01-08"
    for n, (window, auc) in enumerate([(second, 0.7), (first, 0.6), (first, 0.65)]):
        made = loop.commit("monitor", {"n": n}, {}, monitored(window, 2.0, auc), {"report.html": b"<p>report</p>"})
        keep(control, SPEC, loop.ledger.resolve(made))
    shown = windows(loop.ledger, control, SPEC)
    assert [(each["window"], each["value"]) for each in shown] == [(first, 0.65), (second, 0.7)]
    assert shown[0]["report"].startswith("files/ledger/monitor/")
    assert shown[0]["action"] == ""


def test_the_table_of_versions_has_the_metrics_of_the_kind() -> None:
    def shown(**changed: object) -> list[str]:
        body = {name: getattr(SPEC, name) for name in SPEC.model_fields_set} | changed
        return [str(each["title"]) for each in metric_columns(ModelSpec(**body))]

    assert shown() == ["AUC", "log loss", "calibration error"]
    assert shown(problem=Regression(scale=5), evaluation=Evaluation()) == ["mean absolute error", "root mean squared error"]
    assert shown(problem=MultiClass(classes=("a", "b")), evaluation=Evaluation())[:2] == ["log loss", "accuracy"]
    assert shown(problem=Ranking(query="order_id", item="shop"), evaluation=Evaluation())[0] == "NDCG@10"


def test_a_model_whose_spec_cannot_be_loaded_is_shown_as_the_stores_know_it(tmp_path: Path) -> None:
    loop, control = Loop.under(tmp_path), ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    control.create_tables()
    assert model_view(loop.ledger, control, None, overview(control, SPEC.name))["metrics"] == []
    epoch = control.take(resource(SPEC.name), "t")
    register(control, FolderRegistry(loop.ledger.storage), loop.package(), epoch)
    rollout = open_rollout(control, SPEC, 1, request="r", actor="t", epoch=control.take(f"rollout/{SPEC.name}", "t"))
    enter_stage(control, rollout, "smoke", control.take(f"rollout/{SPEC.name}", "t"))
    shown, usual = (model_view(loop.ledger, control, spec, overview(control, SPEC.name)) for spec in (None, SPEC))
    assert shown.keys() == usual.keys()
    assert (shown["owner"], shown["stages"], len(shown["versions"])) == ("", ["smoke"], 1)
    assert shown["metric"] in {each["name"] for each in shown["metrics"]}
    assert shown["metrics"][0]["name"] in shown["versions"][0]["metrics"]


def test_who_serves_is_told_gateway_by_gateway_and_why_one_does_not_follow(tmp_path: Path) -> None:
    loop, control = Loop.under(tmp_path), ControlStore(f"sqlite:///{tmp_path / 'control.db'}")
    control.create_tables()
    with control.transaction() as connection:
        generation = set_route(connection, SPEC.name, Route(champion=1))
    gone = {"1": "its file is gone"}
    reports = (
        Report({SPEC.name: generation}), Report(), Report({}, {SPEC.name: (generation, gone)}),
        # One has applied a later route than the page had read before; another one had refused an earlier one.
        Report({SPEC.name: generation + 1}), Report({}, {SPEC.name: (generation - 1, gone)}),
    )  # fmt: skip
    for number, what in enumerate(reports):
        report(control, Identity(f"{number:016x}", "127.0.0.1:8500", f"host-{number}", 7, "1.0", "2026-01-01T00:00:00Z"), what)

    shown = model_view(loop.ledger, control, SPEC, overview(control, SPEC.name))["gateways"]

    told = sorted((each["name"][:16], each["alive"], each["follows"], each["refused"]) for each in shown)
    assert told == [
        (f"{0:016x}", True, True, {}),
        (f"{1:016x}", True, False, {}),
        (f"{2:016x}", True, False, gone),
        (f"{3:016x}", True, True, {}),
        (f"{4:016x}", True, False, {}),
    ]
