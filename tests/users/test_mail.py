"""What the mailer makes of the answers of a mail server: sent, to be tried again, or given up.

The server here speaks SMTP by hand, so that it can say what a good server seldom says.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from blazon.errors import SettingsError, Unavailable
from blazon.users.mail import FolderMailer, MailRefused, SmtpMailer, mailer, reset_link, reset_mail

GOOD = {
    "EHLO": "250-localhost\r\n250 AUTH PLAIN",
    "AUTH": "235 welcome",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 kept",
    "QUIT": "221 bye",
}


@asynccontextmanager
async def server(said: Mapping[str, str], greeting: str = "220 here") -> AsyncIterator[int]:
    """The port of a server that answers commands as told, and otherwise well."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{greeting}\r\n".encode())
        data = False
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            command = "." if line == "." else line.split(" ")[0].upper()
            if data and command != ".":
                continue
            answer = {**GOOD, **said}.get(command, "500 what?")
            data = command == "DATA" and answer.startswith("354")
            writer.write(f"{answer}\r\n".encode())
            while data and (await reader.readline()).rstrip(b"\r\n") != b".":
                pass
            if data:
                data = False
                writer.write(f"{({**GOOD, **said})['.']}\r\n".encode())
        writer.close()

    async with await asyncio.start_server(converse, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


def mail(recipient: str = "jane@example.com") -> EmailMessage:
    return reset_mail("Blazon <blazon@localhost>", recipient, "", "http://localhost/x?token=t", 30)


async def send(said: Mapping[str, str], recipient: str = "jane@example.com", user: str = "", **more: Any) -> None:
    async with server(said, **more) as port:
        await SmtpMailer(f"smtp://{user}127.0.0.1:{port}").send(mail(recipient))


async def test_sent() -> None:
    await send({})
    await send({}, user="name:p%40ss@")


@pytest.mark.parametrize(
    "said",
    [
        {"RCPT": "550 no such mailbox"},
        {"RCPT": "553 no"},
        {"MAIL": "550 not from you"},
        {"DATA": "554 no"},
        {".": "552 too large"},
    ],
)
async def test_refused_for_good(said: dict[str, str]) -> None:
    with pytest.raises(MailRefused):
        await send(said)


@pytest.mark.parametrize(
    "said",
    [
        {"RCPT": "450 come back later"},
        {"MAIL": "421 closing"},
        {"DATA": "451 not now"},
        {".": "452 disk full"},
        {"EHLO": "500 what", "HELO": "421 no"},
    ],
)
async def test_refused_for_now(said: dict[str, str]) -> None:
    with pytest.raises(Unavailable):
        await send(said)


async def test_a_sign_in_that_is_refused_is_for_us_to_mend() -> None:
    with pytest.raises(Unavailable):
        await send({"AUTH": "535 wrong password"}, user="name:word@")


async def test_no_server_and_rubbish() -> None:
    with pytest.raises(Unavailable):
        await send({}, greeting="554 no service")
    with pytest.raises(Unavailable):
        await send({}, greeting="HTTP/1.1 400 Bad Request")
    async with server({}) as port:
        pass
    with pytest.raises(Unavailable, match="takes no mail"):
        await SmtpMailer(f"smtp://127.0.0.1:{port}").send(mail())


async def test_an_address_the_server_cannot_write_is_given_up() -> None:
    with pytest.raises(MailRefused):
        await send({}, recipient="jäne@example.com")


@pytest.mark.parametrize("url", ["http://localhost", "localhost:25", "smtp://", "smtps://:465", "smtp:"])
def test_urls_that_are_none(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"mail\.url"):
        mailer(url, tmp_path)


async def test_folder(tmp_path: Path) -> None:
    folder = mailer("", tmp_path)
    assert isinstance(folder, FolderMailer)
    for _ in range(3):
        await folder.send(mail())
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 3
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700


async def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file is in the way")
    with pytest.raises(Unavailable):
        await FolderMailer(tmp_path / "mail").send(mail())
    os.unlink(tmp_path / "mail")
    await FolderMailer(tmp_path / "mail").send(mail())


def test_link() -> None:
    assert reset_link("http://h", "/p", "a.b-c_d") == "http://h/p?token=a.b-c_d"


def test_a_name_cannot_add_to_the_head_of_the_mail() -> None:
    made = reset_mail("Blazon <blazon@localhost>", "jane@example.com", "Jane\r\nBcc: x@y.zz", "http://h", 30)
    assert made["Bcc"] is None
    with pytest.raises(ValueError, match="linefeed"):
        reset_mail("Blazon <blazon@localhost>", "jane@example.com\r\nBcc: x@y.zz", "", "http://h", 30)
