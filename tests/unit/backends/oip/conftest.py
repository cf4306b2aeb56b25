from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from include.backends.oip.describe import describe
from include.backends.oip.model import OipModel, open_remote
from include.model_contract.remote import Address
from tests.support.oip_stub import Stub
from tests.support.unmanaged.parcel.spec import SPEC


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as running:
        yield running


@pytest.fixture
def opened(stub: Stub) -> Callable[..., OipModel]:
    def open_it(text: str = "oip://triton/late/versions/3", hurry: bool = False, **changes: Any) -> OipModel:
        for name, value in changes.items():
            setattr(stub, name, value)
        address = Address.parse(text)
        remote = describe(address, SPEC.features.inputs, ["score"], False, address.timeout_ms or 5000, stub.variable)
        return open_remote(remote, stub.variable, hurry)

    return open_it
