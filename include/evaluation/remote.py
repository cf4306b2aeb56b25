"""What an evaluation says of a model that another server serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from include.model_contract.model import is_remote
from include.model_contract.remote import Remote


class ServedBy(TypedDict, total=False):
    remote: str


def served_by(path: Path) -> ServedBy:
    """`remote`: its address; nothing of a model file."""
    return {"remote": Remote.from_json(json.loads(path.read_bytes())).address} if is_remote(path) else {}
