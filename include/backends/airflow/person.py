"""A person's own session at Airflow's API server: what they answer there is theirs, because Airflow has logged them in.

Never with the platform's own login: whoever could use that one would answer in its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from include.core.environment import AIRFLOW_TOKEN
from include.core.errors import ConflictError, DataError, NotAllowedError, SlipstreamError, TransientError, UnreachableError

SECONDS = 60.0
NOTHING = "nothing was decided."
KINDS: dict[int, type[SlipstreamError]] = {
    401: NotAllowedError, 403: NotAllowedError, 404: DataError, 409: ConflictError, 422: DataError, 503: TransientError,
}  # fmt: skip


@dataclass
class Session:
    """`token`: of Airflow's API. Every call raises UnreachableError where Airflow does not answer."""

    url: str
    token: str = field(repr=False)

    def look(self, model: str, version: int) -> dict[str, Any]:
        """{"waiting": what waits for persons of the model, as there is to see, or None; "nobody": why the version does not wait,
        where it does not}."""
        found: dict[str, Any] = self._call("GET", model, query=f"?version={version}")
        return found

    def answer(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        """Raises NotAllowedError, ConflictError or DataError where the answer does not count."""
        done: dict[str, Any] = self._call("POST", model, body)
        return done

    def _call(self, method: str, model: str, body: dict[str, Any] | None = None, query: str = "") -> Any:
        path = f"/slipstream/api/models/{quote(model, safe='')}/approval{query}"
        answer = _asked(self.url, method, path, body, {"Authorization": f"Bearer {self.token}"})
        return answer.json()


def log_in(url: str, user: str, password: str) -> Session:
    """Raises NotAllowedError for a wrong password."""
    try:
        answer = _asked(url, "POST", "/auth/token", {"username": user, "password": password}, {})
    except NotAllowedError as refused:
        raise NotAllowedError(
            f"Airflow does not know {user} with this password.",
            safe=NOTHING,
            hint="it is the password of Airflow's own login page; --user NAME says who you are there.",
        ) from refused
    return Session(url, str(answer.json()["access_token"]))


def _asked(url: str, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> httpx.Response:
    try:
        answer = httpx.request(method, f"{url}{path}", json=body, headers=headers, timeout=SECONDS)
    except httpx.HTTPError as error:
        raise UnreachableError(
            f"Airflow at {url} does not answer: {error}.",
            safe=NOTHING,
            hint="see `make status`; its address is the setting SLIPSTREAM_AIRFLOW_URL.",
        ) from error
    if answer.is_error:
        raise _refused(answer, path)
    return answer


def _refused(answer: httpx.Response, path: str) -> SlipstreamError:
    try:
        told = answer.json()
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    if "error" not in told and answer.status_code in (401, 403):
        return _not_let_in(answer.status_code == 401 or "token" in str(told.get("detail")).lower())
    words = told.get("error") or told.get("detail") or f"Airflow refused {path}: HTTP {answer.status_code}."
    kind = KINDS.get(answer.status_code, DataError)
    return kind(str(words), seen=told.get("seen"), safe=told.get("safe") or NOTHING, hint=told.get("next") or _hint(kind))


def _not_let_in(unknown: bool) -> SlipstreamError:
    """Airflow's own refusal, which says no more than that it is one. `unknown`: it does not know who asks."""
    if unknown:
        return NotAllowedError(
            "Airflow does not take this login: the token is not valid, or has expired.",
            safe=NOTHING,
            hint=f"set a new one in {AIRFLOW_TOKEN.name}, or unset it: then your password is asked for.",
        )
    return NotAllowedError("Airflow does not let you answer this.", safe=NOTHING, hint=_hint(NotAllowedError))


def _hint(kind: type[SlipstreamError]) -> str:
    if kind is NotAllowedError:
        return "log in as somebody who may answer requests of the model's rollout DAG in Airflow."
    return "slipstream rollout status MODEL says what waits."
