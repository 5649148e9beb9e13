"""How the API's refusals are told: what exactly went wrong stands after what kind of thing did."""

import pytest

from blazon.cli.client import _refusal

URL = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"err": "CA not found"}', "CA not found"),
        (
            b'{"err": "CA Status inconsistent", "detail": "the CA is ACTIVE"}',
            "CA Status inconsistent: the CA is ACTIVE",
        ),
        (b'{"err": "CA not found", "detail": ""}', "CA not found"),
        (b'{"err": "CA not found", "detail": null}', "CA not found"),
        (b'{"err": "CA not found", "detail": "CA not found: none is called x"}', "CA not found: none is called x"),
        (b'{"error": "this is broken", "message": "a rule"}', "this is broken"),
        (b'{"error": "", "message": "a rule"}', "a rule"),
        (b"<html>", f"{URL} answered 502, and not as Blazon does; give the right address with --url"),
        (b"[]", f"{URL} answered 502, and not as Blazon does; give the right address with --url"),
        (b"{}", f"{URL} answered 502, and not as Blazon does; give the right address with --url"),
    ],
)
def test_a_refusal_in_words(body: bytes, said: str) -> None:
    assert _refusal(body, 502, URL) == said
