"""The cgroup's limit of memory and its kills, of both versions, as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.core import cgroup


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroup, "ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(cgroup, "SELF", tmp_path / "self")
    (tmp_path / "cgroup").mkdir()
    return tmp_path


def write(here: Path, said: str, **files: str) -> None:
    (here / "self").write_text(said)
    for name, text in files.items():
        path = here / "cgroup" / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def killed() -> int | None:
    found = cgroup.oom_kills()
    return None if found is None else found.count


def test_version_2_the_least_limit_on_the_way_up_counts_and_the_kills_of_its_own_group(here: Path) -> None:
    write(
        here, "0::/pod/task\n",
        pod__memory_DOT_max="2000\n", pod__task__memory_DOT_max="max\n",
        pod__task__memory_DOT_events="low 0\noom 4\noom_kill 3\noom_group_kill 0\n",
        pod__memory_DOT_events="oom_kill 9\n",
    )  # fmt: skip
    assert (cgroup.limit(), killed()) == (2000, 3)


def test_version_1_is_read_beside_groups_of_other_kinds_and_its_huge_number_is_no_limit(here: Path) -> None:
    write(
        here, "4:memory:/a\n3:cpu:/b\n0::/\n",
        memory__a__memory_DOT_limit_in_bytes="4096\n", memory__memory_DOT_limit_in_bytes=f"{0x7FFFFFFFFFFFF000}\n",
        memory__a__memory_DOT_oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    )  # fmt: skip
    assert (cgroup.limit(), killed()) == (4096, 2)


def test_where_the_path_is_the_hosts_the_root_of_the_container_is_read(here: Path) -> None:
    write(here, "0::/kubepods/burstable/pod7\n", memory_DOT_max="512\n", memory_DOT_events="oom_kill 1\n")
    assert (cgroup.limit(), killed()) == (512, 1)


def test_nothing_to_read_is_no_limit_and_no_word_of_kills(here: Path) -> None:
    assert (cgroup.limit(), killed()) == (0, None)
    write(here, "", memory_DOT_max="max\n")
    assert cgroup.limit() == 0


def test_kills_since_a_moment_are_counted_in_the_same_file(here: Path) -> None:
    write(here, "0::/\n", memory_DOT_events="oom_kill 1\n")
    before = cgroup.oom_kills()
    assert before is not None
    assert before.since() == 0
    write(here, "0::/other\n", memory_DOT_events="oom_kill 3\n", other__memory_DOT_events="oom_kill 9\n")
    assert before.since() == 2
    before.file.unlink()
    assert before.since() == 0
