"""A private Redis (Debian's package)."""

import shutil

from tests.servers.process import Server, answers, free_port, wait_for


class RedisServer(Server):
    """Redis with an append-only file, as the embedded one has."""

    name = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts the server on its data."""
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--dir": str(self.folder), "--appendonly": "yes"}
        self.spawn(["redis-server", "--save", "", *(part for option in options.items() for part in option)])
        wait_for(lambda: self.running() and answers(self.port, b"PING\r\n", b"+PONG"), self.name)

    def empty(self) -> None:
        """Throws the data of a stopped server away."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix != ".log":
                path.unlink()
