"""A model that stays on its server: its metadata is checked, a few rows are scored, and a record of it is what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from include.core.adapters import adapter
from include.core.digest import canonical_json
from include.core.errors import DataError
from include.core.request import Json
from include.core.spec import Feature, ModelSpec
from include.evaluation.unlabelled_step import made_up
from include.model_contract.batch import join
from include.model_contract.encoder import Encoder
from include.model_contract.model import open_remote
from include.model_contract.remote import MAX_BATCH, REMOTE, SAFE, SCHEME, Address, Remote
from include.problems.of import of_spec
from include.services.services import Services

Describe = Callable[[Address, Sequence[Feature], Sequence[str], bool, int, Mapping[str, str]], Remote]


def is_address(given: object) -> bool:
    """Whether what is given is a model on another server."""
    return isinstance(given, str) and given.startswith(f"{SCHEME}://")


def described(services: Services, spec: ModelSpec, text: str) -> Remote:
    """What its server says of it. Raises DataError where that does not fit the spec, UnreachableError if it does not answer."""
    address = Address.parse(text)
    problem = of_spec(spec)
    describe: Describe = adapter("model.described")
    timeout = address.timeout_ms or max(1, round(spec.objectives.latency.total_seconds() * 1000))
    environ = services.with_connection(address.connection).environ  # wherever this process has its connections from
    return describe(address, spec.features.inputs, problem.outputs, problem.outputs_add_up, timeout, environ)


def write(remote: Remote, folder: Path) -> Path:
    """The record, the same bytes for the same model."""
    path = folder / REMOTE
    path.write_bytes(canonical_json(remote.to_json()))
    return path


def try_rows(services: Services, spec: ModelSpec, remote: Remote, signature: Mapping[str, Json]) -> None:
    """Score a row of which nothing is known, and made-up ones. Raises DataError for outputs that are none of the problem's."""
    encoder, problem = Encoder.from_json(signature), of_spec(spec)
    nothing = encoder.encode_rows([{each.name: None for each in encoder.inputs}])
    rows = join([nothing, made_up(encoder)[: min(MAX_BATCH, remote.max_batch)]])
    outputs = open_remote(remote, services.with_connection(remote.connection).environ).score(rows)
    wrong = problem.check(outputs, len(rows))
    if wrong:
        raise DataError(
            f"The outputs of {remote.address} are wrong: {wrong}.",
            seen=np.asarray(outputs[:3]).tolist(),
            safe=SAFE.partition(",")[0] + ".",
            hint="have the server's model give what its problem asks for (docs/problems.md).",
        )
