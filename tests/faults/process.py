"""The real `blazon up` as a child process, to be killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers import free_port
from tests.servers.process import die_with_parent

ADMIN = "admin@example.com"
PASSWORD = "12345678"


class BlazonProcess:
    """Blazon in a process of its own, over a data folder that stays when it dies."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {
            **os.environ,
            "BLAZON_DATA_DIR": str(folder),
            "BLAZON_HTTP_LISTEN": f"127.0.0.1:{self.port}",
            "BLAZON_ADMIN_PASSWORD": PASSWORD,
            "BLAZON_USERS_FAILURES_PER_MINUTE": "1000",
            "BLAZON_LOG_LEVEL": "warning",
            "BLAZON_LOG_FORMAT": "json",
            **{f"BLAZON_{name.upper()}": value for name, value in settings.items()},
        }
        self._output = folder / "output.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def spawn(self, program: Sequence[str] = ("-m", "blazon.cli.main")) -> None:
        """Starts the process and does not wait for it. `program` is given to Python, before `up`."""
        with open(self._output, "ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *program, "up"],
                env=self.environment,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
            )

    async def start(self, program: Sequence[str] = ("-m", "blazon.cli.main")) -> None:
        """Starts the process and waits until it answers."""
        self.spawn(program)
        assert self.process is not None
        deadline = time.monotonic() + 60
        async with aiohttp.ClientSession() as client:
            while True:
                if self.process.poll() is not None:
                    raise RuntimeError(f"blazon ended with {self.process.returncode}: {self.output()[-3000:]}")
                try:
                    async with client.get(f"{self.url}/health") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                if time.monotonic() > deadline:
                    raise TimeoutError(self.output()[-3000:])
                await asyncio.sleep(0.02)

    def output(self) -> str:
        """What it has printed."""
        return self._output.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Has it stand still, as a virtual machine that is paused."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def is_paused(self) -> bool:
        """Whether it stands still."""
        assert self.process is not None
        state = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state in "tT"

    def resume(self) -> None:
        """Lets it go on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self) -> int:
        """Ends it in order, and returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def wait(self, seconds: float = 60) -> int:
        """Waits until it has died by itself."""
        assert self.process is not None
        return self.process.wait(seconds)

    def command(self, *parts: str) -> str:
        """Runs another command on the same data and returns what it prints. It must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "blazon.cli.main", *parts],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (parts, done.stdout, done.stderr)
        return done.stdout

    async def token(self, client: aiohttp.ClientSession) -> str:
        """Signs the admin in."""
        body = {"identity": ADMIN, "secret": PASSWORD}
        async with client.post(f"{self.url}/users/tokens/issue", json=body) as answer:
            assert answer.status == 201, await answer.text()
            token: str = (await answer.json())["access_token"]
            return token


class Load:
    """Clients that make groups as fast as they can, and remember what they were answered."""

    def __init__(self, blazon: BlazonProcess, clients: int = 12) -> None:
        self._blazon = blazon
        self._clients = clients
        self.answered: list[str] = []
        self.refused: list[tuple[int, Any]] = []
        self._stop = False

    async def run(self, prefix: str) -> None:
        """Makes groups until `stop` is called or the server is gone."""
        self._stop = False
        async with aiohttp.ClientSession() as client:
            token = await self._blazon.token(client)
            headers = {"Authorization": f"Bearer {token}"}
            await asyncio.gather(*(self._client(client, headers, f"{prefix}-{n}") for n in range(self._clients)))

    def stop(self) -> None:
        """Lets `run` end."""
        self._stop = True

    async def goes_on(self, count: int = 100) -> None:
        """Waits until so many more groups are answered."""
        wanted = len(self.answered) + count
        async with asyncio.timeout(60):
            while len(self.answered) < wanted:
                await asyncio.sleep(0.01)

    async def is_refused(self) -> None:
        """Waits until one more is refused, or cannot even be asked for."""
        before = len(self.refused)
        async with asyncio.timeout(60):
            while len(self.refused) == before:
                await asyncio.sleep(0.01)

    async def _client(self, client: aiohttp.ClientSession, headers: dict[str, str], prefix: str) -> None:
        number = 0
        while not self._stop:
            number += 1
            try:
                body = {"name": f"{prefix}-{number}"}
                async with client.post(f"{self._blazon.url}/groups", json=body, headers=headers) as answer:
                    said = await answer.json()
                    if answer.status == 201:
                        self.answered.append(said["id"])
                    else:
                        self.refused.append((answer.status, said))
                        await asyncio.sleep(0.01)
            except (aiohttp.ClientError, ConnectionError, TimeoutError):
                if self._blazon.process is None or self._blazon.process.poll() is not None:
                    return
                await asyncio.sleep(0.005)
