"""CAs from outside that clients would refuse whatever they issue: not with their key, and known without it."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.ca.support import (
    API,
    ca_body,
    csr,
    decoded,
    encoded,
    key_pem,
    openssl,
    outside_ca,
    pem,
    refused,
    serial_of,
    set_status,
)
from tests.pkix import writing
from tests.pkix.writing import (
    AKI,
    COMMON_NAME,
    CONSTRAINTS,
    PURPOSES,
    SKI,
    TRUE,
    common_name,
    extension,
    oid,
    rdn,
    seq,
    tlv,
)
from tests.running import Running

KEY_ID = bytes(range(20))
OWN = extension(SKI, tlv(4, KEY_ID))
SERVER, MAIL = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.4"


def ca(*extensions: bytes, **more: Any) -> bytes:
    """A root that signs itself."""
    return writing.certificate(writing.IS_CA, writing.SIGNS, *extensions, **more)


ROOT_NAME = tlv(0xA1, tlv(0xA4, common_name("someone else")))
REFUSED = {
    "an unknown critical extension": (ca(extension("1.2.3.4", b"\x05\x00", TRUE)), "the critical extension 1.2.3.4"),
    "a critical key identifier": (ca(extension(SKI, tlv(4, KEY_ID), TRUE)), "the critical extension 2.5.29.14"),
    "a precertificate": (
        ca(extension("1.3.6.1.4.1.11129.2.4.3", b"\x05\x00", TRUE)),
        "the critical extension 1.3.6.1.4.1.11129.2.4.3",
    ),
    "e-mail only": (ca(extension(PURPOSES, seq(oid(MAIL)))), "allows none of those that its profile puts"),
    "OCSP only": (ca(extension(PURPOSES, seq(oid("1.3.6.1.5.5.7.3.9")), TRUE)), "allows none of those"),
    "another key identifier in its own": (
        ca(OWN, extension(AKI, seq(tlv(0x80, bytes(20)))), subject=common_name("contradicting")),
        "is not the subject key identifier of its issuer",
    ),
    "another serial number": (
        ca(OWN, extension(AKI, seq(tlv(0xA1, tlv(0xA4, common_name())), tlv(0x82, b"\x09")))),
        "names 09, not the certificate of its issuer",
    ),
    "another issuer": (ca(OWN, extension(AKI, seq(ROOT_NAME, tlv(0x82, b"\x05")))), "names another issuer"),
    "version 1 with extensions": (ca(version=b""), "has extensions and says it is of version 1"),
    "version 2 with extensions": (ca(version=b"\xa0\x03\x02\x01\x01"), "says it is of version 2"),
    "version 4": (ca(version=b"\xa0\x03\x02\x01\x03"), "says it is of version 4"),
    "a name that is not DER": (
        ca(subject=b"\x30\x81" + common_name()[1:]),
        "its subject is not written as RFC 5280 has it",
    ),
    "an underscore in a PrintableString": (
        ca(subject=seq(rdn(COMMON_NAME, writing.PRINTABLE, b"plant_7"))),
        "its subject is not written as RFC 5280 has it",
    ),
}


async def test_a_ca_whose_curve_is_described_is_not_imported_with_its_key(blazon: Running, tmp_path: Path) -> None:
    private_key, root = tmp_path / "key", tmp_path / "root"
    curve = ("-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit")
    await openssl("genpkey", "-algorithm", "EC", *curve, "-out", private_key)
    await openssl("req", "-x509", "-new", "-key", private_key, "-subj", "/CN=Described", "-days", 9, "-out", root)
    body = {"ca": encoded(root.read_bytes())}
    keyed = {**body, "private_key": encoded(private_key.read_bytes())}
    refused(await blazon.call("POST", f"{API}/cas/import", keyed), 422, "does not name its curve, but describes it")
    assert (await blazon.ok("POST", f"{API}/cas/import", body))["type"] == "EXTERNAL"


@pytest.mark.parametrize("case", REFUSED)
async def test_a_ca_clients_refuse_is_not_imported_with_its_key(blazon: Running, case: str) -> None:
    der, said = REFUSED[case]
    before = await blazon.ok("GET", f"{API}/stats")
    body = {"ca": encoded(der), "private_key": encoded(key_pem(writing.KEY))}
    answer = await blazon.call("POST", f"{API}/cas/import", body)
    refused(answer, 422, said)
    assert "import it without its private key to have it known as EXTERNAL" in answer.json["err"]
    assert await blazon.ok("GET", f"{API}/stats") == before
    known = await blazon.ok("POST", f"{API}/cas/import", {"ca": encoded(der)})
    assert known["type"] == "EXTERNAL"


ACCEPTED = {
    "what RFC 5280 knows, critical": ca(
        extension(CONSTRAINTS, seq(tlv(0xA0, seq(tlv(0x82, b"example.com")))), TRUE),
        extension("2.5.29.32", seq(seq(oid("2.5.29.32.0"))), TRUE),
        extension("2.5.29.36", seq(tlv(0x80, b"\0")), TRUE),
        serial=b"\x02\x01\x41",
    ),
    "an unknown extension that is not critical": ca(extension("1.2.3.4", b"\x05\x00"), serial=b"\x02\x01\x42"),
    "any purpose": ca(extension(PURPOSES, seq(oid(MAIL), oid("2.5.29.37.0"))), serial=b"\x02\x01\x43"),
    "one of the purposes": ca(extension(PURPOSES, seq(oid(SERVER))), serial=b"\x02\x01\x44"),
    "an identifier that fits": ca(
        OWN,
        extension(AKI, seq(tlv(0x80, KEY_ID), tlv(0xA1, tlv(0xA4, common_name())), tlv(0x82, b"\x45"))),
        serial=b"\x02\x01\x45",
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
async def test_a_ca_clients_accept_is_imported_with_its_key(blazon: Running, case: str) -> None:
    body = {"ca": encoded(ACCEPTED[case]), "private_key": encoded(key_pem(writing.KEY))}
    assert (await blazon.ok("POST", f"{API}/cas/import", body))["type"] == "IMPORTED"


async def test_the_purposes_of_its_profile_count(blazon: Running) -> None:
    await blazon.ok("POST", f"{API}/profiles", {"name": "mail", "profile": {"extended_key_usage": ["emailProtection"]}})
    der = ca(extension(PURPOSES, seq(oid(MAIL))), serial=b"\x02\x01\x51")
    body = {"ca": encoded(der), "private_key": encoded(key_pem(writing.KEY))}
    made = await blazon.ok("POST", f"{API}/cas/import", {**body, "profile_id": "mail"})
    sign = f"{API}/cas/{made['id']}/certificates/sign"
    issued = decoded(await blazon.ok("POST", sign, {"csr": csr("box"), "sign_verbatim": True}))
    purposes = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]
    await blazon.ok("POST", f"{API}/profiles", {"name": "tls", "profile": {}})
    answer = await blazon.call("POST", sign, {"csr": csr("box"), "sign_verbatim": True, "profile_id": "tls"})
    refused(answer, 422, "allows none of the extended key usages of the profile")


def _below(
    root: x509.Certificate, root_key: Any, change: Callable[[Any], Any], hashed: Any = None
) -> tuple[bytes, Any]:
    """A CA below a root, changed, and its key."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    template, _ = outside_ca("Below", subject_key=private_key, above=(root, root_key))
    builder = (
        x509.CertificateBuilder(root.subject, template.subject, private_key.public_key())
        .serial_number(template.serial_number)
        .not_valid_before(template.not_valid_before_utc)
        .not_valid_after(template.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
    )
    return change(builder).sign(root_key, SHA256()), private_key


def _wrong_issuer(builder: Any) -> Any:
    return builder.add_extension(x509.AuthorityKeyIdentifier(bytes(20), None, None), critical=False)


async def test_what_stands_above_counts_whether_it_came_with_it_or_is_here(blazon: Running) -> None:
    root, root_key = outside_ca("Above it")
    made, private_key = _below(root, root_key, _wrong_issuer)
    body = {"ca": pem(made), "private_key": encoded(key_pem(private_key))}
    said = "the authority key identifier of CN=Below is not the subject key identifier of its issuer"
    refused(await blazon.call("POST", f"{API}/cas/import", {**body, "ca_chain": [pem(root)]}), 422, said)
    await blazon.ok("POST", f"{API}/cas/import", {"ca": pem(root)})
    refused(await blazon.call("POST", f"{API}/cas/import", body), 422, said)


async def test_what_stands_above_a_root_is_not_judged(blazon: Running, tmp_path: Path) -> None:
    """A root with the certificate an older root gave it, with SHA-1: who trusts the root does not look at that."""
    old, old_key = outside_ca("Old root", subject_key=rsa.generate_private_key(65537, 2048))
    root, root_key = outside_ca("New root")
    sub, sub_key = outside_ca("Under both", above=(root, root_key))
    for name, data in (("old.pem", old.public_bytes(Encoding.PEM)), ("old.key", key_pem(old_key))):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "csr").write_bytes(
        x509.CertificateSigningRequestBuilder()
        .subject_name(root.subject)
        .sign(root_key, SHA256())
        .public_bytes(Encoding.PEM)
    )
    (tmp_path / "ext").write_text("basicConstraints=critical,CA:true\n")
    signer = ("-CA", tmp_path / "old.pem", "-CAkey", tmp_path / "old.key", "-days", 9, "-extfile", tmp_path / "ext")
    await openssl("x509", "-req", "-in", tmp_path / "csr", "-sha1", *signer, "-out", tmp_path / "cross")
    chain = [pem(root), encoded((tmp_path / "cross").read_bytes()), pem(old)]
    body = {"ca": pem(sub), "ca_chain": chain, "private_key": encoded(key_pem(sub_key))}
    assert (await blazon.ok("POST", f"{API}/cas/import", body))["type"] == "IMPORTED"
    lone = {"ca": encoded((tmp_path / "cross").read_bytes()), "ca_chain": [pem(old)]}
    keyed = await blazon.call("POST", f"{API}/cas/import", {**lone, "private_key": encoded(key_pem(root_key))})
    refused(keyed, 422, "signed with SHA-1, which is broken")


async def test_a_requested_ca_is_judged_too(blazon: Running) -> None:
    root, root_key = outside_ca("Careless")
    body = {name: value for name, value in ca_body("Wanted").items() if name != "ca_expiration"}
    pending = await blazon.ok("POST", f"{API}/requests", body)
    request = x509.load_pem_x509_csr(base64.b64decode(pending["csr"]))
    template, _ = outside_ca("Wanted", subject_key=request.public_key(), above=(root, root_key))
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    made = (
        x509.CertificateBuilder(root.subject, request.subject, request.public_key())
        .serial_number(template.serial_number)
        .not_valid_before(template.not_valid_before_utc)
        .not_valid_after(template.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(unknown, critical=True)
        .sign(root_key, SHA256())
    )
    path = f"{API}/requests/{pending['id']}/certificate"
    answer = await blazon.call("POST", path, {"certificate": pem(made)})
    refused(
        answer, 422, "the critical extension 1.2.3.4, which they do not know; ask the parent for another certificate"
    )


@pytest.mark.parametrize("number", [0, -0x11D4, 1 << 160, (1 << 511) - 1])
async def test_a_certificate_with_an_odd_serial_number_is_shown_and_revoked(house: Running, number: int) -> None:
    """RFC 5280 §4.1.2.2 asks to handle what others issued against it."""
    made = await house.ok(
        "POST",
        f"{API}/certificates/import",
        {"certificate": encoded(writing.certificate(serial=writing.integer(number)))},
    )
    assert serial_of({"serial_number": made["serial_number"].removeprefix("-")}) == abs(number)
    assert await house.ok("GET", f"{API}/certificates/{made['serial_number']}") == made
    filtered = await house.ok("GET", f"{API}/certificates?filter=serial_number[eq]{made['serial_number']}")
    assert len(filtered["list"]) == 1
    assert (await set_status(house, made, "REVOKED", "Superseded"))["status"] == "REVOKED"


async def test_a_serial_number_nobody_could_ask_for_is_refused(house: Running) -> None:
    der = writing.certificate(serial=writing.integer(1 << 511))
    answer = await house.call("POST", f"{API}/certificates/import", {"certificate": encoded(der)})
    refused(answer, 400, "certificate: the certificate's serial number has 65 octets")
    der = ca(serial=writing.integer(1 << 900))
    refused(await house.call("POST", f"{API}/cas/import", {"ca": encoded(der)}), 400, "serial number has 113 octets")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lamp\0", "common_name holds the character U+0000, which cannot be kept or shown"),
        ("lamp\n", "U+000A"),
        ("lamp\u202e", "U+202E"),
        ("\u200b", "holds nothing that can be seen"),
        ("x" * 3000, "longer than 1024 octets"),
    ],
)
async def test_a_name_no_database_keeps_is_refused_by_both(house: Running, text: str, said: str) -> None:
    subject = seq(rdn(COMMON_NAME, writing.UTF8, text.encode()))
    leaf = encoded(writing.certificate(subject=subject))
    refused(await house.call("POST", f"{API}/certificates/import", {"certificate": leaf}), 422, said)
    root = {"ca": encoded(ca(subject=subject)), "private_key": encoded(key_pem(writing.KEY))}
    refused(await house.call("POST", f"{API}/cas/import", root), 422, said)


async def test_a_ca_is_called_by_what_can_be_seen(blazon: Running) -> None:
    refused(await blazon.call("POST", f"{API}/cas", ca_body("\u202e")), 422, "nothing that can be seen")
    refused(await blazon.call("POST", f"{API}/cas", ca_body("lamp\u202e")), 422, "U+202E")
    wanted = {name: value for name, value in ca_body("lamp\u202e").items() if name != "ca_expiration"}
    refused(await blazon.call("POST", f"{API}/requests", wanted), 422, "U+202E")


async def test_the_last_moment_of_all_is_an_end(blazon: Running) -> None:
    body = ca_body("Endless", ca_expiration={"type": "Time", "time": "9999-12-31t23:59:59.999999z"})
    assert (await blazon.ok("POST", f"{API}/cas", body))["valid_to"] == "9999-12-31T23:59:59Z"
    for wrong in ("2040-W01-1T00:00:00Z", "20400101T000000Z", "2040-01-01"):
        refused(await blazon.call("POST", f"{API}/cas", ca_body(ca_expiration={"type": "Time", "time": wrong})), 400)
        refused(await blazon.call("GET", f"{API}/cas?filter=valid_to[bf]{wrong}"), 400, "RFC 3339")
        refused(await blazon.call("GET", f"{API}/certificates/expiration?expires_after={wrong}"), 400, "RFC 3339")


async def test_a_list_that_goes_into_events_is_bounded(blazon: Running) -> None:
    names = {"permitted_dns": [f"a{number}.example.com" for number in range(257)]}
    before = await blazon.ok("GET", f"{API}/stats")
    refused(await blazon.call("POST", f"{API}/cas", ca_body(name_constraints=names)), 422, "at most 256 are allowed")
    assert await blazon.ok("GET", f"{API}/stats") == before
    many = [pem(outside_ca(f"CA {number}")[0]) for number in range(17)]
    body = {"ca": pem(outside_ca("Low")[0]), "ca_chain": many}
    refused(
        await blazon.call("POST", f"{API}/cas/import", body), 400, "ca_chain: there are 17 certificates, more than 16"
    )
