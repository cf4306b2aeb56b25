"""The rows of the audit chain that are about one version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore, audit
from include.core.storage import Storage
from include.governance.anchors import head
from include.governance.audit_rows import Row
from include.governance.seals import path_of, read_seals

NAMED = (
    "version",
    "challenger",
    "champion",
    "previous",
    "from",
    "to",
    "by",
    "candidate",
)  # where a detail has a version's number


def concerns(model: str, version: int, rollouts: Collection[str]) -> Callable[[Row], bool]:
    """Whether a row is about a version: it is of its model, and names the version, or one of its rollouts."""

    def about(row: Row) -> bool:
        subject, detail = str(row["subject"]), row["detail"]
        if subject != model and not subject.startswith(f"{model}/"):
            return False
        if not isinstance(detail, Mapping):
            return False
        if subject == f"{model}/{version}" or detail.get("rollout") in rollouts:
            return True
        return any(_is(detail.get(name), version) for name in NAMED)

    return about


def _is(value: Any, version: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value == version


def audit_part(control: ControlStore, storage: Storage, model: str, version: int, rollouts: Collection[str]) -> dict[str, Any]:
    """The rows, the head of the chain now, and the newest seal, whose file is the root's."""
    newest = head(control)
    mine = (audit.c.subject == model) | audit.c.subject.startswith(f"{model}/", autoescape=True)
    query = sa.select(audit).where(mine, audit.c.seq <= (newest.seq if newest else 0)).order_by(audit.c.seq)
    with control.transaction() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    about = concerns(model, version, rollouts)
    seals = [each for each in read_seals(storage) if each.seal]
    seal = seals[-1] if seals else None
    return {
        "rows": [row for row in rows if about(row)],
        "rollouts": sorted(rollouts),
        "head": {"seq": newest.seq, "hash": newest.hash, "at": newest.at} if newest else None,
        "seal": {"path": path_of(seal.number), "digest": seal.digest, "seq": seal.seal.seq} if seal and seal.seal else None,
    }
