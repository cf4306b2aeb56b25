"""What parsing the DAG files costs, against a file that imports airflow.sdk alone, and what a further model adds.

Goals: at most 15 percent more CPU than the bare import; at most 40 ms for each further model, tried with 50.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
MODELS = 50
GOAL_RATIO, GOAL_MODEL_MS = 1.15, 40.0
MEASURE = "import resource; {body}; usage = resource.getrusage(resource.RUSAGE_SELF); print(usage.ru_utime + usage.ru_stime)"


def cpu_seconds(body: str, env: dict[str, str]) -> float:
    """CPU of a fresh process that runs `body`."""
    command = [sys.executable, "-c", MEASURE.format(body=body)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def many_models(folder: Path) -> None:
    """A package of copies of the demonstration's model."""
    package = folder / "bench_models"
    package.mkdir()
    (package / "__init__.py").write_text("")
    text = (ROOT / "include/models/flight_delay/spec.py").read_text()
    for n in range(MODELS + 1):
        name = f"model_{n:02d}"
        (package / name).mkdir()
        (package / name / "__init__.py").write_text("")
        (package / name / "spec.py").write_text(re.sub(r'name="flight_delay"', f'name="{name}"', text, count=1))


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        many_models(Path(scratch))
        base = {**os.environ, "AIRFLOW_HOME": scratch, "PYTHONPATH": f"{ROOT}:{scratch}", "AIRFLOW__CORE__LOAD_EXAMPLES": "false"}
        many = {**base, "SLIPSTREAM_MODELS": "bench_models"}
        ours = f"import runpy; runpy.run_path({str(ROOT / 'dags/lifecycle.py')!r})"
        cpu_seconds("import airflow.sdk", base)  # fills the caches of the disk and of bytecode
        cpu_seconds(ours, many)
        rounds = [
            (cpu_seconds("import airflow.sdk", base), cpu_seconds(ours, base), cpu_seconds(ours, many)) for _ in range(ROUNDS)
        ]
    ratio = median(one / bare for bare, one, _ in rounds)
    each = median((fifty - one) / MODELS for _, one, fifty in rounds) * 1000
    print(f"{'':32}{'median':>10}{'goal':>10}")
    print(f"{'bare import of airflow.sdk (s)':32}{median(r[0] for r in rounds):10.2f}")
    print(f"{'dags/lifecycle.py (s)':32}{median(r[1] for r in rounds):10.2f}")
    print(f"{'ratio':32}{ratio:10.3f}{GOAL_RATIO:10.2f}")
    print(f"{'each further model (ms)':32}{each:10.1f}{GOAL_MODEL_MS:10.0f}")
    missed = ratio > GOAL_RATIO or each > GOAL_MODEL_MS
    print("missed" if missed else "met")
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
