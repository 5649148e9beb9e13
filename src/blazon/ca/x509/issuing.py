"""Drafts of certificates, checked, and their signature.

Issuing is a procedure of steps, of which these are the ones without I/O:

1. `draft_leaf`, `draft_root`, `draft_subordinate`, `draft_responder`: the request against the profile and the CA,
   then the draft, then `check_draft`: what will be signed against RFC 5280. Nothing after this step says no.
2. The caller records its intent with the serial number of the draft.
3. `sign_draft`: the engine signs. Blocks as the key does.
4. The caller records the certificate and answers.

Times are Unix seconds. The clock and the serial number come from the caller.
"""

from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from blazon.ca.x509.algorithms import algorithm_identifier, hash_of, sign_bytes
from blazon.ca.x509.constraints import NameConstraints, check_names, constraints_of
from blazon.ca.x509.der import (
    BOOLEAN_TRUE,
    bit_string,
    explicit,
    integer,
    object_identifier,
    octets,
    sequence,
    time,
)
from blazon.ca.x509.durations import NO_END, Expiration, format_time
from blazon.ca.x509.extensions import KeyUsage, extension, usage_extension
from blazon.ca.x509.issuer import Issuer
from blazon.ca.x509.keys import check_public_key
from blazon.ca.x509.names import Subject, name_of
from blazon.ca.x509.profiles import BeyondCa, Profile
from blazon.ca.x509.reading import CertificationRequest
from blazon.ca.x509.requested import requested_extensions, requested_subject
from blazon.engines import PrivateKey, PublicKey
from blazon.errors import RuleBroken
from blazon.serials import MOST_OCTETS

__all__ = [
    "CaOptions",
    "Draft",
    "check_draft",
    "draft_leaf",
    "draft_responder",
    "draft_root",
    "draft_subordinate",
    "request_ca",
    "sign_draft",
]

AnyExtension = x509.Extension[x509.ExtensionType]

_NO_CA: Final = extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
_CA_USAGE: Final = (KeyUsage.DIGITAL_SIGNATURE, KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN)


class CaOptions(msgspec.Struct, frozen=True):
    """What a CA may do. `path_length`: how many CAs may follow it, None for any number (RFC 5280 §4.2.1.9)."""

    path_length: int | None = None
    name_constraints: NameConstraints = NameConstraints()


class Draft(msgspec.Struct, frozen=True, eq=False):
    """A certificate before its signature. `issuer` is None when it signs itself. Times are Unix seconds."""

    serial: int
    subject: x509.Name
    public_key: PublicKey
    valid_from: int
    valid_to: int
    extensions: tuple[AnyExtension, ...]
    issuer: Issuer | None = None

    def find(self, kind: type[Any]) -> Any:
        """The value of an extension, or None."""
        return next((each.value for each in self.extensions if type(each.value) is kind), None)


def draft_leaf(
    issuer: Issuer,
    request: CertificationRequest,
    profile: Profile,
    *,
    serial: int,
    now: int,
    default_validity: Expiration,
    subject: Subject | None = None,
    valid_to: int | None = None,
) -> Draft:
    """A certificate for a request, as the profile says.

    `subject` replaces that of the request; None takes the request's verbatim. `default_validity` is the CA's issuance
    expiration, for a profile without one of its own; `valid_to` is an end the caller asks for, never later than
    theirs. Raises RuleBroken.
    """
    if not any(rule.allows(request.spec) for rule in profile.allowed_keys):
        raise RuleBroken(f"the profile does not allow keys of type {request.spec}")
    name = requested_subject(profile, request, subject)
    valid_from = max(now - profile.backdate, issuer.valid_from)
    draft = Draft(
        serial=serial,
        subject=name,
        public_key=request.public_key,
        valid_from=valid_from,
        valid_to=_leaf_end(issuer, profile, now, default_validity, valid_to),
        extensions=(
            _NO_CA,
            *requested_extensions(profile, request, name, issuer.purposes),
            _key_identifier(request.public_key),
            *issuer.extensions,
        ),
        issuer=issuer,
    )
    check_draft(draft, now=now)
    return draft


def draft_root(
    public_key: PublicKey, subject: Subject, *, serial: int, now: int, valid_to: int, options: CaOptions | None = None
) -> Draft:
    """A certificate by which a CA vouches for itself. Raises RuleBroken."""
    options = options or CaOptions()
    key_identifier = _key_identifier(public_key)
    draft = Draft(
        serial=serial,
        subject=name_of(subject),
        public_key=public_key,
        valid_from=now,
        valid_to=valid_to,
        extensions=(
            *_ca_extensions(options),
            key_identifier,
            # RFC 5280 §4.2.1.1 lets a self-signed certificate go without; chains are found faster with it.
            extension(x509.AuthorityKeyIdentifier(key_identifier.value.digest, None, None), critical=False),
        ),
    )
    check_draft(draft, now=now)
    return draft


def draft_subordinate(
    issuer: Issuer,
    public_key: PublicKey,
    subject: Subject,
    *,
    serial: int,
    now: int,
    valid_to: int,
    options: CaOptions | None = None,
) -> Draft:
    """A certificate for a CA below another.

    Raises RuleBroken: it would outlive its parent, the parent may certify no CA or fewer below it, or a name
    constraint says no. Without a path length of its own it gets what its parent leaves.
    """
    options = options or CaOptions()
    if options.path_length is None and issuer.path_length is not None:
        options = msgspec.structs.replace(options, path_length=max(0, issuer.path_length - 1))
    draft = Draft(
        serial=serial,
        subject=name_of(subject),
        public_key=public_key,
        valid_from=max(now, issuer.valid_from),
        valid_to=valid_to,
        extensions=(*_ca_extensions(options), _key_identifier(public_key), *issuer.extensions),
        issuer=issuer,
    )
    check_draft(draft, now=now)
    return draft


def draft_responder(issuer: Issuer, public_key: PublicKey, *, serial: int, now: int, valid_to: int) -> Draft:
    """A certificate for a key that signs OCSP answers in the place of the CA (RFC 6960 §4.2.2.2).

    Nobody asks whether it is revoked (`id-pkix-ocsp-nocheck`, §4.2.2.2.1): keep its life short and make it anew.
    """
    draft = Draft(
        serial=serial,
        subject=name_of(Subject(common_name="OCSP responder " + issuer.key_id.hex()[:16])),
        public_key=public_key,
        valid_from=max(now, issuer.valid_from),
        valid_to=min(valid_to, issuer.valid_to),
        extensions=(
            _NO_CA,
            usage_extension((KeyUsage.DIGITAL_SIGNATURE,)),
            extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False),
            extension(x509.OCSPNoCheck(), critical=False),
            _key_identifier(public_key),
            issuer.authority_key,
        ),
        issuer=issuer,
    )
    check_draft(draft, now=now)
    return draft


def check_draft(draft: Draft, *, now: int) -> None:
    """What will be signed, against RFC 5280 and the CA that will sign it. Raises RuleBroken."""
    if draft.issuer is not None:
        _check_alive(draft.issuer, now)
    check_public_key(draft.public_key)
    # §4.1.2.2: positive, at most 20 octets, and DER spends a bit on the sign.
    if not 0 < draft.serial.bit_length() < MOST_OCTETS * 8 or draft.serial < 0:
        raise RuleBroken("a serial number is positive and has at most 20 octets")
    if not draft.valid_from < draft.valid_to <= NO_END or draft.valid_to <= now:
        raise RuleBroken(f"the certificate would be over before it begins: it ends at {_shown(draft.valid_to)}")
    constraints = draft.find(x509.BasicConstraints)
    names = draft.find(x509.SubjectAlternativeName)
    if constraints.ca and not draft.subject.rdns:
        raise RuleBroken("a CA needs a subject")  # §4.1.2.4
    if not draft.subject.rdns and names is None:
        raise RuleBroken("the certificate needs a subject or an alternative name")  # §4.1.2.6
    if draft.issuer is None:
        return
    _check_against_issuer(draft, draft.issuer)
    check_names(draft.issuer.constraints, draft.subject, names or ())
    if constraints.ca:
        _check_path_length(constraints.path_length, draft.issuer)


def _check_alive(issuer: Issuer, now: int) -> None:
    if not issuer.valid_from <= now <= issuer.valid_to:
        raise RuleBroken(
            f"the CA is valid from {_shown(issuer.valid_from)} to {_shown(issuer.valid_to)}; it cannot issue now"
        )


def _check_against_issuer(draft: Draft, issuer: Issuer) -> None:
    if draft.valid_to > issuer.valid_to or draft.valid_from < issuer.valid_from:
        raise RuleBroken(
            f"the certificate would outlive its CA: {_shown(draft.valid_to)} is after {_shown(issuer.valid_to)}"
        )
    if draft.public_key == issuer.public_key:
        raise RuleBroken("the key is that of the CA itself")
    if draft.find(x509.BasicConstraints).ca and draft.subject == issuer.name:
        raise RuleBroken("a CA below another needs another subject than it has")


def _check_path_length(path_length: int | None, issuer: Issuer) -> None:
    if issuer.path_length is None:
        return
    if issuer.path_length < 1:
        raise RuleBroken("the CA may not certify other CAs: its path length is used up")
    if path_length is None or path_length >= issuer.path_length:
        raise RuleBroken(f"the path length must be less than {issuer.path_length}, which the CA above has")


def sign_draft(draft: Draft, private_key: PrivateKey) -> x509.Certificate:
    """The certificate. `private_key` is the issuer's, or its own for a root. Blocks as the key does.

    Raises EngineUnavailable.
    """
    signer = draft.public_key if draft.issuer is None else draft.issuer.public_key
    subject = draft.subject.public_bytes()
    algorithm = algorithm_identifier(signer)
    content = sequence(
        explicit(0, integer(2)),  # version 3
        integer(draft.serial),
        algorithm,
        # As it stands in the issuer's certificate, also where nobody would write a name so today (§4.1.2.4, §7.1).
        subject if draft.issuer is None else draft.issuer.name_der,
        sequence(time(draft.valid_from), time(draft.valid_to)),
        subject,
        draft.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        explicit(3, sequence(*map(_encoded, draft.extensions))),
    )
    signature = sign_bytes(private_key, signer, content)
    return x509.load_der_x509_certificate(sequence(content, algorithm, bit_string(signature)))


def _encoded(found: AnyExtension) -> bytes:
    critical = BOOLEAN_TRUE if found.critical else b""
    return sequence(object_identifier(found.oid.dotted_string), critical, octets(found.value.public_bytes()))


def request_ca(private_key: PrivateKey, subject: Subject, options: CaOptions | None = None) -> bytes:
    """A request for an outside parent to certify a CA (PKCS #10 in PEM). Blocks as the key does.

    It asks for what a subordinate CA needs; what it gets is the parent's to say. Raises RuleBroken, EngineUnavailable.
    """
    name = name_of(subject)
    if not name.rdns:
        raise RuleBroken("a CA needs a subject")
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    public_key = private_key.public_key()
    for each in (*_ca_extensions(options or CaOptions()), _key_identifier(public_key)):
        builder = builder.add_extension(each.value, each.critical)
    return builder.sign(private_key, hash_of(public_key)).public_bytes(Encoding.PEM)


def _leaf_end(issuer: Issuer, profile: Profile, now: int, default_validity: Expiration, valid_to: int | None) -> int:
    allowed = (profile.validity or default_validity).ends_at(now)
    end = allowed if valid_to is None else valid_to
    if end > allowed:
        raise RuleBroken(f"the certificate may be valid until {_shown(allowed)}, not until {_shown(end)}")
    return min(end, issuer.valid_to) if profile.beyond_ca is BeyondCa.CLIP else end


def _ca_extensions(options: CaOptions) -> tuple[AnyExtension, ...]:
    if options.path_length is not None and not 0 <= options.path_length <= 255:
        raise RuleBroken("the path length of a CA is 0 to 255")
    constraints = constraints_of(options.name_constraints)
    found: list[AnyExtension] = [
        extension(x509.BasicConstraints(ca=True, path_length=options.path_length), critical=True),
        usage_extension(_CA_USAGE),
    ]
    if constraints is not None:
        found.append(extension(constraints, critical=True))  # RFC 5280 §4.2.1.10: MUST
    return tuple(found)


def _key_identifier(public_key: PublicKey) -> x509.Extension[x509.SubjectKeyIdentifier]:
    return extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)


def _shown(seconds: int) -> str:
    return format_time(seconds) if 0 <= seconds <= NO_END else "never"
