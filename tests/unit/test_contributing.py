"""What a contributor runs is what CI runs: pre-commit and `make lint` have the same checks, and `make help` every target."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def recipe(target: str) -> list[str]:
    """The lines of a target, without make's own marks."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found is not None
    return [line.strip().removeprefix("@") for line in found[1].splitlines()]


def test_pre_commit_runs_the_checks_of_make_lint_and_downloads_nothing() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert [hook["entry"].removeprefix("env ") for hook in hooks] == recipe("lint")


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert targets is not None
    assert re.findall(r"^make (\S+)", shown, re.MULTILINE) == [name for name in _defined() if name in targets[1].split()]
    assert set(targets[1].split()) == set(_defined())


def _defined() -> list[str]:
    return re.findall(r"^([a-z][a-z0-9-]*):(?!=)", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md"])
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)\b(?! [a-z]+ing)", "".join(_code(ROOT / page))))
    assert named - set(_defined()) == set()


PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`([a-z_]+/[\w./-]+\.(?:py|sh|md|html|yml|yaml|toml))`", page.read_text())
    ours = {name for name in named if (ROOT / name.partition("/")[0]).is_dir()}
    assert {name for name in ours if not (ROOT / name).is_file()} == set()


def _code(page: Path) -> list[str]:
    """The code of a Markdown page: blocks, and what stands between backticks."""
    text = page.read_text()
    return [*re.findall(r"```.*?```", text, re.DOTALL), *re.findall(r"`[^`\n]+`", text)]
