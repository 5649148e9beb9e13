"""CRLs and OCSP responses as OpenSSL, GnuTLS and NSS take them, for certificates of every origin.

nginx, HAProxy and others that are built on OpenSSL are given one file with the CRLs of the whole chain, and check every
certificate of it (`-crl_check_all`).
"""

import asyncio
import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ca.support import (
    bring,
    bring_ca,
    crl_of,
    lasting,
    make_ca,
    openssl,
    outside_ca,
    pem,
    revoke,
    set_ca_status,
    sign,
    write,
)
from tests.ca.test_outliving import listed, told
from tests.ca.test_revocation import RSA3072
from tests.running import Running, running

ROOT_USAGE = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
"""What `openssl req -addext keyUsage=keyCertSign,cRLSign` gives: no digitalSignature."""


async def tool(*command: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a program."""
    words = [str(word) for word in command]
    return await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, check=False, timeout=60, cwd=folder
    )


def as_pem(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(Encoding.PEM)


def body_of(certificate: x509.Certificate) -> dict[str, str]:
    """As an answer has it."""
    return {"certificate": pem(certificate)}


class Chain:
    """Certificates in files, and what OpenSSL says of the last of them with the CRLs of all CAs."""

    def __init__(self, folder: Path, root: Any, between: list[Any], leaf: Any) -> None:
        self._folder = folder
        self._root = write(folder, "root.pem", root)
        self._between = write(folder, "between.pem", *between)
        self._leaf = write(folder, "leaf.pem", leaf)
        self._cas = [root, *between]

    async def verify(self, blazon: Running) -> str:
        """What `openssl verify -crl_check_all` prints, with one file of CRLs."""
        crls = self._folder / "crls.pem"
        crls.write_bytes(b"".join([as_pem(await crl_of(blazon, ca)) for ca in self._cas]))
        found = await openssl(
            *("verify", "-x509_strict", "-crl_check_all", "-CRLfile", crls),
            *("-CAfile", self._root, "-untrusted", self._between, self._leaf),
        )
        return found.stdout + found.stderr


@pytest.mark.parametrize("spec", [{"type": "ECDSA", "bits": 256}, RSA3072], ids=["ec", "rsa"])
async def test_openssl_checks_a_whole_chain(blazon: Running, tmp_path: Path, spec: Any) -> None:
    root = await make_ca(blazon, f"Checked root {spec['bits']}", key_metadata=spec)
    below = {"key_metadata": spec, "ca_expiration": lasting("5y")}
    middle = await make_ca(blazon, f"Checked middle {spec['bits']}", parent_id=root["id"], **below)
    low = await make_ca(
        blazon, f"Checked low {spec['bits']}", parent_id=middle["id"], **{**below, "ca_expiration": lasting("4y")}
    )
    leaf = await sign(blazon, low)
    chain = Chain(tmp_path, root, [middle, low], leaf)
    assert "leaf.pem: OK" in await chain.verify(blazon)
    await revoke(blazon, leaf)
    await listed(blazon, low, int(leaf["serial_number"].replace("-", ""), 16))
    assert "certificate revoked" in await chain.verify(blazon)
    another = await sign(blazon, low)
    chain = Chain(tmp_path, root, [middle, low], another)
    assert "leaf.pem: OK" in await chain.verify(blazon)
    await set_ca_status(blazon, middle, "REVOKED")
    await listed(blazon, root, int(middle["serial_number"].replace("-", ""), 16))
    assert "certificate revoked" in await chain.verify(blazon)


async def test_openssl_checks_what_was_imported(blazon: Running, tmp_path: Path) -> None:
    """From elsewhere, with another distribution point or with none."""
    root, root_key = outside_ca("Imported root", usage=ROOT_USAGE)
    sub, sub_key = outside_ca("Imported sub", above=(root, root_key), usage=ROOT_USAGE)
    leaf, _ = outside_ca("imported leaf", above=(sub, sub_key), is_ca=False)
    for certificate, private_key in ((root, root_key), (sub, sub_key)):
        await bring_ca(blazon, certificate, private_key)
    brought = await bring(blazon, leaf)
    cas = [(await blazon.ok("GET", f"/api/ca/v1/cas/Imported%20{name}")) for name in ("root", "sub")]
    chain = Chain(tmp_path, cas[0], [cas[1]], brought)
    assert "leaf.pem: OK" in await chain.verify(blazon)
    await revoke(blazon, brought)
    await listed(blazon, cas[1], leaf.serial_number)
    assert "certificate revoked" in await chain.verify(blazon)


async def test_openssl_checks_what_was_issued_under_another_url(tmp_path: Path) -> None:
    """The places in certificates stay as they are; the list is that of its CA wherever it is fetched."""
    leaves = []
    for url in ("http://one.example.com", "http://two.example.com", ""):
        async with running(tmp_path, redis__embedded="no", pki__url=url) as blazon:
            if not leaves:
                root = await make_ca(blazon, "Moved root")
                sub = await make_ca(blazon, "Moved sub", parent_id=root["id"], ca_expiration=lasting("5y"))
            leaves.append(await sign(blazon, sub, f"under {url}"))
            for leaf in leaves:
                assert "leaf.pem: OK" in await Chain(tmp_path, root, [sub], leaf).verify(blazon)


class Nss:
    """A database of NSS (Firefox, and the tools of many distributions)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._database = f"sql:{folder}"

    async def run(self, program: str, *words: object) -> subprocess.CompletedProcess[str]:
        return await tool(program, *words, "-d", self._database)

    async def create(self) -> None:
        assert (await self.run("certutil", "-N", "--empty-password")).returncode == 0

    async def add(self, name: str, body: Any, trust: str) -> None:
        file = write(self._folder, f"{name}.pem", body)
        done = await self.run("certutil", "-A", "-n", name, "-t", trust, "-a", "-i", file)
        assert done.returncode == 0, done.stderr

    async def take(self, crl: x509.CertificateRevocationList) -> None:
        file = self._folder / "crl.der"
        file.write_bytes(crl.public_bytes(Encoding.DER))
        done = await self.run("crlutil", "-I", "-i", file)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "unable" not in done.stderr

    async def verify(self, name: str) -> str:
        """What it says of a certificate for a TLS client, by the lists it has."""
        done = await self.run("certutil", "-V", "-n", name, "-u", "C", "-e")
        return done.stdout + done.stderr

    async def ask(self, blazon: Running, name: str) -> str:
        """What it says of a certificate for a TLS client after it asked by OCSP."""
        done = await self.run("ocspclnt", "-V", name, "-u", "c", "-l", f"{blazon.url}/api/va/ocsp", "-t", "ca")
        return done.stdout + done.stderr


async def test_nss_takes_the_lists(blazon: Running, tmp_path: Path) -> None:
    root = await make_ca(blazon, "NSS root")
    sub = await make_ca(blazon, "NSS sub", parent_id=root["id"], ca_expiration=lasting("5y"))
    good, bad = await sign(blazon, sub, "nss good"), await sign(blazon, sub, "nss bad")
    await revoke(blazon, bad)
    await listed(blazon, sub, int(bad["serial_number"].replace("-", ""), 16))
    nss = Nss(tmp_path)
    await nss.create()
    for name, body, trust in (("root", root, "CT,C,C"), ("sub", sub, ",,"), ("good", good, ",,"), ("bad", bad, ",,")):
        await nss.add(name, body, trust)
    for ca in (root, sub):
        await nss.take(await crl_of(blazon, ca))
    assert "certificate is valid" in await nss.verify("good")
    assert "revoked" in await nss.verify("bad")


async def test_gnutls_takes_the_lists(blazon: Running, tmp_path: Path) -> None:
    root = await make_ca(blazon, "GnuTLS root")
    sub = await make_ca(blazon, "GnuTLS sub", parent_id=root["id"], ca_expiration=lasting("5y"))
    good, bad = await sign(blazon, sub, "gnutls good"), await sign(blazon, sub, "gnutls bad")
    await revoke(blazon, bad)
    await listed(blazon, sub, int(bad["serial_number"].replace("-", ""), 16))
    crls = tmp_path / "crls.pem"
    crls.write_bytes(b"".join([as_pem(await crl_of(blazon, ca)) for ca in (sub, root)]))
    trusted = write(tmp_path, "root.pem", root)
    for body, said in ((good, "Chain verification output: Verified."), (bad, "revoked")):
        chain = write(tmp_path, "chain.pem", body, sub, root)
        found = await tool(
            "certtool", "--verify", "--infile", chain, "--load-ca-certificate", trusted, "--load-crl", crls
        )
        assert said in found.stdout + found.stderr, found.stdout


ODD = {"sha-1": b"", "20": bytes(range(1, 21)), "1": b"\x07", "32": b"0123456789abcdef0123456789abcdef", "none": None}
"""Key identifiers: the SHA-1 of the key, others of 20 octets, of one, of more, as ids of CAs are, and none at all."""


@pytest.mark.parametrize("identifier", ODD)
@pytest.mark.parametrize("usage", [None, ROOT_USAGE], ids=["signs", "delegates"])
async def test_all_take_the_answers_of_a_ca_with_any_key_identifier(
    blazon: Running, tmp_path: Path, identifier: str, usage: x509.KeyUsage | None
) -> None:
    """Signed by itself, or by a delegated key where its certificate lets it sign certificates and lists alone."""
    name = f"Odd {identifier} {usage is None}"
    certificate, private_key = outside_ca(name, key_id=ODD[identifier], usage=usage)
    ca = await bring_ca(blazon, certificate, private_key)
    good, bad = await sign(blazon, ca, "odd good"), await sign(blazon, ca, "odd bad")
    await revoke(blazon, bad)
    answer = await told(blazon, x509.load_pem_x509_certificate(base64.b64decode(good["certificate"])), certificate)
    public_key: Any = (certificate if usage is None else answer.certificates[0]).public_key()
    assert answer.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(public_key).digest
    if usage is not None:
        assert public_key != certificate.public_key()
    ca_file = write(tmp_path, "ca.pem", ca)
    nss = Nss(tmp_path)
    await nss.create()
    await nss.add("ca", ca, "CT,C,C")
    for body, said in ((good, "good"), (bad, "revoked")):
        leaf = write(tmp_path, f"{said}.pem", body)
        await nss.add(said, body, ",,")
        assert {"good": "succeeded", "revoked": "has been revoked"}[said] in await nss.ask(blazon, said)
        found = await openssl(
            *("ocsp", "-issuer", ca_file, "-cert", leaf, "-url", f"{blazon.url}/api/va/ocsp", "-CAfile", ca_file)
        )
        assert "Response verify OK" in found.stderr
        assert f"{said}.pem: {said}" in found.stdout
        asked = await tool(
            *("ocsptool", f"--ask={blazon.url}/api/va/ocsp", "--load-issuer", ca_file, "--load-cert", leaf),
        )
        assert "Certificate Status: " + said in asked.stdout, asked.stdout + asked.stderr
        assert "Verifying OCSP Response: Success." in asked.stdout


async def test_a_ca_of_a_request_with_another_key_identifier(blazon: Running, tmp_path: Path) -> None:
    """Outside parents put in what they like."""
    body = {
        "subject": {"common_name": "Odd request"},
        "key_metadata": {"type": "ECDSA", "bits": 256},
        "issuance_expiration": lasting("9d"),
    }
    pending = await blazon.ok("POST", "/api/ca/v1/requests", body)
    asked = x509.load_pem_x509_csr(base64.b64decode(pending["csr"]))
    root, root_key = outside_ca("Parent of odd")
    certificate, _ = outside_ca(
        "Odd request", subject_key=asked.public_key(), above=(root, root_key), key_id=b"id of the parent's choice"
    )
    ca = await blazon.ok(
        "POST",
        f"/api/ca/v1/requests/{pending['id']}/certificate",
        {"certificate": pem(certificate), "ca_chain": [pem(root)]},
    )
    leaf = await sign(blazon, ca)
    found = await openssl(
        *("ocsp", "-issuer", write(tmp_path, "ca.pem", ca), "-cert", write(tmp_path, "leaf.pem", leaf)),
        *("-url", f"{blazon.url}/api/va/ocsp", "-CAfile", write(tmp_path, "root.pem", body_of(root))),
        *("-verify_other", tmp_path / "ca.pem"),
    )
    assert "Response verify OK" in found.stderr, found.stderr
    assert "leaf.pem: good" in found.stdout
