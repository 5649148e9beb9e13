"""Puts the room together."""

import ssl

from prometheus_client import Gauge

from blazon.room import House, Parts
from blazon.services import Service
from blazon.web import Listener
from tests.garden.api import GardenApi, GateKey
from tests.garden.service import Gardener, Plants
from tests.garden.settings import GardenSettings
from tests.garden.store import Store

__all__ = ["build"]


def build(house: House) -> Parts:
    """The running room."""
    settings = house.settings.of(GardenSettings)
    store = Store(house.database)
    gardener = Gardener(store, Gauge("garden_plants", "Plants in the garden.", registry=house.metrics))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(settings.certificate)
    return Parts(
        routes=GardenApi(Plants(house.log, store, settings.most)).routes(),
        listeners=(Listener("gate", settings.gate, tls),),
        schemes=(GateKey(settings.key),),
        services=(Service("gardener", gardener.run),),
        offers=(gardener,),
    )
