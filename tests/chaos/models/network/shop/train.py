"""The flight-delay network on the shop's orders."""

from __future__ import annotations

from include.models.flight_delay.train import build
from include.training.job import TrainingJob


def fit(job: TrainingJob) -> None:
    from include.backends.ray.train import fit_lightning

    fit_lightning(job, build)
