"""torch's CPU build for the image, where its index cannot be reached but this machine's pip has the wheel in a folder."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


def found() -> list[Path]:
    """The wheels of torch in the folders that pip is told to look in."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.find-links"], capture_output=True, text=True, check=False
    )
    folders = (Path(each) for each in asked.stdout.split())
    return [wheel for folder in folders if folder.is_dir() for wheel in folder.glob("torch-*.whl")]


@contextmanager
def index(wheels: list[Path]) -> Iterator[str]:
    """The address of an index of this machine that holds them, while the block runs."""
    with tempfile.TemporaryDirectory(prefix="slipstream-wheels-") as folder:
        place = Path(folder) / "torch"
        place.mkdir()
        for wheel in wheels:
            (place / wheel.name).symlink_to(wheel)
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
