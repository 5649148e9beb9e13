"""A private SMTP server: aiosmtpd in a process of its own, which keeps each mail as a file."""

import sys
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from tests.servers.process import Server, answers, free_port, wait_for

_PROGRAM = """
import asyncio, itertools, pathlib, sys
from aiosmtpd.controller import UnthreadedController

class Keep:
    def __init__(self, folder):
        self.folder, self.numbers = folder, itertools.count(len(list(folder.iterdir())))
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 no such mailbox"
        if address.startswith("busy") and not (self.folder.parent / "free").exists():
            return "450 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        number = next(self.numbers)
        draft = self.folder / f"{number}.draft"
        draft.write_bytes(envelope.content)
        draft.rename(self.folder / f"{number}.eml")
        return "250 kept"

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
keep, port = Keep(pathlib.Path(sys.argv[2])), int(sys.argv[1])
controller = UnthreadedController(keep, hostname="127.0.0.1", port=port, loop=loop)
controller.begin()
loop.run_forever()
"""


class SmtpServer(Server):
    """An SMTP server that keeps what it is given.

    Mailboxes whose name begins with `refused` do not exist; those whose name begins with `busy` take nothing until
    `free` is called.
    """

    name = "smtp"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._mails = self.folder / "mails"
        self._mails.mkdir()
        self.start()

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts the server; mails it kept are still there."""
        self.spawn([Path(sys.executable), "-c", _PROGRAM, str(self.port), str(self._mails)])
        wait_for(lambda: self.running() and answers(self.port), self.name)

    def free(self) -> None:
        """Lets the busy mailboxes take mails."""
        (self.folder / "free").touch()

    def mails(self) -> list[EmailMessage]:
        """The mails it was given, in order."""
        paths = sorted(self._mails.glob("*.eml"), key=lambda path: int(path.stem))
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]
