"""A job in its container: its home, its login, and what it leaves when it dies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from include.backends.sagemaker import on_node
from include.core.errors import DataError, PermanentError
from tests.support.aws.sagemaker import aws as aws
from tests.support.aws.server import Aws


@pytest.fixture(autouse=True)
def container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SLIPSTREAM_SAGEMAKER_FOLDER", str(tmp_path))
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "home"))
    return tmp_path


def test_what_it_dies_of_is_left_for_sagemaker_to_show_on_one_line(container: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(module: str, arguments: list[str]) -> int:
        raise DataError("No rows.", seen=0, safe="nothing was made.", hint="publish a day.")

    monkeypatch.setattr(on_node, "_run", dies)
    with pytest.raises(DataError):
        on_node.run("include.core.task", ["train/x"])
    assert (container / "output" / "failure").read_text() == "No rows. Seen: 0. Safe: nothing was made. Next: publish a day."
    assert (container / "home").is_dir()


def test_a_home_that_its_user_may_not_write_is_another_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr(on_node, "_run", lambda module, arguments: 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert on_node.run("x", []) == 0
    assert os.environ["SLIPSTREAM_HOME"] == str(tmp_path / "slipstream-home")


@pytest.mark.lives
def test_mlflows_login_is_read_from_its_secret_and_stays_out_of_the_environment(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert on_node.logins() == {}
    client = aws.client("secretsmanager")
    client.create_secret(Name="slipstream/mlflow", SecretString="http://jobs:hush@mlflow:5000")
    client.create_secret(Name="slipstream/bytes", SecretBinary=b"x")
    for name, value in (("AWS_ENDPOINT_URL", aws.address), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "role")
    monkeypatch.setenv("SLIPSTREAM_SAGEMAKER_MLFLOW_SECRET", "slipstream/mlflow")
    assert on_node.logins() == {"AIRFLOW_CONN_SLIPSTREAM_MLFLOW": "http://jobs:hush@mlflow:5000"}
    assert "hush" not in str(os.environ)
    for name in ("slipstream/nobody", "slipstream/bytes"):
        monkeypatch.setenv("SLIPSTREAM_SAGEMAKER_MLFLOW_SECRET", name)
        with pytest.raises(PermanentError, match=name):
            on_node.logins()
