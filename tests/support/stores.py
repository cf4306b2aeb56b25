"""Empty stores for tests."""

from __future__ import annotations

from pathlib import Path

from include.core.control import ControlStore


def empty_control(folder: Path) -> ControlStore:
    """A control store on SQLite with its tables, in a folder."""
    store = ControlStore(f"sqlite:///{folder / 'control.db'}")
    store.create_tables()
    return store
