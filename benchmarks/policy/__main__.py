"""When to retrain: the policy of `retraining.price` on real streams, on simulated ones, and on streams that were chosen to hurt.

    make bench AREA="policy [judge] [PATH[:LABEL[:ROWS]]]..."     real streams: those of installed packages, and these
    make bench AREA="policy simulate"     nine simulated families with 95 percent intervals, on seeds that nothing was chosen on
    make bench AREA="policy guarantee"    adversarial streams: losses on paper against the bound
    make bench AREA="policy tune"         chooses the constants; reads simulated streams only

PATH: a CSV, its rows in time order, or a folder of them. LABEL: its column of 0 and 1; by default the column called label,
target, class or y, or else the last one. ROWS a window: by default a hundredth of the rows, at least 100. Every other column is
an input.

Labels come one window late, a model is trained on five windows and probed over 52. Cost: mean error + price x retrains / windows.
Goals, at prices .02 and .1: mean regret (cost / oracle's - 1) at most .08, no stream's above .20, none more than .03 beyond its
best fixed clock, and at most one retrain in 50 windows where nothing drifts. Streams marked as kin of another are printed and not
counted. --forest: a boosted forest instead of logistic regression; no goals. --write: the tables of
docs/monitoring/measured.md. Errors of models are kept in the temporary folder.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

VERBS = ("judge", "simulate", "guarantee", "tune")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.policy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("arguments", nargs="*", metavar="judge|simulate|guarantee|tune|PATH[:LABEL[:ROWS]]")
    parser.add_argument("--forest", action="store_true", help="judge another learner")
    parser.add_argument("--write", action="store_true", help="write what was measured into docs/monitoring/measured.md")
    options = parser.parse_intermixed_args()
    verb, paths = "judge", list(options.arguments)
    if paths and paths[0] in VERBS:
        verb = paths.pop(0)
    if options.write and (options.forest or verb == "tune"):
        parser.error("--write is of judge, simulate and guarantee")
    if paths and verb != "judge":
        parser.error(f"{verb} reads no file")
    start = time.perf_counter()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    status = _run(verb, paths, options.forest, options.write)
    print(f"{time.perf_counter() - start:.0f} s")
    return status


def _run(verb: str, paths: list[str], forest: bool, write: bool) -> int:
    if verb == "judge":
        from benchmarks.policy.judge import judge, real, streams_of

        return judge(list(real(list(streams_of(paths)))), _forest if forest else None, write=write)
    if verb == "guarantee":
        from benchmarks.policy.guarantee import verify

        return verify(write=write)
    from benchmarks.policy.tune import simulate, tune

    return tune() if verb == "tune" else simulate(write=write)


def _forest() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=7)


if __name__ == "__main__":
    raise SystemExit(main())
