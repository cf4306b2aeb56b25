"""The address of an online store in DynamoDB: `dynamodb://table`, and how it is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from include.core.errors import SpecError

SCHEME = "dynamodb"
# "Naming rules" of DynamoDB's developer guide.
_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_OPTIONS = {"reads": ("eventual", "strong"), "create": ("no", "yes")}  # the first is the default
_SAFE = "nothing was written."
_HINT = (
    "SLIPSTREAM_ONLINE_URL is such as dynamodb://slipstream-online, with ?reads=strong for requests that must see what was just "
    "written, and ?create=yes where the table is to be made if there is none (for development). Region and login are the Airflow "
    "connection's."
)


@dataclass(frozen=True)
class Address:
    """`strong`: requests read strongly consistently, at twice the price. `create`: a missing table is made."""

    table: str
    strong: bool = False
    create: bool = False

    def __str__(self) -> str:
        return f"{SCHEME}://{self.table}"


def address_of(url: str) -> Address:
    """Raises SpecError for a name that no table can have, and for an option that is not known."""
    place, _, query = url.partition("?")
    name = place.partition("://")[2].rstrip("/")
    if "@" in name or ":" in name:
        raise SpecError("The online store's address names a login or a port: DynamoDB's has none.", safe=_SAFE, hint=_HINT)
    if not _NAME.fullmatch(name):
        raise SpecError("The online store's address names no DynamoDB table.", seen=place, safe=_SAFE, hint=_HINT)
    asked = dict(parse_qsl(query, keep_blank_values=True))
    for option, value in asked.items():
        if value not in _OPTIONS.get(option, ()):
            raise SpecError(
                "The online store's address has an option that is not known.", seen=f"{option}={value}", safe=_SAFE, hint=_HINT
            )
    return Address(name, asked.get("reads") == "strong", asked.get("create") == "yes")
