"""One validated, frozen configuration.

Settings come from four places, the later winning: the defaults in `shape`, a TOML file, the environment, flags. `[http]
listen = "…"` in the file is `BLAZON_HTTP_LISTEN` in the environment and `--http-listen` as a flag. Rooms declare tables
of their own. It can read all of them, check them, and say where each value comes from. A mistake is a SettingsError
with the place it stands and the mend, and without the value of a secret.
"""

from blazon.settings.duration import Duration
from blazon.settings.field import NO_TABLES, Field, Tables, fields, service_table
from blazon.settings.kinds import Count, Port, Positive, secret_meta, span, span_meta, text_meta, url_meta
from blazon.settings.load import Found, load, trace, unknown_variables
from blazon.settings.rules import are_origins, is_listen, is_regular_expression
from blazon.settings.shape import (
    LISTEN,
    SERVICES,
    AccessSettings,
    Admin,
    Amqp,
    DatabaseSettings,
    Events,
    Http,
    Logging,
    Mail,
    Redis,
    Secrets,
    Settings,
)

__all__ = [
    "LISTEN",
    "NO_TABLES",
    "SERVICES",
    "AccessSettings",
    "Admin",
    "Amqp",
    "Count",
    "DatabaseSettings",
    "Duration",
    "Events",
    "Field",
    "Found",
    "Http",
    "Logging",
    "Mail",
    "Port",
    "Positive",
    "Redis",
    "Secrets",
    "Settings",
    "Tables",
    "are_origins",
    "fields",
    "is_listen",
    "is_regular_expression",
    "load",
    "secret_meta",
    "service_table",
    "span",
    "span_meta",
    "text_meta",
    "trace",
    "unknown_variables",
    "url_meta",
]
