from __future__ import annotations

import stat
from pathlib import Path

from include.core.entity_key import entity_key, pseudonym, pseudonyms


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = entity_key(tmp_path, {})
    file = tmp_path / "secrets" / "entity_key"
    assert (len(first), entity_key(tmp_path, {})) == (32, first)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert entity_key(tmp_path / "another", {}) != first


def test_a_connection_gives_the_key_and_no_file_is_made(tmp_path: Path) -> None:
    environ = {"AIRFLOW_CONN_SLIPSTREAM_ENTITIES": "generic://:shared@"}
    assert entity_key(tmp_path, environ) == entity_key(tmp_path / "other", environ)
    assert not (tmp_path / "secrets").exists()


def test_a_file_moved_into_a_connection_is_the_same_key(tmp_path: Path) -> None:
    key = entity_key(tmp_path, {})
    text = (tmp_path / "secrets" / "entity_key").read_text().strip()
    assert entity_key(tmp_path, {"AIRFLOW_CONN_SLIPSTREAM_ENTITIES": f"generic://:{text}@"}) == key


def test_a_pseudonym_is_stable_under_one_key_and_tells_nothing_under_another() -> None:
    of = pseudonyms(b"k" * 32)
    assert of(7) == of(7) == pseudonym(b"k" * 32, 7)
    assert len({of(unit) for unit in range(1000)}) == 1000
    assert (len(of(2**64 - 1)), of(7) == pseudonym(b"l" * 32, 7)) == (16, False)
