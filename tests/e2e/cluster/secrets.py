"""The secrets of the containers, made by the script that makes theirs: one environment file a process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from include.core.digest import PROJECT


class Secrets:
    """`docker/make-secrets.sh` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "secrets"
        if not self.folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            script = Path(shutil.copy(PROJECT / "docker" / "make-secrets.sh", folder))
            subprocess.run(["bash", str(script)], check=True, capture_output=True, env={"PATH": os.environ["PATH"]})

    def environment(self, *names: str) -> dict[str, str]:
        """What the environment files of these names hold, together."""
        found: dict[str, str] = {}
        for name in names:
            lines = (self.folder / f"{name}.env").read_text().splitlines()
            found |= dict(line.split("=", 1) for line in lines if "=" in line)
        return found

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()


def merged(*parts: Mapping[str, str]) -> dict[str, str]:
    """Later ones win."""
    return {name: value for part in parts for name, value in part.items()}
