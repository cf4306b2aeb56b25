"""What pytest-xdist has each worker execute, as text: a forked one goes on from what its seed collected."""

from __future__ import annotations

import sys

if __name__ == "__channelexec__":
    seed = sys.modules.get("tests.support.workers.seed")
    if seed is not None and seed.PLANTED:
        seed.PLANTED[0].work(channel)  # type: ignore[name-defined] # noqa: F821 - execnet's, beside __name__
    else:
        from importlib.util import find_spec
        from pathlib import Path

        package = find_spec("xdist")  # found, not imported: pytest wants to be the first to import its plugins
        assert package is not None
        assert package.origin is not None
        path = Path(package.origin).with_name("remote.py")
        exec(compile(path.read_text(), str(path), "exec"), globals())
