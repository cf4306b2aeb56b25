"""A result that was made after subjects were forgotten, from a source that still has them: a warehouse's days land again."""

from __future__ import annotations

from include.core.entity_key import entity_key
from include.core.ledger import Ledger
from include.core.request import Result
from include.core.settings import Settings
from include.core.spec import PartitionOwner
from include.core.subject import Fingerprint, Subject
from include.data.suppression import REMOVE, suppressed
from include.forgetting.graph import Graph
from include.forgetting.results import Reducer
from include.forgetting.scope import Scope


def without_forgotten(result: Result, ledger: Ledger, spec: PartitionOwner, settings: Settings) -> Result:
    """What is left of it: of each subject on the list the rows go, by the request that is known of it. Doing it again changes
    nothing; without a list nothing is read."""
    everybody = [each for each in suppressed(ledger.storage) if spec.name in each.owners]
    if not everybody:
        return result
    prints = Fingerprint(entity_key(settings.home, settings.environ))
    graph = Graph({result.key: ledger.request(result.key)})
    for each in sorted(everybody, key=lambda one: one.began):
        subject = Subject(prints, each.keys, set(each.ids), by_id=each.mode == REMOVE)
        Reducer(ledger, subject, Scope((spec,), dict(each.keys)), each.request, each.mode).reduce(
            graph, result.key, derived=False
        )
    return ledger.result(result.key) or result
