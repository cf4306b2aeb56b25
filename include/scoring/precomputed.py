"""A batch's scores as what the gateway answers when it has nothing better: written to the online store, the newest per entity."""

from __future__ import annotations

import pyarrow.parquet as pq

from include.core.ledger import Ledger
from include.core.request import Result
from include.core.scratch import scratch_folder
from include.core.spec import ModelSpec
from include.core.time import now
from include.online_store.precomputed import rows_of, view_of
from include.online_store.store import OnlineStore
from include.scoring.table import SCORES


def put_online(spec: ModelSpec, ledger: Ledger, store: OnlineStore, result: Result) -> int:
    """Write the rows of a `score` result; how many changed what was there. Raises UnreachableError.

    Of one entity the row that was asked last stands, of one moment the batch that came last, whatever is published when.
    """
    view = view_of(spec)
    if view is None:
        return 0
    with scratch_folder() as folder:
        scores = pq.read_table(ledger.fetch(result, SCORES, folder))
    return store.write(spec.name, view, rows_of(spec, scores), now())
