"""Whether a write comes from a page of somebody else's: a browser sends a person's cookies and reaches this machine's loopback.

Browsers say where a request comes from, and no page can change what they say: `Sec-Fetch-Site`, and `Origin` with every
POST. A program that is no browser sends neither, and proves itself by a login or a token as before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # methods that change nothing
_OWN_SITE = frozenset({b"same-origin", b"none"})  # the second: typed or chosen by the person
_PORTS = {"http": 80, "https": 443}


def foreign(headers: Iterable[tuple[bytes, bytes]], ours: Collection[str] = ()) -> str:
    """Why this write is refused, with the origin it came from; empty for one of our own pages, and for no page at all.

    `headers`: names in lower case. `ours`: origins that count as our own, such as `https://airflow.example`.
    """
    found: dict[bytes, list[bytes]] = {b"origin": [], b"host": [], b"sec-fetch-site": []}
    for name, value in headers:
        if name in found:
            found[name].append(value.strip())
    origins = {value.decode("latin-1").lower() for value in found[b"origin"]}
    if origins and all(origin in ours for origin in origins):
        return ""
    if any(value.lower() not in _OWN_SITE for value in found[b"sec-fetch-site"]):
        return f"a page of another site sent it ({_shown(origins)})"
    hosts = {value.decode("latin-1").lower() for value in found[b"host"]}
    own = bool(found[b"sec-fetch-site"]) and not _is_opaque(origins)  # the browser has compared them, before any proxy
    if origins and not own and not all(_is_at(origin, hosts) for origin in origins):
        return f"a page of another origin sent it ({_shown(origins)})"
    return ""


def origins_of(setting: str) -> frozenset[str]:
    """The origins of a setting, or of an address such as Airflow's base URL."""
    parts = [urlsplit(each.strip().lower()) for each in setting.split(",") if each.strip()]
    return frozenset(f"{part.scheme}://{part.netloc}" for part in parts if part.scheme and part.netloc)


def _is_opaque(origins: Collection[str]) -> bool:
    return "null" in origins  # of a sandboxed frame, a file, a data: address


def _is_at(origin: str, hosts: Collection[str]) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return False
    names = {f"{parts.hostname}:{port}"} if parts.hostname and parts.scheme in _PORTS else set()
    asked = {_with_port(host, parts.scheme) for host in hosts}
    return bool(names) and asked == names


def _with_port(host: str, scheme: str) -> str:
    try:
        parts = urlsplit(f"//{host}")
        return f"{parts.hostname}:{parts.port or _PORTS.get(scheme, 0)}"
    except ValueError:
        return ""


def _shown(origins: Collection[str]) -> str:
    return ", ".join(sorted(origins))[:200] or "it did not say which"
