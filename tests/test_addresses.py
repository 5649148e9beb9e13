"""Addresses: how a socket is reached from its own machine, and which URLs lead nowhere else."""

import pytest

from blazon.addresses import is_loopback, url_of_listener


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:8080", "http://[::1]:8080"),
        ("[2001:db8::1]:9", "http://[2001:db8::1]:9"),
        ("pki.example.com:8080", "http://pki.example.com:8080"),
        ("127.0.0.1:0", ""),
    ],
)
def test_a_listener_has_a_url(listen: str, url: str) -> None:
    assert url_of_listener(listen) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://127.1.2.3",
        "http://localhost/x",
        "http://LOCALHOST.:80",
        "http://pki.localhost",
        "http://[::1]:8080/api",
        "http://0.0.0.0:8080",
        "http://[::ffff:127.0.0.1]",
    ],
)
def test_a_url_that_leads_no_further_than_this_machine(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize("url", ["http://pki.example.com", "http://10.0.0.1", "http://[fe80::1]", "http://128.0.0.1"])
def test_a_url_others_may_reach(url: str) -> None:
    assert not is_loopback(url)
