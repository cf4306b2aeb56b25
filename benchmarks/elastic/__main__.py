"""`make bench AREA=elastic`: a fit on three nodes of a Ray cluster, one of which is killed every 30 seconds and replaced.

Three raylets beside a head that does no work, on one machine. The same fit undisturbed, under kills, and under the same kills by
Ray Train's own elastic training. Goals: an AUC within .001 of the undisturbed twin's; a kill costs at most 1.2 checkpoint
intervals of work that is done again, and the restart, which is printed. EPOCHS=8 makes it longer or shorter, EVERY=30 are the
seconds between two kills, PEER=0 leaves Ray Train out.
"""

from __future__ import annotations

import os
import statistics

from benchmarks.elastic.course import NODES, OURS, PEER, Course, course
from benchmarks.table import Table
from include.core.ports import JobStatus

EPOCHS, EVERY = int(os.environ.get("EPOCHS", "8")), float(os.environ.get("EVERY", "30"))
INTERVALS, AUC = 1.2, 0.001


def main() -> int:
    table = Table()
    table.head(f"{NODES} nodes, one killed every {EVERY:g} s")
    twin = course(OURS, EPOCHS)
    _require(twin, "undisturbed")
    table.say(f"undisturbed: {twin.steps:,} steps in {twin.seconds:.0f} s, a checkpoint every {twin.pace:.2f} s")
    ours = course(OURS, EPOCHS, EVERY)
    _require(ours, "under kills")
    lost = [each for each in ours.value.get("interruptions", []) if each["kind"] == "lost"]
    grown = [each for each in ours.value.get("interruptions", []) if each["kind"] == "grown"]
    table.say(f"ours: {ours.kills} kills in {ours.seconds:.0f} s, {len(lost)} of workers; {len(grown)} times workers came")
    for each in ours.value.get("interruptions", []):
        table.say(
            f"  {each['kind']} {', '.join(each['nodes'])}: {each['seconds']:.2f} s, of which {each['redone']:.2f} done again"
        )
    gap = abs(ours.value["metrics"]["auc"] - twin.value["metrics"]["auc"])
    table.row("AUC: distance from the undisturbed twin's", gap, "", most=AUC)
    if lost:
        redone, restart = [e["redone"] for e in lost], [e["seconds"] - e["redone"] for e in lost]
        table.row("work done again for a kill, the worst, in checkpoint intervals", max(redone) / ours.pace, "", most=INTERVALS)
        table.row("restart after a kill, median", statistics.median(restart), "s")
        table.row("restart after a kill, the worst", max(restart), "s")
        table.row("seconds lost for a kill, mean", statistics.mean(e["seconds"] for e in lost), "s")
    table.line("kills of nodes with a worker", str(len(lost)), "at least 3", len(lost) >= 3)
    table.row("the whole, against the undisturbed twin", ours.seconds / twin.seconds, "times")
    if os.environ.get("PEER", "1") != "0":
        _peer(table, twin, ours)
    print(f"missed: {'; '.join(table.missed)}" if table.missed else "all goals met")
    return 1 if table.missed else 0


def _peer(table: Table, twin: Course, ours: Course) -> None:
    """Ray Train gets one and a half times what ours took, and a minute to start."""
    peer = course(PEER, EPOCHS, EVERY, patience=1.5 * ours.seconds + 60)
    ended = peer.status is JobStatus.SUCCEEDED
    how = "ended" if ended else f"not over: step {peer.steps:,} of {twin.steps:,}"
    table.line("Ray Train elastic, the same kills", f"{peer.seconds:.0f} s, {peer.kills} kills", how)
    table.row("Ray Train elastic: steps a second, against ours", peer.steps / peer.seconds / (ours.steps / ours.seconds), "times")


def _require(ran: Course, what: str) -> None:
    if ran.status is not JobStatus.SUCCEEDED:
        raise SystemExit(f"The fit {what} did not end: {ran.status}, {ran.kills} kills, step {ran.steps}.\n{ran.log}")


if __name__ == "__main__":
    raise SystemExit(main())
