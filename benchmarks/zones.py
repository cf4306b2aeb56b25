"""The loop on hosts of three time zones, with a week of the flights of 2013: every result must have the same bytes.

    make bench AREA=zones

Lands eight days, then validates, publishes, makes the training set, collects a log and scores, once in a process of each
zone. Goal: no file and no value differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

ZONES = ("UTC", "America/New_York", "Pacific/Auckland")
DAYS = [date(2013, 3, 7) + timedelta(days=n) for n in range(7)]  # New York's clocks change on the 10th


def main() -> int:
    found = {zone: _lived(zone) for zone in ZONES}
    expected, met = found[ZONES[0]], True
    print(f"{len(expected)} results of validate, features, training_set, collect and score, in UTC")
    for zone in ZONES[1:]:
        different = sorted(name for name in {*expected, *found[zone]} if expected.get(name) != found[zone].get(name))
        print(f"  {zone}: {len(different)} differ {different[:10] if different else ''}")
        met &= not different
    print("met" if met else "missed")
    return int(not met)


def _lived(zone: str) -> dict[str, str]:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "benchmarks.zones", home]
        answer = subprocess.run(command, env={**os.environ, "TZ": zone}, stdout=subprocess.PIPE, text=True, check=True)
    print(f"  {zone}: {time.perf_counter() - start:.0f} s", flush=True)
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def _live(home: Path) -> None:
    from include.demo.flights import land
    from include.models.flight_delay.spec import SPEC
    from tests.support.zone_life import Life

    life = Life(home, SPEC, DAYS)
    land(life.ledger.storage, DAYS[0], DAYS[-1])
    print(json.dumps(life.run()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _live(Path(sys.argv[1]))
        sys.exit(0)
    sys.exit(main())
