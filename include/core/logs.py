"""How a process logs: lines of text as ever, or a JSON object a line where SLIPSTREAM_LOG_FORMAT says `json`.

A line of JSON has the same fields in every process: `time` (UTC), `level`, `logger`, `program`, `pid` and `message`; those that
whoever logs, or the work around it, gives (`model`, `version`, `request_id`, `dag_id`, `run_id`, `task_id`, `map_index`,
`try_number`, `key`); `trace_id` and `span_id` where a trace is recorded; `error` {type, what, seen, safe, hint} of one of ours,
{type, what} of another, with its `traceback`. A secret of the process stands in none of them: include/core/hidden.py.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from include.core import tracing
from include.core.environment import LOG_FIELDS, LOG_FORMAT
from include.core.errors import SlipstreamError, SpecError, fields_of
from include.core.hidden import Hidden

TEXT, JSON = "text", "json"
PLAIN = "%(asctime)s %(levelname)s %(name)s %(message)s"  # the lines of a server
OF_A_JOB = "%(asctime)s %(name)s %(message)s"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_fields: ContextVar[Mapping[str, Any]] = ContextVar("slipstream_log_fields", default={})  # noqa: B039 - it is never changed


@contextmanager
def fields(**more: object) -> Iterator[None]:
    """What every line from here on says, too."""
    token = _fields.set({**_fields.get(), **more})
    try:
        yield
    finally:
        _fields.reset(token)


def handed_on() -> dict[str, str]:
    """The fields as the environment of a process that goes on with the work: a job knows the task that it is of."""
    known = _fields.get()
    return {LOG_FIELDS.name: json.dumps(known, default=str)} if known else {}


def received(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What `handed_on` was in the process that started this one."""
    text = LOG_FIELDS.read(environ)
    try:
        given = json.loads(text) if text else {}
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def is_json(environ: Mapping[str, str] | None = None) -> bool:
    return LOG_FORMAT.read(environ) == JSON


def configure(program: str, level: int = logging.INFO, text: str | None = PLAIN) -> None:
    """Have this process log in the form that is asked for. `text`: the form of plain lines; None leaves those as they are.

    Raises SpecError for a form that there is not.
    """
    form = LOG_FORMAT.read()
    if form not in (TEXT, JSON):
        raise SpecError(f"{LOG_FORMAT.name} is no form of a log.", seen=form, hint=f"{TEXT} or {JSON}.")
    if form == TEXT:
        if text is not None:
            logging.basicConfig(level=level, format=text)
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(program))
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_of_thread


class JsonLines(logging.Formatter):
    def __init__(self, program: str) -> None:
        super().__init__()
        self._program, self._hide = program, Hidden()

    def format(self, record: logging.LogRecord) -> str:
        own = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "program": self._program,
            "pid": os.getpid(),
            "message": record.getMessage(),
            **_fields.get(),
            **own,
            **tracing.ids(),
            **_error(record),
        }
        return json.dumps(_hidden(line, self._hide), default=str, ensure_ascii=False)


def _hidden(value: Any, hide: Hidden) -> Any:
    """The value with every text in it as `hide` gives it; what JSON has no form for as its words."""
    if isinstance(value, Mapping):
        return {str(key): _hidden(each, hide) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(each, hide) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return hide(str(value))


def _error(record: logging.LogRecord) -> dict[str, object]:
    """Of the exception that a line is about: handed over as one, or named in its words."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        args = record.args if isinstance(record.args, tuple) else ()
        named = next((each for each in args if isinstance(each, SlipstreamError)), None)
        return {} if named is None else {"error": fields_of(named)}
    told = fields_of(error) if isinstance(error, SlipstreamError) else {"type": type(error).__name__, "what": str(error)}
    return {"error": told, "traceback": "".join(traceback.format_exception(error))}


def _log_uncaught(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, place)
        return
    logging.getLogger("slipstream").critical("%s ended this process", kind.__name__, exc_info=(kind, error, place))


def _log_uncaught_of_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None and not issubclass(given.exc_type, SystemExit):
        found = (given.exc_type, given.exc_value, given.exc_traceback)
        logging.getLogger("slipstream").error("%s ended a thread", given.exc_type.__name__, exc_info=found)
