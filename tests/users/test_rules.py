"""What names, identities, passwords and tags may be, without a server."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.errors import Malformed, RuleBroken
from blazon.users.service import rules

ANYTHING = st.text(max_size=300)


@pytest.mark.parametrize(
    "identity",
    [
        "a@b.cc",
        "first.last+tag@sub.example.com",
        "!#$%&'*+/=?^_`{|}~-@example.com",
        f"{'l' * 64}@example.com",
        f"a@{'x' * 63}.com",
        f"a@b.{'t' * 24}",
        "a@bücher.example",
        "-small-flower@email.com",
        "a@1.2.3.4",
    ],
)
def test_good_addresses(identity: str) -> None:
    assert rules.check_email(identity) == identity


@pytest.mark.parametrize(
    "identity",
    [
        "",
        "a",
        "@",
        "@b.cc",
        "a@",
        "a@b",
        "a@b.",
        "a@.cc",
        "a@b..cc",
        "a@b@c.dd",
        ".a@b.cc",
        "a.@b.cc",
        "a..b@c.dd",
        "a b@c.dd",
        "a@b c.dd",
        " a@b.cc",
        "a@b.cc\n",
        "a@-b.cc",
        "a@b-.cc",
        "a@b_c.dd",
        "ü@b.cc",
        '"quoted"@b.cc',
        "a@[127.0.0.1]",
        f"{'l' * 65}@example.com",
        f"a@{'x' * 64}.com",
        f"a@b.{'t' * 25}",
        f"a@{'x.' * 130}com",
        "a@\u2024.cc",
        "a\0@b.cc",
    ],
)
def test_bad_addresses(identity: str) -> None:
    with pytest.raises(Malformed):
        rules.check_email(identity)


def reason(check: Callable[[str], str], text: str) -> str:
    """Why a check refuses a text; empty when it takes it, as it is."""
    try:
        assert check(text) == text
    except Malformed as error:
        return error.reason or "for no reason"
    return ""


@given(ANYTHING)
def test_an_address_is_taken_or_refused(text: str) -> None:
    why = reason(rules.check_email, text)
    assert why.startswith("credentials.identity") if why else text.count("@") == 1 and text.isprintable()


def test_a_password_is_never_repeated() -> None:
    rule = re.compile("^.{8,}$")
    for word, error in (("", Malformed), ("hunter2", RuleBroken), ("hunter2" * 200, Malformed)):
        with pytest.raises(error) as caught:
            rules.check_password("secret", word, rule)
        assert not word or word not in str(caught.value)
