"""What the tests of CAs and certificates share: requests, certificates and keys, made with OpenSSL or in place."""

import subprocess
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.ca.support import key_pem, outside_ca
from tests.cli.program import Ended, Program


def openssl(*words: str | Path) -> str:
    """What OpenSSL prints."""
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout


def request(program: Program, name: str, *names: str) -> Path:
    """A request for a name, in `NAME.csr`; its key is in `NAME.key`. Without other names it has a DNS name."""
    key, csr = program.home / f"{name}.key", program.home / f"{name}.csr"
    san = ",".join(names) or f"DNS:{name}.example.com"
    openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"),
        *("-addext", f"subjectAltName={san}", "-keyout", key, "-out", csr),
    )
    return csr


def outside(program: Program, name: str, **more: Any) -> tuple[Path, Path]:
    """A CA made elsewhere: the files with its certificate and its key."""
    certificate, private_key = outside_ca(name, **more)
    pem, key = program.home / f"{name}.pem", program.home / f"{name}.key"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    key.write_bytes(key_pem(private_key))
    return pem, key


def pairs(ended: Ended) -> dict[str, str]:
    """Names and values, as `show` prints them."""
    return {name: value.strip() for name, _, value in (line.partition("  ") for line in ended.lines)}


def rows(ended: Ended) -> list[list[str]]:
    """The rows of a table."""
    return [line.split("\t") for line in ended.lines]


def read(path: Path) -> x509.Certificate:
    """The certificate in a file."""
    return x509.load_pem_x509_certificate(path.read_bytes())
