"""Keys: where they come from, how a person names one, what signs and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.errors import InputError, SpecError
from include.governance.dossier.keys import (
    SigningKey,
    fingerprint,
    is_signed,
    known_keys,
    new_seed,
    note_key,
    pem_of,
    read_public,
    rotate,
    signing_key,
)  # fmt: skip
from include.local.credentials import Credentials
from tests.support.stores import empty_control
from tests.unit.governance.dossier.conftest import KEY


def test_setting_up_makes_the_key_once_for_its_owner_alone(tmp_path: Path) -> None:
    assert signing_key(tmp_path, {}) is None, "asking makes none"
    Credentials.load(tmp_path)
    made = signing_key(tmp_path, {})
    assert made is not None
    Credentials.load(tmp_path)
    assert signing_key(tmp_path, {}) == made
    assert (tmp_path / "secrets" / "dossier_key").stat().st_mode & 0o777 == 0o600
    assert made.seed.hex() not in repr(made)


def test_another_key_takes_its_place_and_the_former_is_remembered(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    first, second = rotate(tmp_path, {}), rotate(tmp_path, {})
    assert first != second == signing_key(tmp_path, {})
    assert [note_key(control, key.public, "ada") for key in (first, first, second)] == [True, False, True]
    assert [key for key, _ in known_keys(control)] == [first.public, second.public]


def test_a_signature_is_of_exactly_these_bytes_by_exactly_this_key() -> None:
    signature = KEY.sign(b"message")
    assert is_signed(KEY.public, signature, b"message")
    assert not is_signed(KEY.public, signature, b"messagf")
    assert not is_signed(SigningKey(bytes(32)).public, signature, b"message")
    for wrong in ("", "00", "zz", signature[:-2], "00" * 64):
        assert not is_signed(KEY.public, wrong, b"message")
        assert not is_signed(wrong, signature, b"message")


def test_rfc_8032_agrees() -> None:
    """The second test of its section 7.1."""
    key = SigningKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert key.sign(b"\x72").startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")


def test_a_public_key_is_named_by_digits_by_pem_or_by_a_file(tmp_path: Path) -> None:
    lines, pem = tmp_path / "keys", tmp_path / "key.pem"
    lines.write_text(f"{KEY.public}  signed before\n{'ab' * 32}\n")
    pem.write_text(pem_of(KEY.public))
    assert read_public(KEY.public.upper()) == [KEY.public]
    assert read_public(str(lines)) == [KEY.public, "ab" * 32]
    assert read_public(str(pem)) == read_public(pem_of(KEY.public)) == [KEY.public]
    for wrong in ("", "00", str(tmp_path), "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(InputError):
            read_public(wrong)
    assert len(fingerprint(KEY.public)) == 16


def test_what_is_no_key_is_refused_without_being_shown(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for wrong in ("hushhush", "", new_seed()[:-4], "ü"):
        (folder / "dossier_key").write_text(wrong)
        with pytest.raises(SpecError, match="no key that signs") as told:
            signing_key(tmp_path, {})
        assert not wrong or wrong not in str(told.value)
