from __future__ import annotations

from pathlib import Path

import pytest

from include.cli.checkup.finding import Level
from include.cli.checkup.ray import check_ray
from include.core.settings import Settings

S3 = {"SLIPSTREAM_ROOT": "s3://bucket"}
BROUGHT = {"SLIPSTREAM_RAY_CODE": "package", **S3}
AWAY = {"SLIPSTREAM_RAY_URL": "http://ray.example:8265"}
TOKEN = {"AIRFLOW_CONN_SLIPSTREAM_RAY": "http://:a-token-of-the-cluster@ray.example"}


@pytest.mark.parametrize(
    ("given", "level", "words"),
    [
        ({}, Level.OK, "this machine's files"),
        ({"SLIPSTREAM_RAY_URL": "http://localhost:8265"}, Level.OK, "this machine's files"),
        (AWAY, Level.WARNING, "ray.example:8265 is not this machine"),
        ({**AWAY, "SLIPSTREAM_RAY_CODE": "here"}, Level.OK, "ray.example has as well"),
        ({**AWAY, **BROUGHT, **TOKEN}, Level.OK, "code: package; logins: sealed"),
        ({**AWAY, **BROUGHT}, Level.WARNING, "slipstream_ray has none"),
        ({**AWAY, **BROUGHT, "SLIPSTREAM_RAY_LOGINS": "nodes"}, Level.OK, "logins: nodes"),
        ({"SLIPSTREAM_RAY_CODE": "package"}, Level.PROBLEM, "cannot read the storage"),
        ({"SLIPSTREAM_RAY_CODE": "image", **S3}, Level.PROBLEM, "SLIPSTREAM_RAY_PROJECT"),
    ],
)
def test_what_jobs_would_find(tmp_path: Path, given: dict[str, str], level: Level, words: str) -> None:
    (finding,) = check_ray(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path), **given}))
    assert finding.level is level
    assert words in finding.words
    assert bool(finding.next) is (level is not Level.OK)
    assert "a-token-of-the-cluster" not in f"{finding.words} {finding.next}"


def test_without_ray_nothing_is_said(tmp_path: Path) -> None:
    assert list(check_ray(Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path), "SLIPSTREAM_JOB_BACKEND": "process"}))) == []
