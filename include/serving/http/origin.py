"""Writes to the gateway that a page of somebody else's sent: refused, and in the audit, as every write that was refused is.

Predictions are not asked: they have their own rights (include/serving/http/access.py), and no time for this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from include.core.control import ControlStore
from include.core.environment import ORIGINS
from include.core.origin import SAFE, foreign
from include.core.refused import RefusedWrites
from include.serving.http.asgi import HttpRequest, Scope
from include.serving.http.request_error import RequestError

ROUTES = ("push", "feedback", "admin")  # the first part of the paths of writes; any other is "another"


class Writes:
    """Without a control store, refusals are not noted down."""

    def __init__(self, control: Callable[[], ControlStore] | None = None, ours: Collection[str] = ()) -> None:
        self._refused = RefusedWrites("gateway", control) if control is not None else None
        self._ours = ours

    def check(self, scope: Scope) -> None:
        """Raises RequestError (403)."""
        if is_write(scope["method"], scope["path"]) and (why := foreign(scope["headers"], self._ours)):
            what = f"The gateway takes no writes from other pages: {why}."
            raise RequestError(
                403, what, field="Origin", allowed=f"a page of this gateway's own, an origin in {ORIGINS.name}, or no browser"
            )

    def note(self, call: HttpRequest, status: int, error: BaseException) -> None:
        """Called with every refusal; those of writes by want of a right or by their origin go into the audit."""
        if self._refused is None or status not in (401, 403) or not is_write(call.method, call.path):
            return
        head = call.path.strip("/").split("/")[0]
        why = "origin" if getattr(error, "body", {}).get("field") == "Origin" else "right"
        route = f"{call.method} /{head}" if head in ROUTES else "another"
        self._refused.note("gateway (no name)", route, why, detail=f"{call.path}: {error}")


def is_write(method: str, path: str) -> bool:
    return method not in SAFE and not path.startswith(("/predict/", "/v2"))
