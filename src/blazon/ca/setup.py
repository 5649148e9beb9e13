"""Puts the room together."""

from blazon.addresses import url_of_listener
from blazon.ca.api import AuthorityApi, CertificateApi, EngineApi, ProfileApi, ValidationApi
from blazon.ca.published import Published
from blazon.ca.service import (
    Addresses,
    Authorities,
    Binding,
    Certificates,
    Crls,
    Deltas,
    Founding,
    Imports,
    Intents,
    Issuance,
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
from blazon.ca.settings import EngineSettings, PkiSettings
from blazon.ca.store import Store
from blazon.engines import Engine, Engines, EngineWatch, KmsEngine, Pkcs11Engine, SoftwareEngine
from blazon.room import House, Parts
from blazon.services import Service
from blazon.settings import Settings
from blazon.users import People

__all__ = ["build"]


def build(house: House) -> Parts:
    """The running room."""
    settings = house.settings.of(PkiSettings)
    log, store, published = house.log, Store(house.database), Published(house.database)
    software = SoftwareEngine("software", house.sealer)
    engines = _engines(house.settings, software)
    deltas = Deltas(int(settings.near), int(settings.critical))
    addresses = Addresses(_base_url(house.settings))
    rights = Rights(house.offers.get(People))
    keyring = Keyring(store, published, engines, addresses.of)
    issuers = Issuers(store, published, house.clock)
    intents = Intents(log, store, engines)
    founding = Founding(log, store, published, issuers, keyring, deltas)
    binding = Binding(log, store, founding, issuers)
    lifetime = int(settings.ocsp_time)
    responders = Responders(log, store, published, keyring, intents, software, deltas, lifetime)
    ocsp = Ocsp(published, keyring, issuers, responders, log, lifetime)
    crls = Crls(log, published, keyring, issuers, int(settings.crl_time))
    for heard in (keyring, issuers, responders, ocsp, crls):
        log.listen(heard)
    authorities = Authorities(log, store, rights, keyring, founding, issuers, engines, intents)
    imports = Imports(log, store, rights, founding, binding, engines, intents)
    requests = Requests(log, store, rights, founding, binding, engines, intents)
    certificates = Certificates(log, store, rights, keyring, founding, intents, deltas)
    watch = EngineWatch(engines, house.health)

    async def prepare() -> None:
        await watch.begin()
        # SQLite has one process: whatever is open was left by one that is gone. Of PostgreSQL others may be at work.
        await intents.sweep(everything=house.database.dialect.name == "sqlite")

    routes = (
        *AuthorityApi(authorities, imports, requests, issuers, addresses).routes(),
        *CertificateApi(certificates, issuers).routes(),
        *EngineApi(rights, engines, store, keyring, Messages(log, rights, keyring)).routes(),
        *ProfileApi(Profiles(log, store, rights)).routes(),
    )
    return Parts(
        routes=(
            *routes,
            *ValidationApi(ocsp, crls, issuers, store, int(settings.ocsp_max_age)).routes(),
        ),
        services=(
            Service("certificate life", Life(log, store).run),
            Service("certificate intents", intents.keep_sweeping),
            Service("OCSP responses", ocsp.keep_signed),
            Service("OCSP responders", responders.keep_renewed),
            Service("issuer binding", binding.follower.run),
            Service("crypto engines", watch.run),
        ),
        offers=(Issuance(log, certificates, intents),),
        notes=watch.notes,
        prepare=prepare,
        close=engines.close,
    )


def _engines(settings: Settings, software: SoftwareEngine) -> Engines:
    """The software engine, and those that are set."""
    given = settings.of(EngineSettings)
    found: list[Engine] = [software]
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
    given = settings.of(PkiSettings).url or settings.http.public_url
    return given.rstrip("/") or url_of_listener(settings.http.listen)
