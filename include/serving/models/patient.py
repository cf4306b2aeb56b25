"""A remote version for those who may wait for it: the loading thread, and the shadow's process. Not for an event loop.

After some calls in a row without an answer it fails at once for a while, so that who scores for several models is not held up.
"""

from __future__ import annotations

from include.core.errors import UnreachableError
from include.model_contract.batch import Encoded, Floats
from include.model_contract.model import RemoteModel
from include.model_contract.remote import Remote
from include.serving.circuit_breaker import Breaker

FAILURES, PAUSE, LONGEST_PAUSE = 3, 1.0, 30.0


class Patient:
    """The scorer of a loaded version. For one thread at a time."""

    def __init__(self, model: RemoteModel) -> None:
        self._model = model
        self._circuit = Breaker(FAILURES, PAUSE, LONGEST_PAUSE)

    @property
    def remote(self) -> Remote:
        return self._model.remote

    def check(self) -> None:
        """Raises UnreachableError where the server does not answer, DataError where its model is another by now."""
        self._model.check()

    def score(self, features: Encoded) -> Floats:
        """Raises UnreachableError for no answer, DataError for a refusal or a wrong one."""
        if not self._circuit.allows():
            raise UnreachableError(f"{self.remote.address} is left alone: it did not answer again and again.")
        try:
            outputs = self._model.score(features)
        except UnreachableError:
            self._circuit.failed()
            raise
        except Exception:
            self._circuit.succeeded()  # it answers, whatever that is worth
            raise
        self._circuit.succeeded()
        return outputs

    async def score_soon(self, features: Encoded) -> Floats:
        """For an event loop, whose circuit is its own: see include/serving/prediction/remote_batches.py."""
        return await self._model.score_soon(features)
