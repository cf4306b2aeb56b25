"""The controller's side: it starts the seed, and has execnet start stubs in place of interpreters."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.plugin import _sys_path

STUB = Path(__file__).with_name("stub.py")
FEWEST = 2  # workers: for a single one there is nothing to share


class Bed:
    """A seed, from which the session's workers are forked until it is closed."""

    def __init__(self, config: pytest.Config, workers: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="slipstream-seed-"))
        self.address = self._folder / "seed"
        self._end, read = os.pipe()[::-1]
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self.address))
            listening.listen(workers)
            given = {
                "arguments": [str(each) for each in config.invocation_params.args],
                "path": _sys_path,
                "basetemp": str(config._tmp_path_factory.getbasetemp() / "popen-seed"),  # type: ignore[attr-defined]
                "workers": workers,
                "argv": sys.argv,
                "listening": listening.fileno(),
                "end": read,
            }
            code = f"import sys; sys.path[:] = {_sys_path!r}; from tests.support.workers.seed import main; main()"
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-c", code, json.dumps(given)],
                pass_fds=(listening.fileno(), read),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        os.close(read)

    def close(self) -> None:
        os.close(self._end)
        self._process.wait()
        shutil.rmtree(self._folder)


def plant(config: pytest.Config, specs: Sequence[Any]) -> Bed | None:
    """Have these workers of execnet be forked; None where they cannot, or need not."""
    if len(specs) < FEWEST or not hasattr(os, "pidfd_open") or not all(_is_plain(spec) for spec in specs):
        return None
    bed = Bed(config, len(specs))
    for spec in specs:
        spec.python = shlex.join([sys.executable, "-S", "-E", str(STUB), str(bed.address)])
    return bed


def _is_plain(spec: Any) -> bool:
    """A process of this machine, of this interpreter."""
    return bool(spec.popen) and not (spec.python or spec.chdir or spec.via)
