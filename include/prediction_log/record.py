"""A line of the prediction log: its fields with their types and units, and its JSON.

Fields are only ever added, each with a default that stands for its absence, and a reader passes over fields that it does not
know: lines of every earlier release are read. A line whose meaning changed has another version (`v`), and one that a later
release wrote is refused. What earlier releases wrote differently, before lines had a version:

- `unit` was the plain hash of the entity before the hash was keyed, and a shadow's record had none;
- `entity` may hold whole numbers, which are text by now.
"""

from __future__ import annotations

from typing import Final

import msgspec

from include.core.versioned import FIRST, Format

FORMAT = Format("a record of the prediction log")

PREDICTION: Final = "prediction"
SHADOW: Final = "shadow"
LABEL: Final = "label"
OUTCOME: Final = "outcome"


class Record(msgspec.Struct, gc=False, omit_defaults=True):
    """One line. Which fields are set depends on `kind`.

    prediction: all but `against*`, `label*` and `metric`.
    shadow: the copy's `version`, `score`, `outputs`, `place`, `error`, and in `against*` what was answered to the caller.
    label: `id` of the prediction, and `label` or `label_class`.
    outcome: `id` of the prediction, in `metric` the name of a business metric, in `label` its value.
    """

    kind: str
    """prediction, shadow, label or outcome; a reader leaves out kinds that it does not know."""
    id: str
    """Of the request. The caller may choose it, so it may come twice: include/prediction_log/first.py."""
    at: str
    """The wall clock when the turn that wrote the record began: ISO 8601 in UTC with microseconds, which sorts as text."""
    event_time: str | None = None
    """The moment that was asked about, by default that of the request: ISO 8601 in UTC, without a zone."""
    unit: str = ""
    """Hash of the entity under a secret of the installation: entities can be counted although their keys are redacted."""
    entity: dict[str, str | int] = {}
    """The entity's keys by name, without those that the spec redacts."""
    features: dict[str, bool | float | str | list[float] | None] = {}
    """Every model input by name, before encoding, without those that the spec redacts. A vector is a list of its numbers."""
    version: int | None = None
    """The version that answered; None where the default score was the answer."""
    arm: str = ""
    """The arm of the rollout or experiment that the entity belongs to, champion or challenger, whoever answered in the end."""
    score: float | None = None
    """The one number by which the answer is watched: the probability of the positive class, 0 to 1; the value that is predicted;
    the probability of the likeliest class; the score that a ranking orders by."""
    against: float | None = None
    """Of a shadow: the score that the caller got."""
    against_version: int | None = None
    """Of a shadow: the version that the caller was answered by."""
    label: float | None = None
    """Of a label: the truth, 0 or 1, or a number; None where it is a class. Of an outcome: its value, above 0 if it happened."""
    degraded: list[str] = []
    """What was not as it should be when the answer was made; empty where nothing was."""
    generation: int = 0
    """Of the route; 0 where the route could not be applied in full."""
    latency_us: float = 0.0
    """Microseconds from the decoded request to the score, features included."""
    error: str | None = None
    """Why the model of the arm gave no score."""
    metric: str = ""
    """Of an outcome: the name of the business metric."""
    explored: str = ""
    """Why the champion's score did not decide: "challenger" (a canary's arm) or "random"; else empty."""
    decision: int | None = None
    """The decision that was answered: of classes always, the place of the class; of a binary answer where costs or an author's
    function decide, or where it was drawn at random, for elsewhere it follows from the score."""
    outputs: list[float] | None = None
    """All that the model says, where that is several numbers: in the order of the problem's outputs."""
    against_outputs: list[float] | None = None
    """Of a shadow: the outputs of the answer that the caller got, where they are several."""
    place: int | None = None
    """Of a ranking: the candidate's place in the order of its request, from 0."""
    against_place: int | None = None
    """Of a ranking's shadow: the candidate's place in the list that the caller got."""
    label_class: str = ""
    """Of a label: the name of the class."""
    experiment: str = ""
    """Of a prediction: the experiment that the entity is in, which then drew its `arm`; empty where it is in none."""
    precomputed_version: int | None = None
    """Of an answer that a batch had given to the entity beforehand: the version that the batch was scored with; its `version` is
    then None, for no version answered."""
    precomputed_age: float = 0.0
    """Of such an answer: seconds since the moment that the batch's row asked about."""
    v: int = FIRST
    """The version of the line's format; the first one is not written out."""


_decode = msgspec.json.Decoder(Record).decode


def parse_line(line: bytes | str) -> Record | None:
    """The record of a line; None for what is none: half a line that a full disk or a power cut left, a redacted line.

    Raises PermanentError for a line that a later release wrote.
    """
    try:
        record = _decode(line)
    except msgspec.DecodeError:
        return None
    if record.v != FORMAT.version:
        FORMAT.check(record.v, record.id)
    return record
