"""Certificate authorities, certificates and their life.

It can make and import CAs with keys in an engine, issue certificates by profiles, revoke them, watch them grow old, and
tell others about it: CRLs, OCSP, events. It does not know devices or how they enrol, and it never shows the private key
of a CA.
"""

from blazon.ca.apply import APPLIERS
from blazon.ca.events import TYPES
from blazon.ca.models import AUTHORITY, CERTIFICATE, CRL, INTENT, PROFILE, REQUEST, RESPONDER
from blazon.ca.service import Issuance, SignDraft
from blazon.ca.settings import EngineSettings, PkiSettings
from blazon.ca.setup import build
from blazon.room import Room, Table
from blazon.storage import MigrationSet

__all__ = ["Issuance", "SignDraft", "room"]

room = Room(
    name="ca",
    migrations=MigrationSet("ca", "blazon.ca"),
    tables=(
        Table("cas", ("id",)),
        Table("certificates", ("serial",)),
        Table("ca_requests", ("id",)),
        Table("ca_profiles", ("id",)),
        Table("ca_intents", ("id",)),
        Table("ca_crls", ("id",)),
        Table("ca_responders", ("id",)),
        Table("deleted_cas", ("sequence",)),
    ),
    kinds=(AUTHORITY, CERTIFICATE, REQUEST, PROFILE, INTENT, CRL, RESPONDER),
    types=TYPES,
    appliers=APPLIERS,
    build=build,
    settings={"pki": PkiSettings, "engines": EngineSettings},
)
