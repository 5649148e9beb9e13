"""What the tests of this room share: people who stand to each other somehow, and their mail."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.running import PASSWORD, Person, Running


async def allow(blazon: Running, subject: Person | str, group: Any, *actions: str, by: Person | None = None) -> None:
    """Lets a user do something in a group; the admin allows it, or somebody."""
    body = {"subject": subject if isinstance(subject, str) else subject.id, "object": group["id"], "actions": actions}
    await blazon.ok("POST", "/users/policies", body, token=by.token if by else None)


async def registered(blazon: Running, identity: str, **fields: Any) -> Any:
    """Registers a user without signing anybody in."""
    body = {"credentials": {"identity": identity, "secret": PASSWORD}, **fields}
    return await blazon.ok("POST", "/users", body, token="")


def mails_in(folder: Path) -> list[EmailMessage]:
    """The mails of the mail folder, in order."""
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))]


def link_in(mail: EmailMessage) -> str:
    """The link of a reset mail."""
    found = re.search(r"https?://\S+", mail.get_content())
    assert found is not None
    return found[0]


def token_in(mail: EmailMessage) -> str:
    """The token in the link of a reset mail."""
    return parse_qs(urlsplit(link_in(mail)).query)["token"][0]
