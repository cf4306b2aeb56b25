"""The DAGs of every model that can be loaded, and the errors of those that cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow.sdk import DAG

from include.core.catalog import load_spec, model_names
from include.core.errors import SlipstreamError, SpecError
from operators.lifecycle import lifecycle_dags


@dataclass(frozen=True)
class ModelDags:
    """What a package of models amounts to in Airflow."""

    dags: tuple[DAG, ...]
    broken: Mapping[str, SlipstreamError]  # by the name of the model's folder

    def raise_broken(self) -> None:
        """Raises SpecError with every broken model's error. Without any it does nothing."""
        if self.broken:
            what = "\n".join("\n  ".join([f"{name}: {error.what}", *error.lines()[1:]]) for name, error in self.broken.items())
            raise SpecError(
                f"{len(self.broken)} of the models cannot be loaded, and have no DAGs:\n{what}\n",
                safe="the other models' DAGs are there.",
                hint="correct or remove the folder; the next parse takes it.",
            )


def dags_of_models(package: str) -> ModelDags:
    """The DAGs of the models in a package: a model that cannot be loaded costs its own alone."""
    dags: list[DAG] = []
    broken: dict[str, SlipstreamError] = {}
    for name in model_names(package):
        try:
            dags += lifecycle_dags(load_spec(name, package))
        except SlipstreamError as error:
            broken[name] = error
        except Exception as error:  # noqa: BLE001 - whatever Airflow refuses in one model's DAGs is that model's error
            broken[name] = SpecError(f"Its DAGs cannot be made: {type(error).__name__}: {error}.")
    return ModelDags(tuple(dags), broken)
