"""What every setting resolves to, and where that came from. What may be a secret is never shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import parse_qsl, unquote, urlsplit

from include.cli.checkup.finding import Finding, ok, problem, warning
from include.core import secret_store
from include.core.address import shown
from include.core.connection import parse
from include.core.environment import CONNECTIONS, SETTINGS, VARIABLES
from include.core.environment_aws import SECRETS_BACKEND
from include.core.errors import SlipstreamError
from include.core.settings import Settings
from include.core.variable import PREFIX, Variable

FILE = "connections.env"
GATEWAY = "slipstream_gateway"  # the connection that is asked for to learn whether a backend answers
HIDDEN = "set, not shown"
SECRET = ("connection", "secret", "JSON")  # kinds whose text may be, or hold, a secret
SHORT = 3  # a secret of fewer characters would blot out words


@dataclass(frozen=True)
class Setting:
    name: str
    value: str
    origin: str
    """`environment`, `connections.env` or `default`."""


def resolved(settings: Settings, given: Mapping[str, str], filed: Mapping[str, str]) -> list[Setting]:
    """The settings proper, and whatever else of our list is set."""
    fields = {variable.name: str(getattr(settings, field)) for field, variable in SETTINGS.items()}
    return [
        Setting(variable.name, _value(variable, fields.get(variable.name, {**filed, **given}.get(variable.name, ""))), origin)
        for variable in VARIABLES
        if (origin := _origin(variable, given, filed)) != "default" or variable.name in fields
    ]


def _origin(variable: Variable, given: Mapping[str, str], filed: Mapping[str, str]) -> str:
    if variable.is_set(given):
        return "environment"
    return FILE if variable.is_set(filed) else "default"


def _value(variable: Variable, text: str) -> str:
    if variable in CONNECTIONS:
        return _connection(text)
    return HIDDEN if variable.kind in SECRET else shown(text)


def _connection(text: str) -> str:
    try:
        found = parse(text)
    except SlipstreamError:
        return "cannot be read, not shown"
    place = shown(found.url) or "no address of its own"
    login = f", login {found.login}" if found.login else ""
    return f"{place}{login}, {'password not shown' if found.password else 'no password'}"


def check_names(given: Mapping[str, str], filed: Mapping[str, str]) -> Iterator[Finding]:
    """A name that nobody reads is a slip of the pen: the setting it was meant for has its default."""
    known = {variable.name for variable in VARIABLES}
    wrong = sorted(name for name in {**filed, **given} if name.startswith(PREFIX) and name not in known)
    for name in wrong:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/reference/settings.md lists the settings."
        yield warning("settings", f"{name} is set, and nothing reads it.", hint)
    if not wrong:
        yield ok("settings", f"{sum(name in known for name in {**filed, **given})} are set; every name is known.")


def check_connections(given: Mapping[str, str], filed: Mapping[str, str]) -> Iterator[Finding]:
    """Each connection of ours that is set can be read."""
    both = {**filed, **given}
    for variable in CONNECTIONS:
        try:
            parse(variable.read(both))
        except SlipstreamError:
            yield problem(
                "connections", f"{variable.name} cannot be read (its text is not shown).",
                "write it as scheme://login:password@host:port, with what is special in URLs quoted.",
            )  # fmt: skip


def check_secrets(settings: Settings) -> Iterator[Finding]:
    """Whether the secrets backend answers. Raises its errors."""
    if not (name := SECRETS_BACKEND.read(settings.environ)):
        return
    about = "secrets backend"
    if (store := secret_store.opened(settings.environ)) is None:
        hint = "give those the connections they need in their environment (AIRFLOW_CONN_...)."
        yield warning(about, f"{name} is read by Airflow's tasks alone, not by the gateway and commands.", hint)
        return
    found = store.connection(GATEWAY) is not None
    yield ok(about, f"{name.rpartition('.')[2]} answers, and has {'the' if found else 'no'} connection {GATEWAY}.")


def secrets_of(texts: Iterable[str]) -> set[str]:
    """Whatever opens something in these values: passwords in URLs, values of their options, passwords of connections."""
    found: set[str] = set()
    for text in texts:
        found |= _of_url(text)
        try:
            connection = parse(text)
        except SlipstreamError:
            continue
        found |= {connection.password, *map(str, connection.extra.values())}
    return {secret for secret in found if len(secret) > SHORT}


def all_secrets(environ: Mapping[str, str]) -> set[str]:
    """Of everything that is set."""
    kinds = {variable.name: variable.kind for variable in VARIABLES}
    whole = {text for name, text in environ.items() if kinds.get(name) == "secret"}
    told = [text for name, text in environ.items() if name.startswith((PREFIX, "AIRFLOW_CONN_")) or kinds.get(name) in SECRET]
    return whole | secrets_of(told)


def _of_url(text: str) -> set[str]:
    try:
        parts = urlsplit(text)
        password = parts.password or ""
    except ValueError:
        return set()
    options = {value for name, value in parse_qsl(parts.query) if shown(f"?{name}={value}").endswith("=***")}
    return {password, unquote(password), *options}


def without(secrets: Iterable[str], text: str) -> str:
    """The text without any of them: a library's message may repeat what it was given."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
