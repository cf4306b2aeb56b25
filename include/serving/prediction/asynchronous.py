"""Predictions that are asked for now and fetched later: `POST /predict/{model}?async`, `GET /predictions/{model}/{id}`.

    asynchronous/{model}/date=YYYY-MM-DD/{name}/request.json    as it came; the first of an id stands
    asynchronous/{model}/date=YYYY-MM-DD/{name}/answer.json     its status and body; the first stands

Both are files under the root, made by exclusive create: any gateway gives the answer, and one that dies leaves its requests to
the others. A request without an id is named by chance, one with an id by it: sent again within a day it is the same prediction.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import date, timedelta

import msgspec

from include.core.digest import digest_json
from include.core.environment import GATEWAY_ASYNC_DAYS
from include.core.errors import SlipstreamError, SpecError, one_line
from include.core.storage import Storage
from include.core.time import utc_now
from include.serving.http.admission import OVERLOADED
from include.serving.http.asgi import HttpRequest, Response, answer
from include.serving.http.request_error import RequestError

log = logging.getLogger(__name__)
WAITING = 1000  # requests of one worker process that were accepted and have no answer yet
AT_ONCE = 8  # of them that are being answered
AGAIN = 1.0  # seconds until one is tried again whose model is not served, or busy
LEFT = 60.0  # seconds between two looks for requests that a gateway left unanswered
PASSES = frozenset({429, 503})  # statuses that are no answer
FOLDER = "asynchronous"
Ask = Callable[[HttpRequest, str], Awaitable[Response]]


class _Named(msgspec.Struct):
    id: str | int | None = None


class _Kept(msgspec.Struct):
    status: int
    body: msgspec.Raw


_id_of, _kept = msgspec.json.Decoder(_Named).decode, msgspec.json.Decoder(_Kept).decode


def wants_later(query: bytes) -> bool:
    """Whether a query says `async`."""
    return b"async" in query and any(part.partition(b"=")[0] == b"async" for part in query.split(b"&"))


class AsynchronousPredictions:
    """Of one worker, called on its event loop. `ask` answers a request as POST /predict/{model} does; `check` raises RequestError
    for a body that it would refuse. `days`: how many whole days an answer is kept after that on which it was asked for."""

    def __init__(self, storage: Callable[[], Storage], ask: Ask, check: Callable[[HttpRequest, str], None], days: int) -> None:
        self._storage, self._ask, self._check, self._days = storage, ask, check, days
        self._known: set[str] = set()  # that wait here
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._look_again())

    def stop(self) -> None:
        """What is not answered stays, for whoever looks next."""
        for task in (*self._tasks, *((self._watch,) if self._watch else ())):
            task.cancel()

    # -- asked -----------------------------------------------------------------------------------------------------------------

    async def accept(self, call: HttpRequest, model: str) -> Response:
        """202 with the address of the answer. Raises RequestError: 400, 404, 409, 429, 503."""
        if len(self._known) >= WAITING:
            raise OVERLOADED.again()
        self._check(call, model)
        name = _name_of(model, call.body)
        try:
            day = await asyncio.to_thread(self._begin, model, name, call.body)
        except (OSError, SlipstreamError) as error:
            raise RequestError(503, f"The request was not kept: {one_line(error)} Send it again.", retry_after=1) from None
        place = f"{day:%Y%m%d}-{name}"
        self._enter(model, day, name)
        response = answer({"id": place, "status": "waiting"}, 202)
        response.headers = [(b"location", f"/predictions/{model}/{place}".encode()), (b"retry-after", b"1")]
        return response

    async def result(self, call: HttpRequest, model: str, id: str) -> Response:
        """The answer with its own status, or 202 while there is none. Raises RequestError (404)."""
        del call
        day, _, name = id.partition("-")
        found = await asyncio.to_thread(self._read, model, day, name)
        if found is None:
            kept = f"an answer is kept for {self._days} days after the day on which it was asked for"
            raise RequestError(404, "There is no such prediction.", field="id", value=id, allowed=kept)
        if not found:
            response = answer({"id": id, "status": "waiting"}, 202)
            response.headers = [(b"retry-after", b"1")]
            return response
        kept_ = _kept(found)
        return Response(bytes(kept_.body), kept_.status)

    # -- kept ------------------------------------------------------------------------------------------------------------------

    def _begin(self, model: str, name: str, body: bytes) -> date:
        """The day under which the request is kept. Raises RequestError where its id was another request's."""
        storage, today = self._storage(), utc_now().date()
        for day in (today - timedelta(days=1), today):
            path = f"{_folder(model, day, name)}/request.json"
            if day == today and storage.create(path, body):
                return day
            with suppress(FileNotFoundError):
                if storage.read(path) != body:
                    what = "Another request was sent under this id."
                    raise RequestError(409, what, field="id", allowed="an id of its own for each request")
                return day
        return today

    def _read(self, model: str, day: str, name: str) -> bytes | None:
        """The answer's file; empty while there is none; None where nobody asked."""
        try:
            asked = date.fromisoformat(day)
        except ValueError:
            return None
        storage, folder = self._storage(), _folder(model, asked, name)
        if not name.isalnum():
            return None
        with suppress(FileNotFoundError):
            return storage.read(f"{folder}/answer.json")
        return b"" if storage.exists(f"{folder}/request.json") else None

    # -- answered --------------------------------------------------------------------------------------------------------------

    def _enter(self, model: str, day: date, name: str) -> None:
        folder = _folder(model, day, name)
        if folder not in self._known:
            self._known.add(folder)
            task = asyncio.get_running_loop().create_task(self._work(model, folder))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, model: str, folder: str) -> None:
        """Until the answer is there."""
        try:
            while not await self._tried(model, folder):
                await asyncio.sleep(AGAIN)
        finally:
            self._known.discard(folder)

    async def _tried(self, model: str, folder: str) -> bool:
        storage = self._storage()
        try:
            if await asyncio.to_thread(storage.exists, f"{folder}/answer.json"):
                return True
            body = await asyncio.to_thread(storage.read, f"{folder}/request.json")
            async with self._turn:
                status, said = await self._asked(HttpRequest("POST", f"/predict/{model}", [], body), model)
            if status in PASSES:
                return False
            await asyncio.to_thread(storage.create, f"{folder}/answer.json", b'{"status":%d,"body":%b}' % (status, said))
        except FileNotFoundError:  # it was swept meanwhile
            return True
        except (OSError, SlipstreamError) as error:
            log.warning("a prediction of %s waits for the root: %s", model, one_line(error))
            return False
        return True

    async def _asked(self, call: HttpRequest, model: str) -> tuple[int, bytes]:
        try:
            response = await self._ask(call, model)
        except RequestError as error:
            return error.status, msgspec.json.encode(error.body)
        except Exception:  # a defect of ours is the answer, as it is to who waits for one
            log.exception("a prediction of %s that was asked for earlier", model)
            return 500, b'{"error":"The gateway failed on this request; the log says why."}'
        return response.status, response.body

    async def _look_again(self) -> None:
        """What another gateway, or this one before it ended, has left; and what is kept too long."""
        while True:
            try:
                left = await asyncio.to_thread(self._left)
                for model, day, name in left[: max(0, WAITING - len(self._known))]:
                    self._enter(model, day, name)
            except (OSError, SlipstreamError) as error:
                log.warning("predictions that were left unanswered were not looked for: %s", one_line(error))
            await asyncio.sleep(LEFT)

    def _left(self) -> list[tuple[str, date, str]]:
        storage, oldest = self._storage(), utc_now().date() - timedelta(days=self._days)
        asked: set[tuple[str, date, str]] = set()
        answered: set[tuple[str, date, str]] = set()
        past: set[str] = set()
        for path in storage.list(FOLDER):
            _, model, day_, name, file = path.split("/")
            day = date.fromisoformat(day_.removeprefix("date="))
            if day < oldest:
                past.add(f"{FOLDER}/{model}/{day_}")
            else:
                (answered if file == "answer.json" else asked).add((model, day, name))
        for folder in past:
            storage.delete(folder)
        return sorted(asked - answered)


def days_of(environ: Mapping[str, str]) -> int:
    """For how many whole days answers are kept. Raises SpecError."""
    text = GATEWAY_ASYNC_DAYS.read(environ)
    if not text.isdecimal() or not 1 <= int(text) <= 365:
        raise SpecError(f"{GATEWAY_ASYNC_DAYS.name} must be a whole number of days from 1 to 365.", seen=text)
    return int(text)


def _folder(model: str, day: date, name: str) -> str:
    return f"{FOLDER}/{model}/date={day.isoformat()}/{name}"


def _name_of(model: str, body: bytes) -> str:
    try:
        given = _id_of(body).id
    except msgspec.MsgspecError:
        given = None
    return uuid.uuid4().hex if given is None else digest_json([model, str(given)])[:32]
