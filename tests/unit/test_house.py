"""The house rules that no linter knows: files are short, and what the documents name is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 400  # lines of a file
MEDIAN = 100  # lines of the source's files
SOURCE = ("include/", "operators/", "plugins/", "dags/")
FILES = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
PYTHON = [name for name in FILES if name.endswith(".py")]
DOCUMENTS = [name for name in FILES if name.endswith(".md") and name != "CHANGELOG.md"]  # a change log names what was
QUOTED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:include|operators|plugins|dags|tests|benchmarks|scripts|docker|examples|docs)/[\w./-]+\.\w+")
MODULE = re.compile(r"((?:include|operators)(?:\.[a-z_0-9]+)+)(?::\w+)?")


def lines(name: str) -> int:
    return len((ROOT / name).read_text().splitlines())


def test_no_file_is_longer_than_a_few_screens() -> None:
    assert {name: count for name in PYTHON if (count := lines(name)) > LONGEST} == {}


def test_half_of_the_source_files_fit_on_two_screens() -> None:
    assert median(lines(name) for name in PYTHON if name.startswith(SOURCE)) < MEDIAN


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_file_or_module_that_a_document_names_is_there(document: str) -> None:
    quoted = QUOTED.findall((ROOT / document).read_text())
    missing = [text for text in quoted if PATH.fullmatch(text) and not (ROOT / text).exists()]
    missing += [text for text in quoted if (found := MODULE.fullmatch(text)) and not _is_module(found[1])]
    missing += [text for text in quoted if re.fullmatch(r"\w+\.py", text) and text not in NAMES]
    assert missing == []


NAMES = {Path(name).name for name in PYTHON}


def _is_module(dotted: str) -> bool:
    """Whether it is a module, a package, or a name within one."""
    path = ROOT / dotted.replace(".", "/")
    return any(place.is_dir() or place.with_suffix(".py").is_file() for place in (path, path.parent))


def walk() -> dict[str, list[str]]:
    """The newcomer's walk of docs/architecture.md: the files of each change."""
    text = (ROOT / "docs" / "architecture.md").read_text().partition("## A newcomer's walk\n")[2].partition("\n## ")[0]
    files: dict[str, list[str]] = {}
    change = ""
    for row in re.findall(r"^\| (.*?) ?\| (.*?) \|", text, re.MULTILINE)[1:]:
        change = row[0] or change
        files.setdefault(change, []).extend(QUOTED.findall(row[1]) or [row[1]])
    return files


def test_no_change_of_the_newcomers_walk_needs_more_than_five_source_files() -> None:
    changes = walk()
    assert list(changes) == [
        "a metric",
        "a kind of problem",
        "an input type",
        "a function of request expressions",
        "a vendor's online store",
        "a stage of a rollout",
        "a feature set",
        "a field of the spec",
        "a CLI command",
        "a page of the console",
    ]
    assert all(0 < len(files) <= 5 for files in changes.values()), changes
