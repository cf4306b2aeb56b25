from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.cli.completion_scripts import SCRIPTS
from include.cli.completion_words import Words, command_words
from include.cli.main import COMMANDS
from include.core.digest import PROJECT
from tests.support.toy_ledger import MODEL
from tests.unit.cli.conftest import Slipstream

ASK = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_slipstream
printf '%s\\n' "${COMPREPLY[@]}"
"""
PROGRAM = """\
#!/bin/sh
[ "$3" = models ] && printf 'delay\\ndemand\\n'
[ "$3 $5" = "versions delay" ] && printf '12\\n11\\n'
exit 0
"""


@pytest.fixture(scope="module")
def words() -> list[Words]:
    return list(command_words())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, words: list[Words]) -> Path:
    """The bash script, and a program that answers as `slipstream completion --names` does."""
    folder = tmp_path_factory.mktemp("completion")
    (folder / "script").write_text(SCRIPTS["bash"](words))
    (folder / "slipstream").write_text(PROGRAM)
    (folder / "slipstream").chmod(0o755)
    return folder


def completed(folder: Path, line: str) -> list[str]:
    """What a real bash offers for the last word of the line."""
    given = [str(folder / "slipstream"), *line.split(" ")]
    command = ["bash", "--norc", "-c", ASK, "bash", str(folder / "script"), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env={"PATH": os.defpath})
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ver", ["versions"]),
        ("roll", ["rollout", "rollback"]),
        ("versions ", ["delay", "demand"]),
        ("versions de", ["delay", "demand"]),
        ("versions dem", ["demand"]),
        ("versions delay --", ["--help", "--wide", "--json"]),
        ("trace delay --version ", ["12", "11"]),
        ("restore delay ", ["12", "11"]),
        ("restore demand ", []),
        ("rollout ", ["status", "plan", "pause", "resume", "abort"]),
        ("rollout plan ", ["delay", "demand"]),
        ("rollout plan --entities 7 d", ["delay", "demand"]),
        ("token ", ["new", "rotate", "list", "revoke"]),
        ("token rotate --over", ["--overlap-hours"]),
        ("token new --right p", ["predict", "push"]),
        ("invalidate --model ", ["delay", "demand"]),
        ("profile delay flights 2013-01-01 --write scr", ["script"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("--deb", ["--debug"]),
        ("nosuch ", []),
    ],
)
def test_a_real_bash_offers_what_may_stand_there(folder: Path, line: str, offered: list[str]) -> None:
    assert completed(folder, line) == offered


def test_every_command_and_verb_is_in_each_script(words: list[Words]) -> None:
    paths = {each.path for each in words}
    assert paths >= {*COMMANDS, "token new", "token list", ""}
    for shell in SCRIPTS:
        script = SCRIPTS[shell](words)
        assert [name for name in COMMANDS if name not in script] == []
        assert "--names models" in script


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_another_shell_takes_its_script(shell: str, words: list[Words], tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(SCRIPTS[shell](words))
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


def test_the_command_prints_the_script_and_the_names_that_change(slipstream: Slipstream, words: list[Words]) -> None:
    assert slipstream("completion")[1] == SCRIPTS["bash"](words)
    assert json.loads(slipstream("completion", "fish", "--json")[1]) == {"shell": "fish", "script": SCRIPTS["fish"](words)}
    assert slipstream("completion", "--names", "models")[1].split() == [MODEL]
    assert slipstream("completion", "--names", "versions", "--of", MODEL)[1].split() == ["2", "1"]


def test_names_that_cannot_be_read_are_none(slipstream: Slipstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("SLIPSTREAM_MODELS", "toy_models")
    assert slipstream("completion", "--names", "versions", "--of", MODEL) == (0, "", "")


@pytest.mark.lives
def test_asking_for_names_imports_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys; from include.cli.main import main; main(['completion', '--names', 'versions', '--of', 'x'])\n"
        "heavy = {'airflow', 'mlflow', 'ray', 'torch', 'pandas', 'pyarrow', 'numpy', 'duckdb', 'feast', 'httpx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environ = {"SLIPSTREAM_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
