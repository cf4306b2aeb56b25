"""Token files and the requests that carry their tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from include.serving.http.access import Access
from include.serving.http.asgi import Headers
from include.serving.http.request_error import RequestError
from include.serving.http.routes import RIGHTS
from include.serving.http.tokens import digest
from tests.support.gateway_world import MODEL

SECRET = {right: f"slip_{right}" for right in RIGHTS}


def entry(name: str, secret: str, *, models: tuple[str, ...] = ("*",), rights: tuple[str, ...] = ("admin",), **times: str) -> Any:
    return {"name": name, "sha256": digest(secret.encode()), "models": models, "rights": rights, **times}


def write(path: Path, *entries: Any, mode: int = 0o600) -> Path:
    path.write_text(json.dumps({"tokens": entries}))
    path.chmod(mode)
    return path


def headers(secret: str | None = None, host: str = "localhost") -> Headers:
    named = [(b"host", host.encode())]
    return named if secret is None else [*named, (b"authorization", f"Bearer {secret}".encode())]


def verdict(access: Access, secret: str | None, right: str, model: str | None = MODEL, host: str = "localhost") -> int:
    try:
        access.check(headers(secret, host), right, model)
    except RequestError as refusal:
        return refusal.status
    return 200
