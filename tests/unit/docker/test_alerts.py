"""Alert rules and dashboards: tested by promtool, about metrics that the gateway has, with playbooks that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.serving.telemetry.metrics_page import names
from tests.support.markdown import anchors

ROOT = Path(__file__).parents[3]
PROMETHEUS, BOARDS = ROOT / "docker" / "prometheus", ROOT / "docker" / "grafana" / "dashboards"
RULES = yaml.safe_load((PROMETHEUS / "rules" / "slipstream.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
RECORDED = {rule["record"]: rule for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
CASES = [case for file in sorted((PROMETHEUS / "tests").glob("*.yml")) for case in yaml.safe_load(file.read_text())["tests"]]
METRIC = re.compile(r"\bslipstream[a-z_:0-9]*\b")


def expressions() -> list[str]:
    panels = [panel for file in sorted(BOARDS.glob("*.json")) for panel in json.loads(file.read_text())["panels"]]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [*shown, *(rule["expr"] for rule in (*ALERTS.values(), *RECORDED.values()))]


@pytest.mark.lives
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: apt-get install prometheus)")
@pytest.mark.parametrize("file", sorted(path.name for path in (PROMETHEUS / "tests").glob("*.yml")))
def test_the_alerts_fire_where_they_must_and_nowhere_else(file: str) -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", file], cwd=PROMETHEUS / "tests", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    checks: list[dict[str, Any]] = [check for case in CASES for check in case["alert_rule_test"]]
    fires = {check["alertname"] for check in checks if check["exp_alerts"]}
    assert fires == set(ALERTS)
    page = {name for name, rule in ALERTS.items() if rule["labels"]["severity"] == "page" and name != "PredictionsNotLogged"}
    assert page <= {check["alertname"] for check in checks if not check["exp_alerts"]}


@pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_and_names_a_playbook_that_exists(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    page, _, anchor = alert["annotations"]["playbook"].partition("#")
    assert anchor in anchors(ROOT / page)


def test_rules_and_dashboards_ask_for_nothing_that_the_gateway_does_not_say() -> None:
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert asked - names() - set(RECORDED) == set()
    assert "slipstream_alarm" in asked


def test_every_metric_is_shown_or_watched() -> None:
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert {name for name in names() if not name.endswith(("_sum", "_count"))} - asked == set()


def test_prometheus_reads_the_rules_where_compose_puts_them() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (pattern,) = config["rule_files"]
    volumes = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["prometheus"]["volumes"]
    assert f"./prometheus/rules:{Path(pattern).parent}:ro" in volumes
