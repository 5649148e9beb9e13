"""Mail: the link to set a new password.

A mail goes to an SMTP server, or, on a laptop without one, into a folder as an `.eml` file.
"""

import asyncio
import contextlib
import os
import re
import secrets
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote, urlsplit

import structlog

from blazon.errors import BlazonError, SettingsError, Unavailable
from blazon.users.identities import ascii_domain

if TYPE_CHECKING:
    from aiosmtplib import SMTP

__all__ = [
    "FolderMailer",
    "MailDelayed",
    "MailRefused",
    "Mailer",
    "SmtpMailer",
    "checked_sender",
    "mailer",
    "reset_link",
    "reset_mail",
]

_PATIENCE = 15.0
"""Seconds for the mail server to receive us, and again for it to take a mail."""

_PARTING = 2.0
"""Seconds for it to say goodbye, when it has the mail."""

_LOCAL = re.compile(r"[^\s\"(),.:;<>@\[\]\\]+(\.[^\s\"(),.:;<>@\[\]\\]+)*")
"""What stands before the @, as it may stand there without quotes (RFC 5322 §3.2.3, RFC 6532 §3.2)."""

_ENCODED = re.compile(r"=\?.*\?=")
"""What readers of mail take for another text (RFC 2047)."""

_DOMAIN = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*")

_log = structlog.get_logger("blazon.mail")


class MailRefused(BlazonError):
    """This mail cannot be sent, or the mail server refuses it for good."""

    title = "mail refused"


class MailDelayed(BlazonError):
    """The mail server does not take this mail now. It may take others."""

    title = "mail delayed"


class Mailer(Protocol):
    """Hands mails on."""

    async def send(self, mail: EmailMessage) -> None:
        """Hands a mail on. Raises Unavailable while none can be, MailDelayed and MailRefused when this one cannot."""
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

        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._tls,
            username=self._user,
            password=self._password,
            timeout=_PATIENCE,
        )
        try:
            await self._connect(client)
            await self._hand_over(client, mail)
        finally:
            client.close()

    async def _connect(self, client: "SMTP") -> None:
        """What fails here, our sign-in too, is the server's matter or ours to mend: every mail waits."""
        import aiosmtplib

        try:
            async with asyncio.timeout(_PATIENCE):
                await client.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"the mail server {self._host}:{self._port} takes no mail: {reason}") from None

    async def _hand_over(self, client: "SMTP", mail: EmailMessage) -> None:
        """What fails here may be the matter of this one mail: it must not stop the others."""
        import aiosmtplib

        try:
            async with asyncio.timeout(_PATIENCE):
                await client.send_message(mail)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refusal(error.recipients[0].code, error.recipients[0].message) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code, error.message) from None
        except (aiosmtplib.SMTPNotSupported, ValueError) as error:  # an address that this server cannot take
            raise MailRefused(str(error)) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailDelayed(f"the conversation broke off: {str(error) or type(error).__name__}") from None
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=_PARTING)


def _refusal(code: int, message: str) -> BlazonError:
    # RFC 5321 §4.2.1: 4yz is for now, 5yz for good.
    return (MailRefused if 500 <= code < 600 else MailDelayed)(f"the mail server says {code} {message}")


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


def checked_sender(sender: str) -> str:
    """What mails come from. Raises SettingsError when that is not one address."""
    mail = EmailMessage()
    try:
        mail["From"] = sender
        (address,) = mail["From"].addresses
        (group,) = mail["From"].groups
        if not address.domain or group.display_name is not None or mail["From"].defects:
            raise ValueError
        bytes(mail)
    except Exception:  # noqa: BLE001 - the parser of the standard library raises anything
        raise SettingsError("mail.sender must be one address, such as Blazon <blazon@example.com>") from None
    return sender


def _address(text: str) -> Address:
    """The one address a text is. Raises MailRefused.

    An identity can be any text. It is never given to the parser of addresses, which takes it for a list when it holds
    a comma, and for a name when it holds what RFC 2047 encodes.
    """
    local, _, domain = text.rpartition("@")
    try:
        domain = ascii_domain(domain)
    except ValueError:
        domain = ""
    if (
        not _LOCAL.fullmatch(local)
        or not local.isprintable()
        or _ENCODED.search(local)
        or not _DOMAIN.fullmatch(domain)
    ):
        raise MailRefused("the identity of the user is not an e-mail address")
    return Address(username=local, domain=domain)


def reset_mail(sender: str, recipient: str, name: str, link: str, minutes: int) -> EmailMessage:
    """The mail with the link to set a new password. Raises MailRefused when it cannot be made."""
    address = _address(recipient)
    mail = EmailMessage()
    try:
        mail["From"] = sender
        mail["To"] = address
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
        written = bytes(mail)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this mail's, and others wait behind it
        raise MailRefused(f"the mail cannot be written: {type(error).__name__}: {error}") from None
    if not written or [found.addr_spec for found in mail["To"].addresses] != [f"{address.username}@{address.domain}"]:
        raise MailRefused("the identity of the user is not one e-mail address")
    return mail


def reset_link(host: str, path: str, token: str) -> str:
    """The link in the mail: `<host><path>?token=<token>`."""
    return f"{host}{path}?token={quote(token)}"
