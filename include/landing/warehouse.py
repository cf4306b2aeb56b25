"""The port of a warehouse: a query or job that writes Parquet files to a folder, started once for each token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from include.core.adapters import adapter
from include.core.ports import AwsAccess


@dataclass(frozen=True)
class Order:
    """What is to be written, where. Two orders of one token are the same."""

    first: str
    """The first day, `YYYY-MM-DD`."""
    after: str
    """The day after the last."""
    target: str
    """The folder, `s3://bucket/prefix/`, with nothing in it yet."""
    token: str
    """64 characters of `0-9a-f`, for the service to know the same order by."""

    def fill(self, text: str) -> str:
        """A text of the spec with its places filled in."""
        return text.replace("{first}", self.first).replace("{after}", self.after).replace("{target}", self.target)


class State(StrEnum):
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    LOST = "LOST"  # the engine knows no query of that number, or does not any more


@dataclass(frozen=True)
class Look:
    """What the engine says of a query. `words`: its own, where it failed; `again`: whether another try may succeed."""

    state: State
    words: str = ""
    again: bool = False


class Warehouse(Protocol):
    """Raises UnreachableError where the same call may succeed later, PermanentError and SpecError where it will not."""

    def start(self, order: Order) -> str:
        """Start it, and return its number. The same order again, while the engine remembers its token, is the same number."""

    def look(self, query: str) -> Look: ...

    def files(self, query: str, target: str) -> list[str] | None:
        """The addresses of all files that a query which is done has written; None where the engine says none but that all that
        lies in `target` is its own."""

    def ask(self, order: Order) -> str:
        """Start the question `ready`, and return its number. It changes nothing."""

    def answered(self, query: str) -> bool:
        """Whether a question that is done has returned a row."""


def open_warehouse(section: Mapping[str, Any], aws: AwsAccess) -> Warehouse:
    """The engine that a section of `data.warehouse` names."""
    opener: Callable[[Mapping[str, Any], AwsAccess], Warehouse] = adapter(f"warehouse.{section['engine']}")
    return opener(section, aws)


def open_catalogue(aws: AwsAccess) -> Callable[[str, list[str]], bool]:
    """Whether a table of the Glue catalogue (`database.table`) has the partition of these values."""
    opener: Callable[[AwsAccess], Callable[[str, list[str]], bool]] = adapter("warehouse.catalogue")
    return opener(aws)
