"""What a secrets backend said is kept for its seconds, is hidden in logs, and is never "no login" where the backend is away."""

from __future__ import annotations

import pytest

from include.core import secret_store
from include.core.connection import from_env, text_of
from include.core.errors import PermanentError, SlipstreamError, SpecError, UnreachableError
from include.core.hidden import Hidden
from include.core.secret_store import KeptSecrets

BACKEND = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"


class Held:
    """A store of a dictionary, that counts how often it is asked, and may fail."""

    def __init__(self, **texts: str) -> None:
        self.texts, self.asked = texts, 0
        self.error: SlipstreamError | None = None

    def connection(self, conn_id: str) -> str | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.texts.get(conn_id)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Is what the variables name."""
    store = Held(slipstream_mlflow="http://a:in-the-backend@h")
    monkeypatch.setattr(secret_store, "adapter", lambda name: lambda kwargs, environ: store)
    monkeypatch.setattr(secret_store._Opened, "stores", {})
    monkeypatch.setattr(secret_store._Read, "texts", ())
    return store


def environ(**more: str) -> dict[str, str]:
    return {"AIRFLOW__SECRETS__BACKEND": BACKEND, "SLIPSTREAM_SECRETS_SECONDS": "0", **more}


def test_what_was_read_is_kept_for_its_seconds_and_so_is_that_there_is_none() -> None:
    held, times = Held(a="1"), [0.0]
    kept = KeptSecrets(held, 60, lambda: times[0])
    assert [kept.connection("a"), kept.connection("a"), kept.connection("b"), kept.connection("b")] == ["1", "1", None, None]
    assert held.asked == 2
    held.texts = {"a": "2", "b": "3"}
    times[0] = 59.9
    assert kept.connection("a") == "1"
    times[0] = 60
    assert [kept.connection("a"), kept.connection("b")] == ["2", "3"]


def test_a_store_that_does_not_answer_is_asked_again_and_nothing_is_kept_of_it() -> None:
    held = Held(a="1")
    kept = KeptSecrets(held, 60, lambda: 0.0)
    held.error = UnreachableError("away")
    with pytest.raises(UnreachableError):
        kept.connection("a")
    held.error = None
    assert kept.connection("a") == "1"


def test_the_backend_comes_before_the_environment_as_in_airflow(held: Held) -> None:
    here = environ(AIRFLOW_CONN_SLIPSTREAM_MLFLOW="http://a:here@h", AIRFLOW_CONN_OTHER="http://a:other@h")
    assert [text_of("slipstream_mlflow", here), text_of("other", here), text_of("none", here)] == [
        "http://a:in-the-backend@h", "http://a:other@h", "",
    ]  # fmt: skip
    connection = from_env("slipstream_mlflow", here)
    assert connection is not None
    assert connection.password == "in-the-backend"
    handed_over = secret_store.without(here)
    assert text_of("slipstream_mlflow", handed_over) == "http://a:here@h"


def test_a_backend_that_is_away_is_an_error_and_one_that_refuses_leaves_the_environment(held: Held) -> None:
    held.error = UnreachableError("away")
    with pytest.raises(UnreachableError):
        from_env("slipstream_mlflow", environ(AIRFLOW_CONN_SLIPSTREAM_MLFLOW="http://h"))
    held.error = PermanentError("denied")
    assert text_of("slipstream_mlflow", environ(AIRFLOW_CONN_SLIPSTREAM_MLFLOW="http://h")) == "http://h"
    with pytest.raises(PermanentError):
        text_of("slipstream_mlflow", environ())


def test_a_backend_that_only_airflow_knows_and_none_leave_everything_as_it_was() -> None:
    for name in ("airflow.providers.hashicorp.secrets.vault.VaultBackend", ""):
        assert text_of("a", environ(AIRFLOW__SECRETS__BACKEND=name, AIRFLOW_CONN_A="http://h")) == "http://h"


def test_seconds_that_are_none_are_refused_by_name(held: Held) -> None:
    with pytest.raises(SpecError, match="SLIPSTREAM_SECRETS_SECONDS"):
        text_of("slipstream_mlflow", environ(SLIPSTREAM_SECRETS_SECONDS="soon"))
    assert held.asked == 0


def test_what_was_read_is_hidden_in_logs_from_then_on(held: Held) -> None:
    hidden = Hidden({})
    line = "refused in-the-backend"
    assert hidden(line) == line
    text_of("slipstream_mlflow", environ())
    assert hidden(line) == "refused ***"
    assert held.asked == 1
