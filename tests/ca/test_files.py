"""CAs, certificates and requests as people and devices have them, through the API."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from tests.ca.support import (
    API,
    ca_body,
    csr,
    decoded,
    encoded,
    key,
    key_pem,
    make_ca,
    openssl,
    outside_ca,
    pem,
    refused,
    sign,
    write,
)
from tests.ca.x509.support import lint_certificate
from tests.pkix import writing
from tests.pkix.writing import COMMON_NAME, PRINTABLE, T61, rdn, seq
from tests.running import Running

PASSWORD = "Schlüssel 7"


class Plant:
    """A root, a CA below it and one below that, made elsewhere."""

    def __init__(self) -> None:
        self.root, self.root_key = outside_ca("Root")
        self.middle, self.middle_key = outside_ca("Middle", above=(self.root, self.root_key))
        self.plant, self.plant_key = outside_ca("Plant", above=(self.middle, self.middle_key))

    def pems(self) -> list[bytes]:
        """The certificates in PEM, the lowest first."""
        return [each.public_bytes(Encoding.PEM) for each in (self.plant, self.middle, self.root)]

    def ders(self) -> list[bytes]:
        """The certificates in DER, the lowest first."""
        return [each.public_bytes(Encoding.DER) for each in (self.plant, self.middle, self.root)]

    def encrypted(self, form: PrivateFormat, encoding: Encoding = Encoding.PEM) -> bytes:
        """The key of the lowest, encrypted."""
        return self.plant_key.private_bytes(encoding, form, BestAvailableEncryption(PASSWORD.encode()))  # type: ignore[no-any-return]


def _one_file(plant: Plant) -> dict[str, Any]:
    return {"ca": encoded(b"".join(plant.pems()) + key_pem(plant.plant_key))}


def _key_first_root_first(plant: Plant) -> dict[str, Any]:
    return {"ca": encoded(b"Bag Attributes\n" + key_pem(plant.plant_key) + b"".join(reversed(plant.pems())))}


def _chain_beside(plant: Plant) -> dict[str, Any]:
    lowest, *above = plant.pems()
    return {
        "ca": encoded(lowest),
        "ca_chain": [encoded(b"".join(above))],
        "private_key": encoded(key_pem(plant.plant_key)),
    }


def _der_after_der(plant: Plant) -> dict[str, Any]:
    private_key = plant.plant_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {"ca": encoded(b"".join(plant.ders())), "private_key": encoded(private_key)}


def _pkcs12(plant: Plant) -> dict[str, Any]:
    made = pkcs12.serialize_key_and_certificates(
        b"plant", plant.plant_key, plant.plant, [plant.root, plant.middle], BestAvailableEncryption(PASSWORD.encode())
    )
    return {"ca": encoded(made), "password": PASSWORD}


def _pkcs12_as_key(plant: Plant) -> dict[str, Any]:
    return {"ca": encoded(b"".join(plant.pems())), "private_key": _pkcs12(plant)["ca"], "password": PASSWORD}


def _pkcs7_with_key(plant: Plant) -> dict[str, Any]:
    bundle = pkcs7.serialize_certificates([plant.root, plant.plant, plant.middle], Encoding.DER)
    return {"ca": encoded(bundle), "private_key": encoded(key_pem(plant.plant_key))}


def _encrypted(plant: Plant) -> dict[str, Any]:
    body = {"ca": encoded(b"".join(plant.pems())), "password": PASSWORD}
    return {**body, "private_key": encoded(plant.encrypted(PrivateFormat.PKCS8))}


def _encrypted_beside(plant: Plant) -> dict[str, Any]:
    both = b"".join(plant.pems()) + plant.encrypted(PrivateFormat.TraditionalOpenSSL)
    return {"ca": encoded(both), "password": PASSWORD}


FORMS = (
    *(_one_file, _key_first_root_first, _chain_beside, _der_after_der, _pkcs12, _pkcs12_as_key, _pkcs7_with_key),
    *(_encrypted, _encrypted_beside),
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
async def test_a_ca_is_imported_in_the_form_people_have_it(
    blazon: Running, form: Callable[[Plant], dict[str, Any]], tmp_path: Path
) -> None:
    plant = Plant()
    made = await blazon.ok("POST", f"{API}/cas/import", form(plant))
    assert (made["type"], decoded(made)) == ("IMPORTED", plant.plant)
    chain = await blazon.ok("GET", f"{API}/cas/{made['id']}/chain")
    assert [decoded({"certificate": each}) for each in chain["chain"]] == [plant.plant, plant.middle, plant.root]
    leaf = write(tmp_path, "leaf", await sign(blazon, made))
    above = write(tmp_path, "chain", *({"certificate": each} for each in chain["chain"][:-1]))
    root = write(tmp_path, "root", {"certificate": chain["chain"][-1]})
    checked = await openssl("verify", "-CAfile", root, "-untrusted", above, leaf)
    assert checked.returncode == 0, checked.stderr


async def test_what_opens_nothing_is_refused(blazon: Running) -> None:
    plant = Plant()
    for form, field in ((_pkcs12, "ca"), (_encrypted, "private_key"), (_encrypted_beside, "ca")):
        body = form(plant)
        wrong = await blazon.call("POST", f"{API}/cas/import", {**body, "password": "wrong"})
        refused(wrong, 400, f"{field}: the P" if form is _pkcs12 else f"{field}: the private key")
        assert "does not open with this password" in wrong.json["err"]
        without = {name: value for name, value in body.items() if name != "password"}
        refused(
            await blazon.call("POST", f"{API}/cas/import", without),
            400,
            "password; give it" if form is _pkcs12 else "give its password",
        )
    assert not [each for each in (await blazon.ok("GET", f"{API}/cas"))["list"] if decoded(each) == plant.plant]


async def test_a_key_beside_a_certificate_does_not_count_for_who_wants_an_external_ca(blazon: Running) -> None:
    plant = Plant()
    body = _encrypted_beside(plant) | {"ca_type": "EXTERNAL", "password": None}
    assert (await blazon.ok("POST", f"{API}/cas/import", body))["type"] == "EXTERNAL"
    other = Plant()
    refused(await blazon.call("POST", f"{API}/cas/import", _encrypted(other) | {"ca_type": "EXTERNAL"}), 400, "CA type")
    keyless = {"ca": encoded(b"".join(other.pems())), "ca_type": "IMPORTED"}
    refused(await blazon.call("POST", f"{API}/cas/import", keyless), 400, "CA type inconsistent")


async def test_files_that_do_not_fit_are_refused(blazon: Running) -> None:
    plant, other = Plant(), Plant()
    for body, status, said in (
        ({"ca": pem(plant.plant), "private_key": encoded(key_pem(other.plant_key))}, 400, "key don't match"),
        ({"ca": encoded(plant.pems()[0] + key_pem(other.plant_key))}, 400, "key don't match"),
        ({"ca": encoded(plant.pems()[0] + other.pems()[0])}, 400, "2 certificates that are not one chain"),
        ({"ca": encoded(plant.pems()[0] + plant.pems()[2])}, 400, "2 certificates that are not one chain"),
        ({"ca": pem(plant.plant), "ca_chain": [pem(other.middle)]}, 422, "CN=Plant is not signed by CN=Middle"),
        ({"ca": csr()}, 400, "ca: this is a certificate request, not a certificate"),
        ({"ca": pem(plant.plant), "ca_chain": [csr()]}, 400, "ca_chain: this is a certificate request"),
        ({"ca": pem(plant.plant), "private_key": pem(plant.plant)}, 400, "private_key: this is a certificate, not a"),
        ({"ca": encoded(b"hello")}, 400, "ca: this is text without a PEM block"),
        ({"ca": pem(plant.plant), "ca_chain": ["%"]}, 400, "ca_chain is not base64"),
        ({"ca": pem(plant.plant), "ca_chain": [encoded(b"")]}, 400, "ca_chain: this is empty"),
    ):
        refused(await blazon.call("POST", f"{API}/cas/import", body), status, said)


async def test_a_requested_ca_gets_its_certificate_with_its_chain_in_one_file(blazon: Running) -> None:
    root, root_key = outside_ca("Outside root")
    parent, parent_key = outside_ca("Outside", above=(root, root_key))
    body = {name: value for name, value in ca_body("Asked").items() if name != "ca_expiration"}
    pending = await blazon.ok("POST", f"{API}/requests", body)
    request = x509.load_pem_x509_csr(base64.b64decode(pending["csr"]))
    made, _ = outside_ca("Asked", subject_key=request.public_key(), above=(parent, parent_key))
    path = f"{API}/requests/{pending['id']}/certificate"
    wrong = {"certificate": encoded(b"".join(each.public_bytes(Encoding.PEM) for each in (root, parent)))}
    refused(await blazon.call("POST", path, wrong), 400, "CA and the provided key don't match")
    bundle = pkcs7.serialize_certificates([root, made, parent], Encoding.PEM)
    completed = await blazon.ok("POST", path, {"certificate": encoded(bundle)})
    assert decoded(completed) == made
    chain = await blazon.ok("GET", f"{API}/cas/{completed['id']}/chain")
    assert [decoded({"certificate": each}) for each in chain["chain"]] == [made, parent, root]


async def test_a_certificate_is_imported_from_what_people_have(blazon: Running) -> None:
    plant = Plant()
    leaf, _ = outside_ca("leaf", above=(plant.plant, plant.plant_key), is_ca=False)
    both = b"".join(each.public_bytes(Encoding.PEM) for each in (plant.plant, leaf))
    made = await blazon.ok("POST", f"{API}/certificates/import", {"certificate": encoded(both)})
    assert decoded(made) == leaf
    other, other_key = outside_ca("other", is_ca=False)
    sealed = pkcs12.serialize_key_and_certificates(
        None, other_key, other, None, BestAvailableEncryption(PASSWORD.encode())
    )
    body = {"certificate": encoded(sealed)}
    refused(
        await blazon.call("POST", f"{API}/certificates/import", body), 400, "certificate: the PKCS #12 file needs a"
    )
    assert decoded(await blazon.ok("POST", f"{API}/certificates/import", {**body, "password": PASSWORD})) == other
    apart = b"".join(outside_ca(each, is_ca=False)[0].public_bytes(Encoding.PEM) for each in ("a", "b"))
    answer = await blazon.call("POST", f"{API}/certificates/import", {"certificate": encoded(apart)})
    refused(answer, 400, "2 certificates that are not one chain")


async def test_a_request_is_signed_from_what_people_have(blazon: Running) -> None:
    ca = await make_ca(blazon, "Files")
    request = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    )
    made = request.sign(key(), SHA256())
    text = subprocess.run(
        ["openssl", "req", "-text"], input=made.public_bytes(Encoding.PEM), capture_output=True, check=True
    ).stdout
    path = f"{API}/cas/{ca['id']}/certificates/sign"
    for data in (
        text,
        text.decode().encode("utf-16"),
        made.public_bytes(Encoding.DER),
        key_pem(key()) + made.public_bytes(Encoding.PEM),
        made.public_bytes(Encoding.PEM) + b"made by device 7\n",
    ):
        issued = await blazon.ok("POST", path, {"csr": encoded(data), "sign_verbatim": True})
        assert decoded(issued).public_key() == key().public_key()
    answer = await blazon.call("POST", path, {"csr": pem(decoded(issued)), "sign_verbatim": True})
    refused(answer, 400, "this is a certificate, not a certificate request")


ODD_REQUESTS = {
    "T61String": writing.request(seq(rdn(COMMON_NAME, T61, "Sensor Süd".encode("latin-1")))),
    "underscores": writing.request(seq(rdn(COMMON_NAME, PRINTABLE, b"eui48_68_27"))),
    "no attributes": writing.request(attributes=b""),
    "version 2": writing.request(version=writing.integer(2)),
    "cA FALSE": writing.asking(writing.extension(writing.BASIC, seq(writing.FALSE))),
    "critical FALSE": writing.asking(
        writing.extension(writing.SAN, seq(writing.tlv(0x82, b"a.example.com")), writing.FALSE)
    ),
    "an open length": writing.request(wrap=lambda content: b"\x30\x80" + content + b"\0\0"),
    "empty attributes": writing.request(
        seq(rdn(writing.ORGANIZATION, PRINTABLE, b""), rdn(COMMON_NAME, writing.UTF8, b"lamp"))
    ),
    "strict, and empty attributes": writing.request(
        seq(rdn(writing.ORGANIZATION, writing.UTF8, b""), rdn(COMMON_NAME, writing.UTF8, b"lamp"))
    ),
}


@pytest.mark.parametrize("case", ODD_REQUESTS)
async def test_what_a_device_asks_for_oddly_it_gets_strictly(blazon: Running, case: str) -> None:
    ca = await make_ca(blazon, "Devices")
    body = {"csr": encoded(ODD_REQUESTS[case]), "sign_verbatim": True}
    issued = decoded(await blazon.ok("POST", f"{API}/cas/{ca['id']}/certificates/sign", body))
    assert issued.public_key() == writing.KEY.public_key()
    assert [each for each in lint_certificate(issued) if "validity" not in each] == []
    forged = ODD_REQUESTS[case].replace(b"lamp", b"dump").replace(b"Sensor", b"Kensor").replace(b"eui", b"fui")
    body = {"csr": encoded(forged), "sign_verbatim": True}
    answer = await blazon.call("POST", f"{API}/cas/{ca['id']}/certificates/sign", body)
    refused(answer, 422, "not signed by the key in it")


ODD_CAS = {
    "critical FALSE": writing.certificate(
        writing.extension(writing.SKI, writing.tlv(4, bytes(20)), writing.FALSE), writing.IS_CA, writing.SIGNS
    ),
    "T61String in its name": writing.certificate(
        writing.IS_CA,
        writing.SIGNS,
        subject=seq(rdn(COMMON_NAME, T61, "Süd".encode("latin-1"))),
        serial=b"\x02\x01\x06",
    ),
    "serial number 0": writing.certificate(writing.IS_CA, writing.SIGNS, serial=b"\x02\x01\x00"),
    "a negative serial number": writing.certificate(writing.IS_CA, writing.SIGNS, serial=b"\x02\x01\xfb"),
}


@pytest.mark.parametrize("case", ODD_CAS)
async def test_an_odd_ca_issues_what_openssl_verifies(blazon: Running, case: str, tmp_path: Path) -> None:
    """Issuer and subject are the same octets, and what is handed out of the CA is what came."""
    body = {"ca": encoded(ODD_CAS[case]), "private_key": encoded(key_pem(writing.KEY))}
    made = await blazon.ok("POST", f"{API}/cas/import", body)
    shown = await blazon.call("GET", f"/api/va/ca/{made['id']}", token="")
    assert shown.body == ODD_CAS[case]
    assert (await blazon.ok("GET", f"{API}/cas/sn/{made['serial_number']}"))["id"] == made["id"]
    other = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    )
    csr_pem = request.sign(other, SHA256()).public_bytes(Encoding.PEM)
    issued = await blazon.ok(
        "POST", f"{API}/cas/{made['id']}/certificates/sign", {"csr": encoded(csr_pem), "sign_verbatim": True}
    )
    root, leaf = write(tmp_path, "root", made), write(tmp_path, "leaf", issued)
    checked = await openssl("verify", "-CAfile", root, leaf)
    assert checked.returncode == 0, checked.stderr
    asked = await openssl(
        *("ocsp", "-issuer", root, "-cert", leaf, "-CAfile", root, "-url", f"{blazon.url}/api/va/ocsp"),
    )
    assert f"{leaf}: good" in asked.stdout, asked


async def test_a_root_that_signs_itself_with_a_broken_hash_is_imported(blazon: Running, tmp_path: Path) -> None:
    """RFC 5280 §6.1: a trust anchor is a name and a key; nobody relies on its own signature."""
    for hashed in ("sha1", "md5", "rmd160"):
        private_key, root = tmp_path / f"{hashed}.key", tmp_path / f"{hashed}.pem"
        await openssl("genpkey", "-algorithm", "RSA", "-out", private_key)
        await openssl(
            *("req", "-x509", "-new", f"-{hashed}", "-key", private_key, "-subj", f"/CN={hashed}", "-days", "99"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", root),
        )
        body = {"ca": encoded(root.read_bytes()), "private_key": encoded(private_key.read_bytes())}
        assert (await blazon.ok("POST", f"{API}/cas/import", body))["type"] == "IMPORTED"


async def test_a_certificate_signed_with_a_broken_hash_is_known_to_be_of_its_ca(
    blazon: Running, tmp_path: Path
) -> None:
    root_key = rsa.generate_private_key(65537, 2048)
    root, _ = outside_ca("Old", subject_key=root_key)
    known = await blazon.ok("POST", f"{API}/cas/import", {"ca": pem(root), "private_key": encoded(key_pem(root_key))})
    (tmp_path / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (tmp_path / "root.key").write_bytes(key_pem(root_key))
    (tmp_path / "csr.pem").write_bytes(base64.b64decode(csr("old leaf")))
    made = ("-CA", tmp_path / "root.pem", "-CAkey", tmp_path / "root.key", "-days", "9")
    for hashed, serial in (("sha1", 71), ("md5", 72), ("rmd160", 73)):
        leaf = tmp_path / f"{hashed}.pem"
        await openssl(
            "x509", "-req", "-in", tmp_path / "csr.pem", f"-{hashed}", *made, "-set_serial", serial, "-out", leaf
        )
        body = {"certificate": encoded(leaf.read_bytes())}
        imported = await blazon.ok("POST", f"{API}/certificates/import", body)
        assert imported["issuer_metadata"]["ca_id"] == ("-" if hashed == "rmd160" else known["id"])


async def test_a_ca_that_is_signed_with_a_broken_hash_is_refused_for_that(blazon: Running, tmp_path: Path) -> None:
    """The reason is true: it is signed by its parent, with a hash that clients do not take."""
    root_key, sub_key = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
    root, _ = outside_ca("Of before", subject_key=root_key)
    for name, data in (("root.pem", root.public_bytes(Encoding.PEM)), ("root.key", key_pem(root_key))):
        (tmp_path / name).write_bytes(data)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sub of before")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(sub_key, SHA256())
    (tmp_path / "csr.pem").write_bytes(request.public_bytes(Encoding.PEM))
    (tmp_path / "ext").write_text("basicConstraints=critical,CA:true\n")
    sign_with = (
        "-CA",
        tmp_path / "root.pem",
        "-CAkey",
        tmp_path / "root.key",
        "-days",
        "9",
        "-extfile",
        tmp_path / "ext",
    )
    for hashed, said in (("sha1", "SHA-1, which is broken"), ("md5", "MD5, which is broken")):
        await openssl(
            "x509", "-req", "-in", tmp_path / "csr.pem", f"-{hashed}", *sign_with, "-out", tmp_path / "sub.pem"
        )
        body = {"ca": encoded((tmp_path / "sub.pem").read_bytes()), "ca_chain": [pem(root)]}
        keyed = await blazon.call("POST", f"{API}/cas/import", {**body, "private_key": encoded(key_pem(sub_key))})
        refused(keyed, 422, f"the certificate of CN=Sub of before is signed with {said}")
        assert (await blazon.ok("POST", f"{API}/cas/import", body))["type"] == "EXTERNAL"
    await openssl("x509", "-req", "-in", tmp_path / "csr.pem", "-rmd160", *sign_with, "-out", tmp_path / "sub.pem")
    body = {"ca": encoded((tmp_path / "sub.pem").read_bytes()), "ca_chain": [pem(root)]}
    refused(
        await blazon.call("POST", f"{API}/cas/import", body), 422, "with an algorithm that is not supported (1.3.36.3"
    )
