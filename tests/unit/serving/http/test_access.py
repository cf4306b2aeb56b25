from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.serving.http.access import open_access
from include.serving.http.asgi import Headers
from include.serving.http.request_error import RequestError
from include.serving.http.routes import PREDICT, PUSH


def headers(token: str = "", host: str = "localhost") -> Headers:
    named = [(b"host", host.encode())]
    return [*named, (b"authorization", f"Bearer {token}".encode())] if token else named


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_prediction_is_open_on_loopback(host: str) -> None:
    access = open_access(host)
    access.check(headers(), PREDICT, "toy")
    access.check(headers("some other server's"), PREDICT, "toy")
    with pytest.raises(RequestError, match="no token is set") as refused:
        access.check(headers("anything"), PUSH, "toy")
    assert refused.value.status == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.example", ""])
def test_any_other_address_needs_a_token_for_everything(host: str) -> None:
    with pytest.raises(SpecError, match="without a token"):
        open_access(host)
    access = open_access(host, "secret")
    access.check(headers("secret"), PREDICT, "toy")
    for wrong in ("", "Secret", "secret2"):
        with pytest.raises(RequestError) as refused:
            access.check(headers(wrong), PREDICT, "toy")
        assert refused.value.status == 401
