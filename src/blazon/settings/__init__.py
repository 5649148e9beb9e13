"""One validated, frozen configuration.

Settings come from four places, the later winning: the defaults in `shape`, a TOML file, the environment, flags.
`[http] listen = "…"` in the file is `BLAZON_HTTP_LISTEN` in the environment and `--http-listen` as a flag. It can read
them, check them, and say where each value comes from. A mistake is a SettingsError with the place it stands and the
mend, and without the value of a secret.
"""

from blazon.settings.duration import Duration
from blazon.settings.field import Field, fields
from blazon.settings.load import Found, load, trace, unknown_variables
from blazon.settings.shape import (
    Admin,
    Amqp,
    DatabaseSettings,
    EngineSettings,
    Events,
    Http,
    Logging,
    Mail,
    PkiSettings,
    Redis,
    Secrets,
    Settings,
    TokenSettings,
    UserSettings,
)

__all__ = [
    "Admin",
    "Amqp",
    "DatabaseSettings",
    "Duration",
    "EngineSettings",
    "Events",
    "Field",
    "Found",
    "Http",
    "Logging",
    "Mail",
    "PkiSettings",
    "Redis",
    "Secrets",
    "Settings",
    "TokenSettings",
    "UserSettings",
    "fields",
    "load",
    "trace",
    "unknown_variables",
]
