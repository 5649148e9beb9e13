"""The grammar of event types."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.log import Catalogue, EventName, EventType, Kind, SubjectKind

_words = st.from_regex(r"[a-z][a-zA-Z]{0,8}([-_][a-z]{1,5}){0,2}", fullmatch=True)
_names = st.builds(
    lambda prefix, noun, verb: EventName(prefix, noun, tuple(verb)),
    st.sampled_from(["", "io.lamassuiot."]),
    _words.filter(lambda word: word != "io"),
    st.lists(_words, min_size=1, max_size=3),
)


@given(_names)
def test_a_name_is_the_same_after_taking_it_apart(name: EventName) -> None:
    assert EventName.parse(str(name)) == name


@given(st.text(max_size=30))
def test_a_text_is_refused_or_comes_back_as_it_was(text: str) -> None:
    try:
        name = EventName.parse(text)
    except ValueError:
        return
    assert str(name) == text
    assert re.fullmatch(r"[a-zA-Z._-]+", text)


@pytest.mark.parametrize(
    "text",
    [
        "user.create",
        "user.view_profile",
        "policies.add",
        "ca.sign-certificate",
        "ca.update.status",
        "certificate.update.metadata",
        "io.lamassuiot.device.forceReenroll",
        "io.lamassuiot.dms.update-authorizedcas",
    ],
)
def test_the_documented_names_follow_the_grammar(text: str) -> None:
    assert str(EventName.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user",
        "user.",
        ".create",
        "User.create",
        "user..create",
        "user.create\n",
        "user create",
        "a.b.c.d.e",
        "ü.create",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the name of an event type"):
        EventName.parse(text)


def test_a_type_is_declared_once_for_a_service() -> None:
    class Data(msgspec.Struct):
        id: str

    def declare(service: str) -> EventType[Data]:
        return EventType(service, "policies.add", Kind.FACT, Data, lambda _, data: {"id": data.id})

    both = Catalogue((declare("users"), declare("things")))
    assert both.services() == ("users", "things")
    with pytest.raises(ValueError, match="declared twice"):
        Catalogue((declare("users"), declare("users")))


def test_subjects_are_written_with_their_kind() -> None:
    assert SubjectKind("user", "users").of("1") == "user:1"
    assert SubjectKind("user-policy", "user_policies", ("subject", "object")).of("1", "2") == "user-policy:1:2"
