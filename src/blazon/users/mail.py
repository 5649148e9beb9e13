"""Mail: the link to set a new password.

A mail goes to an SMTP server, or, on a laptop without one, into a folder as an `.eml` file.
"""

import asyncio
import os
import secrets
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

import structlog

from blazon.errors import BlazonError, SettingsError, Unavailable

__all__ = ["FolderMailer", "MailRefused", "Mailer", "SmtpMailer", "mailer", "reset_mail"]

_PATIENCE = 15.0
"""Seconds for one conversation with the mail server."""

_log = structlog.get_logger("blazon.mail")


class MailRefused(BlazonError):
    """The mail server refuses this mail for good."""

    title = "mail refused"


class Mailer(Protocol):
    """Hands mails on."""

    async def send(self, mail: EmailMessage) -> None:
        """Hands a mail on. Raises Unavailable when it may work later and MailRefused when it never will."""
        ...


class SmtpMailer:
    """An SMTP server: `smtp://[user:password@]host[:port]` with STARTTLS when offered, `smtps://` for TLS at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise SettingsError("mail.url has no host; write smtp://user:password@host:587")
        self._host = parts.hostname
        self._tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    async def send(self, mail: EmailMessage) -> None:
        """Hands a mail to the server."""
        import aiosmtplib

        try:
            await aiosmtplib.send(
                mail,
                hostname=self._host,
                port=self._port,
                use_tls=self._tls,
                username=self._user,
                password=self._password,
                timeout=_PATIENCE,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refusal(error.recipients[0].code, "the recipient is refused") from None
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            raise _refusal(error.code, error.message) from None
        except aiosmtplib.SMTPNotSupported as error:  # an address that this server cannot take
            raise MailRefused(str(error)) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            # Also when it takes no mail from us at all, or not our password: that is for us to mend, so the mail waits.
            raise Unavailable(f"the mail server {self._host}:{self._port} takes no mail: {error}") from None


def _refusal(code: int, message: str) -> BlazonError:
    # RFC 5321 §4.2.1: 4yz is for now, 5yz for good.
    if 500 <= code < 600:
        return MailRefused(f"{code} {message}")
    return Unavailable(f"the mail server says {code} {message}")


class FolderMailer:
    """A folder that mails are put into, for a machine without a mail server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, mail: EmailMessage) -> None:
        """Writes a mail as a file, readable by its owner only."""
        await asyncio.to_thread(self._write, mail)

    def _write(self, mail: EmailMessage) -> None:
        path = self._folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(2)}.eml"
        draft = path.with_suffix(".draft")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(bytes(mail))
            draft.rename(path)  # who watches the folder never sees half a mail
        except OSError as error:
            raise Unavailable(f"cannot write the mail to {path}: {error}") from None
        _log.info("mail kept as a file; set mail.url to send it", path=str(path))


def mailer(url: str, data_dir: Path) -> Mailer:
    """The mailer of `mail.url`; an empty one is the folder `mail` in the data folder. Raises SettingsError."""
    if not url:
        return FolderMailer(data_dir / "mail")
    if url.startswith(("smtp://", "smtps://")):
        return SmtpMailer(url)
    raise SettingsError("mail.url must begin with smtp:// or smtps://; leave it out to keep mails as files")


def reset_mail(sender: str, recipient: str, name: str, link: str, minutes: int) -> EmailMessage:
    """The mail with the link to set a new password."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = "Set a new password"
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("> ") or "localhost")
    mail.set_content(
        f"Hello {name or recipient},\n\n"
        "somebody, hopefully you, asked to set a new password. Follow this link to do so:\n\n"
        f"{link}\n\n"
        f"It works once and for {minutes} minutes. If it was not you, do nothing: your password stays as it is.\n",
        cte="8bit",  # quoted-printable would break the link into lines, for those who read the source
    )
    return mail


def reset_link(host: str, path: str, token: str) -> str:
    """The link in the mail: `<host><path>?token=<token>`."""
    return f"{host}{path}?token={quote(token)}"
