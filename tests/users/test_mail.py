"""What the mailer makes of the answers of a mail server: sent, to be tried again, or given up.

The server here speaks SMTP by hand, so that it can say what a good server seldom says.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blazon.entity import rules
from blazon.errors import RequestError, SettingsError, Unavailable
from blazon.users.identities import ascii_domain
from blazon.users.mail import (
    FolderMailer,
    MailDelayed,
    MailRefused,
    SmtpMailer,
    checked_sender,
    mailer,
    reset_link,
    reset_mail,
)

GOOD = {
    "EHLO": "250-localhost\r\n250 AUTH PLAIN",
    "AUTH": "235 welcome",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 kept",
    "QUIT": "221 bye",
}


SILENCE = "silence"


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
            if answer != SILENCE:
                writer.write(f"{answer}\r\n".encode())
            while data and (await reader.readline()).rstrip(b"\r\n") != b".":
                pass
            if data:
                data = False
                if ({**GOOD, **said})["."] != SILENCE:
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
        {"MAIL": "450 too many mails"},
        {"DATA": "451 not now"},
        {".": "452 disk full"},
        {"RCPT": "rubbish"},
        {"RCPT": ""},
    ],
)
async def test_refused_for_now(said: dict[str, str]) -> None:
    """It is the matter of this mail, as far as anybody can tell: others are tried."""
    with pytest.raises(MailDelayed):
        await send(said)


async def test_a_server_that_thinks_long_about_one_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does that asks the recipient's server first, which may be anybody's."""
    monkeypatch.setattr("blazon.users.mail._PATIENCE", 0.2)
    for command in ("MAIL", "RCPT", "DATA", "."):
        with pytest.raises(MailDelayed):
            await send({command: SILENCE})
    for command in ("EHLO", "AUTH"):
        with pytest.raises(Unavailable):
            await send({command: SILENCE}, user="name:word@")


async def test_a_mail_that_was_taken_is_sent_however_the_server_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blazon.users.mail._PARTING", 0.1)
    for parting in ("500 no", "", "421 closing", SILENCE):
        await send({"QUIT": parting})


async def test_a_server_that_does_not_receive_us_gets_no_mail_at_all() -> None:
    with pytest.raises(Unavailable):
        await send({"EHLO": "500 what", "HELO": "421 no"})


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
    with pytest.raises(MailRefused):
        reset_mail("Blazon <blazon@localhost>", "jane@example.com\r\nBcc: x@y.zz", "", "http://h", 30)


_PIECES = (*"ab1@.,;:<>()[]\"\\ =?-_!'%\u2028\u00a0\u00e9", "=?utf-8?q?", "=?utf-8?b?", "?=", "@x.yz", "x.yz")


@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=10).map("".join) | st.text(min_size=1, max_size=80))
@example('"')
@example("<")
@example(".b:")
@example("a@x.yz, b@x.yz")
@example("a@x.yz; b@x.yz")
@example("b@x.yz <a@x.yz>")
@example("=?utf-8?q?a=40x.yz=2C?=@x.yz")
@example("a@x.yz\u2028b@x.yz")
@example("group:a@x.yz")
@settings(max_examples=3000, deadline=None)
def test_any_identity_is_one_address_or_none(identity: str) -> None:
    try:
        rules.check_identity(identity)
    except RequestError:
        return
    try:
        made = reset_mail("Blazon <blazon@localhost>", identity, "", "http://h", 30)
    except MailRefused:
        return
    (address,) = made["To"].addresses
    local, _, domain = identity.rpartition("@")
    assert (address.username, address.domain) == (local, ascii_domain(domain))
    # The same when it is read by others, as it was sent.
    for written in (made.as_bytes(policy=SMTPUTF8), *([made.as_bytes(policy=SMTP)] if identity.isascii() else ())):
        (again,) = message_from_string(written.decode(), policy=SMTPUTF8)["To"].addresses
        assert again.addr_spec == address.addr_spec


@pytest.mark.parametrize(
    "identity",
    [
        "jane@example.com",
        "Jane.O'Doe+tag@a-b.example.com",
        "admin@localhost",
        "!#$%&'*/=?^_`{|}~-@x.yz",
        "j\u00e4ne@x.yz",
    ],
)
def test_what_is_an_address(identity: str) -> None:
    assert reset_mail("Blazon <blazon@localhost>", identity, "", "http://h", 30)["To"] == identity


def test_a_domain_is_written_in_ascii() -> None:
    made = reset_mail("Blazon <blazon@localhost>", "jane@b\u00fccher.example", "", "http://h", 30)
    assert made["To"] == "jane@xn--bcher-kva.example"


@pytest.mark.parametrize("sender", ["", "nobody", "a@b.cd, e@f.gh", "a:b@c.de;", '"@', "x <a@b", "a@b.cd\nBcc: e@f.gh"])
def test_a_sender_that_is_not_one_address(sender: str) -> None:
    with pytest.raises(SettingsError, match=r"mail\.sender"):
        checked_sender(sender)


@pytest.mark.parametrize("sender", ["Blazon <blazon@localhost>", "blazon@example.com", '"Blazon, Inc." <a@b.cd>'])
def test_a_sender(sender: str) -> None:
    assert checked_sender(sender) == sender
