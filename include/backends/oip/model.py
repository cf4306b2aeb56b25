"""The Model port on another server: rows go in batches as large as it takes, and answers are checked for their shape."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping

import numpy as np

from include.backends.oip.client import OipClient, open_client
from include.backends.oip.tensors import answer, request
from include.core.errors import DataError
from include.model_contract.batch import Encoded, Floats
from include.model_contract.remote import Port, Remote

PATIENCE = 30.0  # seconds that a task waits for a batch: its timeout is a promise to callers, who are not there
ASKED_SECONDS = 5.0  # for metadata


class OipModel:
    """Scores on a server. `named` and `inputs` are of what it takes, as of any model."""

    def __init__(self, remote: Remote, client: OipClient, hurry: bool = False) -> None:
        self.remote, self._client, self._hurry = remote, client, hurry
        self._run, self._calls = os.urandom(4).hex(), itertools.count()
        self.named = remote.form == "columns"
        self.inputs = len(remote.inputs) if self.named else remote.inputs[0].shape[-1]

    def score(self, features: Encoded) -> Floats:
        """float32 [n], or [n, k]. Raises UnreachableError for no answer, DataError for a refusal or a wrong one."""
        size = self.remote.max_batch
        parts = [self._score(features[start : start + size]) for start in range(0, len(features), size)]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    async def score_soon(self, features: Encoded) -> Floats:
        """In one call, within the remote's timeout."""
        name = self._name()
        body, headers = request(self.remote, features, name)
        reply = await self._client.post_soon(self._path, body, headers, self.remote.seconds)
        return answer(self.remote, reply.body, reply.header, len(features), name)

    def check(self) -> None:
        """Raises UnreachableError where the server does not answer, DataError where its model is another by now."""
        said = self._client.get(self.remote.path, ASKED_SECONDS)
        if said is None:
            raise self._changed("is not there", None)
        known = {port.name: port for port in map(Port.from_json, [*said.get("inputs", ()), *said.get("outputs", ())])}
        for port in (*self.remote.inputs, *self.remote.outputs):
            if known.get(port.name) != port:
                found = known.get(port.name)
                raise self._changed(f"has another tensor {port.name!r} than when it was registered", found and found.to_json())
        digest = str((said.get("parameters") or {}).get("digest", ""))
        if self.remote.digest and digest != self.remote.digest:
            raise self._changed("is of other bytes than when it was registered", digest)

    @property
    def _path(self) -> str:
        return f"{self.remote.path}/infer"

    def _score(self, features: Encoded) -> Floats:
        name = self._name()
        body, headers = request(self.remote, features, name)
        seconds = self.remote.seconds if self._hurry else max(PATIENCE, self.remote.seconds)
        reply = self._client.post(self._path, body, headers, seconds)
        return answer(self.remote, reply.body, reply.header, len(features), name)

    def _name(self) -> str:
        """Of a call: an answer to another one is not taken for this one's."""
        return f"{self._run}-{next(self._calls)}"

    def _changed(self, how: str, seen: object) -> DataError:
        return DataError(
            f"The model at {self.remote.address} {how}.", seen=seen, safe="this version answers nobody until it is as it was.",
            hint="bring the server's model back, or register the new one as a version of its own.",
        )  # fmt: skip


def open_remote(remote: Remote, environ: Mapping[str, str] | None = None, hurry: bool = False) -> OipModel:
    """Raises DataError where this process has no connection to it."""
    return OipModel(remote, open_client(remote.connection, environ), hurry)
