"""The trigger of a task that waits for persons: it looks into the control store, and at what was answered in Airflow.

An answer on Airflow's page resumes the task by itself, once the task waits; one that comes a moment before is found here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import airflow.sdk.execution_time.task_runner  # noqa: F401 - the request below imports it, and would hold up every trigger
from airflow.sdk.execution_time.hitl import get_hitl_detail_content_detail
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from operators.triggers import described


class ApprovalTrigger(BaseTrigger):
    """Fires when the rollout's approval says something, when somebody has answered the task in Airflow, or when the judge has
    something to say of the stage in which the traffic is left.

    It only looks, like the others. `question` is that of include.rollout.approval_list.look, `ti_id` the task's.
    """

    def __init__(self, question: dict[str, Any], ti_id: str, poll_seconds: float = 2.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.question, self.ti_id, self.poll_seconds = question, ti_id, poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        given = {"question": self.question, "ti_id": self.ti_id, "poll_seconds": self.poll_seconds}
        return f"{__name__}.ApprovalTrigger", given

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while True:
            await asyncio.sleep(self.poll_seconds)
            try:
                event = await self._look()
            except Exception as error:  # noqa: BLE001 - one look is lost
                self.log.warning("This check failed, the next comes in %g s: %s", self.poll_seconds, described(error))
                continue
            if event is not None:
                yield TriggerEvent(event)  # type: ignore[no-untyped-call]
                return

    async def _look(self) -> dict[str, Any] | None:
        from include.rollout.after_verdict import look as judged
        from include.rollout.approval_list import look

        if (said := await answered(self.ti_id)) is not None:
            return said
        answer = await asyncio.to_thread(look, **self.question)
        if answer is None:  # whoever is waited for comes first: a judge that cannot look holds up no answer
            answer = await asyncio.to_thread(judged, rollout=self.question["rollout"])
        return None if answer is None else {"answer": answer}


async def answered(ti_id: str) -> dict[str, Any] | None:
    """What somebody has answered the task in Airflow, in the form in which Airflow resumes with it; None before."""
    from uuid import UUID

    found = await sync_to_async(get_hitl_detail_content_detail)(ti_id=UUID(ti_id))
    user = found.responded_by_user
    if not found.response_received or user is None:
        return None
    return {
        "chosen_options": list(found.chosen_options or []),
        "params_input": found.params_input or {},
        "responded_by_user": {"id": user.id, "name": user.name},
        "responded_at": str(found.responded_at),
    }
