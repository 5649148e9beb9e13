"""The room over SQLite and over PostgreSQL: the same answers, and tables that the log makes again."""

import asyncio
import base64
import secrets
from pathlib import Path
from typing import Any

from blazon.app import ROOMS
from blazon.history import rebuild, verify_tables
from blazon.storage import open_database
from tests.ca.support import (
    API,
    bring,
    bring_ca,
    ca_body,
    crl_of,
    csr,
    encoded,
    eventually,
    key_pem,
    lasting,
    make_ca,
    outside_ca,
    pem,
    refused,
    revoke,
    serial_of,
    set_ca_status,
    set_status,
    sign,
    view_ca,
)
from tests.ca.test_judges import ROOT_USAGE
from tests.ca.test_outliving import told
from tests.running import Running, running


async def everything(blazon: Running) -> None:
    """Every change of the room at least once."""
    await blazon.ok("POST", f"{API}/profiles", {"name": "p", "profile": {"backdate": 0}})
    await blazon.ok("PUT", f"{API}/profiles/p", {"name": "q", "profile": {"backdate": 1}})
    await blazon.ok("POST", f"{API}/profiles", {"name": "gone", "profile": {}})
    await blazon.ok("DELETE", f"{API}/profiles/gone")
    root = await make_ca(blazon, "Root ü 日本", profile_id="q", metadata={"a": [1, {"b": None}]})
    sub = await make_ca(blazon, "Sub", parent_id=root["id"], ca_expiration=lasting("5y"), near_expiration="9d")
    await blazon.ok("PUT", f"{API}/cas/{sub['id']}/metadata", {"metadata": {"'": "\\"}})
    certificate, private_key = outside_ca("Brought")
    body = {"ca": pem(certificate), "private_key": encoded(key_pem(private_key)), "issuance_expiration": lasting("9d")}
    await blazon.ok("POST", f"{API}/cas/import", body)
    above = outside_ca("Above")
    foreign, _ = outside_ca("Foreign", above=above)
    await blazon.ok("POST", f"{API}/cas/import", {"ca": pem(foreign), "ca_chain": [pem(above[0])]})
    pending = {name: value for name, value in ca_body("Pending").items() if name != "ca_expiration"}
    pending |= {"profile_id": "q", "near_expiration": "9d"}
    await blazon.ok("POST", f"{API}/requests", pending)
    given_up = await blazon.ok("POST", f"{API}/requests", pending)
    await blazon.ok("DELETE", f"{API}/requests/{given_up['id']}")
    leaves = [await sign(blazon, sub, f"leaf {number}", metadata={"n": number}) for number in range(5)]
    listed = (await blazon.ok("GET", f"{API}/certificates"))["list"]
    assert [each["issuer_metadata"]["level"] for each in (*leaves, *listed)] == [1] * 10
    await revoke(blazon, leaves[0])
    await set_status(blazon, leaves[1], "REVOKED", "CertificateHold")
    await set_status(blazon, leaves[1], "ACTIVE")
    await blazon.ok("PUT", f"{API}/certificates/{leaves[2]['serial_number']}/metadata", {"metadata": {"x": "'; --"}})
    assert (await crl_of(blazon, sub)).get_revoked_certificate_by_serial_number(serial_of(leaves[0])) is not None
    imported, _ = outside_ca("Imported", is_ca=False)
    brought = await blazon.ok("POST", f"{API}/certificates/import", {"certificate": pem(imported)})
    await set_status(blazon, brought, "EXPIRED")
    signature = {"message": "YQ==", "message_type": "raw", "signature_algorithm": "ECDSA_SHA_256"}
    await blazon.ok("POST", f"{API}/cas/{root['id']}/signature/sign", signature)
    await set_ca_status(blazon, root, "REVOKED", "CACompromise")

    async def all_revoked() -> bool:
        found = (await blazon.ok("GET", f"{API}/cas/{sub['id']}/certificates"))["list"]
        return {each["status"] for each in found} == {"REVOKED"}

    await eventually(all_revoked)
    await blazon.ok("DELETE", f"{API}/cas/{sub['id']}")
    await blazon.ok("DELETE", f"{API}/cas/{root['id']}")
    await lists(blazon)
    await bound_and_warned(blazon)


async def bound_and_warned(blazon: Running) -> None:
    """What came before its issuer, a CA that ends with what it issues, and one that delegates its OCSP responses."""
    late, late_key = outside_ca("Late", usage=ROOT_USAGE)
    leaf, _ = outside_ca("Early leaf", above=(late, late_key), is_ca=False)
    early, early_key = outside_ca("Early", above=(late, late_key))
    await bring(blazon, leaf)
    await bring_ca(blazon, early, early_key)
    await bring_ca(blazon, late, late_key)
    assert (await told(blazon, leaf, late)).certificates
    ca = await make_ca(blazon, "Short", ca_expiration=lasting("1y"))

    async def is_warned_of() -> bool:
        return "full_issuance_until" in await view_ca(blazon, ca)

    await eventually(is_warned_of)


async def lists(blazon: Running) -> None:
    """Every kind of list and filter: what one database reads the other must, too."""
    fields = ("serial_number", "subject.common_name", "status", "engine_id", "valid_from", "valid_to", "type")
    times = ("revocation_timestamp", "revocation_reason", "creation_ts")
    for path in ("cas", "certificates"):
        for field in (*fields, *times):
            for mode in ("asc", "desc"):
                query = f"sort_by={field}&sort_mode={mode}&page_size=1"
                first = await blazon.ok("GET", f"{API}/{path}?{query}")
                assert len(first["list"]) == 1
                assert first["next"]
                more = await blazon.ok("GET", f"{API}/{path}?bookmark={first['next']}")
                names = {each["serial_number"] for each in first["list"]}
                assert not names & {each["serial_number"] for each in more["list"]}
    found = await blazon.ok("GET", f"{API}/certificates?filter=subject.common_name%5Bct%5Deaf%203")
    assert [each["subject"]["common_name"] for each in found["list"]] == ["leaf 3"]
    some = found["list"][0]["serial_number"][3:11]
    for text, names in (
        (f"serial_number[ct]{some}", ["leaf 3"]),
        ("status[contains]EXP", ["Imported"]),
        ("type[nc]EXTERNAL", []),
        ("issuer_metadata.id[eq]-", ["Imported"]),
        ("subject.common_name[nc]leaf&filter=nothing[eq]x", ["Imported"]),
    ):
        found = await blazon.ok("GET", f"{API}/certificates?page_size=1000&filter={text}")
        assert [each["subject"]["common_name"] for each in found["list"]] == names, text
        assert all(each["issuer_metadata"]["level"] == -1 for each in found["list"])
    refused(await blazon.call("GET", f"{API}/certificates?bookmark=WyIiXQ"), 400)


async def test_every_change_and_the_log_makes_it_again(database_url: str, tmp_path: Path) -> None:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    flags: dict[str, Any] = {"redis__embedded": "no", "secrets__master_key": key, "database__url": database_url}
    async with running(tmp_path, **flags) as blazon:
        await everything(blazon)
    database = await open_database(database_url, tmp_path)
    try:
        async with database.scratch() as scratch, database.snapshot() as snapshot:
            _, difference = await verify_tables(snapshot, scratch, ROOMS)
            assert difference is None, str(difference)
        rows = await database.rows("SELECT type FROM events WHERE service = 'ca'")
        declared = {each.name for room in ROOMS if room.name == "ca" for each in room.types}
        assert {row[0] for row in rows} == declared, "every type of event was there"
        await rebuild(database, ROOMS)
        async with database.scratch() as scratch, database.snapshot() as snapshot:
            _, difference = await verify_tables(snapshot, scratch, ROOMS)
            assert difference is None, str(difference)
    finally:
        await database.close()
    async with running(tmp_path, **flags) as blazon:
        cas = (await blazon.ok("GET", f"{API}/cas"))["list"]
        brought = next(ca for ca in cas if ca["subject"]["common_name"] == "Brought")
        await sign(blazon, brought)


async def test_a_revocation_and_an_issue_race(database_url: str, tmp_path: Path) -> None:
    """What was answered after the CA's revocation was answered is not issued."""
    flags = {"redis__embedded": "no", "database__url": database_url}
    async with running(tmp_path, **flags) as blazon:
        ca = await make_ca(blazon)
        path = f"{API}/cas/{ca['id']}/certificates/sign"
        body = {"csr": csr(), "sign_verbatim": True}
        asked = [asyncio.create_task(blazon.call("POST", path, body)) for _ in range(40)]
        await set_ca_status(blazon, ca, "REVOKED")
        refused(await blazon.call("POST", path, body), 400, "CA Status inconsistent")
        answers = [await each for each in asked]
        assert {answer.status for answer in answers} <= {201, 400}
    database = await open_database(database_url, tmp_path)
    try:
        rows = await database.rows(
            "SELECT sequence, type FROM events WHERE type IN ('ca.sign-certificate', 'ca.update.status')"
        )
        (revoked,) = [row[0] for row in rows if row[1] == "ca.update.status"]
        issued = [row[0] for row in rows if row[1] == "ca.sign-certificate"]
        assert all(sequence < revoked for sequence in issued)
        assert len(issued) == sum(answer.status == 201 for answer in answers)
    finally:
        await database.close()


async def test_a_certificate_is_revoked_once(database_url: str, tmp_path: Path) -> None:
    flags = {"redis__embedded": "no", "database__url": database_url}
    async with running(tmp_path, **flags) as blazon:
        certificate = await sign(blazon, await make_ca(blazon))
        path = f"{API}/certificates/{certificate['serial_number']}/status"
        answers = await asyncio.gather(
            *(blazon.call("PUT", path, {"status": "REVOKED", "revocation_reason": "Superseded"}) for _ in range(10))
        )
        assert sorted(answer.status for answer in answers) == [200] + [400] * 9


async def test_one_of_many_gets_an_id_and_what_is_held_falls(house: Running) -> None:
    answers = await asyncio.gather(*(house.call("POST", f"{API}/cas", ca_body("Wanted", id="w")) for _ in range(6)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409, 409]
    ca = {"id": "w"}
    leaves = [await sign(house, ca, f"leaf {number}") for number in range(2)]
    await set_status(house, leaves[0], "REVOKED", "CertificateHold")
    await set_ca_status(house, ca, "REVOKED", "KeyCompromise")
    await house.ok("DELETE", f"{API}/cas/w")
    found = (await house.ok("GET", f"{API}/certificates"))["list"]
    assert [each["revocation_reason"] for each in found] == ["CessationOfOperation"] * 2
