"""What of a request goes into a certificate: subject, alternative names, usages, as the profile says."""

from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from blazon.ca.x509.extensions import KeyUsage, extension, extension_of, usable, usage_extension, usages_of
from blazon.ca.x509.general_names import NameType, checked_names, is_mailbox
from blazon.ca.x509.names import Subject, checked_name, name_of
from blazon.ca.x509.profiles import TIME_STAMPING, TIME_STAMPING_USAGES, Honoured, Profile, purposes_of
from blazon.ca.x509.reading import CertificationRequest
from blazon.errors import RuleBroken

__all__ = ["requested_extensions", "requested_subject"]

AnyExtension = x509.Extension[x509.ExtensionType]

_NO_SUBJECT: Final = Subject()


def requested_subject(profile: Profile, request: CertificationRequest, subject: Subject | None) -> x509.Name:
    """The subject of the certificate: the given one, else the request's where the profile honours it.

    Parts the profile sets replace the same parts. Raises RuleBroken.
    """
    if subject is not None:
        return name_of(_with_parts(subject, profile.subject))
    if not profile.honour_subject:
        return name_of(profile.subject)
    name = checked_name(request.subject)
    if profile.subject == _NO_SUBJECT:
        return name
    fixed = name_of(profile.subject)
    kinds = {attribute.oid for attribute in fixed}
    return x509.Name([*fixed.rdns, *(rdn for rdn in name.rdns if not kinds.intersection(part.oid for part in rdn))])


def _with_parts(subject: Subject, parts: Subject) -> Subject:
    given = {name: value for name, value in msgspec.structs.asdict(parts).items() if value}
    return msgspec.structs.replace(subject, **given)


def requested_extensions(
    profile: Profile, request: CertificationRequest, subject: x509.Name, allowed: frozenset[str] | None
) -> tuple[AnyExtension, ...]:
    """Key usage, extended key usage, policies and alternative names. Raises RuleBroken.

    What the profile does not honour is left out, and so are extended key usages the CA may not give (`allowed`; None
    for any). A request to be a CA is refused, whatever the profile says: who asks for that does not want what it would
    get.
    """
    _refuse_ca(request.extensions)
    purposes = _purposes(profile, request.extensions, allowed)
    stamps_time = TIME_STAMPING in purposes
    usages = usable(_usages(profile, request.extensions, stamps_time=stamps_time), request.spec.type)
    if not usages:
        raise RuleBroken(f"no key usage is left for a key of type {request.spec.type.value}")
    found: list[AnyExtension] = [usage_extension(usages)]
    if purposes:
        # Not critical: what a client does not know must not keep it from the rest (RFC 5280 §4.2.1.12). Who stamps the
        # time may do nothing else, and this must be known (RFC 3161 §2.3).
        value = x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, purposes))
        found.append(extension(value, critical=stamps_time))
    if profile.policies:
        policies = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in profile.policies]
        found.append(extension(x509.CertificatePolicies(policies), critical=False))
    names = _with_mailboxes(profile, subject, _names(profile, request.extensions))
    if names:
        # RFC 5280 §4.2.1.6: critical when there is no subject beside it.
        found.append(extension(x509.SubjectAlternativeName(names), critical=not subject.rdns))
    return tuple(found)


def _with_mailboxes(
    profile: Profile, subject: x509.Name, names: tuple[x509.GeneralName, ...]
) -> tuple[x509.GeneralName, ...]:
    """The names with the mail addresses of the subject: there alone they may not stand (RFC 5280 §4.1.2.6)."""
    found = [part.value for part in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]
    if found and NameType.EMAIL not in profile.name_types:
        raise RuleBroken("the subject has an e-mail address, which the profile does not allow")
    for address in found:
        if not isinstance(address, str) or not is_mailbox(address):
            raise RuleBroken("the subject's e-mail address is not a mailbox, such as user@example.com")
    return tuple(dict.fromkeys((*names, *(x509.RFC822Name(str(address)) for address in found))))


def _refuse_ca(extensions: x509.Extensions) -> None:
    constraints = extension_of(extensions, x509.BasicConstraints)
    usage = extension_of(extensions, x509.KeyUsage)
    if (constraints is not None and constraints.ca) or (usage is not None and usage.key_cert_sign):
        raise RuleBroken("the certificate request asks for a CA; make a subordinate CA instead")
    if usage is not None and usage.crl_sign:
        raise RuleBroken("the certificate request asks to sign CRLs, which is for CAs")
    purposes = extension_of(extensions, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.OCSP_SIGNING in purposes:
        raise RuleBroken("the certificate request asks to answer OCSP, which is for a CA's own responder")


def _usages(profile: Profile, extensions: x509.Extensions, *, stamps_time: bool) -> tuple[KeyUsage, ...]:
    usages, asked = profile.key_usage, extension_of(extensions, x509.KeyUsage)
    if asked is not None and Honoured.KEY_USAGE in profile.honour_extensions:
        usages = tuple(usage for usage in usages_of(asked) if usage in usages)
    return tuple(usage for usage in usages if not stamps_time or usage in TIME_STAMPING_USAGES)


def _purposes(profile: Profile, extensions: x509.Extensions, allowed: frozenset[str] | None) -> tuple[str, ...]:
    wanted = left = purposes_of(profile)
    asked = extension_of(extensions, x509.ExtendedKeyUsage)
    if asked is not None and Honoured.EXTENDED_KEY_USAGE in profile.honour_extensions:
        named = {usage.dotted_string for usage in asked}
        left = tuple(usage for usage in wanted if usage in named)
        if wanted and not left:
            raise RuleBroken("the profile allows none of the extended key usages the certificate request asks for")
    if allowed is not None:
        left = tuple(usage for usage in left if usage in allowed)
        if wanted and not left:
            raise RuleBroken(
                "the certificate of the CA, or of one above it, allows none of the extended key usages of the profile;"
                " clients would refuse what it issues"
            )
    if TIME_STAMPING in left and len(left) > 1:
        raise RuleBroken("timeStamping stands alone as extended key usage, or no client accepts it (RFC 3161 §2.3)")
    return left


def _names(profile: Profile, extensions: x509.Extensions) -> tuple[x509.GeneralName, ...]:
    if Honoured.SUBJECT_ALTERNATIVE_NAME not in profile.honour_extensions:
        return ()
    asked = extension_of(extensions, x509.SubjectAlternativeName)
    if asked is None:
        return ()
    return checked_names(asked, kinds=profile.name_types, most=profile.most_names, wildcards=profile.wildcards)
