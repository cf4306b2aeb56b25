"""A person's own session at Airflow's API server: what they answer there is theirs, because Airflow has logged them in.

Never with the platform's own login: whoever could use that one would answer in its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

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

    def approval(self, model: str) -> dict[str, Any] | None:
        """What waits for persons of a model, as there is to see; None where nothing does."""
        found: dict[str, Any] = self._call("GET", model)
        waiting: dict[str, Any] | None = found["waiting"]
        return waiting

    def answer(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        """Raises NotAllowedError, ConflictError or DataError where the answer does not count."""
        done: dict[str, Any] = self._call("POST", model, body)
        return done

    def _call(self, method: str, model: str, body: dict[str, Any] | None = None) -> Any:
        path = f"/slipstream/api/models/{quote(model, safe='')}/approval"
        answer = _asked(self.url, method, path, body, {"Authorization": f"Bearer {self.token}"})
        return answer.json()


def log_in(url: str, user: str, password: str) -> Session:
    """Raises NotAllowedError for a wrong password."""
    answer = _asked(url, "POST", "/auth/token", {"username": user, "password": password}, {})
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
    words = told.get("error") or told.get("detail") or f"Airflow refused {path}: HTTP {answer.status_code}."
    kind = KINDS.get(answer.status_code, DataError)
    return kind(str(words), seen=told.get("seen"), safe=told.get("safe") or NOTHING, hint=told.get("next") or _hint(kind))


def _hint(kind: type[SlipstreamError]) -> str:
    if kind is NotAllowedError:
        return "log in as somebody who may answer requests of the model's rollout DAG in Airflow."
    return "slipstream rollout status MODEL says what waits."
