"""The duty of a gateway's agent (include/gateway/agent.py) that compacts what the gateway has shipped."""

from __future__ import annotations

from dataclasses import dataclass

from include.core.machine import first_id, gateway_id
from include.prediction_log import layout
from include.prediction_log.pieces import gateway_of
from include.prediction_log.shared import SharedLog

EVERY_SECONDS = 600.0


@dataclass
class LogCompactor:
    """Of the segments of this home alone: each gateway does its own, the monitoring DAG those of gateways that are gone."""

    shared: SharedLog
    name: str = "compact-log"
    every: float = EVERY_SECONDS

    def run(self) -> None:
        from include.prediction_log.compaction import compact  # pyarrow, which an agent has no other use for

        mine = gateway_id(self.shared.home), first_id(self.shared.home)
        for model in layout.models(self.shared.home):
            compact(self.shared, model, of=lambda source: gateway_of(source) in mine)

    def end(self) -> None:
        """Nothing: the next agent does it, or whoever else finds the segments."""
