from __future__ import annotations

from pathlib import Path

import pytest

from include.core.storage import LocalStorage
from include.training.checkpoint import CheckpointStore


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(LocalStorage(tmp_path), "a/checkpoints")


def path_of(store: CheckpointStore, step: int) -> Path:
    return next(Path(store.storage.root, store.folder).glob(f"step-{step:09d}.*"))


def test_an_empty_folder_means_starting_from_scratch(store: CheckpointStore) -> None:
    assert store.newest() is None
    assert store.load("model.onnx") is None


def test_the_newest_step_is_resumed_from_and_older_ones_are_pruned(store: CheckpointStore) -> None:
    for step in (10, 20, 30, 40, 100):
        store.save_step(step, b"state %d" % step)
    assert store.newest() == (100, b"state 100")
    assert store.steps() == [30, 40, 100]


def test_a_torn_newest_checkpoint_is_skipped_with_a_message(store: CheckpointStore, caplog: pytest.LogCaptureFixture) -> None:
    store.save_step(10, b"good" * 100)
    store.save_step(20, b"torn" * 100)
    torn = path_of(store, 20)
    torn.write_bytes(torn.read_bytes()[:50])
    assert store.newest() == (10, b"good" * 100)
    assert torn.name in caplog.text


def test_one_flipped_bit_is_noticed(store: CheckpointStore) -> None:
    store.save_step(10, b"good" * 100)
    store.save_step(20, b"flip" * 100)
    data = bytearray(path_of(store, 20).read_bytes())
    data[77] ^= 1
    path_of(store, 20).write_bytes(data)
    assert store.newest() == (10, b"good" * 100)


def test_no_verified_checkpoint_at_all_means_starting_from_scratch(store: CheckpointStore) -> None:
    store.save_step(10, b"only")
    path_of(store, 10).write_bytes(b"0nly")
    assert store.newest() is None


def test_a_late_attempt_neither_hides_nor_prunes_the_newer_steps(store: CheckpointStore) -> None:
    store.save_step(100, b"new")
    store.save_step(10, b"old")
    assert store.newest() == (100, b"new")


def test_the_same_step_written_differently_still_loads_a_verified_one(store: CheckpointStore) -> None:
    store.save("model.onnx", b"first")
    store.save("model.onnx", b"second")
    assert store.load("model.onnx") in (b"first", b"second")


def test_folders_below_are_not_mixed_in(store: CheckpointStore) -> None:
    CheckpointStore(store.storage, f"{store.folder}/trial-1").save_step(50, b"trial")
    assert store.newest() is None


def test_shards_go_with_the_steps_that_name_them_and_those_of_kept_steps_stay(store: CheckpointStore) -> None:
    for step in (10, 20, 30, 40):
        for part in range(2):
            store.save(f"shard-{step:09d}-{part}of2-00000", b"%d %d" % (step, part))
        store.save_step(step, b"names them")
    store.save("shard-000000050-0of2-00000", b"of a step that is being written")
    left = sorted(path.name.split("-")[1] for path in Path(store.storage.root, store.folder).glob("shard-*"))
    assert left == [f"{step:09d}" for step in (20, 20, 30, 30, 40, 40, 50)]
    assert store.steps() == [20, 30, 40]


def test_a_blob_is_found_by_its_digest_alone(store: CheckpointStore, caplog: pytest.LogCaptureFixture) -> None:
    first, second = store.save("shard", b"first"), store.save("shard", b"second")
    assert (store.load_blob("shard", first), store.load_blob("shard", second)) == (b"first", b"second")
    Path(store.storage.root, store.folder, f"shard.{first}").write_bytes(b"f1rst")
    Path(store.storage.root, store.folder, f"shard.{second}").unlink()
    assert store.load_blob("shard", first) is None
    assert store.load_blob("shard", second) is None
    assert "do not match their digest" in caplog.text
    assert "is gone" in caplog.text


def test_a_file_is_kept_and_fetched_verified(store: CheckpointStore, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"large" * 1000)
    assert not store.load_file("model.onnx", target)
    store.save_file("model.onnx", source)
    assert store.load("model.onnx") == source.read_bytes()
    assert store.load_file("model.onnx", target)
    assert target.read_bytes() == source.read_bytes()
    next(Path(store.storage.root, store.folder).glob("model.onnx.*")).write_bytes(b"torn")
    assert not store.load_file("model.onnx", target)
    assert not target.exists()
