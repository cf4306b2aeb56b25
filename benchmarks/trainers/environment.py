"""An environment with the libraries that are not in the locks: made once in a folder, by pip and package names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGES = ("lightgbm==4.7.0", "xgboost-cpu==3.2.0", "scikit-learn==1.9.1")


def interpreter(folder: Path) -> Path:
    """Its Python; the environment is made where it is not there, or lacks a package."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    probe = subprocess.run([str(python), "-c", "import lightgbm, xgboost, sklearn"], capture_output=True, check=False)
    if probe.returncode:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python
