"""Which models and feature sets there are: those with a spec, and those that the stores know of. Others are refused."""

from __future__ import annotations

from collections.abc import Callable

from include.core.catalog import owner_names
from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.nearest import did_you_mean
from include.data import published
from include.monitoring.retraining import retrainings as decisions
from include.rollout_state import queries as rollouts
from include.routing import route as routes
from include.versions import queries as versions

OWNERS = (versions.models_in, routes.models_in, rollouts.models_in, decisions.models_in, published.models_in)


def known_models(control: ControlStore) -> set[str]:
    """The models of which the control store holds anything: their folders may be gone since."""
    with control.transaction() as connection:
        return {name for models_in in OWNERS for name in models_in(connection)}


def require_model(name: str, package: str, control: Callable[[], ControlStore | None]) -> None:
    """Raises DataError with the models there are, and the closest, for a name of none. Without a store the specs alone count.

    A feature set's name passes: what it is not asked for, loading its spec as a model's says.
    """
    specs = owner_names(package)
    if name in specs:  # the usual case asks no store: a command may be for when it is down
        return
    store = control()
    stored = known_models(store) if store is not None else set()
    if name not in stored:
        raise DataError(
            f"There is no model {name!r}.",
            seen=name,
            safe="nothing was read or changed for it.",
            hint=did_you_mean(name, {*specs, *stored}, "models"),
        )
