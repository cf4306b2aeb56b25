"""What the first page would wait for, read before somebody opens it: the console's own routes and every spec, in a thread.

It begins a few seconds after the API server, which is up by then, or as soon as a page's document is served, while the browser
fetches the page's modules. What cannot be loaded is left to the page, which says so of that model; a spec that never ends keeps
this thread alone, and no server waits for it to stop.
"""

from __future__ import annotations

import logging
import threading
import time
from importlib import import_module

from include.core.errors import SlipstreamError

log = logging.getLogger(__name__)

ROUTES = "plugins.slipstream_api"  # by name: of its pages one begins what is here
AFTER = 5.0  # seconds between the server's start and ours
PAUSE = 0.002  # seconds between two specs: whoever asks meanwhile comes first


class Ahead:
    """One thread a process."""

    def __init__(self) -> None:
        self._lock, self._now, self._done = threading.Lock(), threading.Event(), threading.Event()
        self._begun = False

    def begin(self, after: float = 0.0) -> None:
        """Begin in so many seconds, or at once. Where it has begun already nothing happens, but that nobody waits any longer."""
        if not after:
            self._now.set()
        with self._lock:
            if self._begun:
                return
            self._begun = True
        threading.Thread(target=self._run, args=(after,), name="slipstream-ahead", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Until it is over; whether it is."""
        return self._done.wait(seconds)

    def _run(self, after: float) -> None:
        self._now.wait(after)
        try:
            load()
        except Exception:  # nobody waits for it: the page that needs what failed tells its reader
            log.info("Specs were not loaded before the first page asks for them.", exc_info=True)
        finally:
            self._done.set()


def load() -> None:
    """The routes, and every spec of the installation."""
    from plugins.slipstream_services import services

    import_module(ROUTES)
    held = services()
    for name in [*held.feature_set_names(), *held.model_names()]:
        try:
            held.owner(name)
        except SlipstreamError:
            log.debug("The spec of %s cannot be loaded.", name, exc_info=True)
        time.sleep(PAUSE)


AHEAD = Ahead()
