"""The inputs of our operators: given as arguments, templated as Airflow's own, checked before anything is computed.

An input is what another task returned: `built.output`, a template that renders to the same JSON, or a `Ref`. A result of another
step, of another model, or of another training than its neighbour's would give a figure that nobody can tell from a right one, so
it is refused.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from airflow.sdk import XComArg
from airflow.sdk.bases.operator import partial
from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial

from include.core.errors import InputError
from include.core.ledger import Ledger
from include.core.request import Ref, Request

if TYPE_CHECKING:
    from include.core.spec import ModelSpec
    from include.services.services import Services

# What an author may write for an input: a task's output, a template, the value itself, or nothing.
Input: TypeAlias = "XComArg | Ref | Mapping[str, Any] | str | None"
EMPTY = ("", "None")  # what a template of a task without a result renders to


@dataclass(frozen=True)
class Takes:
    """What an argument of an operator takes: the result of a step, by the operator that makes it."""

    step: str  # of the ledger's key, or several with a space between; empty for a plain object, as OpenRolloutOperator returns
    made_by: str
    required: bool = True


Inputs: TypeAlias = Mapping[str, Takes]  # by the argument's name


def require_feedback(
    operator: Any, spec: ModelSpec, feedback: Ref | None, use: Literal["monitoring", "training"], name: str
) -> None:
    """Raises InputError for a task of a model whose spec has labels that callers send used for this, and that is given none."""
    if spec.managed and feedback is None and use in spec.serving.feedback:
        raise InputError(
            f"Labels that callers of {spec.name} send are to be used for {use}, and {operator.task_id} is given none.",
            seen=f"serving.feedback={list(spec.serving.feedback)}",
            safe="nothing was computed.",
            hint=f"pass {name}=told.output, where told is a CollectFeedbackOperator; or change serving.feedback.",
        )


class CheckedPartial(OperatorPartial):
    """A mapped operator is made when its tasks start; what it lacks is known while the DAG is parsed."""

    def expand(self, **mapped: Any) -> MappedOperator:
        kind: Any = self.operator_class
        self._expand_called = True  # whatever comes of it: no second complaint that nothing was mapped
        given = {**self.kwargs, **mapped}
        for name in kind.needs(given):
            if given.get(name) is None:
                raise kind.missing(name, given["task_id"])
        return super().expand(**mapped)


class WithInputs:
    """An operator's side of it. `takes` says by argument what it is; the class gives its names to `template_fields`, too."""

    takes: ClassVar[Inputs] = {}
    model: str
    task_id: str

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """As every operator's. Raises InputError in `expand` for a required input that is given nowhere."""
        plain = partial(cls, **kwargs)  # type: ignore[arg-type]
        plain._expand_called = True
        return CheckedPartial(operator_class=plain.operator_class, kwargs=plain.kwargs, params=plain.params)

    @classmethod
    def needs(cls, given: Mapping[str, object]) -> Sequence[str]:
        """The inputs that must be given beside the arguments `given`."""
        del given
        return [name for name, takes in cls.takes.items() if takes.required]

    def take(self, **inputs: Input) -> None:
        """Keep the inputs. Raises InputError for a required one that is missing: the DAG file does not parse."""
        given_by = dict(getattr(self, "given_by", {}))
        for name, value in inputs.items():
            if value is None and self.takes[name].required:
                raise self.missing(name, getattr(self, "task_id", ""))
            setattr(self, name, value)
            given_by[name] = tuple(operator.task_id for operator, _ in XComArg.iter_xcom_references(value))
        self.given_by = given_by  # the ids of the tasks that each input comes from, for words and for their other XComs

    def given_by_task(self, name: str) -> str:
        """The one task whose output an input is; empty where it is a template, a value or several tasks'."""
        tasks = self.given_by[name]
        return tasks[0] if len(tasks) == 1 else ""

    def read(self, name: str) -> Mapping[str, Any] | None:
        """An input as the object it is; None if its task left no result. Raises InputError for anything else."""
        value = getattr(self, name)
        if isinstance(value, Ref):
            return value.to_json()
        if isinstance(value, str):
            value = _object_of(value)
        if value is None or isinstance(value, Mapping):
            return value
        if isinstance(value, Sequence) and not isinstance(value, str):
            raise InputError(
                f"The input {name!r} of {self.task_id} is a list of {len(value)} results: a mapped task's, all of them.",
                safe="nothing was computed.",
                hint=f"map this task over it, too: {type(self).__name__}.partial(...).expand({name}=...).",
            )
        raise InputError(
            f"The input {name!r} of {self.task_id} is no result of a task.",
            seen=value,
            safe="nothing was computed.",
            hint=f"pass {self._wanted(name)}.",
        )

    def required(self, name: str) -> Mapping[str, Any]:
        """The same, of an input that must be there."""
        value = self.read(name)
        if value is None:
            tasks = self.given_by.get(name, ())
            upstream = " and ".join(map(repr, tasks)) or "the task it comes from"
            raise InputError(
                f"The input {name!r} of {self.task_id} is empty: {upstream} left no result for this run.",
                safe="nothing was computed.",
                hint=f"clear {upstream} with its downstream tasks; if it is skipped on purpose, let this task be skipped, too "
                "(trigger_rule='none_failed' runs it all the same).",
            )
        return value

    def ref(self, name: str, services: Services) -> Ref:
        """The result that an input is. Raises InputError if there is none, or one of another step or model."""
        return self._checked(name, self.required(name), services.ledger)

    def ref_or_none(self, name: str, services: Services) -> Ref | None:
        """The same, of an input that may be absent."""
        value = self.read(name)
        return None if value is None else self._checked(name, value, services.ledger)

    def _checked(self, name: str, value: Mapping[str, Any], ledger: Ledger) -> Ref:
        takes = self.takes[name]
        try:
            ref = Ref.from_json(value)
        except (KeyError, TypeError, AttributeError):
            raise InputError(
                f"The input {name!r} of {self.task_id} is no result in the ledger.",
                seen=dict(value),
                safe="nothing was computed.",
                hint=f"pass {self._wanted(name)}.",
            ) from None
        key = ledger.resolve(ref).key
        step = key.partition("/")[0]
        if step not in takes.step.split():
            raise InputError(
                f"The input {name!r} of {self.task_id} is a result of the step {step!r}, not of {takes.step!r}.",
                seen=key,
                safe="nothing was computed.",
                hint=f"pass {self._wanted(name)}.",
            )
        if (model := ledger.request(key).model) != self.model:
            raise InputError(
                f"The input {name!r} of {self.task_id} is of the model {model!r}, and the task is of {self.model!r}.",
                seen=key,
                safe="nothing was computed.",
                hint=f"pass the output of a {takes.made_by} with model={self.model!r}.",
            )
        return ref

    def agree(self, name: str, made: Request, other: str, ref: Ref) -> None:
        """Raises InputError where the result given as `name` was made from another one than `ref`, given as `other`.

        One that does not say what it was made from (a model that was trained elsewhere) agrees with any.
        """
        from_this = made.inputs.get(_INPUT_OF.get(other, other))
        if from_this is not None and from_this.digest != ref.digest:
            raise InputError(
                f"The inputs of {self.task_id} do not belong together: {name!r} was made from another {other!r}.",
                seen={name: from_this.uri, other: ref.uri},
                safe="nothing was computed.",
                hint=f"pass the {other!r} that {name!r} was made from, or make {name!r} anew.",
            )

    @classmethod
    def missing(cls, name: str, task_id: str) -> InputError:
        return InputError(
            f"{cls.__name__} {task_id!r} has no input {name!r}.",
            safe="the other DAG files are as they were.",
            hint=f"pass {cls._wanted(name)}.",
        )

    @classmethod
    def _wanted(cls, name: str) -> str:
        return f"{name}=made.output, where made is a {cls.takes[name].made_by}"


# What a request calls an input that an argument calls otherwise.
_INPUT_OF = {"trained": "train", "evaluation": "evaluate"}


def _object_of(text: str) -> object:
    """What a template rendered to: JSON (`| tojson`), or Python's own writing of a dict. Any other text stays as it is."""
    if text.strip() in EMPTY:
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text
