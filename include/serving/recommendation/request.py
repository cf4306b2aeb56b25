"""What a caller of POST /recommend/{model} sends: who asks, without the item, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, cast

import msgspec

from include.core.spec import ModelSpec, Ranking, View
from include.serving.http.request_error import RequestError
from include.serving.prediction.request_types import Contract, Item

MOST_SEEN = 10_000  # items that one request may name
MOST = 1000  # items that one answer may hold
_ITEM = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
LONGEST_ID = 150  # characters of a request's id: an item's follows it in the log


class ListItem(Item, gc=False):
    """`seen`: items that are left out of the answer; `at`: how many it may hold."""

    seen: Annotated[list[_ITEM | int], msgspec.Meta(max_length=MOST_SEEN)] | None = None
    at: Annotated[int, msgspec.Meta(ge=1, le=MOST)] | None = None


class ListContract(Contract):
    """Decodes and checks the bodies of one model that ranks items."""

    base = ListItem
    more: Mapping[str, str] = {"seen": f"at most {MOST_SEEN} ids of items", "at": f"a whole number from 1 to {MOST}"}

    def __init__(self, spec: ModelSpec) -> None:
        """Raises RequestError (404) for a model that ranks nothing."""
        problem = spec.problem
        if not isinstance(problem, Ranking):
            raise RequestError(
                404, f"{spec.name} recommends nothing.", field="model", value=spec.name,
                allowed=f"a model whose problem is a ranking; this one's is {problem.kind}: ask /predict/{spec.name}",
            )  # fmt: skip
        self.item_key, self.query, self.at, self.default = problem.item, problem.query, problem.at, problem.default
        super().__init__(_of_whoever_asks(spec, problem.item))

    def one(self, body: bytes) -> ListItem:
        """The request. Raises RequestError."""
        (item, *_), batch = self.decode(body)
        if batch:
            raise RequestError(400, "One list is made at a time.", field="requests", allowed="the body of one request")
        if item.id is not None and len(item.id) > LONGEST_ID:
            raise RequestError(400, "The id is too long.", field="id", value=item.id, allowed=f"at most {LONGEST_ID} characters")
        return cast(ListItem, item)


def _of_whoever_asks(spec: ModelSpec, item: str) -> ModelSpec:
    """The spec as requests see it: every key but the item's."""
    keys = tuple(key for key in spec.features.keys if key != item)
    asks = (View(name="asks", keys=keys, features=()),) if keys else ()
    return spec.model_copy(update={"features": spec.features.model_copy(update={"views": asks})})


def seen_items(item: ListItem) -> list[str]:
    """As text: a whole number is its digits."""
    return [each if isinstance(each, str) else str(each) for each in item.seen or ()]


def entity_of(item: ListItem) -> dict[str, Any]:
    """The keys of whoever asks, by name."""
    return dict(msgspec.structs.asdict(item.entity))
