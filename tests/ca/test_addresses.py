"""The addresses certificates name: said of each CA, true of what it issues, and warned of when nobody reaches them."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from structlog.testing import capture_logs

from tests.ca.support import API, decoded, encoded, key_pem, make_ca, outside_ca, pem, sign
from tests.running import running

_SIGNS_NO_CRL = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _named(certificate: x509.Certificate) -> dict[str, list[str]]:
    """The addresses a certificate names."""
    found: dict[str, list[str]] = {"crl": [], "ocsp": [], "ca_issuers": []}
    for extension in certificate.extensions:
        match extension.value:
            case x509.CRLDistributionPoints() as points:
                found["crl"] = [name.value for point in points for name in point.full_name or ()]
            case x509.AuthorityInformationAccess() as access:
                for each in access:
                    kind = "ocsp" if each.access_method == AuthorityInformationAccessOID.OCSP else "ca_issuers"
                    found[kind].append(each.access_location.value)
    return found


async def test_a_ca_shows_the_addresses_its_certificates_name(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no", pki__url="http://pki.example.com/") as blazon:
        made = await make_ca(blazon, "Root")
        at = f"http://pki.example.com/api/va/crl/{made['id']}"
        assert made["addresses"]["crl"] == [at]
        assert made["addresses"] == _named(decoded(await sign(blazon, made)))
        for path in (f"cas/{made['id']}", f"cas/sn/{made['serial_number']}"):
            assert (await blazon.ok("GET", f"{API}/{path}"))["addresses"] == made["addresses"]
        assert all("addresses" not in each for each in (await blazon.ok("GET", f"{API}/cas"))["list"])


async def test_a_ca_that_signs_no_crl_names_none(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no", pki__url="http://pki.example.com") as blazon:
        certificate, private_key = outside_ca("No CRL", usage=_SIGNS_NO_CRL)
        body = {"ca": pem(certificate), "private_key": encoded(key_pem(private_key))}
        made = await blazon.ok("POST", f"{API}/cas/import", body)
        assert made["addresses"]["crl"] == []
        assert made["addresses"]["ocsp"] == ["http://pki.example.com/api/va/ocsp"]
        assert made["addresses"] == _named(decoded(await sign(blazon, made)))
        known = await blazon.ok("POST", f"{API}/cas/import", {"ca": pem(outside_ca("Elsewhere")[0])})
        assert known["addresses"] == {"crl": [], "ocsp": [], "ca_issuers": []}


@pytest.mark.parametrize(
    ("flags", "warned"),
    [
        ({"pki__url": "http://localhost:8080"}, ["http://localhost:8080"]),
        ({}, [""]),  # a free port is another one at each start, so certificates name none
        ({"http__public_url": "http://blazon.example.com"}, []),
        ({"http__public_url": "http://blazon.example.com", "pki__url": "http://[::1]"}, ["http://[::1]"]),
    ],
    ids=["localhost", "none", "public", "loopback"],
)
async def test_the_log_warns_once_of_addresses_nobody_else_reaches(
    flags: dict[str, str], warned: list[str], tmp_path: Path
) -> None:
    with capture_logs() as lines:
        async with running(tmp_path, redis__embedded="no", **flags) as blazon:
            for name in ("One", "Two"):
                await make_ca(blazon, name)
    assert [line["address"] for line in lines if "set pki.url" in line["event"]] == warned
