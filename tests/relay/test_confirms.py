"""Answers of the broker: told in order, whatever order and grouping the broker sends them in."""

from types import SimpleNamespace

import pika
from hypothesis import given
from hypothesis import strategies as st

from blazon.relay.amqp import Channel


def _channel() -> Channel:
    return Channel(None, "exchange")  # type: ignore[arg-type]


def _confirm(channel: Channel, tag: int, *, ack: bool, multiple: bool = False) -> None:
    kind = pika.spec.Basic.Ack if ack else pika.spec.Basic.Nack
    channel._on_confirm(SimpleNamespace(method=kind(tag, multiple)))


def test_single_acks_count_when_all_before_them_came() -> None:
    channel = _channel()
    for tag, counted in ((2, 0), (1, 2), (4, 0), (3, 2)):
        _confirm(channel, tag, ack=True)
        assert channel.take_answers() == [True] * counted


def test_an_ack_of_several_after_a_refusal_is_none_for_the_refused_one() -> None:
    channel = _channel()
    _confirm(channel, 3, ack=False)
    assert channel.take_answers() == []
    _confirm(channel, 9, ack=True, multiple=True)
    assert channel.take_answers() == [True, True, False, *[True] * 6]


def test_a_refusal_of_several_refuses_all_that_is_open() -> None:
    channel = _channel()
    _confirm(channel, 2, ack=True, multiple=True)
    _confirm(channel, 4, ack=True)
    _confirm(channel, 6, ack=False, multiple=True)
    _confirm(channel, 9, ack=True, multiple=True)
    assert channel.take_answers() == [True, True, False, True, False, False, True, True, True]


@given(
    st.permutations(range(1, 13)),
    st.sets(st.integers(1, 12)),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_each_message_is_told_once_in_order_with_its_fate(
    order: list[int], refused: set[int], grouped: list[bool], taken: list[bool]
) -> None:
    """The broker answers for each message once: alone, or with all before it that are open and have the same fate."""
    channel = _channel()
    fates = {tag: tag not in refused for tag in range(1, 13)}
    open_tags = set(fates)
    told: list[bool] = []
    for tag, group, take in zip(order, grouped, taken, strict=True):
        if tag not in open_tags:
            continue
        lower = {other for other in open_tags if other <= tag}
        multiple = group and {fates[other] for other in lower} == {fates[tag]}
        _confirm(channel, tag, ack=fates[tag], multiple=multiple)
        open_tags -= lower if multiple else {tag}
        if take:
            told += channel.take_answers()
            assert len(told) == min(open_tags, default=13) - 1
    assert told + channel.take_answers() == [fates[tag] for tag in range(1, 13)]
