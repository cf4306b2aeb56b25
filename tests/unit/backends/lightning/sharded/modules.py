"""Modules that are built in ways that authors build them. A file of its own: it imports torch."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.init import orthogonal_


class Many(nn.Module):
    """Layers of torch, copies, ties, initial values of all kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.linear = nn.Embedding(10, 4, padding_idx=0), nn.Linear(4, 7)
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
        self.recurrent, self.normed = nn.LSTM(4, 5), nn.BatchNorm1d(5)
        self.own = nn.Parameter(torch.randn(3, 2))
        self.tied = nn.Linear(4, 10, bias=False)
        self.tied.weight = self.table.weight
        self.copied = copy.deepcopy(self.linear)
        nn.init.normal_(self.linear.weight, std=0.02)
        self.apply(self._initialise)
        self.linear.bias.data.fill_(3.0)
        self.register_buffer("noise", torch.rand(4))
        with torch.no_grad():
            self.copied.weight[2:4].mul_(2.0)
            self.copied.bias.copy_(torch.arange(7.0))
        nn.init.trunc_normal_(self.own)
        nn.init.orthogonal_(self.recurrent.weight_hh_l0)
        nn.init.eye_(self.linear.weight.data)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)


class One(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.change()

    def change(self) -> None:
        raise NotImplementedError


class Orthogonal(One):
    def change(self) -> None:
        orthogonal_(self.linear.weight)  # imported by name, before anything could be put in its place


class Copied(One):
    def change(self) -> None:
        self.other = nn.Linear(4, 4)
        self.other.weight.data.copy_(self.linear.weight)


class Each(One):
    def change(self) -> None:
        with torch.no_grad():
            torch._foreach_mul_([self.linear.weight, self.linear.bias], 2.0)


class Scalar(One):
    def change(self) -> None:
        self.scale = nn.Parameter(torch.tensor(1.0))


class Reads(One):
    def change(self) -> None:
        self.deviation = float(self.linear.weight.detach().std())


class Normed(One):
    def change(self) -> None:
        self.linear = nn.utils.parametrizations.weight_norm(self.linear)


class Doubled(One):
    def change(self) -> None:
        self.twice = nn.Parameter(self.linear.weight.detach() * 2)


class OnMeta(One):
    def change(self) -> None:
        self.far = nn.Linear(2, 2, device="meta")


class Hooked(One):
    def change(self) -> None:
        self.linear.weight.register_hook(lambda gradient: gradient * 2)


class Lazy(One):
    def change(self) -> None:
        self.lazy = nn.LazyLinear(3)


class Blocks(nn.Module):
    """Four of 1 KiB in a list, two that share a weight, a weight of its own, one of torch's that uses what is within it."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 16)) for _ in range(4))
        self.first, self.second = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
        self.second.weight = self.first.weight
        self.own = nn.Parameter(torch.zeros(8))
        self.attention = nn.MultiheadAttention(16, 2)
        self.held = nn.ParameterList([nn.Parameter(torch.zeros(4))])
