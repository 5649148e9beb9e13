"""One HTTP/1.1 connection: from the bytes of a socket to the dispatcher, and back.

A connection reads at most one request ahead of the one that is being answered, and keeps no more than one buffer full
of bytes behind it. It begins one request at a time, and then lets others have their turn (`Front.schedule`), so that a
client that sends thousands at once delays nobody by more than one of them. A client that does not send a head or a body
in its time, or does not read its responses, loses its connection (`Limits`).
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

import structlog

from blazon.errors import BlazonError, Malformed, OutcomeUnknown, TooSlow, Unavailable
from blazon.web import response
from blazon.web.deadline import Deadline
from blazon.web.dispatch import Dispatcher
from blazon.web.front import Front
from blazon.web.http1 import Refused, RequestReader, Stage
from blazon.web.request import Request, peer_of
from blazon.web.response import Response
from blazon.web.work import Work
from blazon.web.writer import Writer

__all__ = ["Connection"]

_FREE: Final = 16 * 1024
"""Bytes of bodies that a connection may keep without counting against `Limits.pending_bytes`."""

_IDLE, _HEAD, _BODY = Stage  # `Stage.IDLE` takes 50 ns, and a request some ten of them

_log = structlog.get_logger("blazon.http")


class Connection(asyncio.BufferedProtocol):
    """One connection of a client.

    Its server calls `advance`, `shutdown`, `give_up` and `abort`, its transport the other public methods.
    """

    def __init__(self, front: Front, dispatcher: Dispatcher) -> None:
        self._front = front
        self._dispatcher = dispatcher
        self._loop = front.loop
        self._limits = front.limits
        self._scheduled = False
        """Whether this connection is in the queue of `Front.schedule`."""
        self._paused = False
        """Whether reading is paused."""
        self._ended = False
        """Whether the client has closed its side."""
        self._stopping = False
        self._lost = False
        self._work = Work(front.loop, front.limits.request_seconds)
        self._arrival = Deadline(front.loop, self._arrival_is_late)
        self._awaited = _IDLE
        """What must have come at the deadline `_arrival`."""
        self._charged = 0
        """What this connection counts in `Front.pending_bytes`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._reader = RequestReader(self._limits, peer_of(transport))
        self._writer = Writer(transport, self._front.turn, self._front.unread, self._limits)
        self._front.connections.add(self)
        self._arrival.start(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._reader.end()
        self._writer.lost()
        self._arrival.close()
        self._work.close()
        self._front.remove(self, self._work.task)
        self._charge()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._front.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._writer.finished:
            self._writer.discard(nbytes)
        elif not self._reader.over:
            self._reader.receive(bytes(self._front.buffer[:nbytes]))
            self._advance()
        if nbytes == len(self._front.buffer) and not self._paused:
            self._pause(pause=True)  # there is more, and others have their turn first
            self._schedule()

    def eof_received(self) -> bool:
        self._ended = True
        if self._writer.finished:
            self._close()
        else:
            self._work.end_stream()  # a client that reads a stream keeps its side open
            self._advance()
        return True  # the transport stays open for the responses that are due

    def pause_writing(self) -> None:
        self._writer.pause()

    def resume_writing(self) -> None:
        self._writer.resume()
        self._schedule()

    def shutdown(self) -> None:
        """Answers what was asked, and closes."""
        self._stopping = True
        self._work.end_stream()
        if self._writer.finished or not (self._busy or self._reader.stage is _BODY):
            self._close()

    def give_up(self) -> None:
        """Answers that a request in work is not waited for any longer, and closes."""
        if self._work.request is None:
            self._transport.abort()
        else:
            reason = "Blazon stops, and this was not done in time; it may have happened, or may still happen"
            self._work.cut_off(OutcomeUnknown(reason))

    def abort(self) -> None:
        """Closes without a word."""
        self._transport.abort()

    def advance(self) -> None:
        """Goes one request further: this connection has its turn."""
        self._scheduled = False
        if self._writer.finished:
            self._pause(pause=False)
        else:
            self._advance()

    # Reading

    @property
    def _busy(self) -> bool:
        """Whether a complete request has no response yet."""
        return self._work.request is not None or self._reader.complete

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._front.schedule(self)

    def _advance(self) -> None:
        """Reads to the end of the next request, and begins to answer it if it is its turn."""
        if self._lost or self._writer.finished:
            return
        reader = self._reader
        try:
            reader.read()
        except (Refused, BlazonError) as error:
            self._refuse(error)
        if self._charged or reader.stage is _BODY:
            self._charge()
        if self._work.request is None and not self._writer.full:
            if reader.complete:
                self._begin(reader.take())
            elif reader.request is not None and reader.request.expects:
                self._begin_check(reader.request)
        self._go_on()

    def _go_on(self) -> None:
        """Goes on reading, if anything more can come."""
        reader, ended = self._reader, self._ended and not self._reader.left
        if ended and reader.stage is _BODY:
            self._refuse(Malformed("the connection ended before the body did"))
        if self._writer.finished:
            return
        if (ended or reader.over) and not self._busy:
            self._close()
        else:
            self._pace()

    def _charge(self) -> None:
        """Counts the bodies this connection keeps. Refuses one that grows while all of them together are too many."""
        growing = self._reader.body_bytes
        size = growing + sum(len(each.body) for each in (self._reader.request, self._work.request) if each is not None)
        counted = max(0, size - _FREE)
        self._front.pending_bytes += counted - self._charged
        self._charged = counted
        if growing and counted and self._front.overloaded:
            self._refuse(Unavailable("too many large requests are being sent at once; send this one again later"))
            self._charge()

    def _pace(self) -> None:
        """Pauses reading or goes on with it, and sets the deadline of what is awaited."""
        reader = self._reader
        pause = reader.left or reader.complete or (reader.over and not self._work.streaming)
        if pause is not self._paused:
            self._pause(pause=pause)
        if reader.left and not reader.complete:
            self._schedule()
        if reader.stage is not self._awaited:
            self._await(reader.stage)

    def _pause(self, *, pause: bool) -> None:
        if pause is self._paused or self._transport.is_closing():
            return
        self._paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _await(self, stage: Stage) -> None:
        self._awaited = stage
        self._arrival.start(self._front.patience[stage])

    # Answering

    def _begin(self, request: Request) -> None:
        answer = self._dispatcher.answer(request)
        if isinstance(answer, Response) and isinstance(answer.body, bytes):
            self._respond(request, answer)
            if self._charged:
                self._charge()
        else:
            self._work.begin(request, self._run(request, self._answer(request, answer)))

    def _begin_check(self, request: Request) -> None:
        """Finds out whether a body is worth sending, if its client waits for that (RFC 9110 §10.1.1)."""
        request.expects = False
        if not self._reader.body_bytes:
            self._work.begin(request, self._run(request, self._check(request)))

    async def _run(self, request: Request, work: Coroutine[Any, Any, None]) -> None:
        """Does the work on a request, then goes on to the next one."""
        try:
            try:
                await work
            except asyncio.CancelledError:
                cut = self._work.cut
                if cut is None:
                    self._close()  # this was a stream, and its client is gone
                    raise
                self._respond(request, self._dispatcher.refuse(request, cut), last=True)
            finally:
                self._work.end()
                if self._charged:
                    self._charge()
                if self._lost:
                    self._work.close()
            if self._reader.left or self._reader.complete:
                self._schedule()
            else:
                self._advance()
        except Exception:  # noqa: BLE001 - a bug here costs one connection
            _log.exception("a connection failed", traceparent=request.traceparent)
            self._transport.abort()

    async def _answer(self, request: Request, answer: Response | Coroutine[Any, Any, Response]) -> None:
        answered = answer if isinstance(answer, Response) else await answer
        self._work.answered()
        if self._writer.full:
            await self._writer.drain()
        if isinstance(answered.body, bytes):
            self._respond(request, answered)
        else:
            await self._stream(request, answered, answered.body)

    async def _check(self, request: Request) -> None:
        refused = await self._dispatcher.check(request)
        if refused is not None:
            self._respond(request, refused, last=True)
        elif self._reader.stage is _BODY:
            self._writer.send(response.CONTINUE)
            self._await(_BODY)

    async def _stream(self, request: Request, answered: Response, parts: AsyncIterator[bytes]) -> None:
        """Sends a stream until it ends, or the client or the server ends it."""
        bodiless, chunked = request.method == "HEAD", not request.old
        last = self._is_last(request, answered)
        self._work.streaming = not bodiless
        self._pace()  # only whoever reads sees that a client is gone
        self._writer.send(response.head(answered, self._front.date(), last=last, chunked=chunked))
        try:
            if not bodiless:
                await self._writer.stream(parts, chunked=chunked)
        except asyncio.CancelledError:
            if not self._stopping or self._lost:
                raise
        finally:
            self._work.streaming = False
        if chunked and not bodiless:
            self._writer.send(response.LAST_CHUNK)
        self._responded(last=last or self._stopping)

    def _respond(self, request: Request, answered: Response, *, last: bool = False) -> None:
        self._send(answered, last=last or self._is_last(request, answered), bodiless=request.method == "HEAD")

    def _send(self, answered: Response, *, last: bool, bodiless: bool = False) -> None:
        assert isinstance(answered.body, bytes), "streams are sent by _stream"
        if self._lost:
            return
        head = response.head(answered, self._front.date(), last=last)
        if bodiless:
            self._writer.send(head)
        else:
            self._writer.send(head, answered.body)
        self._responded(last=last)

    def _responded(self, *, last: bool) -> None:
        if last:
            self._finish()
        elif self._awaited is _IDLE:
            self._await(_IDLE)  # the client has its whole time for the next request

    def _is_last(self, request: Request, answered: Response) -> bool:
        """Whether the connection ends with a response."""
        reader = self._reader
        if request.last or answered.last:
            return True
        if reader.complete:
            return False
        return reader.over or (self._ended and not reader.left) or (self._stopping and reader.stage is not _BODY)

    def _refuse(self, error: Refused | BlazonError) -> None:
        """Refuses the request that is being read. If one before it is unanswered, that gets the last response."""
        request = self._reader.request
        self._reader.end()
        if self._work.request is not None:
            return
        if isinstance(error, Refused):
            self._send(response.of_refusal(error), last=True)
        elif request is not None:
            self._respond(request, self._dispatcher.refuse(request, error), last=True)

    # Ending

    def _finish(self) -> None:
        """Sends nothing after the last response."""
        self._reader.end()
        if self._charged:
            self._charge()
        if self._ended:
            self._close()
            return
        self._writer.finish()
        self._pause(pause=False)  # what still comes is thrown away

    def _close(self) -> None:
        self._reader.end()
        self._writer.close()

    def _arrival_is_late(self) -> None:
        stage = self._reader.stage
        if self._writer.finished or self._reader.over:
            return
        if stage is _BODY:
            self._refuse(TooSlow(f"the body did not come within {self._limits.body_seconds:g} seconds"))
        elif not self._busy:
            self._writer.leave()
        elif stage is _HEAD:
            self._reader.over = True
