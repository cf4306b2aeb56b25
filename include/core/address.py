"""How the address of a server is shown to a person: never with what opens it."""

from __future__ import annotations

import re

# What stands between // and the last @ before the path may hold a password, and any value of the query may. A password that
# was not quoted may itself hold what ends a host (SQLAlchemy takes it): then the last @ ends it, unless a port comes first.
_USER = re.compile(r"(?<=://)(?P<user>[^/?#@:]*):(?:[^/?#]*|(?!\d+[/?#]).*)@")
_LOGIN = re.compile(r"(?<=://)(?:[^/?#]*|[^/?#@:]*:(?!\d+[/?#]).*)@")
_QUERY = re.compile(r"(?<=[?&])(?P<name>[^=&#]+)=[^&#]*")
_HARMLESS = frozenset({"db", "sslmode", "ssl_cert_reqs", "ssl_check_hostname", "protocol", "timeout", "host", "port", "charset"})


def shown(url: str) -> str:
    """The URL without its password, and without the values of options that may hold one."""
    url = _USER.sub(lambda found: f"{found['user']}:***@", url)
    return _QUERY.sub(lambda found: found[0] if found["name"].lower() in _HARMLESS else f"{found['name']}=***", url)


def without_login(url: str) -> str:
    """The URL without a user and a password."""
    return _LOGIN.sub("", url, count=1)


def without_secrets(text: str, url: str) -> str:
    """A library's message, without the passwords of the URL that it was given."""
    secrets = {found[0].partition(":")[2].rpartition("@")[0] for found in _USER.finditer(url)}
    for found in _QUERY.finditer(url):
        if found["name"].lower() not in _HARMLESS:
            secrets.add(found[0].partition("=")[2])
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 2:
            text = text.replace(secret, "***")
    return text
