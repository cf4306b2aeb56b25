from __future__ import annotations

from pathlib import Path

import pytest

from include.core.errors import SpecError
from include.core.settings import Settings
from include.core.storage import LocalStorage


def test_everything_has_a_place_under_home_by_default(tmp_path: Path) -> None:
    settings = Settings.from_env({"SLIPSTREAM_HOME": str(tmp_path)})
    assert settings.root == str(tmp_path / "store")
    assert settings.control_url == f"sqlite:///{tmp_path}/control.db"
    assert settings.online_url == f"sqlite:///{tmp_path}/online.db"
    assert settings.scratch().is_dir()
    assert isinstance(settings.storage(), LocalStorage)


def test_each_field_has_its_variable() -> None:
    settings = Settings.from_env(
        {"SLIPSTREAM_ROOT": "s3://b/p", "SLIPSTREAM_RAY_URL": "http://ray", "SLIPSTREAM_JOB_BACKEND": "process"}
    )
    assert (settings.root, settings.ray_url, settings.job_backend) == ("s3://b/p", "http://ray", "process")


def test_the_environment_is_kept_for_connections_and_out_of_the_repr() -> None:
    settings = Settings.from_env({"AIRFLOW_CONN_X": "http://u:hunter2@h"})
    assert settings.environ["AIRFLOW_CONN_X"] == "http://u:hunter2@h"
    assert "hunter2" not in repr(settings)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(SpecError, match=r"(?s)'gs'.*Seen: 'gs://bucket'.*\['s3'\]"):
        Settings.from_env({"SLIPSTREAM_ROOT": "gs://bucket"}).storage()


def test_a_gateway_with_a_certificate_is_asked_over_tls_unless_an_address_is_given() -> None:
    secure = {"SLIPSTREAM_GATEWAY_TLS_CERT": "/c.pem"}
    assert Settings.from_env({}).gateway_url == "http://127.0.0.1:8500"
    assert Settings.from_env(secure).gateway_url == "https://127.0.0.1:8500"
    assert Settings.from_env({**secure, "SLIPSTREAM_GATEWAY_URL": "http://proxy"}).gateway_url == "http://proxy"
