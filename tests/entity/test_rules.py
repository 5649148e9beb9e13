"""What names, ids, identities and tags may be."""

import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.entity import rules
from blazon.errors import Malformed

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
