"""What `RegisterModelOperator(model_uri=...)` does first: a model that was trained elsewhere is fetched and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.sdk import Context

from include.core.errors import DataError
from include.core.request import Ref
from include.services.services import Services
from operators.run import holder

if TYPE_CHECKING:
    from include.governance.package import Package


@dataclass(frozen=True)
class Foreign:
    """The operator's arguments, rendered. See `include.handover.register.register`."""

    uri: str
    as_of: str | None = None
    trained_until: str | None = None
    training_set: Ref | None = None
    categories: Mapping[str, Sequence[str]] | None = None
    evaluate: bool = True

    def prepare(self, model: str, context: Context, services: Services, *, run_type: str, commit: str) -> Package:
        """All but the registration, which alone is fenced: what takes long holds up nobody."""
        from include.handover.register import Asked, moment, prepare

        if not isinstance(self.uri, str) or not self.uri:
            raise DataError(
                "There is no model to register: `model_uri` is empty.",
                seen=self.uri,
                safe="nothing was registered.",
                hint="give a path, s3://bucket/key, models:/name/3, models:/name@alias, runs:/RUN/model or "
                "oip://NAME/MODEL/versions/3.",
            )
        asked = Asked(
            moment(self.as_of),
            moment(self.trained_until),
            self.training_set,
            self.categories,
            self.evaluate,
            holder(context),
            run_type,
            commit,
        )
        return prepare(services, model, self.uri, asked).package
