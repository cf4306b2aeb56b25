"""Fits that FSDP cannot take, and one of another form. A file of its own: it imports torch."""

from __future__ import annotations

from typing import Any

import torch

from tests.unit.backends.lightning.networks import Net


class Factored(Net):
    def configure_optimizers(self) -> Any:
        return torch.optim.Adafactor(self.parameters(), 0.1, foreach=False)


class Whole(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        for parameter in self.param_groups[0]["params"]:
            self.state[parameter]["trace"] = torch.zeros(7)
        return loss


class KeepsWhole(Net):
    def configure_optimizers(self) -> Any:
        return Whole(self.parameters(), 0.1)


class PutAside(Net):
    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        self.chosen = [self.l.weight]

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.chosen, 0.1)


class Remembers(Net):
    """Keeps its weights as they were in a plain attribute."""

    def on_train_batch_end(self, *_: Any) -> None:
        self.before = self.l.weight.detach().clone()


class CopiesToBuffer(Net):
    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        self.register_buffer("first", self.l.weight.detach().clone())


class MadeLater(Net):
    def __init__(self, seen: list[float]) -> None:
        super().__init__(seen)
        del self.l, self.g
        self.made = False

    def configure_model(self) -> None:
        if not self.made:
            self.l, self.g, self.made = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1), True
            self.l.bias._no_decay = True  # type: ignore[attr-defined]

    def configure_optimizers(self) -> Any:
        assert self.l.bias._no_decay
        return super().configure_optimizers()
