"""Requests for an entity of which nothing is known, where the spec says to refuse them rather than to score on defaults."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from include.online_store.precomputed import nothing_else
from include.serving.http.request_error import RequestError
from include.serving.prediction.coalescing import PendingRequest
from include.serving.prediction.online_features import Features

Found = Features | dict[str, Features]  # of an item: by the one set of views, or by each of several


def _nothing(found: Found) -> bool:
    """Whether no view knows the entity, and the store was there to say so."""
    return all(
        nothing_else(values) and not degraded for values, degraded in (found.values() if isinstance(found, dict) else (found,))
    )


def without_unknown(requests: list[PendingRequest], features: Sequence[Found]) -> tuple[list[PendingRequest], Sequence[Found]]:
    """Refuse (404) the requests that ask for an entity of which no view knows anything; the others, and their features."""
    known: list[PendingRequest] = []
    known_features: list[Found] = []
    place = 0
    for request in requests:
        found = features[place : place + len(request.items)]
        place += len(found)
        unknown = [at for at, each in enumerate(found) if _nothing(each)]
        if unknown:
            field = f"requests[{unknown[0]}].entity" if request.batch else "entity"
            value = msgspec.structs.asdict(request.items[unknown[0]].entity)
            allowed = "an entity that some view has current features of"
            request.fail(RequestError(404, "Nothing is known of this entity.", field=field, value=value, allowed=allowed))
        else:
            known.append(request)
            known_features += found
    return known, known_features
