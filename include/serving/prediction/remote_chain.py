"""The same chain of versions, where one of them is on another server: nothing but the rows' own callers waits for it."""

from __future__ import annotations

import asyncio

from include.serving.models.loaded_model import LoadedModel, ModelError, Unanswered
from include.serving.prediction.chain import Chain, loaded
from include.serving.prediction.lists import by_list
from include.serving.prediction.remote_batches import RemoteBatches
from include.serving.prediction.rows import Row


class RemoteChain:
    """Of one model. Used by the event loop only."""

    def __init__(self, chain: Chain, batches: RemoteBatches) -> None:
        self._chain, self._batches = chain, batches

    async def score(self, group: list[Row]) -> None:
        """Fill in who answered the rows of one deployment and arm, and what."""
        deployment, arm = group[0].deployment, group[0].record.arm
        chain, left = [*deployment.candidates(arm)], self._chain.without_features(group)
        if not left:
            return
        models = [deployment.models[version] for _, version in chain if version in deployment.models]
        if all(model.remote is None for model in models):
            self._chain.score(left)
            return
        for role, version in chain:
            left = await self._attempt(left, role, version)
            if not left:
                return
        self._chain.give_up(left)

    async def _attempt(self, rows: list[Row], role: str, version: int) -> list[Row]:
        """Those that the version did not answer."""
        try:
            model = loaded(rows[0].deployment, version)
        except ModelError as error:
            self._chain.blame(rows, role, error)
            return rows
        if model.remote is not None:
            return await self._ask(rows, role, model)
        lists = by_list(rows)
        return [row for some in lists if not self._chain.attempt(some, role, version) for row in some]

    async def _ask(self, rows: list[Row], role: str, model: LoadedModel) -> list[Row]:
        try:
            outputs = await self._batches.score(model, model.encoded([row.by(model.version) for row in rows]))
        except ModelError as error:
            lists = by_list(rows)
            if len(lists) > 1 and not isinstance(error, Unanswered):  # one of them is to blame
                parts = await asyncio.gather(*(self._ask(some, role, model) for some in lists))
                return [row for part in parts for row in part]
            self._chain.blame(rows, role, error)
            return rows
        self._chain.accept(rows, outputs.tolist(), model.version)
        return []
