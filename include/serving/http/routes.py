"""Every route of the gateway, and the right that it asks for. What is not here is not answered."""

from __future__ import annotations

from dataclasses import dataclass

from include.serving.http.request_error import RequestError

PUBLIC = ""  # no right: a probe has none, and nothing about a model is shown
READ, PREDICT, PUSH, FEEDBACK, ADMIN = "read", "predict", "push", "feedback", "admin"
RIGHTS = (PREDICT, PUSH, FEEDBACK, READ, ADMIN)  # `admin` holds all the others


@dataclass(frozen=True)
class Route:
    method: str  # GET (and then HEAD too) or POST
    pattern: str
    right: str  # one of RIGHTS, or PUBLIC

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.pattern.strip("/").split("/"))


ROUTES = (
    Route("POST", "/predict/{model}", PREDICT),
    Route("GET", "/predictions/{model}/{id}", PREDICT),
    Route("POST", "/recommend/{model}", PREDICT),
    Route("POST", "/feedback/{model}", FEEDBACK),
    Route("POST", "/push/{model}/{view}", PUSH),
    Route("GET", "/v2", PUBLIC),
    Route("GET", "/v2/health/live", PUBLIC),
    Route("GET", "/v2/health/ready", PUBLIC),
    Route("GET", "/v2/models", READ),
    Route("GET", "/v2/models/{model}", PREDICT),
    Route("GET", "/v2/models/{model}/ready", PREDICT),
    Route("POST", "/v2/models/{model}/infer", PREDICT),
    Route("GET", "/v2/models/{model}/versions/{version}", PREDICT),
    Route("GET", "/v2/models/{model}/versions/{version}/ready", PREDICT),
    Route("POST", "/v2/models/{model}/versions/{version}/infer", PREDICT),
    Route("GET", "/status", READ),
    Route("GET", "/metrics", READ),
    Route("GET", "/openapi.json", PUBLIC),
    Route("GET", "/", PUBLIC),
)
BY_PATTERN = {route.pattern: route for route in ROUTES}


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route, and the names in its path. Raises RequestError: 404, 405."""
    parts = tuple(path.strip("/").split("/"))
    for route in ROUTES:
        names = _match(route.parts, parts)
        if names is not None:
            check_method(route, method)
            return route, names
    raise RequestError(404, "There is nothing here.", field="path", value=path, allowed="see /openapi.json")


def check_method(route: Route, method: str) -> None:
    """Raises RequestError (405)."""
    if method != route.method and not (route.method == "GET" and method == "HEAD"):
        refusal = RequestError(405, "Wrong method.", field="method", value=method, allowed=route.method)
        refusal.headers.append((b"allow", b"GET, HEAD" if route.method == "GET" else b"POST"))
        raise refusal


def _match(pattern: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    names = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted.startswith("{"):
            names[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return names
