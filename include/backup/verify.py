"""Whether a backup is whole, and whether what its control store refers to is known, in it and in a storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.backup.index import Indexed, key_of
from include.backup.lines import read_lines
from include.backup.manifest import CONTROL, DATA, LEDGER, SEALS, Manifest
from include.backup.parts import data_path, fetch, lines_of
from include.core.digest import digest_file
from include.core.errors import IntegrityError, SlipstreamError
from include.core.ledger import Ledger
from include.core.request import Ref
from include.core.storage import Storage
from include.versions.given_up import GIVEN_UP

PARTITIONS, VERSIONS, DOCUMENTS = "slipstream_partitions", "slipstream_versions", "slipstream_documents"
NAMED = ("train", "training_set", "evaluation")  # the results of a version's record


@dataclass
class Checked:
    """How many parts, references and copied files there are, and what is wrong, in words."""

    parts: int = 0
    references: int = 0
    files: int = 0
    problems: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)  # references that do not resolve in the storage that was asked


def verify(source: Storage, manifest: Manifest, scratch: Path, root: Storage | None = None) -> Checked:
    """Read all of it: every digest is computed again. `root`: a storage whose ledger is to hold what is referred to."""
    found = Checked()
    for part in manifest.parts:
        found.parts += 1
        try:
            fetch(source, part, scratch)
        except IntegrityError as error:
            found.problems.append(f"{error.what} ({error.seen})")
    if found.problems:
        return found
    known = {each.path: each for each in map(Indexed.from_json, lines_of(source, manifest, LEDGER, scratch))}
    digests = {(each.key, each.digest) for each in known.values()}
    for name, ref in references(source, manifest, scratch):
        found.references += 1
        if problem := _problem(known.get(ref.uri), ref, digests):
            found.problems.append(f"{name}: {problem}")
        elif root is not None and (lack := _lack(Ledger(root), ref)):
            found.lacking.append(f"{name}: {lack}")
    for problem in _copied(source, manifest, scratch, found):
        found.problems.append(problem)
    return found


def references(source: Storage, manifest: Manifest, scratch: Path) -> Iterator[tuple[str, Ref]]:
    """What the published days and the versions of the backup refer to, each with a name for people. A version that was given up
    refers to nothing that is to be there."""
    told = (row for _, row in rows(source, manifest, scratch, DOCUMENTS) if row["kind"] == GIVEN_UP.name)
    gone = {(row["subject"], row["body"]["version"]) for row in told}
    for table, row in rows(source, manifest, scratch, PARTITIONS, VERSIONS):
        if table == PARTITIONS:
            yield f"{row['model']} {row['day']}", Ref.from_json(row["ref"])
        elif (row["model"], row["version"]) not in gone:
            for name in NAMED:
                if name in row["record"]:
                    yield f"{row['model']} version {row['version']}, {name}", Ref.from_json(row["record"][name])


def rows(source: Storage, manifest: Manifest, scratch: Path, *tables: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of some tables."""
    for part in manifest.of(CONTROL):
        if part.name in tables:
            for row in read_lines(fetch(source, part, scratch)):
                yield part.name, row


def seals(source: Storage, manifest: Manifest, scratch: Path) -> dict[str, str]:
    """The seals of the audit chain: path and text."""
    return dict(lines_of(source, manifest, SEALS, scratch))


def _problem(known: Indexed | None, ref: Ref, digests: set[tuple[str, str]]) -> str:
    if (key_of(ref.uri), ref.digest) in digests:  # of that generation, or of another that is the same result
        return ""
    if known is None:
        return f"{ref.uri} was not in the ledger"
    return f"{ref.uri} had another digest" if known.digest else f"{ref.uri} was damaged"


def _lack(ledger: Ledger, ref: Ref) -> str:
    """What a storage lacks of a result: its files are asked for, and not read."""
    try:
        result = ledger.resolve(ref)
    except (SlipstreamError, KeyError, TypeError) as error:
        return error.what if isinstance(error, SlipstreamError) else f"{ref.uri} cannot be read: {error}"
    gone = [file.path for file in result.files.values() if not ledger.storage.exists(file.path)]
    return f"{ledger.storage.uri(gone[0])} is not there" if gone else ""


def _copied(source: Storage, manifest: Manifest, scratch: Path, found: Checked) -> Iterator[str]:
    for path, digest, _ in lines_of(source, manifest, DATA, scratch):
        found.files += 1
        try:
            local = source.fetch(data_path(digest), scratch)
        except FileNotFoundError:
            yield f"the copy of {path} is gone"
            continue
        if digest_file(local) != digest:
            yield f"the copy of {path} is not as it was written"
        if local.is_relative_to(scratch):
            local.unlink()
