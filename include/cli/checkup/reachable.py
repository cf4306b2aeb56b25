"""Whether the servers and stores answer, and take the logins that are set. Each is one check, so that all are asked at once."""

from __future__ import annotations

import json
import secrets
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from include.cli.checkup.finding import Check, Finding, Level, ok, problem
from include.cli.checkup.gateways import check_gateways
from include.cli.components import TIMEOUT, online_store
from include.cli.context import CliContext
from include.core import tls
from include.core.address import shown
from include.core.connection import Connection, from_env
from include.core.environment import connection
from include.core.errors import IntegrityError, NotReadyError, SlipstreamError
from include.core.schema import HEAD
from include.core.schema.migrate import read_number
from include.local.platform import Platform
from include.services.server_login import SERVERS, Server, ask

Clock = tuple[str, datetime]


@dataclass(frozen=True)
class Reach:
    """What is asked, and the clocks that were told on the way."""

    context: CliContext
    given: Mapping[str, str]  # the process's environment
    clocks: list[Clock] = field(default_factory=list)

    def checks(self) -> dict[str, Check]:
        servers: dict[str, Check] = {
            name.removeprefix("slipstream_"): partial(self._server, name, server) for name, server in SERVERS.items()
        }
        stores: dict[str, Check] = {"online store": self._online, "control store": self._control, "storage": self._storage}
        return {**servers, **stores, "gateways": partial(check_gateways, self.context, self.clocks)}

    # -- servers ---------------------------------------------------------------------------------------

    def _server(self, name: str, server: Server) -> Iterator[Finding]:
        about = name.removeprefix("slipstream_")
        url: str = getattr(self.context.settings, f"{about}_url")
        login = from_env(name, self.context.settings.environ)
        if about == "airflow":
            yield from self._airflow_parts(url)
            if login is None:
                return
        asked = ask(server, url, login or Connection(), TIMEOUT)
        if asked.clock is not None:
            self.clocks.append((about, asked.clock))
        if asked.accepted:
            yield ok(about, asked.words)
        elif asked.reached:
            yield problem(about, asked.words, f"set {connection(name).name} to the login that the server was set up with.")
        elif about != "airflow":
            yield self._away(about, asked.words)

    def _airflow_parts(self, url: str) -> Iterator[Finding]:
        """Its scheduler, triggerer and DAG processor, by its own word."""
        try:
            secure = urllib.request.HTTPSHandler(context=tls.context())
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), secure)
            with opener.open(f"{url}/api/v2/monitor/health", timeout=TIMEOUT) as answer:
                said = json.load(answer)
            ill = [part for part, state in said.items() if state and state.get("status") not in ("healthy", None)]
        except (OSError, ValueError, AttributeError) as error:
            yield self._away("airflow", f"Airflow at {url} does not answer: {getattr(error, 'reason', error)}.")
            return
        if ill:
            yield problem("airflow", f"Airflow at {url} answers; not healthy: {', '.join(ill)}.", "see the logs of these parts.")
        else:
            yield ok("airflow", f"Airflow at {url} answers, and all its parts are healthy.")

    def _away(self, about: str, words: str) -> Finding:
        """A warning where nothing says that it should run: no platform was started, and no setting names a server."""
        name = f"SLIPSTREAM_{about.upper()}_URL"
        if name in self.given:
            return problem(about, words, f"start it, or set {name} to where it is.")
        started = bool(Platform(self.context.settings.home).running_ports())
        return Finding(Level.PROBLEM if started else Level.WARNING, about, words, "make up" if not started else "make status")

    # -- stores ----------------------------------------------------------------------------------------

    def _online(self) -> Iterator[Finding]:
        found = online_store(self.context.settings.online_url, lambda: self.context.aws)
        if found.problem:
            yield problem(
                "online store", f"{found.address} does not answer: {found.problem}.", "start it, or set SLIPSTREAM_ONLINE_URL."
            )
        else:
            yield ok("online store", f"{shown(found.address)} {'is a file' if 'sqlite' in found.address else 'answers'}.")

    def _control(self) -> Iterator[Finding]:
        place = shown(self.context.settings.control_url)
        try:
            number = read_number(self.context.any_control)
        except NotReadyError:
            yield ok("control store", f"there is none at {place} yet: nothing has run here.")
            return
        if number is None:
            yield ok("control store", f"{place} is empty.")
        elif number < HEAD:
            yield problem(
                "control store", f"{place} has schema {number}; this release needs {HEAD}.", "slipstream upgrade --dry-run"
            )
        else:
            yield ok("control store", f"{place} answers, and has the schema of this release ({HEAD}).")

    def _storage(self) -> Iterator[Finding]:
        """A file is written, read, listed and deleted. A folder that is not there yet is not made."""
        settings = self.context.settings
        place = shown(settings.root)
        if "://" not in settings.root and not Path(settings.root).exists():
            yield ok("storage", f"{place} is not there yet.")
            return
        folder, text = f".doctor-{secrets.token_hex(8)}", secrets.token_bytes(32)
        storage = self.context.storage
        try:
            storage.write(f"{folder}/probe", text)
            if storage.read(f"{folder}/probe") != text:
                raise IntegrityError(f"{place} gave other bytes than it was given.", hint="do not use this storage.")
            if not storage.create(f"{folder}/once", text) or storage.create(f"{folder}/once", text):
                raise IntegrityError(f"{place} does not keep apart who creates a file first.", hint="do not use this storage.")
            self.clocks.extend(("the storage", changed) for _, changed in storage.changed(folder))
        except OSError as error:
            yield problem("storage", f"{place} cannot be written and read: {error}.", "see its permissions and its room.")
            return
        except SlipstreamError as error:
            yield problem("storage", f"{place}: {error.what}", error.hint)
            return
        finally:
            storage.delete(folder)
        yield ok("storage", f"{place}: a file was written, read and deleted.")
