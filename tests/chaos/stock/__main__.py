"""`python -m tests.chaos.stock --seeds N`: the same harness around the stock ways; its table stands beside ours."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Sequence

from tests.chaos.protocol import FAULTS, Step
from tests.support.warm import prepare_process, warm_up

ROWS = ("ray_job", "sagemaker", "sagemaker_endpoint", "mlflow_register", "feast_online", "lightning_checkpoint")
NEEDS = {
    "ray_job": ("httpx", "airflow.sdk.bases.resumablejobmixin"),
    "sagemaker": ("airflow.providers.amazon.aws.operators.sagemaker", "boto3"),
    "sagemaker_endpoint": ("airflow.providers.amazon.aws.operators.sagemaker", "boto3"),
    "mlflow_register": ("mlflow",),
    "feast_online": ("feast", "pandas", "feast.infra.online_stores.sqlite", "feast.infra.offline_stores.dask"),
    "lightning_checkpoint": ("pytorch_lightning",),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 only where a fault did not happen: what the peers lose is the finding, not a failure of ours."""
    prepare_process()
    from tests.chaos.matrix import PAGE, RECORD, SLOTS, needed, planned, this_run
    from tests.chaos.page import write_page
    from tests.chaos.record import Book, Record, print_matrix

    parser = argparse.ArgumentParser(prog="tests.chaos.stock", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args(arguments)
    steps: dict[str, Step] = {name: importlib.import_module(f"tests.chaos.stock.{name}").STEP for name in options.rows}
    trials = planned(steps, options.faults, range(options.seeds))
    servers = needed(steps, trials)
    warm_up(servers)
    for name in options.rows:
        for module in NEEDS[name]:
            importlib.import_module(module)
    from tests.chaos.slots import run_trials

    began = time.monotonic()
    reports = run_trials(steps, trials, servers, SLOTS, verbose=options.verbose)
    for report in reports:  # how an error is worded is a promise of ours alone
        report.findings = [finding for finding in report.findings if finding.kind != "unclear"]
    record = Record.of(reports, steps, this_run())
    print_matrix(record, time.monotonic() - began)
    book = Book.read(RECORD)
    book.stock.take(record)
    book.write(RECORD)
    write_page(book, PAGE)
    return 0 if all(report.fired for report in reports) and len(reports) == len(trials) else 1


if __name__ == "__main__":
    raise SystemExit(main())
