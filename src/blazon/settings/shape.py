"""Every setting: its table, name, type, default and meaning. Documents, flags and checks are made from this."""

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from blazon.settings.duration import Duration

__all__ = [
    "AccessSettings",
    "Admin",
    "Amqp",
    "DatabaseSettings",
    "EngineSettings",
    "Events",
    "Http",
    "Logging",
    "Mail",
    "PkiSettings",
    "Redis",
    "Secrets",
    "Settings",
    "TokenSettings",
    "UserSettings",
]

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=0, le=2**62)]
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]


def _span(text: str) -> Any:
    return Duration.parse(text)


def _time(description: str, least: str = "1ms") -> Meta:
    return Meta(description=description, extra={"least": _span(least)})


def _url(description: str, *schemes: str) -> Meta:
    """A URL of one of the schemes, or nothing. It may hold a password."""
    return Meta(description=description, extra={"schemes": schemes})


def _secret(description: str, mend: str = "a text") -> Meta:
    return Meta(description=description, extra={"secret": True, "mend": mend})


def _says(description: str, mend: str, **limits: Any) -> Meta:
    """A text with a limit that needs words."""
    return Meta(description=description, extra={"mend": mend}, **limits)


class Http(Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP server."""

    listen: Annotated[
        str,
        _says(
            "Address to listen on, host:port; port 0 is a free one.",
            "host:port, such as 127.0.0.1:8080 or [::1]:8080",
        ),
    ] = "127.0.0.1:8080"
    public_url: Annotated[
        str, _url("The URL people reach Blazon by, when it is not the address it listens on.", "http", "https")
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        _says("Addresses of proxies whose X-Forwarded-For is believed.", "a list of addresses, such as 10.0.0.1"),
    ] = ()
    body_bytes: Annotated[Positive, Meta(description="Largest body of a request, in bytes.")] = 1024 * 1024
    head_bytes: Annotated[Positive, Meta(description="Largest head of a request, in bytes.")] = 16 * 1024
    head_time: Annotated[Duration, _time("Longest time for the head of a request to come.")] = _span("10s")
    body_time: Annotated[Duration, _time("Longest time for the body of a request to come.")] = _span("20s")
    pending_bytes: Annotated[
        Positive,
        Meta(
            description="What the bodies of all unanswered requests together may take, in bytes, at least that of one"
            " body. Beyond it, large requests are answered 503."
        ),
    ] = 32 * 1024 * 1024
    request_time: Annotated[Duration, _time("Longest time to work on a request.")] = _span("30s")
    unread_time: Annotated[
        Duration, _time("How long a client may leave responses unread before its connection is closed.")
    ] = _span("30s")
    unread_bytes: Annotated[
        Positive,
        Meta(
            description="What all clients together may leave unread of large responses, in bytes. Beyond it, the client"
            " that has left one unread for longest loses its connection."
        ),
    ] = 32 * 1024 * 1024
    keep_alive: Annotated[Duration, _time("How long an idle connection is kept.")] = _span("30s")
    stop_time: Annotated[Duration, _time("How long a stop waits for open requests.")] = _span("5s")


class DatabaseSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where state and log are kept."""

    url: Annotated[
        str,
        _url(
            "postgresql://user:password@host:5432/name, or sqlite:///path; empty is SQLite in data_dir.",
            "postgresql",
            "postgres",
            "sqlite",
        ),
    ] = ""
    wait: Annotated[
        Duration,
        _time("How long a start waits for a PostgreSQL server that cannot be reached; 0s ends it at once.", "0s"),
    ] = _span("0s")


class Redis(Struct, frozen=True, forbid_unknown_fields=True):
    """Redis Streams."""

    url: Annotated[
        str,
        _url(
            "redis://[user:password@]host:port/db, or rediss:// for TLS; empty starts an embedded one.",
            "redis",
            "rediss",
        ),
    ] = ""
    port: Annotated[Port, Meta(description="Port of the embedded Redis; when it is taken, a free one is used.")] = 6379
    embedded: Annotated[bool, Meta(description="Whether to start an embedded Redis when url is empty.")] = True
    prefix: Annotated[
        str, _says("What stream names begin with.", "letters, digits and _ . : -", pattern="^[A-Za-z0-9_.:-]+$")
    ] = "mainflux"
    maxlen: Annotated[Count, Meta(description="Entries a stream keeps, roughly (MAXLEN ~); 0 keeps all.")] = 1_000_000
    refill: Annotated[
        Count, Meta(description="Events of the log sent again to a Redis that came back empty; 0 is all.")
    ] = 1_000_000


class Amqp(Struct, frozen=True, forbid_unknown_fields=True):
    """RabbitMQ."""

    url: Annotated[
        str, _url("amqp://user:password@host:5672/vhost, or amqps://; empty sends nothing.", "amqp", "amqps")
    ] = ""
    exchange: Annotated[
        str,
        _says("Durable topic exchange to publish to.", "a name of 1 to 127 bytes", min_length=1, max_length=127),
    ] = "lamassu"
    window: Annotated[Positive, Meta(description="Messages under way before their confirms are waited for.")] = 1000


class Admin(Struct, frozen=True, forbid_unknown_fields=True):
    """The admin the first start makes."""

    email: Annotated[
        str,
        _says("What the first admin signs in with.", "an e-mail address", pattern=r"^[^@\s]+@[^@\s]+$", max_length=254),
    ] = "admin@example.com"
    password: Annotated[
        str, _secret("Its password; empty makes a random one and keeps it in data_dir/admin-password.")
    ] = ""


class UserSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Users."""

    open_registration: Annotated[bool, Meta(description="Whether anybody may register.")] = True
    password_rule: Annotated[str, _says("Regular expression a new password must match.", "a regular expression")] = (
        "^.{8,}$"  # noqa: S105 - a rule, not a password
    )
    reset_path: Annotated[
        str, _says("Path of the page that sets a new password.", "a path that begins with /", pattern=r"^/[^?#\s]*$")
    ] = "/reset-request"
    reset_origins: Annotated[
        tuple[str, ...],
        _says(
            "Origins, such as https://ui.example.com, a reset mail may link to; empty is http.public_url's, or any.",
            "a list of origins without a path, such as https://ui.example.com",
        ),
    ] = ()
    failures_per_minute: Annotated[
        Positive, Meta(description="Failed sign-ins per identity and address in a minute before more are refused.")
    ] = 10


class TokenSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens."""

    access: Annotated[Duration, _time("How long an access token lives.", "1s")] = _span("15m")
    refresh: Annotated[Duration, _time("How long a refresh token lives.", "1s")] = _span("24h")
    reset: Annotated[Duration, _time("How long the link of a reset mail works.", "1s")] = _span("30m")


class AccessSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be answered from memory: who somebody is, and what he may do."""

    max_staleness: Annotated[
        Duration,
        _time(
            "How long an answer waits when the event log must be read first, because this process stood still or does"
            " not reach its database. After that the answer is 503.",
            "100ms",
        ),
    ] = _span("1s")


class Mail(Struct, frozen=True, forbid_unknown_fields=True):
    """Mail to users."""

    url: Annotated[
        str,
        _url("smtp://[user:password@]host[:port] or smtps://; empty keeps mails in data_dir/mail.", "smtp", "smtps"),
    ] = ""
    sender: Annotated[
        str,
        _says(
            "What mails come from.",
            "an address such as Blazon <blazon@example.com>",
            pattern=r"^[^<>]*<?\S+@[^\s<>]+>?$",
        ),
    ] = "Blazon <blazon@localhost>"


class PkiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Certificate authorities and certificates."""

    url: Annotated[
        str,
        _url(
            "Where devices fetch CRLs and OCSP answers; it stands in what is issued. Empty: http.public_url, else the"
            " address Blazon listens on.",
            "http",
            "https",
        ),
    ] = ""
    near: Annotated[Duration, _time("How long before its end a certificate is near it.", "1s")] = _span("30d")
    critical: Annotated[Duration, _time("How long before its end a certificate is critical.", "1s")] = _span("7d")
    crl_time: Annotated[Duration, _time("How long a CRL is good.", "1m")] = _span("48h")
    ocsp_time: Annotated[Duration, _time("How long an OCSP answer is good.", "1m")] = _span("24h")
    ocsp_max_age: Annotated[
        Duration,
        _time(
            "How long HTTP caches may hand an OCSP answer out without asking: as late may they be with a revocation."
            " At most half of pki.ocsp_time.",
            "0s",
        ),
    ] = _span("0s")


class EngineSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Crypto engines. The software engine is always there, under the id software."""

    default: Annotated[Literal["software", "pkcs11", "kms"], Meta(description="The engine of CAs that name none.")] = (
        "software"
    )
    pkcs11_module: Annotated[str, Meta(description="Path of a PKCS#11 module; empty is none.")] = ""
    pkcs11_token: Annotated[str, Meta(description="Label of the PKCS#11 token.")] = ""
    pkcs11_pin: Annotated[str, _secret("PIN of the PKCS#11 token.")] = ""
    kms_region: Annotated[str, Meta(description="AWS region of the KMS; empty is none.")] = ""
    kms_endpoint: Annotated[str, _url("Where the KMS is, when it is not that of AWS.", "http", "https")] = ""
    kms_access_key: Annotated[str, Meta(description="AWS access key id; empty is what boto3 finds itself.")] = ""
    kms_secret_key: Annotated[str, _secret("AWS secret access key; empty is what boto3 finds itself.")] = ""


class Events(Struct, frozen=True, forbid_unknown_fields=True):
    """The event log."""

    observations: Annotated[Count, Meta(description="Observations kept at most; facts are kept for ever.")] = 1_000_000
    observations_time: Annotated[Duration, _time("How long observations are kept.")] = _span("7d")
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
        _secret(
            "Base64 of 32 bytes; the same for all processes of one database. Empty: data_dir/master.key.",
            "base64 of 32 bytes; make one with: openssl rand -base64 32",
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
    """Everything that can be set."""

    data_dir: Annotated[
        str,
        _says("Folder for state, keys and the embedded servers' data.", "the path of a folder", min_length=1),
    ] = "blazon-data"
    http: Http = Http()
    database: DatabaseSettings = DatabaseSettings()
    redis: Redis = Redis()
    amqp: Amqp = Amqp()
    admin: Admin = Admin()
    users: UserSettings = UserSettings()
    tokens: TokenSettings = TokenSettings()
    access: AccessSettings = AccessSettings()
    mail: Mail = Mail()
    pki: PkiSettings = PkiSettings()
    engines: EngineSettings = EngineSettings()
    events: Events = Events()
    secrets: Secrets = Secrets()
    log: Logging = Logging()

    @property
    def data_path(self) -> Path:
        """The data folder; `~` is one's home."""
        return Path(self.data_dir).expanduser()
