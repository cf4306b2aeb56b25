"""The files that say how Slipstream is deployed, read as data: compose, Astro, the chart and its values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE, ASTRO = ROOT / "docker" / "compose.yaml", ROOT / "astro.yaml"
HELM = ROOT / "helm"
CHART = HELM / "slipstream"
VARIABLE = re.compile(r"\bSLIPSTREAM_[A-Z0-9_]*[A-Z0-9]\b")
SETTING = re.compile(r"\bAIRFLOW__([A-Z0-9_]+?)__([A-Z0-9_]+)\b")


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def compose() -> dict[str, Any]:
    return load(COMPOSE)


def airflow_values() -> dict[str, Any]:
    """The values for Airflow's official chart."""
    return load(HELM / "airflow-values.yaml")


def deployment_files() -> list[Path]:
    """Every file that sets a variable of a process somewhere: read as text, for Helm's templates are no YAML."""
    chart = [path for path in sorted(CHART.rglob("*")) if path.suffix in (".yaml", ".tpl")]
    docker = [ROOT / "docker" / "Dockerfile", *sorted((ROOT / "docker").glob("*.sh"))]
    return [ASTRO, COMPOSE, *docker, *sorted(HELM.glob("*.yaml")), *sorted((HELM / "examples").glob("*.yaml")), *chart]


def variables(path: Path) -> set[str]:
    """The SLIPSTREAM_ variables that a file names; those of a connection are Airflow's."""
    text = re.sub(r"AIRFLOW_CONN_SLIPSTREAM_\w+", "", path.read_text())
    return set(VARIABLE.findall(text))


def commands() -> Iterator[tuple[str, list[str]]]:
    """(who, its command) of each service of compose; what a shell is given counts as the programs in it."""
    for name, service in compose()["services"].items():
        for words in (service.get("command"), service.get("healthcheck", {}).get("test")):
            yield from ((name, command) for command in _programs(words or []))


def _programs(words: list[str]) -> Iterator[list[str]]:
    if words[:1] == ["CMD"]:
        words = words[1:]
    if words[:2] == ["sh", "-ec"] or words[:1] == ["CMD-SHELL"]:
        for part in re.split(r"&&|;|\|", words[-1]):
            yield part.replace("exec ", "").split()
    elif words:
        yield words
