"""Names in a spec that only a setting or a connection resolves, as far as that is known where `slipstream check` runs.

An author's laptop has neither the platform's settings nor its connections: what is not set there is said, and fails nothing. What
is set is judged, by the code that the rollout goes by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from include.authoring.findings import Inconclusive
from include.core.environment import APPROVERS, connection
from include.core.environment_aws import SAGEMAKER_REGISTRY
from include.core.errors import SpecError
from include.core.spec import Approval, ModelSpec
from include.rollout_state.approval import terms_of

Environ = Mapping[str, str]
Check = Callable[[], str]
"""What was found. Raises SpecError for a name that leads nowhere, Inconclusive where that cannot be known here."""


def checks(spec: ModelSpec, environ: Environ) -> Iterator[tuple[str, Check]]:
    """A check by its name, for each such name of the spec."""
    if isinstance(spec.rollout.approval, Approval) and spec.rollout.persons_asked is not None:
        yield "approval", lambda: _persons(spec, environ)
    if spec.rollout.approval == "required":
        yield "approval", lambda: _registry(spec, environ)
    if spec.triggers.queue:
        yield "queue", lambda: _connection(spec.triggers.queue_connection, environ)


def _persons(spec: ModelSpec, environ: Environ) -> str:
    asked = spec.rollout.persons_asked
    assert asked is not None
    if asked.role and not APPROVERS.is_set(environ):
        least = "one user" if asked.persons == 1 else f"{asked.persons} users"
        raise Inconclusive(
            f"who has the role {asked.role!r} is said by {APPROVERS.name}, which is not set here. It has to name {least} of it, "
            "or more, where the rollout's tasks run: without them no rollout opens."
        )
    terms = terms_of(spec, environ)
    assert terms is not None
    if not terms.users:
        return f"{terms.words}, of whoever Airflow lets answer requests of {spec.name}_rollout"
    few = len(terms.users) == terms.persons
    left = "; each of them is needed, so none may trigger a training: name one more" if few else ""
    return f"{terms.words}: {', '.join(terms.users)}{left}"


def _registry(spec: ModelSpec, environ: Environ) -> str:
    if SAGEMAKER_REGISTRY.is_on(environ):
        return f"a person approves it in SageMaker's Model Registry ({SAGEMAKER_REGISTRY.name} is on)"
    if not SAGEMAKER_REGISTRY.is_set(environ):
        raise Inconclusive(f"approval='required' needs {SAGEMAKER_REGISTRY.name}=true on the platform; it is not set here.")
    raise SpecError(
        f"The spec of {spec.name} asks for a person's approval in a registry, and none is switched on.",
        seen=f"{SAGEMAKER_REGISTRY.name}={SAGEMAKER_REGISTRY.read(environ)}",
        safe="nothing was changed.",
        hint=f"set {SAGEMAKER_REGISTRY.name}=true, or ask persons in Airflow: Approval(...), docs/approval.md.",
    )


def _connection(name: str, environ: Environ) -> str:
    if connection(name).is_set(environ):
        return f"the connection {name} is in the environment"
    raise Inconclusive(f"the connection {name} is not in the environment here: Airflow must know it where its triggers run.")
