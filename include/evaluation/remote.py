"""What an evaluation says of a model that another server serves."""

from __future__ import annotations

import json
from pathlib import Path

from include.model_contract.model import is_remote
from include.model_contract.remote import Remote


def served_by(path: Path) -> str:
    """Its address; empty of a model file."""
    return Remote.from_json(json.loads(path.read_bytes())).address if is_remote(path) else ""
