"""The web client of generation 2.4 works unchanged: its requests as a browser sends them, and what it reads."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.ca.go_clients import encoded_certificate, encoded_key
from tests.ca.support import API, csr, lasting, make_ca, outside_ca, refused, sign
from tests.running import Answer, Running

TEXT = "text/plain;charset=UTF-8"
"""What fetch calls a body of text when nobody says otherwise; this client says so for POST only."""


async def asked(blazon: Running, method: str, path: str, body: Any = None) -> Answer:
    """A request as it comes from the browser."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json" if method == "POST" else TEXT}
    return await blazon.call(method, f"{API}{path}", data=data, headers=headers)


async def got(blazon: Running, path: str) -> Any:
    """What a GET gives, with the brackets of filters as they are."""
    answer = await asked(blazon, "GET", path)
    assert answer.status == 200, (path, answer.body)
    return answer.json


@pytest.mark.parametrize(
    "content_type", [TEXT, "text/plain", "Text/Plain; Charset=utf-8", 'text/plain; charset="UTF-8"', "application/json"]
)
async def test_a_put_of_text_is_json(blazon: Running, content_type: str) -> None:
    ca = await make_ca(blazon, "Put")
    leaf = await sign(blazon, ca)
    for path, body in (
        (f"/cas/{ca['id']}/metadata", {"metadata": {"ü": 1}}),
        (f"/certificates/{leaf['serial_number']}/metadata", {"metadata": {"ü": 1}}),
        (
            f"/certificates/{leaf['serial_number']}/status",
            {"status": "REVOKED", "revocation_reason": "CertificateHold"},
        ),
        (f"/certificates/{leaf['serial_number']}/status", {"status": "ACTIVE"}),
    ):
        data, headers = json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": content_type}
        answer = await blazon.call("PUT", f"{API}{path}", data=data, headers=headers)
        assert answer.status == 200, answer.body
    assert answer.json["metadata"] == {"ü": 1}


@pytest.mark.parametrize("content_type", ["text/plain;charset=iso-8859-1", "text/html", "text/plainer", "text/*", ""])
async def test_other_text_is_not(blazon: Running, content_type: str) -> None:
    ca = await make_ca(blazon, "Not put")
    answer = await blazon.call(
        "PUT", f"{API}/cas/{ca['id']}/metadata", data=b'{"metadata":{}}', headers={"Content-Type": content_type}
    )
    refused(answer, 415)


async def test_its_list_of_cas(blazon: Running) -> None:
    root = await make_ca(blazon, "Shown")
    below = await make_ca(blazon, "Shown below", parent_id=root["id"], ca_expiration=lasting("5y"))
    shown = (await got(blazon, "/cas?sort_by=id&sort_mode=asc&page_size=150"))["list"]
    assert [ca["id"] for ca in shown] == sorted(ca["id"] for ca in shown)
    assert {root["id"], below["id"]} <= {ca["id"] for ca in shown}
    # It draws those one level below whose issuer is the CA that was chosen.
    children = [ca for ca in shown if ca["issuer_metadata"]["id"] == root["id"] and ca["level"] == root["level"] + 1]
    assert [ca["id"] for ca in children] == [below["id"]]


async def test_its_counts(blazon: Running) -> None:
    ca = await make_ca(blazon, "Counted")
    counts = await got(blazon, f"/stats/{ca['id']}")
    assert (counts["ACTIVE"], counts["EXPIRED"], counts["REVOKED"]) == (0, 0, 0)
    assert (await got(blazon, "/engines"))[0]["security_level"] == 0


async def test_it_makes_a_ca_with_both_a_duration_and_a_time(blazon: Running) -> None:
    """Of the two `type` says which counts."""
    both = {"duration": "300d", "time": "2040-01-01T00:00:00+01:00"}
    body = {
        "id": "8f3b2c1e-0000-4000-8000-000000000001",
        "engine_id": "software",
        "subject": {"common_name": "By hand", "country": "", "state": "", "locality": "", "organization": ""},
        "key_metadata": {"type": "RSA", "bits": 2048},
        "ca_expiration": {"type": "Time", **both},
        "issuance_expiration": {"type": "Duration", **both},
        "ca_type": "MANAGED",
    }
    made = await asked(blazon, "POST", "/cas", body)
    assert (made.status, made.json["valid_to"]) == (201, "2039-12-31T23:00:00Z")
    assert made.json["issuance_expiration"] == {"type": "Duration", "duration": "42w6d"}


async def test_it_imports(blazon: Running) -> None:
    certificate, private_key = outside_ca("Imported by hand")
    body = {
        "id": "8f3b2c1e-0000-4000-8000-000000000002",
        "engine_id": "software",
        "private_key": encoded_key(private_key),
        "ca": encoded_certificate(certificate),
        "ca_chain": [],
        "ca_type": "IMPORTED",
        "issuance_expiration": {"type": "Duration", "duration": "100d"},
        "parent_id": "",
    }
    assert (await asked(blazon, "POST", "/cas/import", body)).status == 201
    other, _ = outside_ca("Known by hand")
    known = {"id": "known", "ca": encoded_certificate(other), "ca_chain": [], "ca_type": "EXTERNAL"}
    assert (await asked(blazon, "POST", "/cas/import", known)).json["type"] == "EXTERNAL"
    leaf, _ = outside_ca("Leaf by hand", is_ca=False, above=(certificate, private_key))
    brought = await asked(
        blazon, "POST", "/certificates/import", {"certificate": encoded_certificate(leaf), "metadata": {}}
    )
    assert (brought.status, brought.json["type"]) == (201, "EXTERNAL")


async def test_it_revokes_reactivates_and_deletes(blazon: Running) -> None:
    ca = await make_ca(blazon, "Managed by hand")
    leaf = await asked(
        blazon, "POST", f"/cas/{ca['id']}/certificates/sign", {"csr": csr("hand"), "sign_verbatim": True}
    )
    path = f"/certificates/{leaf.json['serial_number']}/status"
    for body, status in (
        ({"status": "REVOKED", "revocation_reason": "CertificateHold"}, "REVOKED"),
        ({"status": "ACTIVE"}, "ACTIVE"),
        ({"status": "REVOKED", "revocation_reason": "Unspecified"}, "REVOKED"),
    ):
        answer = await asked(blazon, "PUT", path, body)
        assert (answer.status, answer.json["status"]) == (200, status)
    revoked = await asked(
        blazon, "POST", f"/cas/{ca['id']}/status", {"status": "REVOKED", "revocation_reason": "Unspecified"}
    )
    assert revoked.status == 201
    assert (await asked(blazon, "DELETE", f"/cas/{ca['id']}")).json == {}


@pytest.fixture(scope="module")
async def filled(blazon: Running) -> tuple[Any, list[Any]]:
    """A CA, and what it issued: the first is revoked."""
    ca = await make_ca(blazon, "Filtered CA")
    leaves = [await sign(blazon, ca, f"Lamp {number}") for number in range(3)]
    leaves[0] = await blazon.ok(
        "PUT",
        f"{API}/certificates/{leaves[0]['serial_number']}/status",
        {"status": "REVOKED", "revocation_reason": "KeyCompromise"},
    )
    return ca, leaves


async def test_its_filters(blazon: Running, filled: tuple[Any, list[Any]]) -> None:
    """Every field that is text takes every operator of text, in the short and the long word, in any case."""
    ca, leaves = filled
    serial = leaves[1]["serial_number"]
    begin, colons, digits = serial[:8], serial[:8].replace("-", ":").upper(), serial[:8].replace("-", "")
    for text, wanted in (
        (f"serial_number[contains]{begin}", [1]),
        (f"serial_number[ct]{colons}", [1]),
        (f"serial_number[contains]{digits}", [1]),
        (f"serial_number[contains]{digits[:5]}", [1]),
        (f"serial_number[notcontains]{begin}", [0, 2]),
        (f"serial_number[nc]{begin}", [0, 2]),
        (f"serial_number[equal]{serial.replace('-', '')}", [1]),
        (f"serial_number[ne]{serial}", [0, 2]),
        ("serial_number[equal]none", []),
        ("subject.common_name[contains]amp 1", [1]),
        ("subject.common_name[EQUAL]Lamp 1", [1]),
        ("subject.common_name[notequal]Lamp 1", [0, 2]),
        ("status[contains]REV", [0]),
        ("status[notcontains]REV", [1, 2]),
        ("status[equal]revoked", [0]),
        ("status[notequal]REVOKED", [1, 2]),
        ("type[contains]EXT", [0, 1, 2]),
        ("revocation_reason[contains]Compromise", [0]),
        ("engine_id[contains]soft", [0, 1, 2]),
        ("engine_id[notcontains]soft", []),
        (f"issuer_meta.id[equal]{ca['id']}", [0, 1, 2]),
        (f"issuer_metadata.id[contains]{ca['id'][:13]}", [0, 1, 2]),
        (f"issuer_metadata.ca_id[notequal]{ca['id']}", []),
        ("valid_to[after]2020-01-01T00:00:00.000Z", [0, 1, 2]),
        ("valid_to[bf]2020-01-01T00:00:00Z", []),
        # What is not known of certificates is passed over, as an operator is that a field does not have.
        ("level[equal]0", [0, 1, 2]),
        ("nothing[equal]x", [0, 1, 2]),
        ("metadata.a-b/c[jsonpath]$.x", [0, 1, 2]),
        ("valid_from[contains]2024", [0, 1, 2]),
        ("status[resembles]REVOKED", [0, 1, 2]),
    ):
        page = await got(blazon, f"/cas/{ca['id']}/certificates?filter={quote(text, safe='[]')}")
        found = [each["serial_number"] for each in page["list"]]
        assert found == [leaves[place]["serial_number"] for place in wanted], text


async def test_its_filters_of_cas(blazon: Running) -> None:
    root = await make_ca(blazon, "Filter root")
    await make_ca(blazon, "Filter below", parent_id=root["id"], ca_expiration=lasting("5y"), id="filter-below")
    for text, wanted in (
        ("id[contains]ter-bel", ["Filter below"]),
        ("level[equal]0", ["Filter root"]),
        ("level[ge]1", ["Filter below"]),
        ("level[greaterequal]1", ["Filter below"]),
        ("level[greaterorequal]1", ["Filter below"]),
        ("level[lessequal]0", ["Filter root"]),
        ("level[lessthan]1", ["Filter root"]),
        (f"issuer_metadata.id[eq]{root['id']}", ["Filter root", "Filter below"]),
        ("nothing[eq]x", ["Filter root", "Filter below"]),
    ):
        page = await got(blazon, f"/cas?filter=subject.common_name[contains]Filter%20&filter={quote(text, safe='[]')}")
        assert [ca["subject"]["common_name"] for ca in page["list"]] == wanted, text


async def test_its_sorting(blazon: Running, filled: tuple[Any, list[Any]]) -> None:
    ca, _ = filled
    for field in ("serial_number", "status", "subject.common_name", "valid_from", "valid_to", "revocation_timestamp"):
        for mode in ("asc", "desc"):
            path = f"/cas/{ca['id']}/certificates?sort_by={field}&sort_mode={mode}&page_size=15"
            assert len((await got(blazon, path))["list"]) == 3
    for field in ("id", "level", "type", "serial_number", "status", "engine_id", "valid_to", "valid_from"):
        assert (await got(blazon, f"/cas?sort_by={field}&sort_mode=desc&page_size=150"))["list"]


async def test_its_health(blazon: Running) -> None:
    answer = await blazon.call("GET", "/api/ca/health", token="")
    assert (answer.json["health"], set(answer.json)) == (True, {"health", "version", "build", "build_time"})
