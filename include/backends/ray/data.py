"""Scoring batches on Ray Data: the same batches and the same function as without it, on many machines."""

from __future__ import annotations

import pyarrow as pa

from include.backends.ray import on_node
from include.core import code_check
from include.core.environment import RAY_ADDRESS
from include.core.errors import UnreachableError
from include.scoring.scorer import Scorer, batches

PLACE = "batch"


def score_batches(rows: pa.Table, scorer: Scorer) -> list[pa.Table]:
    """The scored batches, in the order of the rows. Raises UnreachableError without a cluster at RAY_ADDRESS.

    Each batch is a block of its own, so that Ray cannot cut them elsewhere; its number brings it back in place.
    """
    import ray

    numbered = [
        batch.append_column(PLACE, pa.repeat(pa.scalar(n, pa.int32()), len(batch))) for n, batch in enumerate(batches(rows))
    ]
    if not numbered:
        return []
    _connect()
    ray.data.DataContext.get_current().enable_progress_bars = False

    code = code_check.checked()

    def score(block: pa.Table) -> pa.Table:
        on_node.require_same_code(code)  # it may be another node than the driver's
        return scorer(block).append_column(PLACE, block[PLACE])

    scored = ray.data.from_arrow(numbered).map_batches(score, batch_size=None, batch_format="pyarrow", zero_copy_batch=True)
    parts = [part for part in ray.get(scored.to_arrow_refs()) if part.num_rows]
    parts.sort(key=lambda part: part[PLACE][0].as_py())
    return [part.drop_columns([PLACE]) for part in parts]


def _connect() -> None:
    import ray

    if ray.is_initialized():
        return
    address = RAY_ADDRESS.read()
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except ConnectionError as error:
        raise UnreachableError(
            f"No Ray cluster answers at {address!r}.",
            seen=str(error)[:200],
            safe="nothing was scored.",
            hint="check RAY_ADDRESS, or start the Ray head; the task is retried.",
        ) from error
