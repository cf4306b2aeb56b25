"""The bound, tried: errors that somebody chose to hurt, and what the policies on paper and the one that serves paid for them.

Bounded on any errors whatever is what the members lose on paper, weighed as Hedge weighs them, beside any one of them: by the
comparator's loss, its prior over the last rate, the mixability gaps (AdaHedge, de Rooij et al. 2014), and what weights lost by
resting on losses that are `DELAY` windows old. The gaps grow with the root of the sum of the squared ranges. What serves follows
one member, and has its own model until that one's is fetched: the difference is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks import book
from benchmarks.policy.cases import DRAWS, PRICES
from benchmarks.table import Table
from include.monitoring.retraining.comparators import READINGS, Sight
from include.monitoring.retraining.hedge import weights
from include.monitoring.retraining.labelled_stream import Floats
from include.monitoring.retraining.learner import CHOSEN, MEMBERS, Learned, learn, mixability, pace
from include.monitoring.retraining.policy_replay import DELAY, REACH
from include.monitoring.retraining.staleness_probe import ageing

WINDOWS, SEEDS = 80, 6
World = Callable[[np.random.Generator], Floats]


def random(rng: np.random.Generator) -> Floats:
    """Every error by itself: nothing can be learned."""
    return rng.uniform(0.1, 0.4, (WINDOWS, WINDOWS))


def fresh_is_worse(rng: np.random.Generator) -> Floats:
    """The younger a model, the more it errs: whoever retrains loses, and cannot go back."""
    age = np.maximum(np.arange(WINDOWS)[None, :] - np.arange(WINDOWS)[:, None], 0)
    error: Floats = 0.1 + 0.15 * np.exp(-age / 6) + 0.01 * rng.normal(size=(WINDOWS, WINDOWS))
    return error


def turning(rng: np.random.Generator) -> Floats:
    """The world turns around as soon as everybody has learned to wait, and again when everybody has learned to hurry."""
    part = np.repeat(rng.integers(0, 2, 8), WINDOWS // 8)
    age = np.maximum(np.arange(WINDOWS)[None, :] - np.arange(WINDOWS)[:, None], 0)
    slow, quick = 0.02 * np.minimum(age, 10), 0.1 * (age < 3)
    losses: Floats = 0.1 + np.where(part[None, :] == 1, slow, quick) + 0.005 * rng.normal(size=(WINDOWS, WINDOWS))
    return losses


def clockwork(rng: np.random.Generator) -> Floats:
    """One clock's models are good, and all others bad: its pace and its beat are worth everything."""
    pace = int(rng.choice([2, 3, 5, 8]))
    good = np.arange(WINDOWS) % pace == 0
    return np.where(good[:, None], 0.1, 0.25) + 0.01 * np.abs(rng.normal(size=(WINDOWS, WINDOWS)))


WORLDS: dict[str, World] = {"random": random, "fresh is worse": fresh_is_worse, "turning": turning, "clockwork": clockwork}


@dataclass(frozen=True)
class Tried:
    """Costs of a window: of Hedge on paper, of the best comparator on paper, of the bound for it, of what served, over DRAWS."""

    paper: float
    best: float
    bound: float
    served: float


def verify(*, write: bool = False) -> int:
    """0 where the loss on paper was within the bound, in every world, for every comparator."""
    table, page = Table(), []
    for price in PRICES:
        table.head(f"price {price:g}, {WINDOWS} windows: mean cost of a window")
        print(f"  {'world':20}{'best comparator':>18}{'Hedge on paper':>18}{'its bound':>12}{'what served':>14}")
        for name, world in WORLDS.items():
            tried = [_tried(np.clip(world(np.random.default_rng(seed)), 0, 1), price) for seed in range(SEEDS)]
            means = [float(np.mean([getattr(each, part) for each in tried])) for part in ("best", "paper", "bound", "served")]
            print(f"  {name:20}{means[0]:18.4f}{means[1]:18.4f}{means[2]:12.4f}{means[3]:14.4f}", flush=True)
            page.append((name, f"{price:g}", *(book.figure(mean, 4) for mean in means)))
            over = max(each.paper - each.bound for each in tried)
            table.row(f"{name}, price {price:g}: on paper beyond the bound", over, "", most=0.0)
    if write:
        head = ("world", "price", "best comparator", "Hedge on paper", "its bound", "what served")
        book.write("policy guarantee", [f"Mean cost of a window, of {WINDOWS}.", "", *book.table(head, page)])
    print("\nmet" if not table.missed else f"\nmissed: {'; '.join(table.missed)}")
    return int(bool(table.missed))


def _tried(error: Floats, price: float) -> Tried:
    used, losses, _ = followed(error, price, 0.0)
    served = [followed(error, price, draw)[2] for draw in DRAWS]
    total, windows = losses.sum(axis=0), len(losses)
    best = int(np.argmin(total[1:])) + 1
    paper = float((used * losses).sum())
    limit = float(total[best]) + _regret(used, losses, price, CHOSEN.prior[best])
    return Tried(paper / windows, float(total[best]) / windows, limit / windows, float(np.mean(served)))


def _regret(used: Floats, losses: Floats, price: float, prior: float) -> float:
    """The bound, recomputed from the losses alone."""
    gap, late, total = 0.0, 0.0, np.zeros(losses.shape[1])
    for trusted, lost in zip(used, losses, strict=True):
        rate = pace(gap, price, CHOSEN)
        late += float((trusted - weights(CHOSEN.prior, total.tolist(), rate)) @ lost)
        gap += mixability(total, lost, rate, CHOSEN)
        total = total + lost
    return -float(np.log(prior)) / pace(gap, price, CHOSEN) + gap + max(late, 0.0)


def followed(error: Floats, price: float, draw: float) -> tuple[Floats, Floats, float]:
    """Weights and losses of MEMBERS [windows, members], and the cost of a window of what served."""
    known: Learned | None = None
    champion, weights, losses, paid = 0, [], [], [error[0, 0]]
    before = [0] * len(MEMBERS)
    for now in range(1, len(error)):
        base = max(now - REACH, 0)
        seen = error[base : now + 1, base : now + 1].copy()
        seen[:, max(now - DELAY - base, 0) :] = np.nan
        known, choice = learn(known, Sight(seen, ageing(seen), price), base, max(champion - base, 0), draw)
        models = list(known.models[len(READINGS) :])
        losses.append([error[max(m, base), now] + price * (m != b) for m, b in zip(models, before, strict=True)])
        weights.append(choice.weights)
        before, champion = models, now if choice.retrain else champion
        paid.append(error[champion, now] + price * choice.retrain)
    return np.array(weights), np.array(losses), float(np.mean(paid))
