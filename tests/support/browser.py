"""A headless Chromium, driven over the WebDriver protocol: what a person would see, click and type."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for a reference to an element
TAB, ENTER, ESCAPE, LEFT = "\ue004", "\ue007", "\ue00c", "\ue012"
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
)  # fmt: skip


def missing() -> str:
    """Why there is no browser test on this machine; empty if there can be one."""
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"not on PATH: {', '.join(absent)}" if absent else ""


class Browser:
    """One window with a profile of its own. Use as a context manager."""

    def __init__(self, port: int, profile: Path) -> None:
        self._process = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)
        options = {"binary": shutil.which("chromium"), "args": [*QUIET, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._session = ""
        until(lambda: self._ready())
        self._session = "/session/" + self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._call("DELETE", "")
        self._process.terminate()
        self._process.wait(20)
        self._http.close()

    def open(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    def log_in(self, token: str) -> None:
        """On a page of the site: carry Airflow's cookie from now on."""
        self._call("POST", "/cookie", {"cookie": {"name": "_token", "value": token}})

    def log_out(self) -> None:
        """Lose Airflow's cookie, as a session that ended does."""
        self._call("DELETE", "/cookie")

    def resize(self, width: int, height: int = 1000) -> None:
        self._call("POST", "/window/rect", {"width": width, "height": height})

    def press(self, text: str) -> None:
        """Keys, to whatever has the focus: letters, or the protocol's codes such as TAB."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": keys}]})

    def into_frame(self, css: str) -> None:
        self._call("POST", "/frame", {"id": {ELEMENT: self._find(css)}})

    def out_of_frame(self) -> None:
        self._call("POST", "/frame", {"id": None})

    def click(self, css: str) -> None:
        self._call("POST", f"/element/{self._find(css)}/click", {})

    def type(self, css: str, text: str) -> None:
        self._call("POST", f"/element/{self._find(css)}/value", {"text": text})

    def text(self, css: str) -> str:
        """What is visible of it; empty as long as it is not there."""
        found = self.run("return document.querySelector(arguments[0])?.innerText ?? ''", css)
        return str(found)

    def run(self, script: str, *arguments: Any) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def sized(self, width: int, height: int = 1000) -> None:
        """The page as on a screen of that many CSS pixels."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefers(self, scheme: str) -> None:
        """As a reader whose system is "light" or "dark"."""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self) -> bytes:
        """The window, as PNG."""
        return base64.b64decode(self._call("GET", "/screenshot"))

    def cdp(self, command: str, **params: Any) -> Any:
        """A command of Chromium's own protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def later(self, script: str, *arguments: Any) -> Any:
        """What a promise of the script comes to: it calls its last argument."""
        return self._call("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def errors(self) -> list[str]:
        """The console's errors since the last call: exceptions, refused loads, violations of a policy."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def _find(self, css: str) -> str:
        until(lambda: bool(self.run("return !!document.querySelector(arguments[0])", css)))
        return str(self._call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT])

    def _ready(self) -> bool:
        try:
            return bool(self._http.get("/status").json()["value"]["ready"])
        except httpx.TransportError:
            return False

    def _call(self, verb: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(verb, self._session + path, json=body).json()["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"{verb} {path} {body}: {answer['error']}: {answer['message']}")
        return answer


def until(happens: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "the page did not get there"
        time.sleep(0.1)
