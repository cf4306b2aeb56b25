"""docs/first-model.md, followed to the letter: its files are written, its commands run, in a checkout with a home of its own.

What the page says of the platform (`console`) is done by the same tasks in one process (tests/support/first_model.py).
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import check_out

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "first-model.md"
MODEL, FIRST, LAST, AS_OF = "returns", "2024-01-01", "2024-01-20", "2024-01-21"  # as the page's `console` block says
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GATEWAY = "http://127.0.0.1:8500"


@dataclass(frozen=True)
class Block:
    kind: str
    title: str
    text: str


def blocks() -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(PAGE.read_text())]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout: the code, and an environment whose commands are those of this one."""
    check_out(("include", "operators"), tmp_path)
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name, words in (("python", ""), ("slipstream", " -m include.cli.main")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        (commands / name).chmod(0o755)
    return tmp_path


@pytest.fixture
def url() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def environ(project: Path, url: str) -> dict[str, str]:
    """Nothing of a real installation is reachable. The checkout comes before this one, which has the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPSTREAM", "AIRFLOW", "PYTEST"))}
    nobody = "http://:secret@127.0.0.1:1"
    return kept | {
        "PYTHONPATH": f"{project}{os.pathsep}{ROOT}",
        "AIRFLOW_HOME": str(project / "airflow"),
        "SLIPSTREAM_HOME": str(project / ".slipstream"),
        "SLIPSTREAM_JOB_BACKEND": "process",
        "SLIPSTREAM_REGISTRY": "folder",
        "SLIPSTREAM_GATEWAY_URL": url,
        **{f"AIRFLOW_CONN_SLIPSTREAM_{name}": nobody for name in ("RAY", "MLFLOW")},
        "AIRFLOW_CONN_SLIPSTREAM_GATEWAY": f"http://:secret@{url.removeprefix('http://')}",
        "OMP_NUM_THREADS": "1",
    }


def follow(commands: list[Block], project: Path, environ: dict[str, str], url: str) -> str:
    """What they print. One shell: a variable that one block sets is there in the next."""
    script = "set -eu\n" + "\n".join(block.text for block in commands).replace(GATEWAY, url)
    script = script.replace("PYTHONPATH=. ", "").replace("curl -s ", "curl -sS -w '\\n' ")  # it is set; an answer a line
    done = subprocess.run(
        ["bash", "-c", script], cwd=project, env=environ, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@contextmanager
def platform(project: Path, environ: dict[str, str]) -> Iterator[dict[str, object]]:
    """While it serves: what it says of the training."""
    command = [sys.executable, "-m", "tests.support.first_model", MODEL, FIRST, LAST, AS_OF, str(project)]
    with (project / "platform.log").open("w") as log:
        running = subprocess.Popen(command, cwd=project, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            told = next((line for line in iter(running.stdout.readline, b"") if line.startswith(b"{")), b"")
            assert told, (project / "platform.log").read_text()[-4000:]
            yield json.loads(told)
        finally:
            running.stdin.close()
            running.wait(60)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_can_be_followed_from_a_file_to_an_answer(project: Path, environ: dict[str, str], url: str) -> None:
    found = blocks()
    for block in found:
        if block.title:
            path = project / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text.replace(GATEWAY, url))
    at = next(place for place, block in enumerate(found) if block.kind == "console")
    assert all(word in found[at].text for word in (FIRST, LAST, AS_OF))

    told = follow([block for block in found[:at] if block.kind == "bash"], project, environ, url)
    assert f"20 days have all sources: {FIRST} to {LAST}" in told
    assert "ExpectColumnValues" in told  # the proposed rules
    assert "as good as the champion" in told  # the plan of holdout rows

    with platform(project, environ) as made:
        assert made == {"stage": "Candidate", "found": ["build_training_set", "train", "evaluate"]}
        answers = follow([block for block in found[at:] if block.kind == "bash"], project, environ, url).splitlines()
    first, accepted, last = answers
    example = json.loads(next(block.text for block in found if block.kind == "json"))
    shown = json.loads(first)
    assert shown.keys() == example.keys()
    assert {name: shown[name] for name in ("id", "label", "version", "arm", "degraded")} == {
        name: example[name] for name in ("id", "label", "version", "arm", "degraded")
    }
    assert abs(shown["score"] - example["score"]) < 0.01
    assert json.loads(accepted) == {"accepted": 1}
    assert last.split()[1:] == ["0", "1"]


def test_the_page_says_nothing_that_is_not_tried() -> None:
    """A block is a file, a command that the test runs, what the platform does, or an answer."""
    assert {block.kind for block in blocks()} == {"python", "bash", "console", "json"}
    assert all(block.title for block in blocks() if block.kind == "python")
    commands = [line for block in blocks() if block.kind == "console" for line in block.text.splitlines()]
    assert len(commands) == 6
