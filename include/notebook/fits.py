"""Finding a fit again: by its key or the beginning of it, by a version's number, or the champion."""

from __future__ import annotations

from include.core.errors import DataError
from include.core.nearest import did_you_mean
from include.core.request import Ref
from include.notebook.results import Fit
from include.services.services import Services
from include.versions import queries as versions
from include.versions.given_up import require_kept_in

Other = Fit | str | int
CHAMPION = "champion"
STEP = "train"


def find_fit(services: Services, model: str, which: str | int) -> Ref:
    """The result of a fit. Raises DataError where there is none, or where a beginning fits several."""
    if which == CHAMPION:
        record = services.champion(model)
        if record is None:
            raise DataError(
                f"{model} has no champion yet: no version is in production.",
                safe="nothing was measured.",
                hint=f"compare two fits: compare(one, other), or slipstream compare {model} FIT OTHER.",
            )
        return record.entry.lineage.train
    if isinstance(which, int):
        with services.control.transaction() as connection:
            require_kept_in(connection, model, which)
            return versions.at_version(connection, model, which).entry.lineage.train
    return _by_key(services, model, which)


def _by_key(services: Services, model: str, beginning: str) -> Ref:
    wanted = beginning if beginning.startswith(f"{STEP}/") else f"{STEP}/{beginning}"
    ledger = services.ledger
    every = [key for key in ledger.requested(STEP) if ledger.request(key).model == model]
    found = [key for key in every if key.startswith(wanted) and ledger.result(key) is not None]
    if len(found) != 1:
        what = f"{len(found)} fits of {model} have a key that begins so" if found else f"There is no fit of {model} with that key"
        raise DataError(
            f"{what}.", seen=beginning, safe="nothing was measured.", hint=did_you_mean(wanted, found or every, "fits")
        )
    (result,) = (ledger.result(key) for key in found)
    assert result is not None
    return ledger.ref(result)
