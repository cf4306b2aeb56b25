"""Documents: small things that are kept in the control store to be read again, each once, under a key of its own.

What happens exactly once is an *effect* (`ControlStore.once`): it has a fence and a result for whoever asks again. A document
only says something: what a window's verdicts were, which day is online, which alert is to be sent. The first under a key stays.

Each kind of document is one `DocumentKind`, beside the code that knows its body.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from include.core import fault
from include.core.control import ControlStore, documents
from include.core.time import timestamp
from include.core.versioned import Format


@dataclass(frozen=True)
class Document:
    """`subject` is what it is about, most often a model. `at`: UTC, ISO 8601, milliseconds."""

    key: str
    subject: str
    body: Mapping[str, Any]
    at: str


@dataclass(frozen=True)
class DocumentKind:
    """A kind of document: its name in the table, and the versions of its body."""

    name: str
    format: Format

    def save(self, control: ControlStore, key: str, subject: str, body: Mapping[str, Any]) -> bool:
        """Keep it, unless there is one under the key. Returns whether it is new."""
        fault.point("documents.save")
        with control.transaction() as connection:
            new = self.save_in(connection, key, subject, body)
        fault.point("documents.saved")
        return new

    def save_in(self, connection: sa.Connection, key: str, subject: str, body: Mapping[str, Any]) -> bool:
        """The same in the caller's transaction."""
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        row = {"key": key, "kind": self.name, "subject": subject, "body": self.format.stamp(body), "at": timestamp()}
        return bool(connection.execute(insert(documents).values(**row).on_conflict_do_nothing()).rowcount)

    def drop_in(self, connection: sa.Connection, subject: str, under: str) -> int:
        """Forget those about a subject whose key begins with `under`, in the caller's transaction; how many."""
        mine = (documents.c.kind == self.name) & (documents.c.subject == subject)
        gone = sa.delete(documents).where(mine, documents.c.key.startswith(under, autoescape=True))
        return int(connection.execute(gone).rowcount)

    def load(self, control: ControlStore, key: str) -> Document | None:
        """The one under a key."""
        with control.transaction() as connection:
            found = self.load_in(connection, [key])
        return found[0] if found else None

    def load_in(self, connection: sa.Connection, keys: Iterable[str]) -> list[Document]:
        """Those that are there of some keys."""
        wanted = list(keys)
        return self._read(connection, sa.select(documents).where(documents.c.key.in_(wanted))) if wanted else []

    def about(self, control: ControlStore, subject: str, under: str = "") -> list[Document]:
        """All about a subject, oldest first; of those whose key begins with `under`."""
        with control.transaction() as connection:
            return self.about_in(connection, subject, under)

    def about_in(self, connection: sa.Connection, subject: str, under: str = "") -> list[Document]:
        query = sa.select(documents).where(documents.c.subject == subject).order_by(documents.c.at)
        return self._read(connection, query.where(documents.c.key.startswith(under, autoescape=True)) if under else query)

    def newest(self, control: ControlStore, subject: str, most: int = 1) -> list[Document]:
        """The newest about a subject, newest first."""
        query = sa.select(documents).where(documents.c.subject == subject).order_by(documents.c.at.desc()).limit(most)
        with control.transaction() as connection:
            return self._read(connection, query)

    def last_in(self, connection: sa.Connection, subject: str, most: int) -> list[Document]:
        """Those about a subject whose keys sort last, the last first."""
        query = sa.select(documents).where(documents.c.subject == subject).order_by(documents.c.key.desc()).limit(most)
        return self._read(connection, query)

    def counts_in(self, connection: sa.Connection) -> dict[str, tuple[int, str]]:
        """By subject: how many there are, and when the last was saved. None is ever changed, so equal counts are equal documents.
        Answered by the index alone."""
        columns = (documents.c.subject, sa.func.count().label("many"), sa.func.max(documents.c.at).label("at"))
        rows = connection.execute(sa.select(*columns).where(documents.c.kind == self.name).group_by(documents.c.subject))
        return {row.subject: (row.many, row.at) for row in rows}

    def newest_in(self, connection: sa.Connection, subject: str, most: int) -> list[Document]:
        """As `newest`, in the caller's transaction."""
        query = sa.select(documents).where(documents.c.subject == subject).order_by(documents.c.at.desc()).limit(most)
        return self._read(connection, query)

    def of_subjects(self, control: ControlStore, subjects: Iterable[str]) -> list[Document]:
        """All about any of some subjects."""
        with control.transaction() as connection:
            return self._read(connection, sa.select(documents).where(documents.c.subject.in_(list(subjects))))

    def saying(self, control: ControlStore, subject: str, field: str, values: Iterable[str]) -> list[Document]:
        """Those about a subject whose body has one of these texts in a field; oldest first."""
        said = documents.c.body[field].as_string()
        query = sa.select(documents).where(documents.c.subject == subject, said.in_(list(values)))
        with control.transaction() as connection:
            return self._read(connection, query.order_by(documents.c.at))

    def since_in(self, connection: sa.Connection, at: str) -> list[Document]:
        """All that were saved at or after a moment (as `timestamp` writes it), whatever they are about; oldest first."""
        return self._read(connection, sa.select(documents).where(documents.c.at >= at).order_by(documents.c.at))

    def _read(self, connection: sa.Connection, query: sa.Select[Any]) -> list[Document]:
        rows = connection.execute(query.where(documents.c.kind == self.name))
        return [Document(row.key, row.subject, self.format.read(row.body, row.key), row.at) for row in rows]
