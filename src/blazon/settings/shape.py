"""The settings of the house itself. Those of a room are declared in the room."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from blazon.settings.duration import Duration
from blazon.settings.kinds import Count, Port, Positive, secret_meta, span, span_meta, text_meta, url_meta
from blazon.settings.rules import are_addresses, is_folder, is_listen, is_master_key

__all__ = [
    "LISTEN",
    "SERVICES",
    "AccessSettings",
    "Admin",
    "Amqp",
    "DatabaseSettings",
    "Events",
    "Http",
    "Logging",
    "Mail",
    "Redis",
    "Secrets",
    "Settings",
]

T = TypeVar("T", bound=Struct)

SERVICES = "http.services"
"""The table that gives services of rooms addresses of their own."""

LISTEN = "host:port, such as 127.0.0.1:8080 or [::1]:8080"
"""What an address to listen on must be, in words."""


class Http(Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP server."""

    listen: Annotated[
        str,
        text_meta("Address to listen on, host:port; port 0 is a free one.", LISTEN, is_listen),
    ] = "127.0.0.1:8080"
    public_url: Annotated[
        str, url_meta("The URL people reach Blazon by, when it is not the address it listens on.", "http", "https")
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        text_meta(
            "Addresses of proxies whose X-Forwarded-For is believed.",
            "a list of addresses, such as 10.0.0.1",
            are_addresses,
        ),
    ] = ()
    body_bytes: Annotated[Positive, Meta(description="Largest body of a request, in bytes.")] = 1024 * 1024
    head_bytes: Annotated[Positive, Meta(description="Largest head of a request, in bytes.")] = 16 * 1024
    head_time: Annotated[Duration, span_meta("Longest time for the head of a request to come.")] = span("10s")
    body_time: Annotated[Duration, span_meta("Longest time for the body of a request to come.")] = span("20s")
    pending_bytes: Annotated[
        Positive,
        Meta(
            description="What the bodies of all unanswered requests together may take, in bytes, at least that of one"
            " body. Beyond it, large requests are answered 503."
        ),
    ] = 32 * 1024 * 1024
    request_time: Annotated[Duration, span_meta("Longest time to work on a request.")] = span("30s")
    unread_time: Annotated[
        Duration, span_meta("How long a client may leave responses unread before its connection is closed.")
    ] = span("30s")
    unread_bytes: Annotated[
        Positive,
        Meta(
            description="What all clients together may leave unread of large responses, in bytes. Beyond it, the client"
            " that has left one unread for longest loses its connection."
        ),
    ] = 32 * 1024 * 1024
    keep_alive: Annotated[Duration, span_meta("How long an idle connection is kept.")] = span("30s")
    stop_time: Annotated[Duration, span_meta("How long a stop waits for open requests.")] = span("5s")


class DatabaseSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where state and log are kept."""

    url: Annotated[
        str,
        url_meta(
            "postgresql://user:password@host:5432/name, or sqlite:///path; empty is SQLite in data_dir.",
            "postgresql",
            "postgres",
            "sqlite",
        ),
    ] = ""
    wait: Annotated[
        Duration,
        span_meta("How long a start waits for a PostgreSQL server that cannot be reached; 0s ends it at once.", "0s"),
    ] = span("0s")


class Redis(Struct, frozen=True, forbid_unknown_fields=True):
    """Redis Streams."""

    url: Annotated[
        str,
        url_meta(
            "redis://[user:password@]host:port/db, or rediss:// for TLS; empty starts an embedded one.",
            "redis",
            "rediss",
        ),
    ] = ""
    port: Annotated[Port, Meta(description="Port of the embedded Redis; when it is taken, a free one is used.")] = 6379
    embedded: Annotated[bool, Meta(description="Whether to start an embedded Redis when url is empty.")] = True
    prefix: Annotated[
        str, text_meta("What stream names begin with.", "letters, digits and _ . : -", pattern="^[A-Za-z0-9_.:-]+$")
    ] = "mainflux"
    maxlen: Annotated[Count, Meta(description="Entries a stream keeps, roughly (MAXLEN ~); 0 keeps all.")] = 1_000_000
    refill: Annotated[
        Count, Meta(description="Events of the log sent again to a Redis that came back empty; 0 is all.")
    ] = 1_000_000


class Amqp(Struct, frozen=True, forbid_unknown_fields=True):
    """RabbitMQ."""

    url: Annotated[
        str, url_meta("amqp://user:password@host:5672/vhost, or amqps://; empty sends nothing.", "amqp", "amqps")
    ] = ""
    exchange: Annotated[
        str,
        text_meta("Durable topic exchange to publish to.", "a name of 1 to 127 bytes", min_length=1, max_length=127),
    ] = "lamassu"
    window: Annotated[Positive, Meta(description="Messages under way before their confirms are waited for.")] = 1000


class Admin(Struct, frozen=True, forbid_unknown_fields=True):
    """The admin the first start makes."""

    email: Annotated[
        str,
        text_meta(
            "What the first admin signs in with.", "an e-mail address", pattern=r"^[^@\s]+@[^@\s]+$", max_length=254
        ),
    ] = "admin@example.com"
    password: Annotated[
        str, secret_meta("Its password; empty makes a random one and keeps it in data_dir/admin-password.")
    ] = ""


class AccessSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be answered from memory: who somebody is, and what he may do."""

    max_staleness: Annotated[
        Duration,
        span_meta(
            "How long an answer waits when the event log must be read first, because this process stood still or does"
            " not reach its database. After that the answer is 503.",
            "100ms",
        ),
    ] = span("1s")


class Mail(Struct, frozen=True, forbid_unknown_fields=True):
    """Mail to users."""

    url: Annotated[
        str,
        url_meta(
            "smtp://[user:password@]host[:port] or smtps://; empty keeps mails in data_dir/mail.", "smtp", "smtps"
        ),
    ] = ""
    sender: Annotated[
        str,
        text_meta(
            "What mails come from.",
            "an address such as Blazon <blazon@example.com>",
            pattern=r"^[^<>]*<?\S+@[^\s<>]+>?$",
        ),
    ] = "Blazon <blazon@localhost>"


class Events(Struct, frozen=True, forbid_unknown_fields=True):
    """The event log."""

    observations: Annotated[Count, Meta(description="Observations kept at most; facts are kept for ever.")] = 1_000_000
    observations_time: Annotated[Duration, span_meta("How long observations are kept.")] = span("7d")
    metadata_bytes: Annotated[
        Positive,
        Meta(description="Largest metadata, of a user, a thing, a CA or anything else, in bytes of compact JSON."),
    ] = 64 * 1024
    include_key_material: Annotated[
        bool, Meta(description="Whether events may carry private keys, as the oldest consumers expect.")
    ] = False


class Secrets(Struct, frozen=True, forbid_unknown_fields=True):
    """Secrets at rest."""

    master_key: Annotated[
        str,
        secret_meta(
            "Base64 of 32 bytes; the same for all processes of one database. Empty: data_dir/master.key.",
            "base64 of 32 bytes; make one with: openssl rand -base64 32",
            is_master_key,
        ),
    ] = ""


class Logging(Struct, frozen=True, forbid_unknown_fields=True):
    """What Blazon writes to standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="The least that is written.")] = (
        "info"
    )
    format: Annotated[
        Literal["auto", "json", "text"], Meta(description="How it is written; auto is text on a terminal, else json.")
    ] = "auto"
    requests: Annotated[
        bool, Meta(description="Whether each HTTP request is a line, with its path as the API declares it.")
    ] = False


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set.

    `rooms` are the tables in which something is set and that rooms declare, by their names; see `of`.
    """

    data_dir: Annotated[
        str,
        text_meta(
            "Folder for state, keys and the embedded servers' data.", "the path of a folder", is_folder, min_length=1
        ),
    ] = "blazon-data"
    http: Http = Http()
    database: DatabaseSettings = DatabaseSettings()
    redis: Redis = Redis()
    amqp: Amqp = Amqp()
    mail: Mail = Mail()
    admin: Admin = Admin()
    access: AccessSettings = AccessSettings()
    events: Events = Events()
    secrets: Secrets = Secrets()
    log: Logging = Logging()
    rooms: Mapping[str, Struct] = {}

    def of(self, kind: type[T]) -> T:
        """The table of a room: what is set there, and the defaults of the rest."""
        return next((table for table in self.rooms.values() if isinstance(table, kind)), None) or kind()

    @property
    def services(self) -> Mapping[str, str]:
        """The addresses, host:port, of services that have one of their own, by the name of the service."""
        table = self.rooms.get(SERVICES)
        return {} if table is None else {name: at for name, at in msgspec.structs.asdict(table).items() if at}

    @property
    def data_path(self) -> Path:
        """The data folder; `~` is one's home."""
        return Path(self.data_dir).expanduser()
