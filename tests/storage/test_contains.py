"""JSON containment in SQLite is that of PostgreSQL, tried against the real one."""

import json
from typing import Any

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blazon.storage.containment import contains
from tests.servers import PostgresServer

_keys = st.sampled_from(["a", "b", "c"])
_scalars = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "1"]) | st.sampled_from([0.5, 1.0])
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3), max_leaves=6
)
_objects = st.dictionaries(_keys, _values, max_size=3)
_pairs = st.lists(st.tuples(_objects, _objects), min_size=40, max_size=40)


async def _answers(url: str, pairs: list[tuple[Any, Any]]) -> list[bool]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT have::jsonb @> want::jsonb FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t(have, want, n)"
            " ORDER BY n",
            [json.dumps(have) for have, _ in pairs],
            [json.dumps(want) for _, want in pairs],
        )
        return [row[0] for row in rows]
    finally:
        await connection.close()


async def test_containment_is_that_of_postgresql(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    drawn: list[tuple[Any, Any]] = []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_pairs)
    def draw(pairs: list[tuple[Any, Any]]) -> None:
        drawn.extend(pairs)

    draw()
    # What is contained must be among what is tried: parts of each document are asked for as well.
    drawn.extend((have, dict(list(have.items())[:1])) for have, _ in drawn[:400])
    expected = await _answers(url, drawn)
    assert any(expected)
    assert not all(expected)
    for (have, want), answer in zip(drawn, expected, strict=True):
        assert contains(have, want) is answer, (have, want)
