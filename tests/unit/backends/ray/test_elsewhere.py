"""What a job's request for a cluster elsewhere holds: a package or a list, sealed logins, and nothing of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.backends.ray import package as packages
from include.backends.ray.elsewhere import mode
from include.backends.ray.jobs import RayJobs, open_jobs
from include.backends.ray.sealed import opened
from include.core.digest import PROJECT
from include.core.errors import SpecError
from include.core.ports import Job
from include.core.settings import Settings

TOKEN = "a-token-of-the-cluster"
AWS = "aws://key-id:gut-gehuetet@/?region_name=eu-central-1"
LOGINS = {"AIRFLOW_CONN_AWS_DEFAULT": AWS, "AIRFLOW_CONN_SLIPSTREAM_MLFLOW": "http://jobs:auch-gehuetet@mlflow:5500"}
JOB = Job("slip-a", "include.core.task", ("train/0", "--generation", "0", "--attempt", "1"), code="c0de", labels={"model": "m"})
BROUGHT = {"SLIPSTREAM_RAY_CODE": "package"}
IMAGE = {"SLIPSTREAM_RAY_PROJECT": "/opt/project"}


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform of one file, so that nothing large is digested for each request."""
    (tmp_path / "platform" / "include").mkdir(parents=True)
    (tmp_path / "platform" / "include" / "__init__.py").touch()
    monkeypatch.setattr(packages, "PROJECT", tmp_path / "platform")


def settings(home: Path, **more: str) -> Settings:
    ours = {
        "SLIPSTREAM_HOME": str(home), "SLIPSTREAM_ROOT": "s3://bucket/prefix", "SLIPSTREAM_RAY_URL": "http://ray.example:8265",
        "AIRFLOW_CONN_SLIPSTREAM_RAY": f"http://:{TOKEN}@ray.example",
    }  # fmt: skip
    return Settings.from_env({**ours, **more})


def request(jobs: RayJobs) -> dict[str, Any]:
    return jobs._request(JOB)


def test_code_is_here_in_an_image_or_brought(tmp_path: Path) -> None:
    assert [mode(settings(tmp_path, **given)) for given in ({}, IMAGE, BROUGHT)] == ["here", "image", "package"]
    assert mode(settings(tmp_path, SLIPSTREAM_RAY_CODE="here")) == "here"


@pytest.mark.parametrize(
    "given",
    [{"SLIPSTREAM_RAY_CODE": "zip"}, {**BROUGHT, **IMAGE}, {"SLIPSTREAM_RAY_CODE": "image"},
     {"SLIPSTREAM_RAY_CODE": "here", **IMAGE}, {"SLIPSTREAM_RAY_LOGINS": "plain", **IMAGE}],
)  # fmt: skip
def test_settings_that_do_not_fit_together_are_refused(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(SpecError, match="SLIPSTREAM_RAY_"):
        open_jobs(settings(tmp_path, **given))


def test_a_job_that_brings_its_code_is_told_where_in_it_and_nothing_of_this_machine(tmp_path: Path) -> None:
    models = tmp_path / "shop" / "models"
    (models / "churn").mkdir(parents=True)
    (models / "churn" / "spec.py").touch()
    (tmp_path / "ca.pem").write_text("certificate")
    told = {"SLIPSTREAM_MODELS": f"include.models:{models}", "SLIPSTREAM_CA_BUNDLE": str(tmp_path / "ca.pem")}
    jobs = open_jobs(settings(tmp_path / "home", **BROUGHT, **told), logins=lambda: LOGINS)
    body = request(jobs)
    digest = body["entrypoint"].split()[2]
    assert body["entrypoint"] == f"python slipstream_job.py {digest} - include.core.task train/0 --generation 0 --attempt 1"
    assert body["runtime_env"]["working_dir"] == f"gcs://_ray_pkg_{digest}.zip"
    env = body["runtime_env"]["env_vars"]
    assert env["SLIPSTREAM_MODELS"] == "include.models:@project/places/1/models"
    assert (env["SLIPSTREAM_JOB_NAME"], env["SLIPSTREAM_JOB_CODE"]) == ("slip-a", digest)
    assert not {"SLIPSTREAM_HOME", "SLIPSTREAM_CA_BUNDLE", "SLIPSTREAM_JOB_PROJECT", "PYTHONPATH"} & env.keys()
    for path in (tmp_path, PROJECT, Path.home()):
        assert str(path) not in json.dumps(body)


def test_its_logins_are_for_it_alone_and_not_to_be_seen(tmp_path: Path) -> None:
    body = request(open_jobs(settings(tmp_path, **BROUGHT), logins=lambda: LOGINS))
    text = json.dumps(body)
    for secret in ("gut-gehuetet", "auch-gehuetet", "key-id", TOKEN):
        assert secret not in text
    env = body["runtime_env"]["env_vars"]
    assert opened(env["SLIPSTREAM_JOB_LOGINS"], "slip-a", TOKEN) == LOGINS
    assert env["SLIPSTREAM_AWS_CONN_ID"] == "aws_default"


def test_an_image_has_the_code_and_is_told_what_it_must_be(tmp_path: Path) -> None:
    body = request(open_jobs(settings(tmp_path, **IMAGE, SLIPSTREAM_RAY_MODELS="/opt/shop"), logins=lambda: LOGINS))
    env = body["runtime_env"]["env_vars"]
    assert body["entrypoint"].split()[3:5] == ["/opt/project", "include.core.task"]
    assert (env["PYTHONPATH"], env["SLIPSTREAM_JOB_PROJECT"]) == ("/opt/project", "/opt/project")
    assert env["SLIPSTREAM_MODELS"] == "/opt/shop"
    assert "gut-gehuetet" not in json.dumps(body)


def test_a_cluster_without_a_token_is_sent_no_login(tmp_path: Path) -> None:
    bare = {**BROUGHT, "AIRFLOW_CONN_SLIPSTREAM_RAY": "http://ray.example"}
    with pytest.raises(SpecError, match=r"(?s)no token.*SLIPSTREAM_RAY_LOGINS=nodes"):
        request(open_jobs(settings(tmp_path, **bare), logins=lambda: LOGINS))
    for more, logins in (({"SLIPSTREAM_RAY_LOGINS": "nodes"}, LOGINS), ({}, {}), ({}, {"AIRFLOW_CONN_AWS_DEFAULT": "aws://"})):
        env = request(open_jobs(settings(tmp_path, **bare, **more), logins=lambda held=logins: held))["runtime_env"]["env_vars"]
        assert "SLIPSTREAM_JOB_LOGINS" not in env


def test_a_secret_in_an_extra_is_one(tmp_path: Path) -> None:
    bare = {**BROUGHT, "AIRFLOW_CONN_SLIPSTREAM_RAY": "http://ray.example"}
    with pytest.raises(SpecError, match="no token"):
        request(
            open_jobs(settings(tmp_path, **bare), logins=lambda: {"AIRFLOW_CONN_AWS_DEFAULT": "aws://?aws_secret_access_key=x"})
        )


def test_a_role_that_only_airflow_can_assume_is_refused(tmp_path: Path) -> None:
    uri = "aws://id:gut-gehuetet@/?role_arn=arn:aws:iam::1:role/lake"
    request(
        open_jobs(settings(tmp_path, **BROUGHT), logins=lambda: {"AIRFLOW_CONN_AWS_DEFAULT": uri})
    )  # the job can do that itself
    role = {"AIRFLOW_CONN_AWS_DEFAULT": f"{uri}&assume_role_method=assume_role_with_saml"}
    with pytest.raises(SpecError, match=r"(?s)assumes a role.*role/lake.*SLIPSTREAM_RAY_LOGINS=nodes") as refused:
        request(open_jobs(settings(tmp_path, **BROUGHT), logins=lambda: role))
    assert "gut-gehuetet" not in str(refused.value)


def test_logins_are_asked_for_when_a_job_is_submitted_and_not_to_look_at_one(tmp_path: Path) -> None:
    open_jobs(settings(tmp_path, **BROUGHT), logins=lambda: pytest.fail("asked"))


def test_a_storage_in_this_machines_home_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="SLIPSTREAM_ROOT"):
        open_jobs(settings(tmp_path, **BROUGHT, SLIPSTREAM_ROOT=str(tmp_path / "store")))
