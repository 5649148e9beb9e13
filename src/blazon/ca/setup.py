"""Puts the room together."""

import msgspec

from blazon.addresses import url_of_listener
from blazon.ca.api import AuthorityApi, CertificateApi, EngineApi, ProfileApi, ValidationApi
from blazon.ca.service import (
    Addresses,
    Authorities,
    Certificates,
    Crls,
    Deltas,
    Founding,
    Imports,
    Intents,
    Issuers,
    Keyring,
    Life,
    Messages,
    Ocsp,
    Profiles,
    Requests,
    Responders,
    Rights,
)
from blazon.ca.store import Store
from blazon.engines import Engine, Engines, EngineWatch, KmsEngine, Pkcs11Engine, SoftwareEngine
from blazon.room import House, Parts
from blazon.settings import Settings
from blazon.storage import Sealer
from blazon.users import People
from blazon.web import JSON_OR_TEXT

__all__ = ["build"]


def build(house: House) -> Parts:
    """The running room."""
    settings = house.settings.pki
    log, store = house.log, Store(house.database)
    engines = _engines(house.settings, house.sealer)
    deltas = Deltas(int(settings.near), int(settings.critical))
    addresses = Addresses(_base_url(house.settings))
    rights = Rights(house.offers.get(People))
    keyring = Keyring(store, engines, addresses.of)
    issuers = Issuers(store)
    intents = Intents(log, store, engines)
    founding = Founding(log, store, keyring, deltas)
    responders = Responders(log, intents, deltas, keyring.pauses, int(settings.ocsp_time))
    ocsp = Ocsp(store, keyring, issuers, responders, log, int(settings.ocsp_time))
    crls = Crls(log, store, keyring, issuers, int(settings.crl_time))
    for heard in (keyring, issuers, ocsp, crls):
        log.listen(heard)
    authorities = Authorities(log, store, rights, keyring, founding, engines, intents)
    imports = Imports(log, store, rights, founding, engines, intents)
    requests = Requests(log, store, rights, founding, engines, intents)
    certificates = Certificates(log, store, rights, keyring, founding, intents, deltas)
    watch = EngineWatch(engines, house.health)

    async def prepare() -> None:
        await watch.begin()
        # SQLite has one process: whatever is open was left by one that is gone. Of PostgreSQL others may be at work.
        await intents.sweep(everything=house.database.dialect.name == "sqlite")

    routes = (
        *AuthorityApi(authorities, imports, requests, addresses).routes(),
        *CertificateApi(certificates).routes(),
        *EngineApi(rights, engines, store, keyring, Messages(log, rights, keyring)).routes(),
        *ProfileApi(Profiles(log, store, rights)).routes(),
    )
    return Parts(
        routes=tuple(msgspec.structs.replace(route, media=JSON_OR_TEXT) for route in routes),
        binary_routes=ValidationApi(ocsp, crls, issuers, store, int(settings.ocsp_max_age)).routes(),
        work=(Life(log, store).run, intents.keep_sweeping, ocsp.keep_signed, watch.run),
        notes=watch.notes,
        prepare=prepare,
        close=engines.close,
    )


def _engines(settings: Settings, sealer: Sealer) -> Engines:
    """The software engine, and those that are set."""
    given = settings.engines
    found: list[Engine] = [SoftwareEngine("software", sealer)]
    if given.pkcs11_module:
        found.append(Pkcs11Engine("pkcs11", module=given.pkcs11_module, token=given.pkcs11_token, pin=given.pkcs11_pin))
    if given.kms_region:
        found.append(
            KmsEngine(
                "kms",
                region=given.kms_region,
                endpoint=given.kms_endpoint,
                access_key=given.kms_access_key,
                secret_key=given.kms_secret_key,
            )
        )
    return Engines(found, default=given.default)


def _base_url(settings: Settings) -> str:
    """Where others reach this Blazon; empty when it listens on a port that is not known yet."""
    given = settings.pki.url or settings.http.public_url
    return given.rstrip("/") or url_of_listener(settings.http.listen)
