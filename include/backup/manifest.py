"""The manifest of a backup: what is in it, with the digest of each part. It is written last, once, and makes the backup one.

manifest.json                       what is here, below
parts-{id}/control/{table}.jsonl.gz each table of the control store, a row a line
parts-{id}/ledger.jsonl.gz          which results the ledger had: path, digest, files
parts-{id}/seals.jsonl.gz           the seals of the audit chain, as they are
parts-{id}/tokens.json              the gateway's tokens: names, rights and digests
parts-{id}/data.jsonl.gz            with --with-data: path, digest and bytes of each file of the root
data/{path}                         with --with-data: those files
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from include.core.digest import canonical_json, digest_json
from include.core.errors import DataError, IntegrityError
from include.core.storage import Storage
from include.core.versioned import Format

PATH = "manifest.json"
FORMAT = Format("the manifest of a backup")
CONTROL, LEDGER, SEALS, TOKENS, DATA = "control", "ledger", "seals", "tokens", "data"


@dataclass(frozen=True)
class Part:
    """A file of the backup. `kind` is one of the above, `name` the table's for `control`. `bytes` as it is stored."""

    kind: str
    name: str
    path: str
    digest: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Manifest:
    """`root` and `control`: where the platform had them, without what opens them. `schema`: the control store's number.

    `audit_seq`, `audit_hash`: the head of the audit chain. `entity_key`: a digest of the key that hides entities in logs, to
    know it again by; empty where there was none. `code`: the commits of the platform and of each model's code.
    """

    id: str
    made_at: str
    release: str
    schema: int
    root: str
    control: str
    audit_seq: int
    audit_hash: str
    entity_key: str
    code: Mapping[str, str]
    parts: Sequence[Part] = field(default_factory=tuple)

    @property
    def with_data(self) -> bool:
        return any(part.kind == DATA for part in self.parts)

    def of(self, kind: str) -> list[Part]:
        """The parts of a kind."""
        return [part for part in self.parts if part.kind == kind]

    def to_json(self) -> dict[str, Any]:
        body = {**asdict(self), "code": dict(self.code), "parts": [asdict(part) for part in self.parts]}
        return FORMAT.stamp({**body, "digest": digest_json(body)})


def write(storage: Storage, manifest: Manifest) -> bool:
    """Make the parts a backup. False, and nothing is written, where the place holds another one by now."""
    return storage.create(PATH, canonical_json(manifest.to_json()))


def read(storage: Storage) -> Manifest:
    """Raises DataError where there is no whole backup, and IntegrityError for a manifest that was changed."""
    try:
        stored = json.loads(storage.read(PATH))
        body = FORMAT.read(stored, storage.uri(PATH))
        digest = body.pop("digest")
        manifest = Manifest(**{**body, "parts": tuple(Part(**part) for part in body["parts"])})
    except FileNotFoundError as error:
        cut = any(True for _ in storage.list(""))
        raise DataError(
            f"There is no whole backup at {storage.root}" + (": its making was cut off before the end." if cut else "."),
            seen=storage.uri(PATH),
            safe="nothing was changed.",
            hint="slipstream backup create makes one there." if cut else "is the address right?",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _changed(storage, str(error)) from error
    if digest != digest_json(body):
        raise _changed(storage, str(digest))
    return manifest


def _changed(storage: Storage, seen: str) -> IntegrityError:
    return IntegrityError(
        f"The manifest at {storage.uri(PATH)} is not as it was written.",
        seen=seen, safe="nothing was restored from it.", hint="take another backup.",
    )  # fmt: skip
