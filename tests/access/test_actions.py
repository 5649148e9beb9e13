"""What actions imply, and how they stand in a number."""

import string

from hypothesis import given
from hypothesis import strategies as st

from blazon.access import ACTIONS, Action, expanded, mask_of


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
