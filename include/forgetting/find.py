"""Where a subject's rows lie: raw partitions, pushed rows, results of the ledger. It reads, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from include.core.errors import DataError, SpecError
from include.core.ledger import Ledger
from include.core.request import Result
from include.core.scratch import scratch_folder
from include.core.spec import PartitionOwner
from include.core.subject import Subject
from include.data.subject_rows import Columns, rows_of
from include.forgetting.graph import Graph, generations
from include.forgetting.scope import Scope, unsaid
from include.forgetting.tables import learn, read, wanted

LOOKS = 4  # a request's id that is found may lead to rows that were passed before
PARQUET = ".parquet"
RAW = frozenset({"validate", "land"})  # steps whose files have the columns of raw partitions


@dataclass
class Found:
    """Files below the root with the number of rows in each, keys of results, and what could not be read: why, by place."""

    files: dict[str, int] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(self.files.values()) + sum(self.results.values())


@dataclass(frozen=True)
class Finder:
    """Looks for one subject. With `ids` alone it learns no more of its rows than which requests they are."""

    ledger: Ledger
    scope: Scope
    subject: Subject
    ids: bool = False

    def find(self, graph: Graph) -> Found:
        """Raises SpecError where nothing says whose the rows of a source are."""
        shared = self._categories(graph)
        for _ in range(LOOKS):
            known, found = len(self.subject.ids), Found(unread=dict(self.scope.unknown))
            for owner in self.scope.owners:
                self._files(owner, found, shared)
            for key in graph.order:
                if count := self._result(graph, key, found, shared):
                    found.results[key] = count
            if len(self.subject.ids) == known:
                break
        return found

    def _files(self, owner: PartitionOwner, found: Found, shared: frozenset[str]) -> None:
        named: dict[str, list[str]] = {}
        for path in files_of(self.ledger, owner):
            with scratch_folder() as scratch:
                try:
                    local = self.ledger.storage.fetch(path, scratch)
                    if path.startswith("raw/"):
                        named.setdefault(path.split("/")[2], pq.read_schema(local).names)
                    if path.startswith("raw/") and path.split("/")[2] in owner.data.impersonal_sources:
                        continue
                    columns = self.scope.columns(owner.name, raw=path.startswith("raw/"))
                    if count := self._count(local, columns, shared):
                        found.files[path] = count
                except (DataError, pa.ArrowException, OSError, ValueError) as error:
                    found.unread[path] = error.what if isinstance(error, DataError) else str(error)[:200]
        lacking = unsaid(owner, named, self.scope.given)
        _require_said(owner, {source: named[source] for source in lacking if source in owner.data.sources}, self.scope)
        for source in lacking:  # of a source that the spec does not name any more
            found.unread[f"raw/{owner.name}/{source}"] = "the spec has no such source: nothing says whose its rows are"

    def _count(self, local: Path, columns: Columns, shared: frozenset[str]) -> int:
        mask = wanted(local, columns, self.subject)
        if mask is None:
            return 0
        table = read(local)
        whole = rows_of(table, columns, self.subject)
        assert whole is not None  # it was there a moment ago
        learn(table, whole, columns, self.subject, ids=self.ids, shared=shared)
        return int(whole.true_count)

    def _result(self, graph: Graph, key: str, found: Found, shared: frozenset[str]) -> int:
        request, count = graph.requests[key], 0
        columns = self.scope.columns(request.model, raw=request.step in RAW)
        for generation in generations(self.ledger, key):
            result = self.ledger.result(key, generation)
            for name in tables_of(result) if result is not None else ():
                assert result is not None  # tables of it
                with scratch_folder() as scratch:
                    try:
                        count += self._count(self.ledger.fetch(result, name, scratch), columns, shared)
                    except (DataError, OSError) as error:
                        found.unread[result.files[name].path] = error.what if isinstance(error, DataError) else str(error)[:200]
        return count

    def _categories(self, graph: Graph) -> frozenset[str]:
        """The texts that models have as categories: everybody's words."""
        known: set[str] = set()
        for key, request in graph.requests.items():
            result = self.ledger.result(key) if request.step in ("train", "import") else None
            if result is not None and "signature.json" in result.files:
                known |= _words(self.ledger, result)
        return frozenset(known)


def _words(ledger: Ledger, result: Result) -> set[str]:
    try:
        inputs = json.loads(ledger.storage.read(result.files["signature.json"].path)).get("inputs", ())
    except (OSError, ValueError, AttributeError):
        return set()
    return {str(word) for each in inputs for word in each.get("categories") or ()}


def files_of(ledger: Ledger, owner: PartitionOwner) -> Iterator[str]:
    """The raw partitions of an owner, and the rows that were pushed to its views."""
    for folder in (f"raw/{owner.name}", f"pushed/{owner.name}"):
        yield from (path for path in ledger.storage.list(folder) if path.endswith(PARQUET))


def tables_of(result: Result) -> list[str]:
    """The names of its Parquet files."""
    return sorted(name for name in result.files if name.endswith(PARQUET))


def _require_said(owner: PartitionOwner, lacking: Mapping[str, list[str]], scope: Scope) -> None:
    """Raises SpecError where nothing says whose the rows of a source are: they would be passed over without a word."""
    if lacking:
        raise SpecError(
            f"Nothing says whose the rows of {', '.join(lacking)} of {owner.name} are.",
            seen=dict(lacking),
            safe="nothing was changed.",
            hint="say in the spec which column holds the key, or the request's id: "
            f"data.subject_columns={{{', '.join(f'{key!r}: ...' for key in [*scope.given, 'request_id'])}}}; "
            "a source whose rows are about nobody is named in data.impersonal_sources.",
        )
