"""The workflow of a model repository: whatever it runs is there, and secrets stay where they belong."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.cli.main import COMMANDS, _parser

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "examples" / "ci"
WORKFLOW: dict[Any, Any] = yaml.safe_load((FOLDER / "model.yml").read_text())
STEPS: list[dict[str, Any]] = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
SCRIPTS: list[str] = [step["run"] for step in STEPS if "run" in step]


def commands(word: str) -> Iterator[list[str]]:
    """Every command of the scripts that begins with this word, up to where its output goes."""
    for script in SCRIPTS:
        for line in script.replace("\\\n", " ").splitlines():
            for part in re.split(r"[;|]|&&", line.split("#")[0] if line.strip().startswith("#") else line):
                words = shlex.split(part.split(">")[0]) if part.strip().startswith(f"{word} ") else []
                if words:
                    yield words


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_shell(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_of_slipstream_is_one_with_its_options() -> None:
    found = [words[1:] for words in commands("slipstream")]
    assert {words[0] for words in found} == {"check", "evaluate"} <= set(COMMANDS)
    for words in found:
        _parser(words).parse_args(words)  # raises for an option that is none


def test_what_else_it_runs_is_there() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [words[-1] for words in commands("make")] == ["setup"]
    assert "setup" in targets
    (module,) = [words[2] for words in commands("python")]
    assert module == "include.models.$model.sample_data"
    assert (ROOT / "include/authoring/template/sample_data.py").is_file()


def test_the_api_is_the_one_that_our_own_client_calls() -> None:
    client = (ROOT / "include/backends/airflow/client.py").read_text()
    deploy = WORKFLOW["jobs"]["deploy"]["steps"][0]["run"]
    for path in ("/auth/token", "/api/v2", "/dagRuns"):
        assert path in deploy
        assert path in client
    assert "${model}_training" in deploy


def test_secrets_reach_the_step_that_needs_them_and_no_command_line() -> None:
    wanting = [step for step in STEPS if "secrets." in str(step)]
    assert wanting == WORKFLOW["jobs"]["deploy"]["steps"]
    assert not any("${{" in script for script in SCRIPTS)  # what others write is never part of a script
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_a_merge_alone_deploys_and_after_the_checks_alone() -> None:
    deploy = WORKFLOW["jobs"]["deploy"]
    assert deploy["needs"] == "validate"
    assert deploy["if"] == "github.event_name == 'push'"
    assert WORKFLOW[True]["push"] == {"branches": ["main"]}  # YAML reads the key `on` as a truth


def test_the_readme_names_every_variable_and_secret() -> None:
    readme = (FOLDER / "README.md").read_text()
    wanted = set(re.findall(r"(?:secrets|vars)\.(\w+)", (FOLDER / "model.yml").read_text()))
    assert wanted
    assert all(name in readme for name in wanted)
