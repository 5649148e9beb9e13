"""What names, ids, identities and tags may be, and what actions imply."""

import string
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.errors import Malformed
from blazon.grouping import ACTIONS, Action, expanded, mask_of, rules

ANYTHING = st.text(max_size=300)


def reason(check: Callable[[str], str], text: str) -> str:
    """Why a check refuses a text; empty when it takes it, as it is."""
    try:
        assert check(text) == text
    except Malformed as error:
        return error.reason or "for no reason"
    return ""


@given(ANYTHING)
def test_text_is_taken_as_it_is_or_refused(text: str) -> None:
    checks = {"name": rules.check_name, "description": rules.check_description, "identity": rules.check_identity}
    for what, check in checks.items():
        assert reason(check, text).partition(" ")[0] in ("", what)
    assert reason(rules.check_identity, text) or text.strip() == text != ""


@given(st.uuids())
def test_ids_are_canonical_uuids(identifier: uuid.UUID) -> None:
    assert rules.check_new_id(str(identifier)) == str(identifier)
    for other in (identifier.hex, f"{{{identifier}}}", f"urn:uuid:{identifier}", f" {identifier}", f"{identifier}\n"):
        assert "UUID" in reason(rules.check_new_id, other)
    if str(identifier).upper() != str(identifier):
        assert "lower case" in reason(rules.check_new_id, str(identifier).upper())


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
