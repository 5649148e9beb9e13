"""Every event of the CA chapter on a real RabbitMQ and on the stream, compared with the samples of the document."""

import asyncio
import base64
import json
import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aio_pika
import msgspec
import pytest
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from cryptography import x509

from blazon.app import catalogue
from blazon.wire import cloud_event, flat_map
from tests.ca.support import (
    API,
    SUBJECT,
    csr,
    encoded,
    eventually,
    key,
    key_pem,
    lasting,
    make_ca,
    outside_ca,
    pem,
    revoke,
    set_ca_status,
    sign,
)
from tests.faults.support import records_of
from tests.running import Running, running
from tests.servers import RabbitServer

pytestmark = pytest.mark.xdist_group("rabbitmq")

CA_SAMPLE = json.loads("""{
    "serial_number": "b0-32-b8-77-bd-03-17-5a-61-26-fe-40-a7-2e-12-c0-0b-47-a9-6c",
    "issuer_metadata": {
        "serial_number": "b0-32-b8-77-bd-03-17-5a-61-26-fe-40-a7-2e-12-c0-0b-47-a9-6c",
        "ca_id": "9443a6b7-a3ac-41fd-8bee-5ce6bcb55e08"
    },
    "status": "ACTIVE",
    "certificate": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
    "key_metadata": {"type": "RSA", "bits": 4096, "strength": "HIGH"},
    "subject": {
        "common_name": "BootstrapCA",
        "organization": "Ikerlan",
        "organization_unit": "ZPD",
        "country": "ES",
        "state": "Gipuzkoa",
        "locality": "Arrasate"
    },
    "valid_from": "2023-09-20T08:37:17Z",
    "valid_to": "2025-02-11T13:54:30Z",
    "revocation_timestamp": "0001-01-01T00:00:00Z",
    "engine_id": "02b17f9e-44a3-4f8b-8752-e6844d67885e",
    "id": "9443a6b7-a3ac-41fd-8bee-5ce6bcb55e08",
    "metadata": {"lamassu.io/name": "BootstrapCA"},
    "issuance_expiration": {"type": "Time", "time": "2024-02-11T13:54:30Z"},
    "type": "MANAGED",
    "creation_ts": "2023-09-20T08:37:17.693412Z"
}""")
"""The document's sample of a CA; its certificate is cut short."""

CERTIFICATE_SAMPLE = json.loads("""{
    "serial_number": "94-bb-49-38-ab-2a-dc-7e-e7-39-97-b5-d3-9f-1d-bb-3f-47-98-59",
    "metadata": {},
    "issuer_metadata": {
        "serial_number": "b0-32-b8-77-bd-03-17-5a-61-26-fe-40-a7-2e-12-c0-0b-47-a9-6c",
        "ca_id": "9443a6b7-a3ac-41fd-8bee-5ce6bcb55e08"
    },
    "status": "ACTIVE",
    "certificate": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
    "key_metadata": {"type": "RSA", "bits": 2048, "strength": "MEDIUM"},
    "subject": {
        "common_name": "Bootstrap",
        "organization": "",
        "organization_unit": "",
        "country": "ES",
        "state": "",
        "locality": ""
    },
    "valid_from": "2023-09-20T09:25:05Z",
    "valid_to": "2024-02-11T13:54:30Z",
    "revocation_timestamp": "0001-01-01T00:00:00Z"
}""")
"""The document's sample of a certificate."""

DOCUMENTED = {
    "ca.create",
    "ca.import",
    "ca.update.status",
    "ca.update.metadata",
    "ca.delete",
    "ca.sign-certificate",
    "certificate.update.status",
    "certificate.update.metadata",
}

SERIAL = re.compile(r"[0-9a-f]{2}(-[0-9a-f]{2}){19}")
SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
MICROSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
UNSET = "0001-01-01T00:00:00Z"


class Heard(msgspec.Struct, frozen=True):
    """A message as the SDK reads it, with the routing key it came by and the bytes of its data in their order."""

    type: str
    routing_key: str
    event: CloudEvent
    data: dict[str, Any]


class Scenario(msgspec.Struct, frozen=True):
    """What was done, as answers, and what was heard of it."""

    root: Any
    imported: Any
    certificate: Any
    heard: list[Heard]

    def of(self, kind: str) -> list[Heard]:
        """The messages of a type."""
        return [heard for heard in self.heard if heard.type == kind]


async def play(blazon: Running) -> tuple[Any, Any, Any]:
    """Makes every event of the chapter."""
    expiration = {"type": "Time", "time": "2030-02-11T13:54:30Z"}
    more = {"subject": SUBJECT, "key_metadata": {"type": "RSA", "bits": 4096}, "issuance_expiration": expiration}
    root = await make_ca(blazon, "BootstrapCA", **more)
    certificate, private_key = outside_ca("ImportedCA")
    body = {
        "ca": pem(certificate),
        "private_key": encoded(key_pem(private_key)),
        "ca_type": "IMPORTED",
        "issuance_expiration": lasting("14w2d"),
    }
    imported = await blazon.ok("POST", f"{API}/cas/import", body)
    given = {"common_name": "Bootstrap", "country": "ES"}
    issued = await sign(blazon, root, sign_verbatim=False, subject=given)
    await blazon.ok("PUT", f"{API}/cas/{root['id']}/metadata", {"metadata": {"b": [1], "a": {"c": None}}})
    await blazon.ok("PUT", f"{API}/certificates/{issued['serial_number']}/metadata", {"metadata": {"x": "y"}})
    await revoke(blazon, issued)
    await set_ca_status(blazon, imported, "REVOKED", "CessationOfOperation")
    await blazon.ok("DELETE", f"{API}/cas/{imported['id']}")
    return root, imported, issued


@pytest.fixture(scope="module")
async def scenario(
    rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Scenario]:
    name = f"ca-{uuid.uuid4()}"
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "#")
        flags = {"amqp__url": rabbitmq.url, "amqp__exchange": name, "redis__embedded": "no"}
        async with running(tmp_path_factory.mktemp("blazon"), **flags) as blazon:
            made = await play(blazon)
            heard: list[Heard] = []
            async with asyncio.timeout(30), queue.iterator(no_ack=True) as messages:
                async for message in messages:
                    told = RabbitMQMessage({}, message.content_type, message.body)
                    event = from_structured(told, JSONFormat(), CloudEvent)
                    data = json.loads(message.body)["data"]
                    heard.append(Heard(event.get_type(), message.routing_key or "", event, data))
                    if event.get_type() == "ca.delete":
                        break
            yield Scenario(*made, heard)


def check_ca(data: dict[str, Any]) -> None:
    """A CA as the sample has it: the keys in their order, of the sample's types, then what may be added."""
    names = [name for name in data if name not in ("revocation_reason", "level")]
    assert names == list(CA_SAMPLE)
    check_common(data, CA_SAMPLE)
    assert MICROSECONDS.fullmatch(data["creation_ts"])
    assert set(data["issuance_expiration"]) <= {"type", "time", "duration"}


def check_certificate(data: dict[str, Any]) -> None:
    """A certificate as the sample has it, then `type` and `engine_id` (decision B4)."""
    names = [name for name in data if name != "revocation_reason"]
    assert names == [*CERTIFICATE_SAMPLE, "type", "engine_id"]
    check_common(data, CERTIFICATE_SAMPLE)


def check_common(data: dict[str, Any], sample: dict[str, Any]) -> None:
    assert {name: type(value) for name, value in data.items() if name in sample} == {
        name: type(value) for name, value in sample.items()
    }
    for name in ("issuer_metadata", "key_metadata", "subject"):
        assert list(data[name]) == list(sample[name])
    assert type(data["key_metadata"]["bits"]) is int
    assert SERIAL.fullmatch(data["serial_number"])
    assert SECONDS.fullmatch(data["valid_from"])
    assert SECONDS.fullmatch(data["valid_to"])
    pem = base64.b64decode(data["certificate"], validate=True)
    assert pem.startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert pem.endswith(b"-----END CERTIFICATE-----\n")
    certificate = x509.load_pem_x509_certificate(pem)
    assert certificate.serial_number == int(data["serial_number"].replace("-", ""), 16)


def test_every_documented_type_is_there(scenario: Scenario) -> None:
    assert {heard.type for heard in scenario.heard} >= DOCUMENTED


def test_envelope(scenario: Scenario) -> None:
    for heard in scenario.heard:
        if heard.type in DOCUMENTED:
            assert heard.routing_key == heard.type
            assert heard.event.get_source() == "/blazon/ca"
            assert heard.event.get_datacontenttype() == "application/json"
            ours = heard.data["id"] if heard.type.startswith("ca.") and "id" in heard.data else None
            assert heard.event.get_subject() == (ours or heard.data["serial_number"])


def test_ca_create_is_as_the_sample(scenario: Scenario) -> None:
    (created,) = scenario.of("ca.create")
    check_ca(created.data)
    root = created.data
    assert root["subject"] == CA_SAMPLE["subject"]
    assert root["key_metadata"] == CA_SAMPLE["key_metadata"]
    assert root["metadata"] == CA_SAMPLE["metadata"]
    assert root["status"] == "ACTIVE"
    assert root["type"] == "MANAGED"
    assert root["revocation_timestamp"] == UNSET
    assert root["issuance_expiration"] == {"type": "Time", "time": "2030-02-11T13:54:30Z"}
    assert root["issuer_metadata"] == {"serial_number": root["serial_number"], "ca_id": root["id"]}
    assert uuid.UUID(root["id"])


def test_ca_import_is_as_the_sample(scenario: Scenario) -> None:
    (imported,) = scenario.of("ca.import")
    check_ca(imported.data)
    assert imported.data["type"] == "IMPORTED"
    assert imported.data["subject"]["common_name"] == "ImportedCA"
    # Decision B3: a Duration with itself, and its milliseconds as text.
    milliseconds = str((14 * 7 + 2) * 86_400_000)
    assert imported.data["issuance_expiration"] == {"type": "Duration", "duration": "14w2d", "time": milliseconds}


def test_ca_updates_are_as_the_sample(scenario: Scenario) -> None:
    (metadata,) = scenario.of("ca.update.metadata")
    check_ca(metadata.data)
    assert metadata.data["metadata"] == {"a": {"c": None}, "b": [1]}
    (status,) = scenario.of("ca.update.status")
    check_ca(status.data)
    assert status.data["status"] == "REVOKED"
    assert status.data["revocation_reason"] == "CessationOfOperation"
    assert status.data["revocation_timestamp"] != UNSET


def test_ca_delete_is_the_ca_as_it_was(scenario: Scenario) -> None:
    (deleted,) = scenario.of("ca.delete")
    (status,) = scenario.of("ca.update.status")
    assert deleted.data == status.data


def test_certificate_events_are_as_the_sample(scenario: Scenario) -> None:
    (signed,) = scenario.of("ca.sign-certificate")
    check_certificate(signed.data)
    assert signed.data["subject"] == CERTIFICATE_SAMPLE["subject"]
    assert signed.data["metadata"] == {}
    assert signed.data["type"] == "EXTERNAL"
    root = scenario.root
    assert signed.data["issuer_metadata"] == {"serial_number": root["serial_number"], "ca_id": root["id"]}
    assert signed.data["revocation_timestamp"] == UNSET
    (metadata,) = scenario.of("certificate.update.metadata")
    check_certificate(metadata.data)
    assert metadata.data == {**signed.data, "metadata": {"x": "y"}}
    (status,) = scenario.of("certificate.update.status")
    check_certificate(status.data)
    assert (status.data["status"], status.data["revocation_reason"]) == ("REVOKED", "KeyCompromise")


def test_answers_are_what_events_say(scenario: Scenario) -> None:
    """And tell by what clients of another generation know who issued it."""
    root = scenario.root
    for kind, answer in (("ca.create", root), ("ca.sign-certificate", scenario.certificate)):
        (heard,) = scenario.of(kind)
        issuer = {**heard.data["issuer_metadata"], "id": root["id"], "level": 0}
        assert {name: answer[name] for name in heard.data} == {**heard.data, "issuer_metadata": issuer}


async def test_the_engine_of_a_ca_whose_key_is_elsewhere_is_told_as_empty(tmp_path: Path) -> None:
    """The document lists `engine_id` of every CA; a consumer need not ask whether it is there."""
    async with running(tmp_path, redis__embedded="no") as blazon:
        certificate, _ = outside_ca("Told of")
        ca = await blazon.ok("POST", f"{API}/cas/import", {"ca": pem(certificate)})
        await blazon.ok("PUT", f"{API}/cas/{ca['id']}/metadata", {"metadata": {}})
        await set_ca_status(blazon, ca, "REVOKED")
        await blazon.ok("DELETE", f"{API}/cas/{ca['id']}")
        leaf, _ = outside_ca("Told of too", is_ca=False)
        await revoke(blazon, await blazon.ok("POST", f"{API}/certificates/import", {"certificate": pem(leaf)}))
    types = catalogue()
    records = [record for record in await records_of(tmp_path, "") if record.service == "ca"]
    told = {record.type: json.loads(cloud_event(record, types.of(record)))["data"] for record in records}
    assert {kind: data.get("engine_id") for kind, data in told.items()} == {
        "ca.import": "",
        "ca.update.metadata": "",
        "ca.update.status": "",
        "ca.delete": "",
        "ca.certificate.import": "",
        "certificate.update.status": "",
    }
    check_ca(told["ca.import"])
    # On the stream what is empty is left out, as ever.
    assert "engine_id" not in flat_map(records[0], types.of(records[0]))


def test_no_private_key_is_told(scenario: Scenario) -> None:
    for heard in scenario.heard:
        told = json.dumps(heard.data)
        assert "PRIVATE" not in told
        assert "v1." not in told, "a sealed key"
        assert "handle" not in told


async def test_flat_maps_say_the_same(tmp_path: Any) -> None:
    """On the stream `mainflux.ca` objects are JSON text."""
    import redis.asyncio

    async with running(tmp_path) as blazon:
        root = await make_ca(blazon, "Flat")
        issued = await blazon.ok(
            "POST", f"{API}/cas/{root['id']}/certificates/sign", {"csr": csr("flat"), "sign_verbatim": True}
        )
        client = redis.asyncio.Redis.from_url(blazon.redis_url, decode_responses=True)
        found: dict[str, dict[str, str]] = {}

        async def there() -> bool:
            found.update({fields["operation"]: fields for _, fields in await client.xrange("mainflux.ca")})
            return {"ca.create", "ca.sign-certificate"} <= set(found)

        await eventually(there)
        await client.aclose()
    for kind, body in (("ca.create", root), ("ca.sign-certificate", issued)):
        fields = found[kind]
        assert int(fields["occurred_at"]) > 10**18
        for name in ("key_metadata", "subject", "metadata"):
            assert json.loads(fields[name]) == body[name]
        issuer = {"serial_number": root["serial_number"], "ca_id": root["id"]}
        assert json.loads(fields["issuer_metadata"]) == issuer
        for name in ("serial_number", "status", "certificate", "valid_from", "valid_to", "type", "engine_id"):
            assert fields[name] == body[name]
    assert key_pem(key())  # a client's key is its own: nothing of it is anywhere in the stream
    assert "PRIVATE" not in json.dumps(found)
