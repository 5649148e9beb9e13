"""HTTP of the garden."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from blazon.caller import Caller
from blazon.errors import BlazonError, Conflict, NotFound, Unauthenticated
from blazon.web import AnyRoute, Auth, Call, NoBody, NoQuery, Reply, Request, RouteTable
from tests.garden.service import Plants

__all__ = ["GardenApi", "GateKey", "Wilted"]


class PlantBody(Struct, frozen=True):
    """A plant."""

    id: str
    watered: int = 0


class Wilted(Struct, frozen=True):
    """What went wrong, as gardeners say it."""

    wilted: str

    @classmethod
    def of(cls, error: BlazonError) -> "Wilted":
        """The body for an error."""
        return cls(error.reason)


class GateKey:
    """The scheme by which the key of the gate is shown."""

    name = "gate key"
    missing = "show the key: send X-Gate-Key"
    challenge = "Gate"
    described = ("gate", {"type": "apiKey", "in": "header", "name": "X-Gate-Key"})

    def __init__(self, key: str) -> None:
        self._key = key

    async def authenticate(self, asked: Request) -> Caller | None:
        """Whoever has the key is the gardener."""
        shown = asked.headers.one(b"x-gate-key")
        if shown is None:
            return None
        if shown != self._key:
            raise Unauthenticated("this key does not open the gate")
        return Caller(id="gardener")


class GardenApi:
    """Handlers and routes."""

    def __init__(self, plants: Plants) -> None:
        self._plants = plants

    async def create_plant(self, call: Call[PlantBody, NoQuery]) -> Reply:
        plant = await self._plants.plant(call.caller, call.body.id)
        return Reply(201, PlantBody(plant.id, plant.watered))

    async def water_plant(self, call: Call[NoBody, NoQuery]) -> Reply:
        plant = await self._plants.water(call.caller, call.path["id"])
        return Reply(200, PlantBody(plant.id, plant.watered))

    async def show_garden(self, call: Call[NoBody, NoQuery]) -> Reply:
        return Reply(200, b"<!doctype html><title>Garden</title>")

    async def watch_garden(self, call: Call[NoBody, NoQuery]) -> Reply:
        return Reply(200, self._plants.watch())

    def routes(self) -> Sequence[AnyRoute]:
        """The routes: on the common listener and the garden's own, and at the gate."""
        garden: Any = RouteTable("garden", answer=PlantBody, errors=(Conflict,), failure=Wilted, service="garden")
        garden.post("/garden/plants", "Plant something", self.create_plant, body=PlantBody, status=201)
        garden.get("/garden", "Show the garden", self.show_garden, answer=bytes, produces="text/html", auth=Auth.NONE)
        garden.get(
            "/garden/events",
            "Watch the garden",
            self.watch_garden,
            answer=bytes,
            produces="text/event-stream",
            auth=Auth.NONE,
        )
        gate: Any = RouteTable("garden", answer=PlantBody, failure=Wilted, listener="gate", auth=Auth(("gate key",)))
        gate.post("/plants/{id}/water", "Water a plant", self.water_plant, errors=(NotFound,))
        return (*garden.routes, *gate.routes)
