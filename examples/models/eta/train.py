"""How the model learns: one network in plain torch, in this process, and an ONNX file of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core.spec import Regression
from include.training.job import Rows, TrainingJob

if TYPE_CHECKING:
    from include.backends.lightning.export import Probability


def fit(job: TrainingJob) -> None:
    """Fit on the older rows of the window; the newest are what the interval is set by."""
    import torch

    from examples.models.eta.network import DelayNetwork
    from include.backends.lightning.export import Probability, export, score

    torch.manual_seed(job.seed)
    network = DelayNetwork(job.inputs, job.train.features, job.train.labels, job.params)
    model = Probability(network, job.inputs, link="")  # which makes categories that were never seen safe
    learn(model, job)
    network.calibrate(score(model, job.validation.features), job.validation.labels, interval_of(job))
    job.expect(score(model, job.validation.features))
    export(model, len(job.inputs), job.model_path, job.outputs)


def interval_of(job: TrainingJob) -> float:
    """As the spec's problem says."""
    problem = job.problem.value
    if not isinstance(problem, Regression) or problem.interval is None:
        raise TypeError(f"this fit is of a Regression with an interval, and the spec says {problem!r}")
    return problem.interval


def learn(model: Probability, job: TrainingJob) -> None:
    """So many epochs, with a rate that rises for a tenth of the steps and falls to nothing."""
    import torch

    from examples.models.eta.network import pinball

    interval = interval_of(job)
    features, labels = torch.from_numpy(job.train.features), torch.from_numpy(job.train.labels)
    epochs, batch, rate = int(job.params["epochs"]), int(job.params["batch_size"]), float(job.params["learning_rate"])
    steps = epochs * -(-len(labels) // batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=float(job.params["weight_decay"]))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    for epoch in range(epochs):
        model.train()
        for rows in torch.split(torch.randperm(len(labels)), batch):
            loss = pinball(model(features[rows]), labels[rows], interval)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        job.report(measured(model, job.validation, interval), epoch + 1)


def measured(model: Probability, rows: Rows, interval: float) -> dict[str, float]:
    """What the fit tells after an epoch, of rows that it has not fitted."""
    import torch

    from examples.models.eta.network import pinball
    from include.backends.lightning.export import score

    outputs = score(model, rows.features)
    inside = (rows.labels >= outputs[:, 1]) & (rows.labels <= outputs[:, 2])
    return {
        "validation_mae": float(abs(outputs[:, 0] - rows.labels).mean()),
        "validation_pinball": float(pinball(torch.from_numpy(outputs), torch.from_numpy(rows.labels), interval)),
        "validation_coverage": float(inside.mean()),
    }
