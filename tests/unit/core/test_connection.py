from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.core.connection import Connection, from_env, parse
from include.core.errors import SpecError


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (
            "http://user:p%40ss%2Fword@host:5500/?a=1&b=x%20y",
            Connection("http://host:5500", "user", "p@ss/word", {"a": "1", "b": "x y"}),
        ),
        ("http://:token@host", Connection("http://host", "", "token")),
        ("aws://KEY:se%2Fcret@/?region_name=eu-west-1", Connection("", "KEY", "se/cret", {"region_name": "eu-west-1"})),
        ("http://h/?__extra__=%7B%22a%22%3A%20%7B%22b%22%3A%201%7D%7D", Connection("http://h", extra={"a": {"b": 1}})),
        (
            json.dumps({"conn_type": "http", "host": "h", "port": 8265, "login": "l", "password": "p", "extra": {"k": "v"}}),
            Connection("http://h:8265", "l", "p", {"k": "v"}),
        ),
        (
            json.dumps({"conn_type": "http", "schema": "https", "host": "h", "extra": '{"k": 1}'}),
            Connection("https://h", extra={"k": 1}),
        ),
        (json.dumps({"conn_type": "aws", "login": "KEY", "password": "secret"}), Connection("", "KEY", "secret")),
        ("slipstream-gateway://:token@h:8500", Connection("http://h:8500", "", "token")),
        ("slipstream_gateway://:token@h:8500", Connection("http://h:8500", "", "token")),
        ("slipstream-mlflow://u:p@h/https", Connection("https://h", "u", "p")),
        ("slipstream-mlflow://https://u:p@h:443/", Connection("https://h:443", "u", "p")),
        ("slipstream-ray://:token@", Connection("", "", "token")),
        (json.dumps({"conn_type": "slipstream_ray", "host": "h", "password": "t"}), Connection("http://h", "", "t")),
        (json.dumps({"conn_type": "slipstream_ray", "host": "https://h", "port": 1}), Connection("https://h:1")),
    ],
    ids=[
        "full",
        "no login",
        "no host",
        "nested extra",
        "json",
        "json https",
        "json no host",
        "our type",
        "with an underscore",
        "with a scheme",
        "with the host's own scheme",
        "our type, no host",
        "json of our type",
        "json with the host's own scheme",
    ],
)
def test_a_connection_is_read_as_airflow_writes_it(uri: str, expected: Connection) -> None:
    assert parse(uri) == expected


@pytest.mark.lives
def test_it_reads_what_airflow_itself_writes(tmp_path: Path) -> None:
    code = (
        "import json; from airflow.sdk import Connection\n"
        "for extra in ({'flat': 'text'}, {'deep': {'n': [1, 2]}}):\n"
        "    print(Connection(conn_id='x', conn_type='http', login='u:ser', password='p@/ss?', host='host', port=80,"
        " extra=json.dumps(extra)).get_uri())"
    )
    environ = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    printed = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True).stdout
    flat, deep = (parse(line) for line in printed.splitlines() if line.startswith("http://"))
    assert flat == Connection("http://host:80", "u:ser", "p@/ss?", {"flat": "text"})
    assert deep == Connection("http://host:80", "u:ser", "p@/ss?", {"deep": {"n": [1, 2]}})


@pytest.mark.parametrize("text", ['{"login": "hunter2"', "http://u:hunter2@host:port", '{"extra": "hunter2"}'])
def test_a_wrong_connection_is_refused_without_showing_its_password(text: str) -> None:
    with pytest.raises(SpecError, match="AIRFLOW_CONN_") as caught:
        parse(text)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_in_its_repr() -> None:
    shown = repr(Connection("http://h", "login", "hunter2", {"aws_session_token": "hunter2"}))
    assert "login" in shown
    assert "hunter2" not in shown


def test_the_environment_holds_it_by_upper_case_id() -> None:
    environ = {"AIRFLOW_CONN_SLIPSTREAM_MLFLOW": "http://a:b@h"}
    assert from_env("slipstream_mlflow", environ) == Connection("http://h", "a", "b")
    assert from_env("other", environ) is None
