"""What a room may ask of the house: one that asks for everything runs beside the others, unknown to `app.py`."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from blazon.app import ROOMS, tables_of
from blazon.errors import SettingsError, StartError
from blazon.settings import load
from tests.ca.support import key_pem, outside_ca
from tests.garden import room
from tests.running import Running, running, running_rooms

ROOMS_AND_GARDEN = (*ROOMS, room)


@asynccontextmanager
async def garden(tmp_path: Path, **flags: str) -> AsyncIterator[Running]:
    """A Blazon with the garden."""
    certificate, key = outside_ca("gate")
    file = tmp_path / "gate.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + key_pem(key))
    given = {"garden__certificate": str(file), "garden__key": "rusty", "redis__embedded": "no", **flags}
    async with running_rooms(ROOMS_AND_GARDEN, tmp_path / "data", **given) as blazon:
        yield blazon


async def test_a_room_runs_with_all_it_asks_for(tmp_path: Path) -> None:
    async with garden(tmp_path, http__services__garden="127.0.0.1:0") as blazon:
        assert await blazon.ok("POST", "/garden/plants", {"id": "rose"}) == {"id": "rose", "watered": 0}
        refused = await blazon.call("POST", "/garden/plants", {"id": "rose"})
        assert (refused.status, refused.json) == (409, {"wilted": "it is planted already"})
        shown = await blazon.call("GET", "/garden", token="")
        assert (shown.headers["content-type"], shown.body[:15]) == ("text/html", b"<!doctype html>")
        assert (await blazon.call("POST", "/plants/rose/water")).status == 404, "the gate is somewhere else"
        async with asyncio.timeout(10):
            while await blazon.metric("garden_plants") != 1:
                await asyncio.sleep(0.01)


async def test_a_listener_with_tls_and_a_scheme_of_its_own(tmp_path: Path) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with garden(tmp_path) as blazon, aiohttp.ClientSession() as client:
        await blazon.ok("POST", "/garden/plants", {"id": "rose"})
        host, port = blazon.started.listeners["gate"]
        url = f"https://{host}:{port}/plants/rose/water"
        for key, status in ((None, 401), ("shiny", 401), ("rusty", 200)):
            headers = {} if key is None else {"X-Gate-Key": key}
            async with client.post(url, headers=headers, ssl=trusting) as answer:
                assert answer.status == status
                if status == 401:
                    assert answer.headers["www-authenticate"] == "Gate"
                else:
                    assert await answer.json() == {"id": "rose", "watered": 1}
        async with client.post(f"https://{host}:{port}/garden/plants", json={"id": "x"}, ssl=trusting) as answer:
            assert answer.status == 404


async def test_the_address_of_a_service(tmp_path: Path) -> None:
    async with garden(tmp_path, http__services__garden="127.0.0.1:0") as blazon, aiohttp.ClientSession() as client:
        host, port = blazon.started.listeners["garden"]
        async with client.get(f"http://{host}:{port}/garden") as answer:
            assert answer.status == 200
        async with client.get(f"http://{host}:{port}/health") as answer:
            assert answer.status == 200
        async with client.get(f"http://{host}:{port}/things") as answer:
            assert answer.status == 404, "things are another service"


async def test_a_stream(tmp_path: Path) -> None:
    async with (
        garden(tmp_path) as blazon,
        aiohttp.ClientSession() as client,
        client.get(f"{blazon.url}/garden/events") as answer,
    ):
        assert answer.headers["content-type"] == "text/event-stream"
        assert await answer.content.readuntil(b"\n\n") == b"data: 0\n\n"
        await blazon.ok("POST", "/garden/plants", {"id": "rose"})
        assert await answer.content.readuntil(b"\n\n") == b"data: 1\n\n"


async def test_the_settings_of_a_room(tmp_path: Path) -> None:
    tables = tables_of(ROOMS_AND_GARDEN)
    assert load(flags={"garden.most": "7"}, tables=tables).of(room.settings["garden"]).most == 7  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match=r"garden\.most must be a whole number from 1"):
        load(flags={"garden.most": "0"}, tables=tables)
    file = tmp_path / "blazon.toml"
    file.write_text("[garden]\nmost = 2\n")
    assert load(file, tables=tables).rooms.keys() == {"garden"}
    with pytest.raises(SettingsError, match="there is no table garden"):
        load(file, tables=tables_of(ROOMS))
    assert load(file, tables=None).rooms == {}


async def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    again = msgspec.structs.replace(
        room, settings={"garden": type(room.settings["garden"].__name__, (msgspec.Struct,), {})}
    )
    with pytest.raises(ValueError, match="two rooms have a table of settings called garden"):
        tables_of((*ROOMS_AND_GARDEN, again))
    with pytest.raises(StartError, match=r"choose another address in http\.services\.things"):
        async with running(tmp_path, redis__embedded="no", http__services__things="192.0.2.1:1"):
            pass


async def test_a_handshake_that_does_not_come_holds_up_no_stop(tmp_path: Path) -> None:
    async with asyncio.timeout(40):
        async with garden(tmp_path, http__head_time="1h") as blazon:
            _, writer = await asyncio.open_connection(*blazon.started.listeners["gate"])
            await blazon.metric("garden_plants")  # the gate has accepted the connection by now
    writer.close()
