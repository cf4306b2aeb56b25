"""Issuing a dossier: signed, and written down in the audit chain, so that what was handed out can be told from what was not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.core.control import ControlStore
from include.governance.dossier.envelope import read, seal
from include.governance.dossier.keys import SigningKey, note_key_in

ACTION = "dossier.made"


def issue(control: ControlStore, body: Mapping[str, Any], key: SigningKey | None, actor: str) -> bytes:
    """The dossier's file as JSON. Its digest and the key that signed it are a row of the audit, and no part of the dossier."""
    data = seal(body, key)
    dossier = read(data)
    signed = dossier.signature["key"] if dossier.signature else ""
    with control.transaction() as connection:
        if signed:
            note_key_in(control, connection, signed, actor)
        detail = {"version": body["version"], "digest": dossier.digest, "key": signed}
        control.append_audit(connection, actor, ACTION, str(body["model"]), detail)
    return data
