"""What a notebook holds in its hands: results of the ledger, with what a person asks of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.core.compute import Computed
from include.core.request import Ref, Request, Result
from include.services.services import Services
from include.step_values.evaluation import EvaluateValue
from include.step_values.features import TrainingSetValue, label_words
from include.step_values.training import Metrics, TrainValue

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SHOWN = 12  # hex digits of a digest


@dataclass(frozen=True, repr=False)
class LocalResult:
    """A result of the ledger: the DAGs find the same one under the same key."""

    model: str
    computed: Computed
    services: Services = field(repr=False, compare=False)

    @property
    def result(self) -> Result:
        return self.computed.result

    @property
    def key(self) -> str:
        """`step/digest` of the request: what a DAG with the same spec, code and data asks for."""
        return self.result.key

    @property
    def digest(self) -> str:
        """SHA-256 of what came out: the value and every file."""
        return self.result.digest

    @property
    def reused(self) -> bool:
        """Whether it was there before, made by a DAG or by hand."""
        return self.computed.reused

    @property
    def ref(self) -> Ref:
        return self.services.ledger.ref(self.result)

    @property
    def request(self) -> Request:
        return self.services.ledger.request(self.key)

    @property
    def uri(self) -> str:
        """Where it lies."""
        return self.services.storage.uri(self.result.path)

    def facts(self) -> Iterator[tuple[str, str]]:
        """What its repr shows: (name, words)."""
        how = "found in the ledger" if self.reused else f"computed in {self.result.seconds:.1f} s"
        yield "key", self.key
        yield "digest", f"{self.digest[:SHOWN]} ({how})"

    def to_json(self) -> dict[str, Any]:
        """What the commands answer with --json."""
        return {"model": self.model, "key": self.key, "digest": self.digest, "reused": self.reused, "uri": self.uri}

    def lines(self) -> Iterator[str]:
        """Its facts as text."""
        facts = list(self.facts())
        width = max(len(name) for name, _ in facts) + 2
        yield f"{type(self).__name__} of {self.model}"
        yield from (f"  {name:<{width}}{words}" for name, words in facts)

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th style='text-align:left'>{escape(n)}</th><td>{escape(w)}</td></tr>" for n, w in self.facts())
        return f"<b>{type(self).__name__}</b> of {escape(self.model)}<table>{rows}</table>"

    def _table(self, name: str) -> Any:
        """A Parquet file of the result, as a pyarrow table."""
        import pyarrow.parquet as pq

        with TemporaryDirectory() as scratch:
            return pq.ParquetFile(self.services.ledger.fetch(self.result, name, Path(scratch))).read()


@dataclass(frozen=True, repr=False)
class TrainingSet(LocalResult):
    """Rows as they were known at a moment, with their labels: the older ones to train on, the newest held out."""

    @property
    def value(self) -> TrainingSetValue:
        """Counts, the versions of the views, warnings."""
        return self.result.read(TrainingSetValue)

    @property
    def as_of(self) -> str:
        """The moment, UTC: nothing that became known later is in it."""
        return self.value["as_of"]

    @property
    def train(self) -> pd.DataFrame:
        """The rows to train on: request_id, event_timestamp, keys, features, label."""
        frame: pd.DataFrame = self._table("train.parquet").to_pandas()
        return frame

    @property
    def holdout(self) -> pd.DataFrame:
        """The newest rows, which no fit sees: the evaluation is made on them."""
        frame: pd.DataFrame = self._table("holdout.parquet").to_pandas()
        return frame

    @property
    def frame(self) -> pd.DataFrame:
        """All rows, with `held_out` as their last column."""
        import pandas as pd

        parts = {False: self.train, True: self.holdout}
        return pd.concat([part.assign(held_out=held_out) for held_out, part in parts.items()], ignore_index=True)

    @property
    def warnings(self) -> list[str]:
        """What looks as if the rows held their own answer."""
        return list(self.value.get("warnings", ()))

    def facts(self) -> Iterator[tuple[str, str]]:
        value = self.value
        yield "as of", f"{value['as_of']} (UTC), {value['first']} to {value['last']}"
        yield "rows", f"{value['rows']:,}, {label_words(value)}, {value['holdout_rows']:,} held out"
        yield from super().facts()
        yield from (("warning", warning) for warning in self.warnings)

    def to_json(self) -> dict[str, Any]:
        names = ("as_of", "rows", "positives", "holdout_rows", "holdout_positives", "described", "unlabelled", "first", "last")
        counts: Mapping[str, Any] = {**self.value}
        kept = {name: counts[name] for name in names if name in counts}
        return {**super().to_json(), **kept, "warnings": self.warnings}


@dataclass(frozen=True, repr=False)
class Fit(LocalResult):
    """A fitted model, as an ONNX file with its signature."""

    @property
    def value(self) -> TrainValue:
        return self.result.read(TrainValue)

    @property
    def metrics(self) -> Metrics:
        """On the validation rows, the newest of the training rows. For the held-out ones: `model.evaluate(fit)`."""
        return self.value["metrics"]

    @property
    def params(self) -> dict[str, Any]:
        """The parameters it was fitted with."""
        return dict(self.value["params"])

    @property
    def history(self) -> pd.DataFrame:
        """What `fit` reported as it went, a row a step."""
        import pandas as pd

        return pd.DataFrame(self.value["history"])

    @property
    def training_set(self) -> Ref:
        """What it was fitted on."""
        return self.request.inputs["training_set"]

    def score(self, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Outputs [n], or [n, k] of a problem that has several, of rows that have a column for each input, such as
        `training_set.holdout`: encoded as in serving."""
        import pyarrow as pa

        from include.model_contract.encoder import Encoder
        from include.model_contract.model import model_file, open_model

        with TemporaryDirectory() as scratch:
            files = {name: self.services.ledger.fetch(self.result, name, Path(scratch)) for name in self.result.files}
            encoder = Encoder.from_json(json.loads(files["signature.json"].read_text()))
            model = open_model(files[model_file(files)], self.services.settings.environ)
            return model.score(encoder.encode_table(pa.Table.from_pandas(rows)))

    def facts(self) -> Iterator[tuple[str, str]]:
        yield "trained on", f"{self.value['rows']:,} rows of {self.training_set.uri.split('/')[2][:SHOWN]}"
        yield "params", ", ".join(f"{name}={value}" for name, value in self.params.items()) or "none"
        yield "validation", figures(self.metrics)
        yield from super().facts()

    def to_json(self) -> dict[str, Any]:
        trained = {"params": self.params, "rows": self.value["rows"], "validation": dict(self.metrics)}
        return {**super().to_json(), **trained, "training_set": self.training_set.to_json()}


@dataclass(frozen=True, repr=False)
class Evaluation(LocalResult):
    """A fit on the held-out rows, beside its baselines and the champion, and whether the gate is open to it."""

    @property
    def value(self) -> EvaluateValue:
        return self.result.read(EvaluateValue)

    @property
    def metrics(self) -> Metrics:
        return self.value["metrics"]

    @property
    def champion(self) -> Metrics | None:
        """The champion's on the same rows; None where there was none to compare with."""
        return self.value["champion"]

    @property
    def passed(self) -> bool:
        """Whether the gate is open: a DAG's run would register a candidate."""
        return bool(self.value.get("gate", {}).get("passed"))

    @property
    def reasons(self) -> list[str]:
        """Why the gate is closed, what is missing, and how many rows would show it; empty when it is open."""
        from include.problems.gate_words import asked_of, reasons

        return list(reasons(self.value, asked_of(self.request.params, self.services.spec(self.model).evaluation)))

    @property
    def slices(self) -> pd.DataFrame:
        """The metrics by the values of the spec's slices."""
        import pandas as pd

        return pd.DataFrame(self.value["slices"])

    @property
    def table(self) -> pd.DataFrame:
        """The metrics of the fit, of the champion and of the baselines, a row each."""
        import pandas as pd

        rows = {"this fit": self.metrics, "champion": self.champion or {}, **self.value["baselines"]}
        return pd.DataFrame.from_dict({name: found for name, found in rows.items() if found}, orient="index")

    @property
    def report(self) -> str:
        """Where the report lies: one HTML page."""
        return self.services.storage.uri(self.result.files["report.html"].path)

    def facts(self) -> Iterator[tuple[str, str]]:
        value = self.value
        yield "holdout", f"{value['rows']:,} rows: {figures(self.metrics)}"
        if self.champion:
            yield "champion", figures(self.champion)
        elif "incomparable" in value:
            yield "champion", f"not compared: {value['incomparable']}"
        yield from ((name, figures(found)) for name, found in value["baselines"].items())
        yield "gate", "open" if self.passed else f"closed: {'; '.join(self.reasons)}"
        yield from (("warning", warning) for warning in value.get("warnings", ()))
        yield "report", self.report
        yield from super().facts()

    def to_json(self) -> dict[str, Any]:
        value = self.value
        measured = {"metrics": dict(self.metrics), "champion": self.champion, "baselines": dict(value["baselines"])}
        gate = {"passed": self.passed, "reasons": self.reasons}
        more = {"gate": gate, "warnings": list(value.get("warnings", ())), "report": self.report}
        return {**super().to_json(), "rows": value["rows"], **measured, **more}


def figures(metrics: Metrics) -> str:
    """Metrics on one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if isinstance(value, float))
