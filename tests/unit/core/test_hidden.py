from __future__ import annotations

import pytest

from include.core.hidden import Hidden

EXTRA = '{"tokens": [{"token": "extra-pass", "model": "m"}]}'
ENVIRON = {
    "AIRFLOW_CONN_SLIPSTREAM_GATEWAY": f"http://:gate-pass@127.0.0.1:8500/?__extra__={EXTRA}",
    "AIRFLOW_CONN_SLIPSTREAM_RAY": '{"conn_type": "http", "password": "json-pass"}',
    "AIRFLOW_CONN_BROKEN": "http://[unreadable-pass",
    "SLIPSTREAM_CONTROL_URL": "postgresql://u:store-pass@db:5432/x",
    "AWS_SECRET_ACCESS_KEY": "cloud-pass",
    "MLFLOW_ADMIN_PASSWORD": "admin-pass",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=otel-pass, team=a",
    "SENTRY_DSN": "https://dsn-pass@errors.example/1",
    "RAY_AUTH_TOKEN_PATH": "/run/secrets/ray",
    "TOKENIZERS_PARALLELISM": "false",
    "API_KEY": "ab",
}
SECRETS = ("gate-pass", "extra-pass", "json-pass", "store-pass", "cloud-pass", "admin-pass", "otel-pass", "dsn-pass")


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_of_the_process_is_hidden_wherever_it_stands(secret: str) -> None:
    assert secret not in Hidden(ENVIRON)(f"a library said: {secret!r} was refused")


def test_what_is_no_secret_stays() -> None:
    text = "false, ab, /run/secrets/ray, model flight_delay of http://127.0.0.1:8500/predict, 5432"
    assert Hidden(ENVIRON)(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "cannot connect to redis://:foreign@cache:6379/0",
        "postgresql+psycopg2://user:foreign@db/x refused",
        "Authorization: Bearer foreign.token",
        "sent 'authorization: basic Zm9yZWlnbg=='",
    ],
)
def test_a_login_that_the_process_does_not_know_is_hidden_too(text: str) -> None:
    shown = Hidden({})(text)
    assert "foreign" not in shown
    assert "Zm9yZWlnbg" not in shown
    assert "***" in shown


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Hidden({"A_TOKEN": "abcdef", "B_TOKEN": "abcdefghi"})("abcdefghi") == "***"
