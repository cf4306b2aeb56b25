"""Who may do what: prediction is open on loopback, everything that changes something needs the token."""

from __future__ import annotations

import hmac
import ipaddress

from include.core.errors import SpecError
from include.serving.http import Call
from include.serving.refusal import Refusal

CONNECTION = "slipstream_gateway"


class Access:
    """`token` is the password of the connection `slipstream_gateway`; empty: the closed routes stay closed."""

    def __init__(self, token: str, *, predict_open: bool) -> None:
        self._token = token.encode()
        self._predict_open = predict_open

    def check(self, call: Call) -> None:
        """Raises Refusal: 403 where no token is set, 401 for a wrong one."""
        if not self._token:
            raise Refusal(403, f"This route is closed: no token is set. Set AIRFLOW_CONN_{CONNECTION.upper()} and restart.")
        scheme, _, given = (call.header(b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            raise Refusal(401, "This route needs the gateway's token.", field="Authorization", allowed="Bearer <token>")

    def check_predict(self, call: Call) -> None:
        if not self._predict_open:
            self.check(call)


def open_access(host: str, token: str) -> Access:
    """Access for a server on that address. Raises SpecError rather than serve strangers without a token."""
    loopback = is_loopback(host)
    if not loopback and not token:
        raise SpecError(
            f"The gateway may not listen on {host} without a token.",
            safe="it did not start.",
            hint=f"set AIRFLOW_CONN_{CONNECTION.upper()}=http://:TOKEN@HOST:PORT, or listen on 127.0.0.1.",
        )
    return Access(token, predict_open=loopback)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
