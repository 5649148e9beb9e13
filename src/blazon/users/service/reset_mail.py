"""The mail with the link to set a new password, sent because a request for it stands in the log."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from blazon.errors import Unavailable
from blazon.log import Event, Record, Stale
from blazon.users import events
from blazon.users.events import ResetSent
from blazon.users.mail import MailDelayed, Mailer, MailRefused, reset_link, reset_mail
from blazon.users.tokens import Tokens
from blazon.users.waiting import WaitingMail, WaitingMails

__all__ = ["ResetMail"]

_LOOK: Final = 1.0
"""Seconds between two looks for mails that are due again."""

_log = structlog.get_logger("blazon.users")


class ResetMail:
    """Mails the link for each `user.generate_reset_token`, and records that it did.

    `handle` is that of a follower of the log. A mail that the server does not take now, while it takes others, is put
    aside, and `run` tries it again: nobody can stop the mails of others with a mailbox that is always busy.
    """

    name = "password-reset-mail"
    types = frozenset({("users", "user.generate_reset_token")})

    def __init__(
        self, waiting: WaitingMails, tokens: Tokens, mailer: Mailer, sender: str, path: str, minutes: int
    ) -> None:
        self._waiting = waiting
        self._tokens = tokens
        self._mailer = mailer
        self._sender = sender
        self._path = path
        self._minutes = minutes

    async def handle(self, record: Record) -> Sequence[Event]:
        """Sends one mail, or puts it aside. Raises Unavailable while the mail server is away."""
        if await self._waiting.has(record):  # we died after it was put aside and before the cursor moved
            return ()
        try:
            return await self._send(record)
        except MailDelayed as error:
            _log.warning("reset mail delayed", request=record.id, reason=error.reason)
            await self._waiting.put(record, error.reason)
            return ()

    async def run(self) -> None:
        """Tries the mails that wait again, for ever."""
        while True:
            try:
                for mail in await self._waiting.due():
                    await self._send_again(mail)
            except Unavailable as error:
                _log.warning("reset mails wait", reason=error.reason)
            except Exception:  # noqa: BLE001 - a bug here costs mails, and must not cost the API
                _log.exception("reset mails failed")
            await asyncio.sleep(_LOOK)

    async def _send_again(self, mail: WaitingMail) -> None:
        try:
            mail, record = await self._waiting.take_up(mail)
            if record is None:
                await self._waiting.drop(mail)
                return
            try:
                made = await self._send(record)
            except MailDelayed as error:
                _log.warning("reset mail delayed again", request=record.id, tries=mail.tries, reason=error.reason)
                await self._waiting.explain(mail, error.reason)
            else:
                await self._waiting.drop(mail, made, record.traceparent)
        except Stale:
            return  # another process has it

    async def _send(self, record: Record) -> Sequence[Event]:
        """Sends a mail, and gives the event of that; none when it is given up. Raises MailDelayed and Unavailable."""
        asked = events.USER_GENERATE_RESET_TOKEN.read(record)
        if self._tokens.reset_is_over(record, asked):
            _log.warning("reset mail given up: its link has expired", request=record.id)
            return ()
        link = reset_link(asked.host, self._path, self._tokens.reset(record, asked))
        try:
            await self._mailer.send(reset_mail(self._sender, asked.email, asked.name, link, self._minutes))
        except MailRefused as error:
            _log.warning("reset mail refused", request=record.id, reason=error.reason)
            return ()
        sent = ResetSent(asked.user, asked.name, asked.email, asked.host)
        return (events.USER_SEND_PASSWORD_RESET.event(record.subject, sent),)
