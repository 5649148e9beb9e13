"""A private moto server: AWS services, as far as tests need them. What it holds is lost when it ends."""

import sys

from tests.servers.process import Server, answers, free_port, wait_for


class MotoServer(Server):
    """Speaks the protocols of AWS on one port."""

    name = "moto"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts the server, empty."""
        self.spawn([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)])
        wait_for(lambda: self.running() and answers(self.port), self.name)
