"""Who asked for a prediction, as the predictor knows them: a future whose answer a test can look at."""

from __future__ import annotations

from typing import Any


class Caller:
    body = b""

    def done(self) -> bool:
        return bool(self.body)

    def set_result(self, body: bytes) -> None:
        self.body = body

    def set_exception(self, error: Any) -> None:
        raise error
