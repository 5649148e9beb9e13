"""A private PostgreSQL 15 (Debian's package)."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.servers.process import Server, answers, free_port, wait_for

_BINARIES = Path("/usr/lib/postgresql/15/bin")


class PostgresServer(Server):
    """PostgreSQL as its own user. `durable=False` leaves fsync out, which is right for tests and wrong for figures."""

    name = "postgres"

    def __init__(self, *, durable: bool = False, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(user="postgres")
        self.port = free_port()
        self._durable = durable
        self._environment = {**os.environ, **(environment or {})}
        self._databases = 0
        options = ["-A", "trust", "-U", "app", "-E", "UTF8", "--no-locale", "--no-sync"]
        self.call([_BINARIES / "initdb", "-D", self.folder / "data", *options])
        self.start()

    def start(self) -> None:
        """Starts the server on its data."""
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=100"]
        if not self._durable:
            options += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.spawn(
            [_BINARIES / "postgres", "-D", self.folder / "data", "-p", str(self.port), "-k", self.folder, *options],
            self._environment,
        )
        wait_for(self._ready, self.name)

    def _ready(self) -> bool:
        self.running()
        if not answers(self.port):
            return False
        command: list[str | Path] = [_BINARIES / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def keep_copy(self) -> None:
        """Copies its data while it does not run; then it runs again. All connections break."""
        self._end(signal.SIGINT)
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        self.call(["cp", "-a", self.folder / "data", self.folder / "copy"])
        self.start()

    def go_back_to_copy(self) -> None:
        """Comes back with the data of the copy: what was committed since is lost, as in a failover or a restore."""
        self.kill()
        shutil.rmtree(self.folder / "data")
        self.call(["cp", "-a", self.folder / "copy", self.folder / "data"])
        self.start()

    def kill(self) -> None:
        """Ends the server and all its children at once. kill -9 would leave some of them for a while."""
        if self.process is not None:
            self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        """Ends the server with its children (PostgreSQL documentation, §19.5)."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)
        self.process = None

    def new_database(self, encoding: str = "UTF8") -> str:
        """Makes an empty database and returns its URL."""
        self._databases += 1
        name = f"test_{self._databases}"
        server = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "app"]
        self.call([_BINARIES / "createdb", *server, "-T", "template0", "-E", encoding, name])
        return f"postgresql://app@127.0.0.1:{self.port}/{name}"
