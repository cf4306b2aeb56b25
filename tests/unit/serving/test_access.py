from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.serving.access import open_access
from include.serving.http import Call
from include.serving.refusal import Refusal


def call(token: str = "") -> Call:
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    return Call("POST", "/push", headers)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_prediction_is_open_on_loopback(host: str) -> None:
    access = open_access(host, "")
    access.check_predict(call())
    with pytest.raises(Refusal) as refused:
        access.check(call("anything"))
    assert refused.value.status == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.example", ""])
def test_any_other_address_needs_a_token_for_everything(host: str) -> None:
    with pytest.raises(SpecError, match="without a token"):
        open_access(host, "")
    access = open_access(host, "secret")
    access.check_predict(call("secret"))
    for wrong in ("", "Secret", "secret2"):
        with pytest.raises(Refusal) as refused:
            access.check_predict(call(wrong))
        assert refused.value.status == 401
