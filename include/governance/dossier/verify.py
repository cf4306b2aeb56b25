"""Checking a dossier without a platform: its digests, its signature, the files beside it, and its rows of the audit chain.

What can be proven by the file alone, and what not:

| | by the file | with |
|---|---|---|
| nothing in it was changed since it was signed | yes, by a public key that its owner published | |
| the files that it names are those that lie beside it | | `--files` |
| each row of the audit says what it said when it was written | yes, by its own hash | |
| these rows stand in the chain, and the chain was not written anew | | `--audit`, an export; `--anchors` |
| no row that is about the version was left out | | `--audit` |

A chain is no tree: that a row stands in it is proven by all rows after it, and those are about other models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.core.digest import digest_file
from include.core.errors import IntegrityError
from include.governance.anchors import Anchored
from include.governance.audit_export import COLUMNS, read_rows, verify_file
from include.governance.audit_walk import FIRST, hash_of
from include.governance.dossier.audit_part import concerns
from include.governance.dossier.envelope import Dossier
from include.governance.dossier.keys import fingerprint, is_signed

SHOWN = 10


@dataclass(frozen=True)
class Report:
    """What was found wrong, what was proven, and what was not looked at."""

    name: str
    found: tuple[str, ...]
    proven: tuple[str, ...]
    open: tuple[str, ...]

    def raise_if_found(self) -> None:
        """Raises IntegrityError that names the first findings."""
        if not self.found:
            return
        more = f"\n... and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
        text = "\n".join(self.found[:SHOWN])
        raise IntegrityError(
            f"The dossier of {self.name} does not hold, in {len(self.found)} points:\n{text}{more}\n",
            safe="nothing was changed by looking.",
            hint="ask whoever made it for another copy, or for the file that is named.",
        )


@dataclass
class _Looked:
    found: list[str]
    proven: list[str]
    open: list[str]


def verify(
    dossier: Dossier,
    keys: Sequence[str],
    *,
    unsigned: bool = False,
    files: Path | None = None,
    partial: bool = False,
    export: Path | None = None,
    anchored: Anchored | None = None,
) -> Report:
    """Everything that can be checked of a dossier that was read. `keys`: public keys that the caller trusts. `unsigned`: whether
    one without a signature will do. `partial`: whether files may lack."""
    looked = _Looked([], [], [])
    _look_at_signature(looked, dossier, keys, unsigned=unsigned)
    if not _is_shaped(dossier.body):
        looked.found.append("its parts are not those of a dossier")
        return Report(dossier.name, tuple(looked.found), tuple(looked.proven), tuple(looked.open))
    _look_at_rows(looked, dossier.body)
    if files is not None:
        _look_at_files(looked, dossier.body, files, partial=partial)
    else:
        looked.open.append(f"its {len(dossier.body.get('files', ()))} files were not looked at: --files FOLDER")
    if export is not None:
        _look_at_chain(looked, dossier.body, export, anchored)
    else:
        looked.open.append(
            "that its audit rows stand in the chain, and none was left out, is proven with an export: --audit FILE"
        )
    return Report(dossier.name, tuple(looked.found), tuple(looked.proven), tuple(looked.open))


def _look_at_signature(looked: _Looked, dossier: Dossier, keys: Sequence[str], *, unsigned: bool) -> None:
    said = str(dossier.body.get("signed_by", ""))
    if dossier.signature is None:
        if said:
            looked.found.append(f"it says that the key {said} signed it, and its signature is gone")
        elif not unsigned:
            looked.found.append("nobody signed it: anybody can have made it (--unsigned takes it as it is)")
        else:
            looked.open.append("nobody signed it: that nothing was changed since it was made is not proven")
        return
    key = dossier.signature["key"]
    if not is_signed(key, dossier.signature["value"], dossier.message):
        looked.found.append("its signature is not of this content")
    elif fingerprint(key) != said:
        looked.found.append(f"it says that the key {said or '-'} signed it, and {fingerprint(key)} did")
    elif key not in keys:
        looked.found.append(f"it is signed by the key {fingerprint(key)} ({key}), which is none of those that were named")
    else:
        looked.proven.append(f"nothing was changed since the key {fingerprint(key)} signed it")


def _is_shaped(body: Mapping[str, Any]) -> bool:
    """Whether it has what is looked at below, as a dossier has it: an unsigned one may hold anything."""
    part, files, folders = body.get("audit"), body.get("files", []), body.get("folders", [])
    if not (
        isinstance(part, dict) and isinstance(part.get("rows"), list) and isinstance(files, list) and isinstance(folders, list)
    ):
        return False
    rows, head, known = part["rows"], part.get("head"), part.get("rollouts", [])
    return (
        isinstance(body.get("version"), int)
        and all(isinstance(row, dict) and set(row) == COLUMNS and isinstance(row["seq"], int) for row in rows)
        and (head is None or (isinstance(head, dict) and isinstance(head.get("seq"), int) and isinstance(head.get("hash"), str)))
        and all(isinstance(each, dict) and isinstance(each.get("path"), str) and "digest" in each for each in files)
        and isinstance(known, list)
        and all(isinstance(each, str) for each in (*folders, *known))
    )


def _look_at_rows(looked: _Looked, body: Mapping[str, Any]) -> None:
    looked.found += _of_rows(body["audit"])
    looked.proven.append(f"each of its {len(body['audit']['rows'])} audit rows says what it said when it was written")


def _of_rows(part: Mapping[str, Any]) -> Iterator[str]:
    before: Mapping[str, Any] = {"seq": 0, "hash": FIRST}
    head = part.get("head") or {"seq": 0, "hash": ""}
    for row in part["rows"]:
        seq = row["seq"]
        if row["hash"] != hash_of(row):
            yield f"audit row {seq} was changed after it was written"
            continue
        if seq <= before["seq"]:
            yield f"audit row {seq} is out of its order"
        elif seq == before["seq"] + 1 and row["previous"] != before["hash"]:
            yield f"audit row {seq} was not written after row {before['seq']}"
        if seq > head["seq"] or (seq == head["seq"] and row["hash"] != head["hash"]):
            yield f"audit row {seq} is not of the chain that ended at row {head['seq']}"
        before = row


def _look_at_files(looked: _Looked, body: Mapping[str, Any], folder: Path, *, partial: bool) -> None:
    listed: dict[str, str] = {each["path"]: str(each["digest"]) for each in body.get("files", ())}
    absent, held = [], 0
    for path, digest in sorted(listed.items()):
        place = folder / path
        if not place.resolve().is_relative_to(folder.resolve()):
            looked.found.append(f"{path} leads out of the folder")
        elif not place.is_file():
            absent.append(path)
        elif digest_file(place) != digest:
            looked.found.append(f"{path} was changed")
        else:
            held += 1
    if not partial:
        looked.found += [f"{path} is not there" for path in absent]
    elif absent:
        looked.open.append(f"{len(absent)} files are not there")
    for whole in body.get("folders", ()):
        there = (each.relative_to(folder).as_posix() for each in sorted((folder / whole).rglob("*")) if each.is_file())
        looked.found += [f"{path} was added: the dossier knows of no such file" for path in there if path not in listed]
    looked.proven.append(f"{held} of {len(listed)} files are those that it names")


def _look_at_chain(looked: _Looked, body: Mapping[str, Any], export: Path, anchored: Anchored | None) -> None:
    verdict = verify_file(export, anchored)
    looked.found += [f"the audit chain: {each.id}: {each.what}" for each in verdict.findings]
    part = body["audit"]
    mine = {row["seq"]: row for row in part["rows"]}
    head = part.get("head") or {"seq": 0, "hash": ""}
    about = concerns(str(body.get("model")), body["version"], part.get("rollouts", []))
    seen: set[int] = set()
    for row in read_rows(export):
        if row["seq"] == head["seq"] and row["hash"] != head["hash"]:
            looked.found.append(f"row {head['seq']} of the chain is not the one that was the newest when the dossier was made")
        if row["seq"] in mine:
            seen.add(row["seq"])
            if dict(row) != dict(mine[row["seq"]]):
                looked.found.append(f"audit row {row['seq']} of the dossier is another one in the chain")
        elif row["seq"] <= head["seq"] and about(row):
            looked.found.append(f"audit row {row['seq']} is about this version, and the dossier leaves it out")
    looked.found += [f"audit row {seq} of the dossier is not in the chain" for seq in sorted({*mine} - seen)]
    if verdict.rows < head["seq"]:
        looked.found.append(f"the chain ends at row {verdict.rows}: it is older than the dossier, or was cut off")
    anchor = f", which anchors vouch for up to row {verdict.certain}" if verdict.anchored else ""
    looked.proven.append(f"its audit rows are all that the chain has about it{anchor}")
