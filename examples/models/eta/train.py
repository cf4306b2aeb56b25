"""How the model learns: one network in plain torch, in this process, and an ONNX file of it."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.spec import Regression
from include.training.job import Floats, Rows, TrainingJob

if TYPE_CHECKING:
    from examples.models.eta.network import DelayNetwork

AT_A_TIME = 16_384


def fit(job: TrainingJob) -> None:
    """Fit on the older rows of the window; the newest are what the interval is set by."""
    import torch

    from examples.models.eta.network import DelayNetwork

    torch.manual_seed(job.seed)
    network = DelayNetwork(job.inputs, job.train.features, job.train.labels, job.params)
    learn(network, job)
    network.calibrate(answers(network, job.validation.features), job.validation.labels, interval_of(job))
    job.expect(answers(network, job.validation.features))
    export(network, len(job.inputs), job.model_path)


def interval_of(job: TrainingJob) -> float:
    """As the spec's problem says."""
    problem = job.problem.value
    if not isinstance(problem, Regression) or problem.interval is None:
        raise TypeError(f"this fit is of a Regression with an interval, and the spec says {problem!r}")
    return problem.interval


def learn(network: DelayNetwork, job: TrainingJob) -> None:
    """So many epochs, with a rate that falls to nothing; what comes out is the mean of the last weights."""
    import torch

    from examples.models.eta.network import pinball

    interval = interval_of(job)
    features, labels = torch.from_numpy(job.train.features), torch.from_numpy(job.train.labels)
    epochs, batch, rate = int(job.params["epochs"]), int(job.params["batch_size"]), float(job.params["learning_rate"])
    steps = epochs * -(-len(labels) // batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=float(job.params["weight_decay"]))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    for epoch in range(epochs):
        network.train()
        order = torch.randperm(len(labels))
        for rows in order.split(batch):
            loss = pinball(network(features[rows]), labels[rows], interval)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        job.report(measured(network, job.validation, interval), epoch + 1)


def measured(network: DelayNetwork, rows: Rows, interval: float) -> dict[str, float]:
    import torch

    from examples.models.eta.network import pinball

    outputs = answers(network, rows.features)
    inside = (rows.labels >= outputs[:, 1]) & (rows.labels <= outputs[:, 2])
    return {
        "validation_mae": float(abs(outputs[:, 0] - rows.labels).mean()),
        "validation_pinball": float(pinball(torch.from_numpy(outputs), torch.from_numpy(rows.labels), interval)),
        "validation_coverage": float(inside.mean()),
    }


def answers(network: DelayNetwork, features: Floats) -> Floats:
    """float32 [n, 3]: value, low and high of `features` [n, inputs]."""
    import torch

    network.eval()
    with torch.inference_mode():
        parts = [network(rows) for rows in torch.from_numpy(features).split(AT_A_TIME)]
    found: Floats = torch.cat(parts).numpy()
    return found


def export(network: DelayNetwork, inputs: int, path: Path) -> None:
    """One file: `features` float32 [n, inputs] to `outputs` float32 [n, 3]."""
    import torch

    for name in ("torch.onnx", "onnx_ir", "onnxscript"):
        logging.getLogger(name).setLevel(logging.ERROR)
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter deprecates its own internals
        torch.onnx.export(
            network,
            (torch.zeros(2, inputs),),
            path,
            input_names=["features"],
            output_names=["outputs"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
