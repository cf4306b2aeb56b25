from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from include.core.repository import Commits, commit_of, commits_of


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def commit(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "--allow-empty", "-m", "one")
    return commit_of(folder)


def test_a_commit_says_whether_the_code_is_in_it(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == ""  # no repository
    git(tmp_path, "init")
    assert commit_of(tmp_path) == ""  # a repository without a commit
    (tmp_path / "spec.py").write_text("SPEC = 1")
    clean = commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "spec.py").write_text("SPEC = 2")
    assert commit_of(tmp_path) == f"{clean}-dirty"
    git(tmp_path, "checkout", "spec.py")
    assert commit_of(tmp_path) == clean
    (tmp_path / "models" / "ant").mkdir(parents=True)
    (tmp_path / "models" / "ant" / "spec.py").write_text("SPEC = 3")
    assert commit_of(tmp_path) == f"{clean}-dirty"  # a folder that git does not know yet
    (tmp_path / ".gitignore").write_text("models/\n.gitignore\n")
    assert commit_of(tmp_path) == clean  # data and caches do not count


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(tmp_path) == ""
    assert commits_of(tmp_path, tmp_path) == Commits("", "")


def test_a_model_is_of_its_own_repositorys_commit(tmp_path: Path) -> None:
    platform, shop = tmp_path / "platform", tmp_path / "shop"
    ant, own = shop / "models" / "ant", platform / "include" / "models" / "cow"
    for folder in (ant, own):
        folder.mkdir(parents=True)
        (folder / "spec.py").write_text("SPEC = 1")
    (shop / "lib.py").write_text("ONE = 1")
    of_platform, of_shop = commit(platform), commit(shop)
    assert commits_of(ant, platform) == Commits(of_shop, of_platform)
    assert commits_of(own, platform) == commits_of(None, platform) == Commits(of_platform, of_platform)
    (shop / "lib.py").write_text("ONE = 2")  # beside the models, and perhaps imported by them
    assert commits_of(ant, platform) == Commits(f"{of_shop}-dirty", of_platform)
    assert commits_of(own, platform) == Commits(of_platform, of_platform)


def test_a_folder_that_its_repository_ignores_and_one_in_no_repository_claim_no_clean_commit(tmp_path: Path) -> None:
    platform, shop, loose = tmp_path / "platform", tmp_path / "shop", tmp_path / "loose" / "ant"
    (shop / "ant").mkdir(parents=True)
    (shop / ".gitignore").write_text("ant/\n")
    loose.mkdir(parents=True)
    of_platform, of_shop = commit(platform), commit(shop)
    assert commits_of(shop / "ant", platform) == Commits(f"{of_shop}-dirty", of_platform)
    assert commits_of(loose, platform) == Commits("", of_platform)


def test_a_repository_within_the_platforms_is_one_of_its_own(tmp_path: Path) -> None:
    platform = tmp_path / "platform"
    of_platform = commit(platform)
    (platform / ".gitignore").write_text("shop/\n")
    of_platform = commit(platform)
    ant = platform / "shop" / "ant"
    ant.mkdir(parents=True)
    (ant / "spec.py").write_text("SPEC = 1")
    of_shop = commit(platform / "shop")
    assert commits_of(ant, platform) == Commits(of_shop, of_platform)
