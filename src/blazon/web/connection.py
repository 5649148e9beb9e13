"""One connection: uvicorn's HTTP/1.1 protocol, with the limits it lacks, and with a shorter way for whole requests.

It refuses a head over a limit (431, RFC 6585 §5), closes a connection whose head does not come in time, or
that dribbles bytes nobody waits for, and takes no header from the trailer of a chunked body.

A request that has come whole, as nearly all do, is handed over without the messages of ASGI, and one that is answered
from memory without a task. Everything else goes uvicorn's way.
"""

import asyncio
import functools
import re
import urllib.parse
from http import HTTPStatus
from typing import Any, ClassVar, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from blazon.errors import Malformed
from blazon.web.answers import BODILESS, Written
from blazon.web.crowding import Crowding
from blazon.web.cycle import Flow, Whole
from blazon.web.dispatch import Dispatcher, Question
from blazon.web.failures import Failure
from blazon.web.reading import Asked
from blazon.web.sending import Joined, Outgoing, Turn

__all__ = ["ServerSettings", "connections"]


class ServerSettings(msgspec.Struct, frozen=True):
    """What a connection may cost. Bytes and seconds."""

    head_bytes: int = 16 * 1024
    head_seconds: float = 10.0
    keep_alive_seconds: int = 30
    stop_seconds: int = 5


_OFFER: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_STATUS_LINES: Final = {int(status): b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_LINGER: Final = 2.0
"""Seconds a refused connection is kept, so that its sender can read why: a close at once would reset it."""


def connections(dispatcher: Dispatcher, settings: ServerSettings, crowding: Crowding | None) -> type[HttpToolsProtocol]:
    """The protocol of the connections to a server."""
    own = {"limits": settings, "dispatcher": dispatcher, "crowding": crowding, "turn": Turn()}
    return type("Connection", (_Connection,), own)


class _HeadTooLarge(Exception):
    """Raised through the parser to stop it."""


class _Closed(Exception):
    """Raised through the parser when the last answer was given: what comes after it is not done."""


class _Connection(HttpToolsProtocol):
    """uvicorn's protocol with limits for the head of a request, and a shorter way for whole requests."""

    limits: ClassVar[ServerSettings] = ServerSettings()
    dispatcher: ClassVar[Dispatcher]
    crowding: ClassVar[Crowding | None]
    turn: ClassVar[Turn]
    cycle: RequestResponseCycle | Whole | None  # type: ignore[assignment]
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _head_complete = True
    _refused = False
    """Whether what comes is no more read: it was no request, too long a head, or too many connections are open."""
    _answering: RequestResponseCycle | Whole | None = None
    """The request whose turn it is."""
    _question: Question | None = None
    """What the request is for that is being read, while it may yet come whole."""
    _method = ""
    _path = ""
    _query = b""
    _body = b""
    _quiet_since = 0.0
    """When the last answer was given."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        self._outgoing = Outgoing(transport, self.turn)
        self._refused = self.crowding is not None and not self.crowding.admits(transport, len(self.connections))
        if not self._refused:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        self._tell_gone()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        self._outgoing.send()  # the transport closes itself now

    def shutdown(self) -> None:
        self._outgoing.send()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        waiting, before = self._head_timer, self._head_bytes
        super().data_received(_without_offer(data) if b"pgrade" in data and self._between() else data)
        if self.transport.is_closing() or self._refused:
            return
        if self._question is not None:
            self._go_uvicorns_way()  # the rest of the body is yet to come
        if waiting is not None and self._head_timer is waiting:
            # All of it is head. The parser tells of a header only at its end, which may never come.
            self._head_bytes = max(self._head_bytes, before + len(data))
            if self._head_bytes > self.limits.head_bytes:
                self.send_400_response("")
        elif self._head_timer is None and not self._head_complete:
            self._wait_for_head()

    def on_message_begin(self) -> None:
        if self.transport.is_closing():
            raise _Closed
        self._head_bytes = 0
        self._head_complete = False
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._head_bytes > self.limits.head_bytes:
            raise _HeadTooLarge
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Called for each field of each request: it does what uvicorn's would, without a call more.
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self.limits.head_bytes:
            raise _HeadTooLarge
        if self._head_complete:  # a trailer field must not pass for a header (RFC 9110 §6.5.1)
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._head_timer is not None:
            self._head_came()
        self._head_complete = True
        self._question = self._find_question() if self._between() else None
        if self._question is None:
            self._begin_cycle()

    def on_body(self, body: bytes) -> None:
        if self._question is not None:
            self._body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        question = self._question
        if question is None:
            super().on_message_complete()
            return
        self._question = None
        peer = self.client[0] if self.client else ""
        asked = Asked(self._method, self._path, self._query, self.headers, peer, body=self._body)
        keep_alive = self.parser.should_keep_alive()
        written = self.dispatcher.answer_at_once(question, asked) if not self._query else None
        if written is not None:
            self._answer(written, keep_alive=keep_alive)
            if not self.transport.is_closing():
                self._wait_for_more()
            return
        self.cycle = self._answering = whole = Whole(keep_alive=keep_alive)
        task = self.loop.create_task(self._answer_whole(whole, question, asked))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _find_question(self) -> Question | None:
        """What the request is for, when it is a plain one to a route."""
        url = self.url
        if self.expect_100_continue or self.flow.write_paused or b"#" in url or not url.isascii():
            return None
        if self.parser.get_http_version() != "1.1" or self.parser.should_upgrade() or not url.startswith(b"/"):
            return None
        path, _, self._query = url.partition(b"?")
        raw = path.decode()
        self._path = urllib.parse.unquote(raw) if "%" in raw else raw
        self._body = b""
        self._method = self.parser.get_method().decode()
        return self.dispatcher.question(self._method, raw)

    def _begin_cycle(self) -> None:
        before, url, headers, expects = self.cycle, self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()
        if isinstance(self.cycle, RequestResponseCycle) and self.cycle is not before:
            joined = Joined(self.transport)
            self.cycle.transport = joined  # type: ignore[assignment]
            self.cycle.on_response = functools.partial(self._sent, joined)

    def _go_uvicorns_way(self) -> None:
        """Hands the request that is being read, as far as it came, to uvicorn."""
        self._question = None
        self._begin_cycle()
        if self._body:
            super().on_body(self._body)

    async def _answer_whole(self, whole: Whole, question: Question, asked: Asked) -> None:
        try:
            written = await self.dispatcher.answer(question, asked)
            if self.flow.write_paused:
                await self.flow.drain()
            whole.response_complete = True
            if not self.transport.is_closing():
                self._answer(written, keep_alive=whole.keep_alive)
                self.on_response_complete()
        except asyncio.CancelledError:
            # The server stops, and this took too long.
            if not self.transport.is_closing():
                self._answer(self.dispatcher.given_up(asked), keep_alive=False)
            raise
        except Exception:
            self._close()  # a bug: no timer closes a connection whose request is not answered
            raise

    def _answer(self, written: Written, *, keep_alive: bool) -> None:
        status, body, headers = written
        parts = [_STATUS_LINES[status], self.turn.lines(self.server_state.default_headers)]
        for name, value in headers:
            if name == b"connection":
                keep_alive = False  # there is no other word for it than "close"
            else:
                parts += (name, b": ", value, b"\r\n")
        if status not in BODILESS:
            parts.append(b"content-length: %d\r\n" % len(body))
        parts.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
        parts.append(body)
        self._outgoing.add(parts)
        if not keep_alive:
            self._end()

    def _sent(self, joined: Joined) -> None:
        joined.flush()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.flow.resume_reading()
            self._wait_for_more()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _wait_for_more(self) -> None:
        # A timer for each pause would cost more than it is worth: one runs on through many, and looks when it is due.
        self._quiet_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_after(self.timeout_keep_alive)

    def _look_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """Leaves the timer alone."""

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        left = self._quiet_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_after(left)
        elif self._head_complete and self._between():
            self._close()

    def send_400_response(self, msg: str) -> None:
        self._head_came()
        self._question = None
        if self.transport.is_closing():
            return
        if self._last_is_to_come():
            self._refused = True
        elif self._head_bytes > self.limits.head_bytes:
            reason = f"the head of the request is longer than {self.limits.head_bytes} bytes"
            self._refuse(b"431 Request Header Fields Too Large", Failure(reason, "request too large"))
        else:
            self._refuse(b"400 Bad Request", Failure("this is not an HTTP request", Malformed.title))

    def _last_is_to_come(self) -> bool:
        """Whether a request that came whole waits for its answer: the last such gets the last answer there is.

        One behind it that has not come whole is dropped.
        """
        while self.pipeline and self.pipeline[0][0].more_body:
            self.pipeline.popleft()
        last = self.pipeline[0][0] if self.pipeline else self._answering
        if last is None or last.response_complete or last.more_body:
            return False
        last.keep_alive = False
        return True

    def _refuse(self, status: bytes, failure: Failure) -> None:
        """Answers and takes no more."""
        body = msgspec.json.encode(failure)
        self._outgoing.send()
        self.transport.write(
            b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status, len(body), body)
        )
        self._tell_gone()
        self._refused = True
        self._end()

    def _tell_gone(self) -> None:
        """Tells the request whose turn it is that nothing more will come. uvicorn tells only the last one there is."""
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _end(self) -> None:
        """Sends what was answered, and no more. Who was refused may be sending yet, and is to read why."""
        self._outgoing.send()
        if not self._refused:
            self._close()
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self._close)

    def _between(self) -> bool:
        """Whether every request that came is answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._last_is_to_come():
            self._refused = True
        else:
            self._close()

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        self._outgoing.send()
        if not self.transport.is_closing():
            self.transport.close()


def _without_offer(data: bytes) -> bytes:
    """Passes an offer to upgrade over (RFC 9110 §7.8): the parser would take the body for the other protocol."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OFFER.sub(b"\r\npassed-over:", head) + end + rest
