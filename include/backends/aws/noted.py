"""What a client knows and its errors do not: the connection, and whether its login is renewed, which is done at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from botocore.credentials import RefreshableCredentials

from include.backends.aws.errors import CONNECTION, EXPIRED, RENEWED
from include.core.time import now


def note_connection(client: Any, name: str) -> None:
    """Errors of this client name the connection `name`; and an expired login is renewed before an error comes of it."""
    credentials = client._request_signer._credentials
    renewed = isinstance(credentials, RefreshableCredentials)

    def note(parsed: Any, **_: Any) -> None:
        if (error := _error(parsed)) is not None:
            parsed["Error"] = {**error, CONNECTION: name, RENEWED: renewed}

    def ask_again(response: Any, attempts: int, **_: Any) -> float | None:
        """Whether to send a request again, and after how many seconds; it is then signed anew."""
        error = _error(response[1]) if response is not None else None
        if not renewed or attempts > 1 or error is None or error.get("Code") not in EXPIRED:
            return None
        credentials._expiry_time = now() - timedelta(seconds=1)  # AWS knows better than our clock
        return 0.0

    client.meta.events.register("after-call", note)
    client.meta.events.register_first("needs-retry", ask_again)


def _error(parsed: Any) -> dict[str, Any] | None:
    """AWS's refusal. An answer may have a field of that name, too: why a statement of Redshift's failed is a text."""
    error = parsed.get("Error") if isinstance(parsed, dict) else None
    return error if isinstance(error, dict) else None
