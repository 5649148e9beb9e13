"""The existing Go clients of generations 2.3 and 2.4 work unchanged: every call, decoded as strictly as Go does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.ca.go_clients import GENERATIONS, Authority24, GoClient, Known, Reason, Unexpected, decoded
from tests.ca.support import API, csr, lasting, make_ca, outside_ca, until
from tests.running import Running

STATUSES = {"ACTIVE", "NEARING_EXPIRATION", "CRITICAL_EXPIRATION", "EXPIRED", "REVOKED"}
NEVER = "0001-01-01T00:00:00Z"
LONG = {"ca_expiration": lasting("10y"), "issuance_expiration": lasting("1y")}


@pytest.fixture(params=GENERATIONS, ids=lambda generation: generation.name, scope="module")
def client(request: pytest.FixtureRequest, blazon: Running) -> GoClient:
    return GoClient(blazon, request.param)


def named(client: GoClient, name: str) -> str:
    """A name of this generation's own."""
    return f"{name} of {client.generation.name}"


async def made(client: GoClient, name: str, **more: Any) -> Any:
    return await client.create(named(client, name), **{**LONG, **more})


async def test_engines(client: GoClient) -> None:
    """With the kinds of keys that not every client knows in a member of their own."""
    (engine,) = await client.engines()
    assert (engine.type, engine.security_level, engine.default) == ("GOLANG", 0, True)
    sizes = {kind.type.value: kind.sizes for kind in engine.supported_key_types}
    assert sizes == {"RSA": [2048, 3072, 4096], "ECDSA": [256, 384, 521]}


async def test_the_other_kinds_of_keys_are_told_apart(blazon: Running) -> None:
    (engine,) = await blazon.ok("GET", f"{API}/engines")
    assert engine["security_level"] == 0
    assert [kind["type"] for kind in engine["additional_key_types"]] == ["Ed25519", "ML-DSA"]


@pytest.mark.parametrize("key", [("RSA", 2048), ("ECDSA", 256), ("ECDSA", 384)])
async def test_a_ca_is_made(client: GoClient, key: tuple[str, int]) -> None:
    ca = await made(client, f"Made {key}", key=key)
    assert (ca.key_metadata.type.value, ca.key_metadata.bits) == key
    assert (ca.status, ca.type, ca.engine_id) == ("ACTIVE", "MANAGED", "software")
    assert ca.subject.country == "ES"
    assert ca.metadata == {"lamassu.io/name": ca.subject.common_name}
    assert ca.revocation_timestamp == NEVER
    assert ca.issuance_expiration.duration == 31_449_600
    assert ca.certificate.not_valid_after_utc == ca.valid_to.moment
    assert await client.ca(ca.id) == ca
    assert await client.ca_by_serial(ca.serial_number) == ca
    assert await client.cas_by_common_name(ca.subject.common_name) == [ca]


async def test_expirations_are_times_too(client: GoClient) -> None:
    ends, issues = "2045-01-01T01:00:00.123456789+01:00", "2044-12-31T23:59:59Z"
    ca = await made(client, "Timed", ca_expiration=until(ends), issuance_expiration=until(issues))
    assert ca.valid_to == "2045-01-01T00:00:00Z"
    assert (ca.issuance_expiration.time, ca.issuance_expiration.duration) == (issues, None)


async def test_what_a_client_has_a_name_for(client: GoClient) -> None:
    """The status and the whole text are compared; a word more, and it is any error."""
    for wrong in ({"type": "Time", "duration": "1y"}, {"type": "Duration"}, {"type": ""}):
        with pytest.raises(Known, match=r"^incompatible expiration time ref$"):
            await made(client, "Wrong", issuance_expiration=wrong)
    with pytest.raises(Known, match=r"^issuance expiration greater than CA expiration$"):
        await made(client, "Wrong", issuance_expiration=lasting("11y"))
    identifier = named(client, "taken").replace(" ", "-")
    await made(client, "Taken", identifier=identifier)
    with pytest.raises(Known, match=r"^CA already exists$"):
        await made(client, "Taken again", identifier=identifier)
    with pytest.raises(Known, match=r"^CA already exists$"):  # also where there is more to say
        await client.create(identifier, **LONG)
    with pytest.raises(Unexpected) as engine:
        await made(client, "Nowhere", engine="nowhere")
    assert (engine.value.status, engine.value.err) == (404, "crypto engine not found")


async def test_who_issued_what(blazon: Running) -> None:
    """Generation 2.4 draws the tree by the ids and the levels of issuers."""
    client = GoClient(blazon, GENERATIONS[1])
    root = await made(client, "Root")
    below = await made(client, "Below", parent=root.id, ca_expiration=lasting("5y"))
    lowest = await made(client, "Lowest", parent=below.id, ca_expiration=lasting("4y"))
    leaf = await client.sign(lowest.id, csr("leaf"))
    assert [ca.level for ca in (root, below, lowest)] == [0, 1, 2]
    found = [(each.issuer_metadata.id, each.issuer_metadata.level) for each in (root, below, lowest, leaf)]
    assert found == [(root.id, 0), (root.id, 0), (below.id, 1), (lowest.id, 2)]
    assert (await client.certificate(leaf.serial_number)).issuer_metadata == leaf.issuer_metadata
    (listed,) = await client.certificates_of(lowest.id)
    assert listed.issuer_metadata == leaf.issuer_metadata
    alone, _ = outside_ca("Alone", is_ca=False, above=outside_ca("Unknown"))
    stranger = await client.import_certificate(alone, None)
    assert (stranger.issuer_metadata.id, stranger.issuer_metadata.level) == ("-", -1)


async def test_the_level_of_an_issuer_that_is_gone_is_not_known(blazon: Running) -> None:
    client = GoClient(blazon, GENERATIONS[1])
    ca = await made(client, "Goes")
    leaf = await client.sign(ca.id, csr("stays"))
    await client.set_ca_status(ca.id, "EXPIRED")
    await client.delete(ca.id)
    stays = (await client.certificate(leaf.serial_number)).issuer_metadata
    assert (stays.id, stays.level, stays.serial_number) == (ca.id, -1, ca.serial_number)


@pytest.mark.parametrize("key", ["RSA", "ECDSA"])
async def test_a_ca_is_brought_with_its_key(client: GoClient, key: str) -> None:
    private_key: Any = (
        rsa.generate_private_key(65537, 2048) if key == "RSA" else ec.generate_private_key(ec.SECP384R1())
    )
    certificate, _ = outside_ca(named(client, f"Brought {key}"), subject_key=private_key)
    ca = await client.import_ca(
        certificate, private_key=private_key, kind="IMPORTED", issuance_expiration=lasting("100d")
    )
    assert (ca.type, ca.engine_id, ca.status) == ("IMPORTED", "software", "ACTIVE")
    assert (await client.sign(ca.id, csr("leaf"))).issuer_metadata.serial_number == ca.serial_number


async def test_a_ca_is_brought_without_its_key(client: GoClient) -> None:
    certificate, _ = outside_ca(named(client, "External"))
    ca = await client.import_ca(certificate, kind="EXTERNAL")
    assert (ca.type, ca.engine_id) == ("EXTERNAL", "")
    assert ca.issuance_expiration.time == ca.valid_to
    with pytest.raises(Unexpected) as refused:
        await client.sign(ca.id, csr("leaf"))
    assert (refused.value.status, refused.value.err) == (400, "CA type inconsistent")


async def test_the_chain_of_an_import_comes_in_any_order(client: GoClient) -> None:
    for name, order in (("root first", (0, 1, 2)), ("nearest first", (2, 1, 0)), ("mixed", (1, 2, 0))):
        root = outside_ca(named(client, f"Root of {name}"))
        middle = outside_ca(named(client, f"Middle of {name}"), above=root)
        upper = outside_ca(named(client, f"Upper of {name}"), above=middle)
        certificate, private_key = outside_ca(named(client, f"Lower of {name}"), above=upper)
        chain = [(root, middle, upper)[place][0] for place in order]
        ca = await client.import_ca(certificate, private_key=private_key, chain=chain, kind="IMPORTED")
        assert ca.issuer_metadata.serial_number == hex_pairs(upper[0].serial_number)


def hex_pairs(serial: int) -> str:
    return serial.to_bytes((serial.bit_length() + 7) // 8, "big").hex("-")


async def test_what_an_import_is_refused_for(client: GoClient) -> None:
    certificate, private_key = outside_ca(named(client, "Refused"))
    other = ec.generate_private_key(ec.SECP256R1())
    for kind, given, said in (
        ("MANAGED", private_key, "CA type inconsistent"),
        ("EXTERNAL", private_key, "CA type inconsistent"),
        ("IMPORTED", None, "CA type inconsistent"),
        ("IMPORTED", other, "CA and the provided key don't match"),
    ):
        with pytest.raises(Unexpected) as refused:
            await client.import_ca(certificate, private_key=given, kind=kind)
        assert (refused.value.status, refused.value.err) == (400, said)
    with pytest.raises(Unexpected) as refused:
        await client.import_ca(
            certificate, private_key=private_key, kind="IMPORTED", issuance_expiration=lasting("20y")
        )
    assert refused.value.err == "issuance expiration greater than CA expiration"


async def test_certificates(client: GoClient) -> None:
    ca = await made(client, "Issues")
    verbatim = await client.sign(ca.id, csr("verbatim"))
    renamed = await client.sign(ca.id, csr("any"), {"common_name": "renamed", "organization": "O", "country": "ES"})
    assert (verbatim.subject.common_name, renamed.subject.organization) == ("verbatim", "O")
    assert (verbatim.type, verbatim.engine_id, verbatim.metadata) == ("EXTERNAL", "software", {})
    assert await client.certificate(verbatim.serial_number) == verbatim
    await client.set_status(renamed.serial_number, "REVOKED", Reason.SUPERSEDED)
    assert [each.status for each in await client.certificates_of(ca.id)] == ["ACTIVE", "REVOKED"]
    (revoked,) = await client.certificates_of(ca.id, "REVOKED")
    assert (revoked.serial_number, revoked.revocation_reason) == (renamed.serial_number, Reason.SUPERSEDED)
    assert revoked in await client.certificates_with("REVOKED")
    now = datetime.now(UTC)
    ends = await client.certificates_that_end(now + timedelta(days=300), now + timedelta(days=400))
    assert verbatim in ends
    assert revoked not in ends
    assert await client.certificates_that_end(now + timedelta(days=400), now + timedelta(days=300)) == []
    imported, _ = outside_ca(named(client, "imported"), is_ca=False)
    brought = await client.import_certificate(imported, {"a": 1})
    assert (brought.type, brought.metadata, brought.engine_id) == ("EXTERNAL", {"a": 1}, "")
    assert brought in await client.certificates()


async def test_who_asks_for_pages_of_certificates_as_if_they_were_cas(client: GoClient) -> None:
    """Both generations do so where they do not ask for all of a list; what is not there is nothing to Go."""
    ca = await made(client, "Asked oddly")
    for number in range(5):
        await client.sign(ca.id, csr(f"leaf {number}"))
    found, bookmark = await client.page(f"/v1/cas/{ca.id}/certificates", client.generation.certificate, 3)
    rest, end = await client.page(f"/v1/cas/{ca.id}/certificates", client.generation.certificate, 3, bookmark)
    assert (len(found), len(rest), end) == (3, 2, "")
    everything, end = await client.page("/v1/certificates", client.generation.certificate, 1000)
    assert everything
    assert end == ""


async def test_the_status_of_a_certificate(client: GoClient) -> None:
    """The clients name a reason with every status."""
    ca = await made(client, "Changes")
    serial = (await client.sign(ca.id, csr("changes"))).serial_number
    held = await client.set_status(serial, "REVOKED", Reason.CERTIFICATE_HOLD)
    assert (held.status, held.revocation_reason) == ("REVOKED", Reason.CERTIFICATE_HOLD)
    assert held.revocation_timestamp != NEVER
    with pytest.raises(Unexpected) as refused:  # who is in doubt stays on the CRL
        await client.set_status(serial, "EXPIRED")
    assert (refused.value.status, refused.value.err) == (400, "new status transition not allowed for certificate")
    released = await client.set_status(serial, "ACTIVE", Reason.REMOVE_FROM_CRL)
    assert (released.status, released.revocation_timestamp) == ("ACTIVE", NEVER)
    expired = await client.set_status(serial, "EXPIRED")
    assert (expired.status, expired.revocation_timestamp) == ("EXPIRED", NEVER)
    for status in ("ACTIVE", "REVOKED", "EXPIRED"):
        with pytest.raises(Unexpected) as refused:
            await client.set_status(serial, status)
        assert (refused.value.status, refused.value.err) == (400, "new status transition not allowed for certificate")
    assert (await client.stats_of(ca.id))["EXPIRED"] == 1
    again = (await client.sign(ca.id, csr("revoked"))).serial_number
    await client.set_status(again, "REVOKED", Reason.KEY_COMPROMISE)
    with pytest.raises(Unexpected) as refused:
        await client.set_status(again, "REVOKED", Reason.KEY_COMPROMISE)
    assert (refused.value.status, refused.value.err) == (400, "certificate already revoked")


async def test_the_status_of_a_ca(client: GoClient) -> None:
    ca = await made(client, "Ends")
    held = await client.set_ca_status(ca.id, "REVOKED", Reason.CERTIFICATE_HOLD)
    assert held.revocation_reason is Reason.CERTIFICATE_HOLD
    assert (await client.set_ca_status(ca.id, "ACTIVE")).status == "ACTIVE"
    assert (await client.set_ca_status(ca.id, "EXPIRED")).status == "EXPIRED"
    with pytest.raises(Unexpected) as refused:
        await client.set_ca_status(ca.id, "ACTIVE")
    assert (refused.value.status, refused.value.err) == (422, "status transition not allowed for CA")
    with pytest.raises(Unexpected) as refused:
        await client.sign(ca.id, csr("too late"))
    assert (refused.value.status, refused.value.err) == (400, "CA Status inconsistent")
    other = await made(client, "Is revoked")
    assert (await client.set_ca_status(other.id, "REVOKED", Reason.CA_COMPROMISE)).status == "REVOKED"
    with pytest.raises(Unexpected) as refused:
        await client.set_ca_status(other.id, "REVOKED", Reason.CA_COMPROMISE)
    assert (refused.value.status, refused.value.err) == (400, "CA already revoked")


async def test_deleting(client: GoClient) -> None:
    ca = await made(client, "Is deleted")
    typed = client.generation.name != "2.3"
    for identifier, status, said in ((ca.id, 400, "CA Status inconsistent"), ("nobody", 404, "CA not found")):
        with pytest.raises(Known if typed else Unexpected) as refused:
            await client.delete(identifier)
        assert str(refused.value) == (said if typed else f"{status} {said}")
    await client.set_ca_status(ca.id, "EXPIRED")
    await client.delete(ca.id)
    with pytest.raises(Unexpected) as gone:
        await client.ca(ca.id)
    assert (gone.value.status, gone.value.err) == (404, "CA not found")


async def test_who_is_not_there(client: GoClient) -> None:
    kind = Unexpected if client.generation.name == "2.3" else Known
    for call, said in (
        (client.ca_by_serial("00-11"), "CA not found"),
        (client.certificates_of("nobody"), "CA not found"),
        (client.set_ca_metadata("nobody", {}), "CA not found"),
        (client.certificate("00-11"), "certificate not found"),
        (client.set_metadata("00-11", {}), "certificate not found"),
    ):
        with pytest.raises(kind, match=rf"{said}$"):
            await call
    for call in (client.ca("nobody"), client.sign("nobody", csr()), client.stats_of("nobody")):
        with pytest.raises(Unexpected) as refused:
            await call
        assert (refused.value.status, refused.value.err) == (404, "CA not found")
    assert await client.cas_by_common_name("Nobody") == []


async def test_metadata(client: GoClient) -> None:
    ca = await made(client, "Described")
    wanted = {"lamassu.io/name": "x", "nested": {"list": [1, None, 2.5]}}
    assert (await client.set_ca_metadata(ca.id, wanted)).metadata == wanted
    leaf = await client.sign(ca.id, csr("described"))
    assert (await client.set_metadata(leaf.serial_number, wanted)).metadata == wanted
    kind = Unexpected if client.generation.name == "2.3" else Known
    with pytest.raises(kind, match=r"struct validation error$"):  # a map that was never made
        await client.set_metadata(leaf.serial_number, None)


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_the_same_by_put_and_by_post(blazon: Running, method: str) -> None:
    """The first clients of this API sent all changes by POST."""
    ca = await make_ca(blazon, f"By {method}")
    leaf = await GoClient(blazon, GENERATIONS[0]).sign(ca["id"], csr("leaf"))
    path = f"{API}/certificates/{leaf.serial_number}"
    for target, body in (
        (f"{API}/cas/{ca['id']}/metadata", {"metadata": {"by": method}}),
        (f"{path}/metadata", {"metadata": {"by": method}}),
        (f"{path}/status", {"status": "REVOKED", "revocation_reason": "Superseded"}),
    ):
        answer = await blazon.call(method, target, body)
        assert answer.status == 200, answer.body
    assert (await blazon.ok("GET", f"{API}/cas/{ca['id']}"))["metadata"] == {"by": method}
    found = await blazon.ok("GET", path)
    assert (found["metadata"], found["revocation_reason"]) == ({"by": method}, "Superseded")


async def test_counts(client: GoClient) -> None:
    before = await client.stats()
    ca = await made(client, "Counted")
    await client.sign(ca.id, csr("counted"))
    after = await client.stats()
    assert after.cas.total == before.cas.total + 1
    assert set(after.cas.status_distribution) == set(after.certificates.status_distribution) == STATUSES
    assert after.certificates.ca_distribution[ca.id] == 1
    assert sum(after.certificates.ca_distribution.values()) == after.certificates.total
    assert await client.stats_of(ca.id) == {**dict.fromkeys(STATUSES, 0), "ACTIVE": 1}
    empty = await made(client, "Empty")
    assert await client.stats_of(empty.id) == dict.fromkeys(STATUSES, 0)
    assert (await client.stats()).certificates.ca_distribution[empty.id] == 0


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (("RSA", 2048), "RSASSA_PSS_SHA_256"),
        (("RSA", 2048), "RSASSA_PKCS1_V1_5_SHA_512"),
        (("ECDSA", 256), "ECDSA_SHA_384"),
    ],
)
async def test_raw_signatures(client: GoClient, key: tuple[str, int], algorithm: str) -> None:
    ca = await made(client, f"Signs by {algorithm}", key=key)
    signature = await client.sign_message(ca.id, algorithm, b"hello")
    assert await client.verify_message(ca.id, algorithm, b"hello", signature)
    assert not await client.verify_message(ca.id, algorithm, b"hallo", signature)
    for given, kind, status, said in (
        ("NOTHING", "raw", 422, "signing algorithm not supported"),
        ("RSASSA_PSS_SHA_256" if key[0] == "ECDSA" else "ECDSA_SHA_256", "raw", 422, "signing algorithm not supported"),
        (algorithm, "hash", 400, "inconsistency between hashed message and signature algorithm"),
    ):
        with pytest.raises(Unexpected) as refused:
            await client.sign_message(ca.id, given, b"hello", kind)
        assert (refused.value.status, refused.value.err) == (status, said)


async def test_every_ca_can_be_listed(client: GoClient) -> None:
    found = await client.cas()
    assert len({ca.id for ca in found}) == len(found) == (await client.stats()).cas.total
    some, bookmark = await client.page("/v1/cas", client.generation.authority, 2)
    assert some == found[:2]
    assert bookmark


async def test_lists_stay_truthful_where_a_client_cannot_decode_them(blazon: Running) -> None:
    """Decision C17: a CA with such a key is shown as it is, and clients of these generations cannot list it."""
    ca = await make_ca(blazon, "Modern", key_metadata={"type": "ML-DSA", "bits": 65})
    assert ca["key_metadata"]["type"] == "ML-DSA"
    with pytest.raises(msgspec.ValidationError, match="ML-DSA"):
        await GoClient(blazon, GENERATIONS[1]).ca(ca["id"])
    await blazon.ok("POST", f"{API}/cas/{ca['id']}/status", {"status": "EXPIRED"})
    await blazon.ok("DELETE", f"{API}/cas/{ca['id']}")


@pytest.mark.parametrize(
    "change",
    [
        {"level": "0"},
        {"level": 0.5},
        {"valid_to": "2030-01-01 00:00:00Z"},
        {"creation_ts": 1},
        {"revocation_reason": ""},
        {"certificate": "AAAA"},
        {"key_metadata": {"type": "Ed448", "bits": 1, "strength": "HIGH"}},
        {"issuance_expiration": {"type": "Duration", "duration": 5}},
        {"issuer_metadata": {"serial_number": "00", "ca_id": "x"}},
    ],
    ids=str,
)
async def test_the_decoder_is_strict(blazon: Running, change: dict[str, Any]) -> None:
    """What stands for the clients refuses what they refuse; else nothing here would show anything."""
    ca = await make_ca(blazon, "Strict")
    assert decoded(msgspec.json.encode(ca), Authority24).id == ca["id"]
    with pytest.raises((msgspec.ValidationError, ValueError)):
        decoded(msgspec.json.encode({**ca, **change}), Authority24)
