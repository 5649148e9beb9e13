"""What names, identities, passwords and tags may be, without a server."""

import re
import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.errors import Malformed, RuleBroken
from blazon.users.models import ACTIONS, Action, expanded, mask_of
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


@given(ANYTHING)
def test_text_is_taken_as_it_is_or_refused(text: str) -> None:
    checks = {"name": rules.check_name, "description": rules.check_description, "identity": rules.check_identity}
    for what, check in checks.items():
        assert reason(check, text).partition(" ")[0] in ("", what)
    assert reason(rules.check_identity, text) or text.strip() == text != ""


def test_a_password_is_never_repeated() -> None:
    rule = re.compile("^.{8,}$")
    for word, error in (("", Malformed), ("hunter2", RuleBroken), ("hunter2" * 200, Malformed)):
        with pytest.raises(error) as caught:
            rules.check_password("secret", word, rule)
        assert not word or word not in str(caught.value)


def test_tags() -> None:
    assert rules.check_tags(["b", "a", "b"]) == ("b", "a", "b")
    assert rules.check_tags(["t"] * 256) == ("t",) * 256
    for tags in ([""], ["x" * 255], ["\n"], ["t"] * 257):
        with pytest.raises(Malformed):
            rules.check_tags(tags)


@given(st.lists(st.sampled_from(ACTIONS), unique=True))
def test_implied_actions(actions: list[Action]) -> None:
    more = expanded(tuple(actions))
    assert more[: len(actions)] == tuple(actions)
    assert len(set(more)) == len(more)
    assert expanded(more) == more
    added = set(more) - set(actions)
    assert added <= {Action.C_LIST, Action.G_LIST}
    if any(action.startswith(("c_", "g_")) for action in actions):
        assert Action.G_LIST in more
    else:
        assert not added


def test_each_action_has_a_bit_of_its_own() -> None:
    masks = [mask_of(action) for action in ACTIONS]
    assert len({*masks}) == 10
    assert sum(masks) == mask_of(*ACTIONS) == 2**10 - 1
    assert all(set(action) <= set(string.ascii_lowercase + "_") for action in ACTIONS)
