"""What a version has cost: its training set, its search, its fit and its evaluation; and what a thousand of its answers cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from include.core.documents import DocumentKind
from include.core.errors import DataError, IntegrityError
from include.core.ledger import Ledger
from include.core.request import Ref, Result
from include.core.versioned import Format
from include.costs.prices import HOUR, Prices, shown
from include.costs.spent import Spent, spent_on, total

COSTS = DocumentKind("cost", Format("what a version has cost"))
IMPORT = "import"  # the kind of the result of a model that was trained elsewhere
GIB = 1 << 30


@dataclass(frozen=True)
class VersionCost:
    """`spent`: by attempt. `thousand`: seconds of one CPU for a thousand rows, as the evaluation timed them one by one; None
    where nobody has, or another server scored. `stored_gb`: of the fit's files. `prices`: those of the day of counting."""

    spent: tuple[Spent, ...]
    thousand: float | None
    stored_gb: float
    prices: Prices = field(default_factory=Prices)

    @property
    def training(self) -> tuple[float | None, int]:
        """Money, and how many attempts it says nothing of."""
        return total(each.money(self.prices) for each in self.spent)

    @property
    def seconds(self) -> tuple[float | None, int]:
        return total(each.seconds for each in self.spent)

    @property
    def thousand_money(self) -> float | None:
        price = self.prices.cpu_hour
        return None if self.thousand is None or price is None else self.thousand / HOUR * price

    @property
    def storage_month(self) -> float | None:
        price = self.prices.storage_gb_month
        return None if price is None else self.stored_gb * price

    def summary(self) -> dict[str, Any]:
        """Without its attempts, and in words."""
        told = self.to_json()
        training = {name: value for name, value in told["training"].items() if name != "attempts"}
        return {**told, "training": training, "words": self.words()}

    def to_json(self) -> dict[str, Any]:
        (money, unpriced), (seconds, untimed) = self.training, self.seconds
        return {
            "training": {"seconds": _rounded(seconds), "untimed": untimed, "money": _rounded(money), "unpriced": unpriced,
                         "attempts": [{**each.to_json(), "money": _rounded(each.money(self.prices))} for each in self.spent]},
            "thousand": {"cpu_seconds": _rounded(self.thousand), "money": _rounded(self.thousand_money)},
            "stored": {"gb": _rounded(self.stored_gb), "money_month": _rounded(self.storage_month)},
            "prices": self.prices.to_json(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        attempts = [{name: part for name, part in each.items() if name != "money"} for each in value["training"]["attempts"]]
        spent = tuple(Spent(**each) for each in attempts)
        return cls(spent, value["thousand"]["cpu_seconds"], value["stored"]["gb"] or 0.0, Prices(**value["prices"]))

    def by(self, prices: Prices) -> Self:
        """The same at other prices."""
        return replace(self, prices=prices)

    def words(self) -> str:
        """In a line."""
        return f"training {told(*self.training, self.prices)}, 1,000 predictions {shown(self.thousand_money, self.prices)}"


def told(money: float | None, unknown: int, prices: Prices) -> str:
    """A sum, and how much it leaves out."""
    if money is None or not unknown:
        return shown(money, prices)
    return f"at least {shown(money, prices)} ({unknown} {'attempt' if unknown == 1 else 'attempts'} unknown)"


def count(ledger: Ledger, train: Ref, training_set: Ref, evaluation: Ref, prices: Prices) -> VersionCost:
    """From the ledger. What was collected there has left no marks, and does not count; what was trained elsewhere is unknown."""
    results = (
        []
        if train.kind == IMPORT
        else [result for ref in _parts(ledger, train, training_set, evaluation) if (result := _result(ledger, ref)) is not None]
    )
    spent = tuple(each for result in results for each in spent_on(ledger, result))
    fit, judged = _result(ledger, train), _result(ledger, evaluation)
    stored = round(sum(file.bytes for file in fit.files.values()) / GIB, 9) if fit is not None else 0.0
    return VersionCost(spent, None if judged is None else thousand_of(judged.value), stored, prices)


def thousand_of(evaluation: Mapping[str, Any]) -> float | None:
    """Seconds of one CPU for a thousand rows, by an evaluation's value."""
    latency = evaluation.get("latency_ms", {})
    mean = latency.get("mean") if isinstance(latency, Mapping) else None
    return None if mean is None or evaluation.get("remote") else float(mean)  # milliseconds of one, seconds of a thousand


def key_of(model: str, version: int) -> str:
    return f"cost/{model}/{version}"


def _parts(ledger: Ledger, train: Ref, training_set: Ref, evaluation: Ref) -> Iterator[Ref]:
    """The results that a version is made of, each once: what its fit and its evaluation were given as well, such as a search, or
    the cold twin of a fit that began warm."""
    made = [_result(ledger, ref) for ref in (train, evaluation)]
    given = [ledger.request(result.key).inputs for result in made if result is not None]
    own = [ref for inputs in given for name, ref in inputs.items() if name != "champion"]
    yield from {ref.uri: ref for ref in (training_set, *own, train, evaluation)}.values()


def _result(ledger: Ledger, ref: Ref) -> Result | None:
    try:
        return ledger.resolve(ref)
    except (DataError, IntegrityError):
        return None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
