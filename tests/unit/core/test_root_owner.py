"""Of two platforms on one root the newer claim counts; a root that nobody claimed is anybody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core.control import ControlStore
from include.core.errors import ConflictError, UnreachableError
from include.core.root_owner import PLATFORMS, SUBJECT, Claim, claim_root, newest_claim, own_claim, require_own_root
from include.core.storage import LocalStorage
from include.services.services import Services
from operators.hooks import open_services
from tests.support.stores import empty_control


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "store")


def platform(folder: Path, claim: Claim) -> ControlStore:
    folder.mkdir()
    control = empty_control(folder)
    PLATFORMS.save(control, f"platform/{claim.id}", SUBJECT, {"backup": "b", "claim": vars(claim)})
    return control


def test_a_root_that_nobody_claimed_is_anybodys(tmp_path: Path, storage: LocalStorage) -> None:
    control = empty_control(tmp_path)
    require_own_root(control, storage)
    assert (newest_claim(storage), own_claim(control)) == (None, None)


def test_who_claims_it_last_has_it(tmp_path: Path, storage: LocalStorage) -> None:
    first, second = Claim(1, "one", "2026-01-01", "a backup"), Claim(2, "two", "2026-01-02", "a backup")
    former, one, two = empty_control(tmp_path), platform(tmp_path / "1", first), platform(tmp_path / "2", second)
    claim_root(storage, first)
    claim_root(storage, first)
    require_own_root(one, storage)
    with pytest.raises(ConflictError, match="belongs to the platform"):
        require_own_root(former, storage)
    with pytest.raises(ConflictError, match="is not finished"):
        require_own_root(two, storage)
    claim_root(storage, second)
    require_own_root(two, storage)
    with pytest.raises(ConflictError, match="belongs to the platform that was made on 2026-01-02"):
        require_own_root(one, storage)


def test_of_two_that_claim_one_number_the_first_has_it(storage: LocalStorage) -> None:
    claim_root(storage, Claim(1, "one", "now", "x"))
    with pytest.raises(ConflictError, match="belongs to"):
        claim_root(storage, Claim(1, "two", "now", "x"))
    newest = newest_claim(storage)
    assert newest is not None
    assert newest.id == "one"


def test_a_storage_that_does_not_answer_holds_up_no_rollback(tmp_path: Path, storage: LocalStorage) -> None:
    def away(prefix: str) -> object:
        raise UnreachableError("S3 is away.")

    storage.list = away  # type: ignore[method-assign, assignment]
    require_own_root(empty_control(tmp_path), storage)


def test_a_task_of_a_platform_that_was_replaced_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLIPSTREAM_ROOT", "SLIPSTREAM_CONTROL_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    services = open_services()
    assert services.control
    claim_root(services.storage, Claim(1, "another", "now", "x"))
    with pytest.raises(ConflictError, match="belongs to the platform"):
        _ = open_services().control
    assert Services.from_env().control, "what only reads, and the gateway, go on"
