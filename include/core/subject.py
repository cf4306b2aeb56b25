"""A subject whose rows are to be forgotten, known by digests under the installation's key alone.

Nothing that is kept of a request to forget names anybody: a key's value, a request's id and a value that only the subject has are
each a digest that can be compared, and not be read. Whoever has the values can ask again; whoever has the files alone cannot.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from include.core.errors import DataError
from include.core.keys import key_text

REQUEST_ID = "request_id"


def one_form(text: str) -> str:
    """A text as it is compared: letters with their accents are one character, however they were written."""
    return unicodedata.normalize("NFC", text)


def text_of(value: Any) -> str | None:
    """A cell as the text of a key; None for what can be none."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    if value is not None and type(value).__name__ in ("UUID", "Decimal"):
        value = str(value) if type(value).__name__ == "UUID" else _whole(value)
    try:
        return key_text(value)
    except DataError:
        return None


def _whole(value: Any) -> int | None:
    return int(value) if value == value.to_integral_value() else None


@dataclass(frozen=True)
class Fingerprint:
    """Makes digests under one key."""

    key: bytes = field(repr=False)

    def of(self, *parts: str) -> str:
        """32 hexadecimal digits of some texts in their order."""
        body = "\0".join(map(one_form, parts)).encode(errors="surrogatepass")
        return hashlib.blake2b(body, key=self.key, digest_size=16, person=b"forget").hexdigest()


@dataclass
class Subject:
    """`keys`: by name, the digest of its value; all of them must fit. `ids`: of requests that were about the subject; `values`:
    of what nobody else has. The last two grow while its rows are found."""

    prints: Fingerprint
    keys: Mapping[str, str]
    ids: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    by_id: bool = True
    """Whether rows that name one of its requests and no key are its rows, as those of labels. Masked, they stay as they are."""

    @classmethod
    def of(cls, prints: Fingerprint, given: Mapping[str, str]) -> Subject:
        """Of the values themselves. A key's value is one of the subject's own, too, so long as it can be told from others."""
        made = cls(prints, {name: prints.of("key", name, text) for name, text in given.items()})
        made.own(text for text in given.values() if is_telling(text))
        return made

    def has(self, name: str, value: Any) -> bool:
        """Whether a key of that name and value is the subject's."""
        text = text_of(value)
        return text is not None and self.prints.of("key", name, text) == self.keys.get(name)

    def is_in(self, entity: Mapping[str, Any]) -> bool:
        """Whether an entity by names is the subject: it has all of the keys, with these values."""
        return all(name in entity and self.has(name, entity[name]) for name in self.keys)

    def note(self, owner: str, ids: Iterable[Any]) -> None:
        """From now on these are requests about the subject, of that model."""
        self.ids |= {self.prints.of("id", owner, text) for text in map(text_of, ids) if text}

    def asked(self, owner: str, id: Any) -> bool:
        """Whether a request's id is of one about the subject."""
        text = text_of(id)
        return text is not None and self.prints.of("id", owner, text) in self.ids

    def own(self, values: Iterable[Any]) -> None:
        """From now on these are values that only the subject has."""
        self.values |= {self.prints.of("value", shown(value)) for value in values}

    def owns(self, value: Any) -> bool:
        """Whether a value is one that only the subject has."""
        return bool(self.values) and is_telling(value) and self.prints.of("value", shown(value)) in self.values

    def to_json(self) -> dict[str, Any]:
        """Without the key: nobody is named."""
        return {"keys": dict(self.keys), "ids": sorted(self.ids), "values": sorted(self.values)}

    def learn(self, found: Mapping[str, Collection[str]]) -> None:
        """Take in what an earlier attempt had found."""
        self.ids |= set(found["ids"])
        self.values |= set(found["values"])


LETTERS, DIGITS = 5, 6  # from which on a text or a number is taken to tell one subject from others


def is_telling(value: Any) -> bool:
    """Whether a value may be one subject's alone: a text of some length, a number of many digits. `low`, `1` and `.5` are not."""
    if isinstance(value, str):
        return len(value.strip()) >= LETTERS
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value == value and len(repr(abs(value)).rstrip("0").replace(".", "").split("e")[0].strip("0")) >= DIGITS


def shown(value: Any) -> str:
    """A value as it is compared with others: a number as Python writes it, whole ones without a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value if isinstance(value, str) else repr(value)
