"""How the model is trained: by DDP on the spec's workers, resumable at any step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.backends.lightning.plan import Plan
from include.backends.ray.train import fit_lightning
from include.training.job import Floats, TrainingJob

if TYPE_CHECKING:
    from include.models.flight_delay.network import FlightDelay


def build(plan: Plan, features: Floats) -> FlightDelay:
    """The module, made in each worker; `features` are the training rows, for their moments."""
    from include.models.flight_delay.network import FlightDelay  # the driver of the workers needs no torch

    return FlightDelay(plan, features)


def fit(job: TrainingJob) -> None:
    """Train on the job's workers and write `job.model_path`."""
    fit_lightning(job, build)
