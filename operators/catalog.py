"""The DAGs of every model and feature set that can be loaded, and the errors of those that cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow.sdk import DAG

from include.core.catalog import broken_places, load_owner, owner_names
from include.core.environment import DAGS_OF
from include.core.errors import SlipstreamError, SpecError
from include.core.places import resolved
from include.core.requirements import require_met
from include.core.settings import Settings
from include.core.spec import FeatureSet
from operators.lifecycle import feature_set_dags, lifecycle_dags


@dataclass(frozen=True)
class ModelDags:
    """What places of models amount to in Airflow."""

    dags: tuple[DAG, ...]
    broken: Mapping[str, SlipstreamError]  # by the name of the model's folder, or by the place whose models cannot be listed

    @property
    def by_id(self) -> dict[str, DAG]:
        """For a DAG file: `globals().update(dags_of_models(...).by_id)`."""
        return {dag.dag_id: dag for dag in self.dags}

    def raise_broken(self) -> None:
        """Raises SpecError with every broken model's error. Without any it does nothing."""
        if self.broken:
            what = "\n".join("\n  ".join([f"{name}: {error.what}", *error.lines()[1:]]) for name, error in self.broken.items())
            raise SpecError(
                f"{len(self.broken)} of the models cannot be loaded, and have no DAGs:\n{what}\n",
                safe="the other models' DAGs are there.",
                hint="correct or remove the folder; the next parse takes it.",
            )


def dags_of_models(models: str) -> ModelDags:
    """The DAGs of the models and feature sets in these places, which are written as in SLIPSTREAM_MODELS.

    A model that cannot be loaded, or whose requirements are not met, costs its own alone.

    For a DAG file of a repository of models, in a bundle of its own:

        from operators.catalog import dags_of_models

        globals().update(dags_of_models("/srv/shop/models").by_id)

    Tasks, jobs and the gateway take the model from SLIPSTREAM_MODELS, which has to name the place as well.
    """
    dags: list[DAG] = []
    broken: dict[str, SlipstreamError] = {**broken_places(models)}
    for name in owner_names(models):
        try:
            spec = load_owner(name, models)
            require_met(name, models)
            dags += feature_set_dags(spec) if isinstance(spec, FeatureSet) else lifecycle_dags(spec)
        except SlipstreamError as error:
            broken[name] = error
        except Exception as error:  # noqa: BLE001 - whatever Airflow refuses in one model's DAGs is that model's error
            broken[name] = SpecError(f"Its DAGs cannot be made: {type(error).__name__}: {error}.")
    return ModelDags(tuple(dags), broken)


def platform_places() -> str:
    """The places whose DAGs the platform's own DAG files make: all, but for those that have a bundle of their own."""
    return resolved(DAGS_OF.read()) or Settings.from_env().models
