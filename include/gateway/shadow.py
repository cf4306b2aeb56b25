"""`python -m include.gateway.shadow --socket FD --memory FD --arena N`: the process that scores a gateway's copies."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from pathlib import Path

from include.core import error_reports, logs
from include.prediction_log.record import Record
from include.services.services import Services
from include.serving.models.loaded_model import LoadedModel, load_model
from include.serving.ranking.overlap import ListCopy, shadow_list
from include.serving.shadow import OPTIONS, Scorer, score_frames
from include.serving.telemetry.counters import Metrics
from include.serving.telemetry.shared_memory import SharedMemory

COMMAND = (sys.executable, "-m", "include.gateway.shadow")
NICE = 10  # the gateway's workers come first on a busy machine


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    logs.configure("shadow")
    error_reports.start("shadow")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends when the gateway closes its end of the socket
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    services = Services.from_env()
    metrics = Metrics(SharedMemory(os.fstat(options.memory).st_size, options.memory), options.arena)

    def load_version(model: str, version: int, scratch: Path) -> LoadedModel:
        return load_model(services.control, services.ledger, services.spec(model), version, scratch)

    def make_list(model: str, loaded: LoadedModel, copy: ListCopy) -> list[Record]:
        return shadow_list(services.spec(model), loaded, copy, services.online_store.read_entities)

    scorer = Scorer(load_version, services.settings.home, services.settings.scratch(), metrics, make_list)
    with socket.socket(fileno=options.socket) as end, end.makefile("rb") as stream:
        score_frames(stream, scorer)
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="include.gateway.shadow")
    for name in OPTIONS:
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
