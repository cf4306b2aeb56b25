"""What leaves for Sentry: kinds of errors and where they came from, in our words. No entity, no feature, no secret.

An error of ours says what happened and what to do; the value it saw stays here. The text of any other exception may hold a row of
data, so only its class and its stack leave, unless its class says that it speaks of files, networks or memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from include.core.errors import SlipstreamError
from include.core.hidden import Hidden

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

WITHHELD = "(withheld: it may hold data)"
# Of an event: what is known to hold no data of ours, or is gone through below.
KEPT = (
    "event_id", "timestamp", "start_timestamp", "level", "logger", "platform", "environment", "release", "dist", "server_name",
    "sdk", "modules", "fingerprint", "type", "tags", "contexts", "exception", "logentry", "threads",
)  # fmt: skip
CONTEXTS = ("runtime", "os", "trace", "slipstream")
FRAME = ("filename", "abs_path", "function", "module", "lineno", "in_app", "pre_context", "context_line", "post_context")
_SPEAKS_OF_NO_DATA = (OSError, ImportError, MemoryError, TimeoutError, RecursionError)
_KINDS = frozenset(kind.__name__ for kind in _SPEAKS_OF_NO_DATA)


class Scrubber:
    """`before_send` of Sentry's SDK."""

    def __init__(self) -> None:
        self._hide = Hidden()

    def __call__(self, event: Event, hint: Hint) -> Event | None:
        given: Mapping[str, Any] = cast("Mapping[str, Any]", event)
        kept = {name: value for name, value in given.items() if name in KEPT}
        kept["contexts"] = {name: value for name, value in (given.get("contexts") or {}).items() if name in CONTEXTS}
        error = (hint.get("exc_info") or (None, None, None))[1]
        if "exception" in kept:
            values = (given["exception"] or {}).get("values") or []
            kept["exception"] = {"values": [_exception(each, _chain(error)) for each in values]}
        if "threads" in kept:
            kept["threads"] = {"values": [_stack(each) for each in (given["threads"] or {}).get("values") or []]}
        if kept.get("logentry"):  # the words as they stand in the source; what was put into them stays here
            kept["logentry"] = {"message": kept["logentry"].get("message", "")}
        return cast("Event", self._hidden(kept))

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._hidden(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._hidden(each) for each in value]
        return self._hide(value) if isinstance(value, str) else value


def scrub_all() -> None:
    """Have every event of this process scrubbed, whoever started the SDK. Once is enough, and more does no harm."""
    from sentry_sdk.scope import add_global_event_processor, global_event_processors

    if not any(isinstance(each, Scrubber) for each in global_event_processors):
        add_global_event_processor(Scrubber())


def _exception(told: Mapping[str, Any], chain: list[BaseException]) -> dict[str, Any]:
    """One of an event's exceptions, of which `chain` are the objects."""
    kept = {name: value for name, value in told.items() if name in ("type", "module", "thread_id", "mechanism")}
    if isinstance(kept.get("mechanism"), Mapping):
        kept["mechanism"] = {
            name: value for name, value in kept["mechanism"].items() if name in ("type", "handled", "exception_id")
        }
    return {**kept, "value": _text(told, chain), **_stack(told)}


def _text(told: Mapping[str, Any], chain: list[BaseException]) -> str:
    found = next((each for each in chain if type(each).__name__ == told.get("type")), None)
    if isinstance(found, SlipstreamError):
        parts = {"": found.what, "Safe: ": found.safe, "Next: ": found.hint}
        return "\n".join(f"{word}{text}" for word, text in parts.items() if text)
    if isinstance(found, _SPEAKS_OF_NO_DATA) or told.get("type") in _KINDS:
        return str(told.get("value") or "")
    return WITHHELD


def _stack(told: Mapping[str, Any]) -> dict[str, Any]:
    """Its frames, without the values of their variables."""
    frames = (told.get("stacktrace") or {}).get("frames") or []
    return {"stacktrace": {"frames": [{name: frame[name] for name in FRAME if name in frame} for frame in frames]}}


def _chain(error: BaseException | None) -> list[BaseException]:
    links: list[BaseException] = []
    while error is not None and error not in links:
        links.append(error)
        error = error.__cause__ or error.__context__
    return links
