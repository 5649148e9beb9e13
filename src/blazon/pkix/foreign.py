"""What a PEM block or a file is that cannot be used here, told by its label or by how it begins.

A name is made for a sentence, with its article: "an OpenSSH private key", "a PDF document".
"""

import re
import zipfile
from io import BytesIO
from typing import Final

from blazon.pkix.kinds import Kind

__all__ = ["foreign_kind", "kind_of_label"]

_LABELS: Final = {
    "PUBLIC KEY": Kind.PUBLIC_KEY.value,
    "RSA PUBLIC KEY": Kind.PUBLIC_KEY.value,
    "X509 CRL": Kind.CRL.value,
    "DSA PRIVATE KEY": Kind.DSA_KEY.value,
    "OPENSSH PRIVATE KEY": "an OpenSSH private key; write it as PKCS #8 with: ssh-keygen -p -m PKCS8 -f FILE",
    "SSH2 PUBLIC KEY": "an SSH public key",
    "SSH2 ENCRYPTED PRIVATE KEY": "an SSH private key",
    "ATTRIBUTE CERTIFICATE": Kind.ATTRIBUTE_CERTIFICATE.value,
    "OPENVPN STATIC KEY V1": "an OpenVPN static key",
    "TSS2 PRIVATE KEY": "a key that lies in a TPM",
    "AGE ENCRYPTED FILE": "a file that is encrypted with age",
}
_PARAMETER_LABEL: Final = re.compile(r"(EC|DH|X9\.42 DH|DSA) PARAMETERS")


def kind_of_label(label: str) -> str:
    """The name of what stands in a PEM block with this label, when the label alone says it; else an empty text."""
    upper = label.upper()
    if upper.startswith("PGP "):
        return f"an OpenPGP {upper[4:].lower().removesuffix(' block')}"
    if _PARAMETER_LABEL.fullmatch(upper):
        return Kind.PARAMETERS.value
    return _LABELS.get(upper, "")


_BEGINNINGS: Final = (
    (b"\xfe\xed\xfe\xed", "a JKS keystore; export from it with: keytool -importkeystore -deststoretype PKCS12"),
    (b"\xce\xce\xce\xce", "a JCEKS keystore; export from it with: keytool -importkeystore -deststoretype PKCS12"),
    (b"\0\0\0\2\0\0\0\x14", "a BKS keystore"),
    (b"PuTTY-User-Key-File-", "a PuTTY private key"),
    (b"ssh-", "an SSH public key"),
    (b"ecdsa-sha2-", "an SSH public key"),
    (b"sk-", "an SSH public key"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "a rich text document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"SQLite format 3", "a SQLite database"),
    (b"\x85\x01", "an OpenPGP message"),
    (b"\x99\x01", "an OpenPGP key"),
)
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_OFFICE: Final = (
    ("word/", "a Word document"),
    ("xl/", "an Excel workbook"),
    ("ppt/", "a PowerPoint presentation"),
    ("META-INF/", "a Java archive"),
    ("mimetype", "an OpenDocument file"),
)
_JWK: Final = re.compile(rb'"kty"\s*:')
_TAR: Final = b"ustar"


def foreign_kind(data: bytes) -> str:
    """The name of what is neither PEM nor an ASN.1 structure."""
    if data.startswith(_ZIP):
        return _archive(data)
    if data.startswith(_OLE):
        return "a document of an older Office, such as Word"
    if data[257:262] == _TAR:
        return "a tar archive"
    found = next((name for begin, name in _BEGINNINGS if data.startswith(begin)), None)
    if found is not None:
        return found
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "binary data of no kind that is known here"
    return _text_kind(text.strip())


def _archive(data: bytes) -> str:
    try:
        names = zipfile.ZipFile(BytesIO(data)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return "a ZIP archive"
    return next((kind for part, kind in _OFFICE if any(name.startswith(part) for name in names)), "a ZIP archive")


def _text_kind(text: str) -> str:
    lowered = text[:200].lower()
    if not text:
        return "empty"
    if "\0" in text:
        return "binary data of no kind that is known here"
    if lowered.startswith(("<!doctype html", "<html")):
        return "a web page"
    if lowered.startswith("<?xml") or (lowered.startswith("<") and text.endswith(">")):
        return "an XML document"
    if text.startswith(("{", "[")) and text.endswith(("}", "]")):
        return "a JSON Web Key" if _JWK.search(text.encode()) else "a JSON document"
    return "text without a PEM block"
