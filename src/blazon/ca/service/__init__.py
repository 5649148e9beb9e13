"""The rules: what may happen, decided from what is there. No HTTP, no SQL text."""

from blazon.ca.service.addresses import Addresses
from blazon.ca.service.answers import Answer
from blazon.ca.service.authorities import Authorities, AuthorityDraft
from blazon.ca.service.binding import Binding
from blazon.ca.service.certificates import Certificates, KeyedDraft, SignDraft
from blazon.ca.service.crls import Crls
from blazon.ca.service.founding import Founding
from blazon.ca.service.imports import ImportDraft, Imports
from blazon.ca.service.intents import Intents
from blazon.ca.service.issuance import Issuance
from blazon.ca.service.issuers import Issuers
from blazon.ca.service.keyring import Keyring
from blazon.ca.service.life import Life
from blazon.ca.service.messages import Messages
from blazon.ca.service.ocsp import Ocsp
from blazon.ca.service.profiles import Profiles
from blazon.ca.service.requests import CompleteDraft, RequestDraft, Requests
from blazon.ca.service.responders import Responders
from blazon.ca.service.rights import Rights
from blazon.ca.service.rules import Deltas

__all__ = [
    "Addresses",
    "Answer",
    "Authorities",
    "AuthorityDraft",
    "Binding",
    "Certificates",
    "CompleteDraft",
    "Crls",
    "Deltas",
    "Founding",
    "ImportDraft",
    "Imports",
    "Intents",
    "Issuance",
    "Issuers",
    "KeyedDraft",
    "Keyring",
    "Life",
    "Messages",
    "Ocsp",
    "Profiles",
    "RequestDraft",
    "Requests",
    "Responders",
    "Rights",
    "SignDraft",
]
