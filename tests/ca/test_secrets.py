"""No private key leaves Blazon but in the one answer it is made for, in any form: DER, PEM, numbers, base64 of each.

And a sealed one stays in the database. The keys are those Blazon made, opened with its master key, and those that were
brought, with what was brought in vain. Looked through is everything a process writes: its log file, its files, Redis,
RabbitMQ, every answer.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
import msgspec
import pytest
import redis.asyncio
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from blazon.engines import StoredKey
from blazon.storage import Sealer, load_master_key, open_database
from tests.ca.support import API, ca_body, encoded, key_pem, lasting, outside_ca, pem
from tests.faults.process import BlazonProcess
from tests.faults.support import relays_caught_up
from tests.servers import RabbitServer, RedisServer

pytestmark = pytest.mark.xdist_group("rabbitmq")

PASSWORD = "correct horse battery staple"
SPECS = (("ECDSA", 256), ("ECDSA", 521), ("RSA", 2048), ("Ed25519", 256), ("ML-DSA", 44))


def numbers_of(private_key: Any) -> list[bytes]:
    """The octets that are the secret of a key."""
    if isinstance(private_key, rsa.RSAPrivateKey):
        own = private_key.private_numbers()
        return [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (own.p, own.q, own.d)]
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        number = private_key.private_numbers().private_value
        return [number.to_bytes((number.bit_length() + 7) // 8, "big")]
    if isinstance(private_key, dsa.DSAPrivateKey):
        number = private_key.private_numbers().x
        return [number.to_bytes((number.bit_length() + 7) // 8, "big")]
    return [private_key.private_bytes_raw()]


_RUN = re.compile(rb"[A-Za-z0-9+/_-]{24,}")
_ENDS = re.compile(rb"\\r|\\n|\r|\n")
_ONE_ALPHABET = bytes.maketrans(b"-_", b"+/")


def layers_of(held: bytes, depth: int = 3) -> Iterator[bytes]:
    """What is held, and what is in it in base64, wherever that begins, and so on: PEM in base64 has two layers."""
    mended = _ENDS.sub(b"", held)
    yield held
    yield mended
    for run in _RUN.findall(mended) if depth else ():
        for shift in range(4):
            coded = run[shift:].translate(_ONE_ALPHABET)
            yield from layers_of(base64.b64decode(coded[: len(coded) // 4 * 4]), depth - 1)


def forms_of(octets: bytes) -> list[bytes]:
    """The forms in which a secret may show: itself, by 20 of its octets, and in digits."""
    part = octets[4:24]
    number = str(int.from_bytes(octets, "big")).encode()
    return [part, part.hex().encode(), part.hex().upper().encode(), number, repr(part)[2:-1].encode()]


def shown_in(secrets: Iterable[bytes], places: dict[str, bytes]) -> list[str]:
    """The places that show one of the secrets."""
    forms = {form for secret in secrets for form in forms_of(secret)}
    assert all(len(form) >= 16 for form in forms)
    any_form = re.compile(b"|".join(map(re.escape, forms)))
    return [name for name, held in places.items() if any(map(any_form.search, layers_of(held)))]


class Asked:
    """A Blazon process, and every answer it gave."""

    def __init__(self, blazon: BlazonProcess, session: aiohttp.ClientSession) -> None:
        self.blazon = blazon
        self._session = session
        self.answers: list[bytes] = []
        self.statuses: list[int] = []

    async def post(self, path: str, body: Any = None, data: bytes | None = None, method: str = "POST") -> bytes:
        sent = json.dumps(body).encode() if data is None and body is not None else data
        headers = {"Content-Type": "application/json"}
        async with self._session.request(method, self.blazon.url + path, data=sent, headers=headers) as answer:
            said = await answer.read()
            self.statuses.append(answer.status)
            self.answers.append(said + str(answer.headers).encode())
            return said


@asynccontextmanager
async def asked(folder: Path, program: tuple[str, ...] = (), **settings: str) -> AsyncIterator[Asked]:
    """A process that logs all it can, and who asks it."""
    blazon = BlazonProcess(folder, log_requests="true", **settings)
    blazon.environment["BLAZON_LOG_LEVEL"] = "debug"
    await blazon.start(program or ("-m", "blazon.cli.main"))
    try:
        async with aiohttp.ClientSession() as session:
            session.headers["Authorization"] = f"Bearer {await blazon.token(session)}"
            yield Asked(blazon, session)
    finally:
        assert blazon.stop() == 0


async def created(client: Asked) -> list[Any]:
    """Makes CAs of every kind, a request, and certificates with their keys, which are answered once."""
    handed_out = []
    for kind, bits in SPECS:
        spec = {"type": kind, "bits": bits}
        made = json.loads(await client.post(f"{API}/cas", ca_body(f"Made {kind}", key_metadata=spec)))
        leaf = {"subject": {"common_name": "with a key"}, "key_metadata": spec}
        said = json.loads(await client.post(f"{API}/cas/{made['id']}/certificates", leaf))
        client.answers.pop()
        handed_out.append(load_pem_private_key(base64.b64decode(said["private_key"]), None))
        await client.post(f"{API}/cas/{made['id']}", method="GET")
        message = {"message": "YQ==", "message_type": "raw", "signature_algorithm": "ECDSA_SHA_256"}
        await client.post(f"{API}/cas/{made['id']}/signature/sign", message)
    pending = ca_body("Pending")
    del pending["ca_expiration"]
    await client.post(f"{API}/requests", pending)
    for path in ("cas", "requests", "certificates", "engines"):
        await client.post(f"{API}/{path}", method="GET")
    return handed_out


def der_in(text: str) -> bytes:
    """The DER in base64 of PEM."""
    return base64.b64decode(b"".join(base64.b64decode(text).splitlines()[1:-1]))


def as_pem(der: bytes) -> bytes:
    """PEM of DER."""
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n"


async def imported(client: Asked) -> list[Any]:
    """Brings CAs: well, and in every way that is refused."""
    keys: list[Any] = []

    async def bring(private_key: Any, text: str | None = None, **more: Any) -> int:
        keys.append(private_key)
        certificate, _ = outside_ca("Brought", subject_key=None if "ca" in more else private_key)
        body = {
            "ca": pem(certificate),
            "private_key": encoded(key_pem(private_key)) if text is None else text,
            "issuance_expiration": lasting("9d"),
            **more,
        }
        await client.post(f"{API}/cas/import", body)
        return client.statuses[-1]

    curve = ec.SECP256R1()
    fresh = lambda: ec.generate_private_key(curve)  # noqa: E731
    assert await bring(fresh(), id="brought") == 201
    other, _ = outside_ca("Other")
    refused = [
        await bring(fresh(), id="brought"),
        await bring(fresh(), ca=pem(other)),
        await bring(fresh(), ca_type="EXTERNAL"),
        await bring(fresh(), engine_id="none"),
        await bring(fresh(), issuance_expiration=lasting("999y")),
        await bring(fresh(), password=PASSWORD),
        await bring(ec.generate_private_key(ec.SECP256K1())),
        await bring(rsa.generate_private_key(65537, 1024), ca=pem(other)),
        await bring(dsa.generate_private_key(2048), ca=pem(other)),
        await bring(ed25519.Ed25519PrivateKey.generate(), ca=pem(other)),
    ]
    for spoil in (
        lambda text: base64.b64decode(text).decode(),  # PEM, not base64 of it
        lambda text: text[:-40],
        lambda text: text + "!",
        lambda text: encoded(base64.b64decode(text)[:-60]),
        lambda text: encoded(base64.b64decode(text).replace(b"PRIVATE", b"SECRET")),
        lambda text: encoded(base64.b64decode(text) * 2),
        lambda text: encoded(as_pem(der_in(text)[:-1])),
        lambda text: encoded(as_pem(der_in(text) + b"x")),
        lambda text: encoded(as_pem(der_in(text).replace(b"\x06\x07*", b"\x06\x07+"))),
        lambda text: encoded(der_in(text)[:-1]),
    ):
        private_key = fresh()
        refused.append(await bring(private_key, spoil(encoded(key_pem(private_key)))))
    private_key = fresh()
    locked = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode()))
    refused.append(await bring(private_key, encoded(locked), password=PASSWORD, private_key_password=PASSWORD))
    # The key where something else belongs, and a body that breaks off within it.
    private_key = fresh()
    refused.append(await bring(private_key, ca=encoded(key_pem(private_key))))
    refused.append(await bring(private_key, ca_chain=[encoded(key_pem(private_key))]))
    refused.append(await bring(private_key, engine_id=key_pem(private_key).decode()))
    whole = json.dumps({"private_key": encoded(key_pem(private_key)), "password": PASSWORD}).encode()
    for data in (whole[:-60], whole.replace(b"}", b", 1}"), b"[" + whole):
        await client.post(f"{API}/cas/import", data=data)
        refused.append(client.statuses[-1])
    assert [status for status in refused if not 400 <= status < 500 and status != 201] == []
    assert refused.count(201) <= 4, refused
    return keys


async def made_keys(folder: Path) -> tuple[list[Any], list[str]]:
    """The private keys of the CAs, opened, and as they are sealed."""
    database = await open_database("", folder, writable=False)
    try:
        rows = [
            *await database.rows("SELECT key FROM cas WHERE key <> ''"),
            *await database.rows("SELECT key FROM ca_requests"),
        ]
        stored = [msgspec.json.decode(row[0], type=StoredKey) for row in rows]
    finally:
        await database.close()
    sealer = Sealer(load_master_key("", folder))
    keys = [
        load_der_private_key(sealer.unseal(each.handle, f"engine/software/key/{each.name}"), None) for each in stored
    ]
    return keys, [each.handle for each in stored]


async def in_redis(server: RedisServer) -> bytes:
    client = redis.asyncio.Redis.from_url(server.url)
    try:
        return b"\n".join([str(await client.xrange(name)).encode() for name in await client.keys("*")])
    finally:
        await client.aclose()


async def in_rabbitmq(queue: Any) -> bytes:
    found = []
    while (message := await queue.get(no_ack=True, fail=False)) is not None:
        found.append(message.body + str(message.info()).encode())
    return b"\n".join(found)


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_no_key_is_shown(tmp_path: Path, redis: RedisServer, rabbitmq: RabbitServer, log_format: str) -> None:
    connection = await aio_pika.connect_robust(rabbitmq.url)
    async with connection:
        channel = await connection.channel()
        name = f"secrets-{log_format}"
        exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "#")
        settings = {"log_format": log_format, "redis_url": redis.url}
        async with asked(tmp_path, amqp_url=rabbitmq.url, amqp_exchange=name, **settings) as client:
            handed_out = await created(client)
            brought = await imported(client)
            await client.post("/metrics", method="GET")
            await relays_caught_up(client.blazon)
            tail = await asyncio.to_thread(client.blazon.command, "events", "tail", "-n", "1000")
        files = b"".join(
            path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "output.log"
        )
        outside = {
            "log": client.blazon.output().encode(),
            "Redis": await in_redis(redis),
            "RabbitMQ": await in_rabbitmq(queue),
            "events": tail.encode(),
            **{f"answer {number}": answer for number, answer in enumerate(client.answers)},
        }
    for name in ("Redis", "RabbitMQ", "events"):
        assert b"ca.create" in outside[name], f"{name} is where it is told of"
        assert b"ca.import" in outside[name]
    assert b"POST" in outside["log"]
    made, sealed = await made_keys(tmp_path)
    assert len(made) >= len(SPECS) + 2
    secrets = [octets for key in (*made, *handed_out, *brought) for octets in numbers_of(key)]
    assert shown_in(secrets, {"files": files, **outside}) == []
    assert shown_in([PASSWORD.encode()], {"files": files, **outside}) == []
    assert all(each.encode() in files for each in sealed), "sealed they are kept"
    assert shown_in([base64.urlsafe_b64decode(each[3:]) for each in sealed], outside) == []
    assert [name for name, held in outside.items() for each in sealed if each[3:40].encode() in held] == []


_BROKEN = """
from blazon.engines import SoftwareEngine
def broken(self, name, private_key):
    secret = private_key.private_numbers()
    raise RuntimeError("the engine is broken")
SoftwareEngine._seal = broken
from blazon.cli.main import main
main()
"""


@pytest.mark.parametrize("log_format", ["json", "text"])
async def test_a_bug_shows_none(tmp_path: Path, log_format: str) -> None:
    """An error nobody expects is logged with its trace, which shows lines and not what is in them."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    certificate, _ = outside_ca("Brought", subject_key=private_key)
    body = {
        "ca": pem(certificate),
        "private_key": encoded(key_pem(private_key)),
        "issuance_expiration": lasting("9d"),
        "password": PASSWORD,
    }
    async with asked(tmp_path, ("-c", _BROKEN), redis_embedded="no", log_format=log_format) as client:
        await client.post(f"{API}/cas/import", body)
        assert client.statuses == [500]
    places = {"log": client.blazon.output().encode(), "answer": client.answers[0]}
    assert b"the engine is broken" in places["log"]
    assert shown_in([*numbers_of(private_key), PASSWORD.encode()], places) == []


@pytest.mark.parametrize("encode", [bytes, base64.b64encode, base64.encodebytes, base64.urlsafe_b64encode, bytes.hex])
def test_what_would_be_shown_is_found(encode: Any) -> None:
    """The eyes of these tests see."""
    for private_key in (ec.generate_private_key(ec.SECP521R1()), ed25519.Ed25519PrivateKey.generate()):
        secrets = numbers_of(private_key)
        for before in (b"", b"x", b"xx"):
            for form in (secrets[0], key_pem(private_key), private_key.private_bytes(
                Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
            )):  # fmt: skip
                coded = encode(before + form)
                held = coded.encode() if isinstance(coded, str) else coded
                if encode is bytes.hex and form.startswith(b"-----"):
                    continue
                assert shown_in(secrets, {"place": held}) == ["place"], (encode, form)
                if encode is not bytes:
                    assert shown_in(secrets, {"place": json.dumps(held.decode("latin-1")).encode()}) == ["place"]
