"""What e-mail addresses and passwords may be. Pure functions; each raises Malformed or RuleBroken."""

import re
from typing import Final

from blazon.errors import Malformed, RuleBroken
from blazon.users.identities import ascii_domain, check_new_identity

__all__ = ["check_email", "check_password"]

_PASSWORD_BYTES: Final = 1024

_LOCAL_PART: Final = re.compile(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+")
_LABEL: Final = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
_LAST_LABEL_BYTES: Final = 24


def check_email(identity: str) -> str:
    """An identity that is an e-mail address (lengths of RFC 5321 §4.5.3.1); its domain may be internationalised."""
    check_new_identity(identity, "credentials.identity")
    local, at, domain = identity.partition("@")
    if not at or "@" in domain:
        raise Malformed("credentials.identity must be an e-mail address, such as name@example.com")
    if len(local) > 64 or not _LOCAL_PART.fullmatch(local) or local.strip(".") != local or ".." in local:
        raise Malformed("credentials.identity has no good part before the @")
    try:
        written = ascii_domain(domain)
    except ValueError:
        raise Malformed("credentials.identity has no good domain after the @") from None
    labels = written.split(".")
    if len(labels) < 2 or len(written) > 255 or len(labels[-1]) > _LAST_LABEL_BYTES:
        raise Malformed("credentials.identity has no good domain after the @")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise Malformed("credentials.identity has no good domain after the @")
    return identity


def check_password(what: str, password: str, rule: "re.Pattern[str]") -> str:
    """A password that fulfils the rule of `users.password_rule`. The error does not repeat the password."""
    if not password:
        raise Malformed(f"{what} is missing")
    if len(password.encode()) > _PASSWORD_BYTES:
        raise Malformed(f"{what} is longer than {_PASSWORD_BYTES} bytes")
    if not rule.search(password):
        raise RuleBroken(f"password does not meet the requirements: {what} must match {rule.pattern}")
    return password
