"""The Models page in Airflow's UI, and the reports of the ledger. Registers only; the rest loads on the first request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

Message = MutableMapping[str, Any]
# A loop with a model in it, as a data: URL, in a grey that shows on the menu, light, dark and chosen.
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='%237f93ae' "
    "stroke-width='2' stroke-linecap='round' stroke-linejoin='round'%3E%3Cpath d='M20 11A8 8 0 0 0 5 7.5M4 4v4h4M4 13a8 8 0 0 0 "
    "15 3.5M20 20v-4h-4'/%3E%3Ccircle cx='12' cy='12' r='2'/%3E%3C/svg%3E"
)


class LazyApp:
    """An ASGI app that is built when the first request comes.

    Airflow imports its plugins in every process, the tasks' included: FastAPI and Airflow's security
    would cost each of them a second.
    """

    @cached_property
    def _app(self) -> Any:
        from plugins.slipstream_api import app

        return app

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await self._app(scope, receive, send)


def begun(app: Any) -> Any:
    """A middleware that is none: Airflow builds it as its API server starts, and nowhere else; each request goes past it."""
    from plugins.slipstream_ahead import AFTER, AHEAD

    AHEAD.begin(AFTER)
    return app


class SlipstreamPlugin(AirflowPlugin):
    name = "slipstream"
    fastapi_root_middlewares = [{"middleware": begun, "name": "Slipstream's specs ahead"}]  # noqa: RUF012 (Airflow's interface)
    fastapi_apps = [{"app": LazyApp(), "url_prefix": "/slipstream", "name": "Slipstream"}]  # noqa: RUF012 (Airflow's interface)
    external_views = [  # noqa: RUF012 (Airflow's interface)
        {
            "name": "Models",
            "href": "/slipstream/",
            "destination": "nav",
            "nav_top_level": True,
            "icon": ICON,
            "url_route": "slipstream-models",
        }
    ]
