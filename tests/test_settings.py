"""Settings: which of file, environment and flags wins, and that every mistake names its place and its mend.

A mistake is a SettingsError, whatever the file or the environment holds, and no error repeats a secret.
"""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blazon import settings as settings_module
from blazon.app import TABLES
from blazon.errors import SettingsError
from blazon.settings import Duration, Field, Settings

fields = partial(settings_module.fields, TABLES)
load = partial(settings_module.load, tables=TABLES)
trace = partial(settings_module.trace, tables=TABLES)
unknown_variables = partial(settings_module.unknown_variables, tables=TABLES)

BY_KEY = {field.key: field for field in fields()}
SECRET = "hunter2-do-not-show"


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / "blazon.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def _mistake(file: Path | None, environment: dict[str, str] | None = None, **flags: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(file, environment, {key.replace("__", "."): value for key, value in flags.items()})
    assert "\n" not in caught.value.reason
    return caught.value.reason


def _said(file: Path | None = None, **more: Any) -> str | None:
    """What is wrong; None when nothing is."""
    try:
        load(file, **more)
    except SettingsError as error:
        return error.reason
    return None


def test_nothing_given_is_the_defaults() -> None:
    assert load() == Settings()


def test_a_default_is_good_in_its_own_words() -> None:
    """Each default, written as text, reads as itself. Nothing that is a default breaks a rule."""
    for field in fields():
        written = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
        assert load(environment={field.variable: written}) == Settings(), field.key


def test_every_setting_can_be_set_in_all_three_ways(tmp_path: Path) -> None:
    samples = {str: "text", int: "7", Duration: "90s", tuple: "a"}
    special = {
        **{field.key: f"{field.schemes[0]}://host/path" for field in fields() if field.schemes},
        **{field.key: field.choices[-1] for field in fields() if field.choices},
        "http.listen": "0.0.0.0:1",
        "http.trusted_proxies": "10.0.0.1",
        "http.services.users": "127.0.0.1:1",
        "http.services.things": "127.0.0.1:2",
        "users.reset_origins": "https://ui.example.com",
        "users.reset_path": "/path",
        "admin.email": "a@b",
        "mail.sender": "a@b",
        "secrets.master_key": "A" * 43 + "=",
    }
    for field in fields():
        value = str(not field.default).lower() if field.kind is bool else special.get(field.key, samples[field.kind])
        plain = value if field.kind in (int, bool) else f'["{value}"]' if field.kind is tuple else f'"{value}"'
        path = _file(
            tmp_path, f"[{field.table}]\n{field.name} = {plain}\n" if field.table else f"{field.name} = {plain}\n"
        )
        from_file = load(path)
        assert from_file == load(environment={field.variable: value}) == load(flags={field.key: value}), field.key
        assert from_file != Settings(), field.key


def test_the_later_place_wins(tmp_path: Path) -> None:
    path = _file(tmp_path, '[redis]\nprefix = "file"\nport = 1\nmaxlen = 1\n')
    environment = {"BLAZON_REDIS_PREFIX": "environment", "BLAZON_REDIS_PORT": "2", "HOME": "/root"}
    settings, places = trace(path, environment, {"redis.prefix": "flag"})
    assert (settings.redis.prefix, settings.redis.port, settings.redis.maxlen) == ("flag", 2, 1)
    assert places == {
        "redis.prefix": "the flag --redis-prefix",
        "redis.port": "the environment variable BLAZON_REDIS_PORT",
        "redis.maxlen": f"{path}, line 4",
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("15m", 900),
        ("24h", 86400),
        ("7d", 604800),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("42", 42),
    ],
)
def test_time_spans(text: str, seconds: float) -> None:
    assert load(environment={"BLAZON_HTTP_BODY_TIME": text}).http.body_time == seconds
    assert Duration.parse(str(Duration.parse(text))) == seconds


@pytest.mark.parametrize("text", ["", "1y", "m", "-1s", "1 h", "1h junk", "nan", "inf", "1e9", "200000d", "٣s"])
def test_what_is_no_time_span(text: str) -> None:
    said = _mistake(None, {"BLAZON_TOKENS_ACCESS": text})
    assert said.startswith(
        "the environment variable BLAZON_TOKENS_ACCESS: tokens.access must be a time span such as 500ms"
    )
    assert "How long an access token lives." in said


def test_truth_and_lists_in_the_environment() -> None:
    for word, value in {
        "yes": True,
        "On": True,
        "true": True,
        "1": True,
        "no": False,
        "OFF": False,
        "0": False,
    }.items():
        assert load(environment={"BLAZON_REDIS_EMBEDDED": word}).redis.embedded is value
    listed = load(environment={"BLAZON_HTTP_TRUSTED_PROXIES": "10.0.0.1, ::1,"})
    assert listed.http.trusted_proxies == ("10.0.0.1", "::1")
    assert load(environment={"BLAZON_HTTP_TRUSTED_PROXIES": ""}).http.trusted_proxies == ()


# Each file, the line its mistake is on, and words of the reason and the mend.
MISTAKES: dict[str, tuple[str | bytes, int | None, tuple[str, ...]]] = {
    "syntax": ("[http]\nlisten = 127.0.0.1:8080\n", 2, ("this is not TOML", 'listen = "127.0.0.1:8080"')),
    "syntax at the end": ('[http]\nlisten = "', 2, ("this is not TOML",)),
    "a key twice": ("data_dir = 'a'\ndata_dir = 'b'\n", 2, ("this is not TOML", "cannot overwrite a value")),
    "unknown key": (
        '# x\n\n[http]\nlisten = "[::]:1"\nlissten = "x"\n',
        5,
        ("no setting http.lissten", "http.listen?"),
    ),
    "unknown key without its table": (
        'listen = "[::]:1"\n',
        1,
        ("there is no setting listen; did you mean http.listen?",),
    ),
    "key of another table": ("[users]\nmaxlen = 1\n", 2, ("no setting users.maxlen; did you mean redis.maxlen?",)),
    "far from any key": ("zzzzz = 1\n", 1, ("no setting zzzzz; `blazon settings` lists them all",)),
    "unknown table": ("[redis]\nport = 1\n[htp]\nlisten = 1\n", 3, ("there is no table htp; did you mean [http]?",)),
    "wrong type": ('[redis]\nport = "many"\n', 2, ("redis.port must be a whole number from 0 to 65535. Port of the",)),
    "a table for a value": ("[http.listen]\nhost = 1\n", 1, ("http.listen must be host:port",)),
    "a value for a table": ("# x\nhttp = 8080\n", 2, ("http is a table; write [http]",)),
    "a list for a table": ("[[http]]\n", 1, ("http is a table; write [http]",)),
    "a date": ("[redis]\nport = 2026-01-31\n", 2, ("redis.port must be a whole number",)),
    "out of range": (
        "[redis]\n\n# high\nport = 70000\n",
        4,
        ("from 0 to 65535. Port of the embedded Redis",),
    ),
    "below range": ("[http]\nbody_bytes = 0\n", 2, ("http.body_bytes must be a whole number from 1.",)),
    "a time span too short": ('[tokens]\naccess = "0s"\n', 2, ("tokens.access must be a time span", "at least 1s")),
    "not one of": ('[log]\nlevel = "loud"\n', 2, ("log.level must be one of debug, info, warning, error",)),
    "truth in quotes": ('[redis]\nembedded = "maybe"\n', 2, ("redis.embedded must be true or false",)),
    "a text for a list": (
        '[http]\ntrusted_proxies = "10.0.0.1"\n',
        2,
        ("must be a list of addresses, such as 10.0.0.1",),
    ),
    "a list of numbers": (
        "[http]\ntrusted_proxies = [\n1]\n",
        2,
        ("http.trusted_proxies must be a list of addresses",),
    ),
    "no address": ('[http]\ntrusted_proxies = ["proxy"]\n', 2, ("must be a list of addresses",)),
    "a dotted key": ('http.listen = "8080"\n', 1, ("http.listen must be host:port",)),
    "a dotted key in a table": ("[http]\na.b = 1\n", 2, ("there is no setting http.a",)),
    "an inline table": (
        'redis = {port = 1, prefix = "a b"}\n',
        1,
        ("redis.prefix must be letters, digits and _ . : -",),
    ),
    "a quoted key": ('[http]\n"body_time" = "soon"\n', 2, ("http.body_time must be a time span",)),
    "after a text of several lines": (
        '[admin]\npassword = """\na\nb\n"""\n\nemail = "x"\n',
        7,
        ("admin.email must be",),
    ),
    "no regular expression": (
        "[users]\npassword_rule = '('\n",
        2,
        ("users.password_rule must be a regular expression",),
    ),
    "no origin": ('[users]\nreset_origins = ["https://a.b/c"]\n', 2, ("must be a list of origins without a path",)),
    "a control character": ('[redis]\n\nprefix = "a\\u0000"\n', 3, ("redis.prefix must be",)),
    "a line feed in a folder": ('data_dir = "a\\nb"\n', 1, ("data_dir must be a text without control characters",)),
    "a wrong port": ('[http]\nlisten = "127.0.0.1:65536"\n', 2, ("http.listen must be host:port",)),
    "a wrong host": ('[http]\nlisten = "::1:80"\n', 2, ("such as 127.0.0.1:8080 or [::1]:8080",)),
    "no home": ('data_dir = "~nobody-of-this-name/x"\n', 1, ("data_dir must be the path of a folder",)),
    "latin-1": (
        "# gr\xfc\xdfe\n".encode("latin-1") + b"data_dir = 'x'\n",
        1,
        ("this is not UTF-8; save the file as UTF-8",),
    ),
    "latin-1 later": (b"data_dir = 'x'\n\n# \xfc\n", 3, ("this is not UTF-8",)),
    "a number without end": (f"[redis]\nport = {'9' * 5000}\n", None, ("this is not a settings file",)),
    "brackets without end": (f"a = {'[' * 5000}", None, ("not",)),
    "too large": ("#" * 2_000_000, None, ("it is not a settings file",)),
    "binary": (bytes(range(256)), None, ("not",)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_file_names_file_line_and_mend(tmp_path: Path, name: str) -> None:
    text, line, words = MISTAKES[name]
    path = _file(tmp_path, text)
    said = _mistake(path)
    assert said.startswith(f"{path}, line {line}" if line else str(path)), said
    for word in words:
        assert word in said


def test_a_mistake_elsewhere_names_the_variable_or_the_flag() -> None:
    said = _mistake(None, {"BLAZON_REDIS_PORT": "x"})
    assert said.startswith("the environment variable BLAZON_REDIS_PORT: redis.port must be a whole number")
    assert _mistake(None, redis__port="x").startswith("the flag --redis-port: redis.port must be a whole number")
    assert _mistake(None, {"BLAZON_REDIS_PORT": "\udcff"}).startswith("an environment variable of Blazon is not UTF-8")


def test_a_variable_does_not_mend_a_broken_table(tmp_path: Path) -> None:
    path = _file(tmp_path, "# x\nhttp = 1\n")
    assert _mistake(path, {"BLAZON_HTTP_LISTEN": "[::]:1"}).startswith(f"{path}, line 2: http is a table")


@pytest.mark.parametrize("key", [key for key, field in BY_KEY.items() if field.schemes])
@pytest.mark.parametrize("value", ["host:1", "ftp://host", "://", "http//x"])
def test_what_is_no_url(key: str, value: str) -> None:
    said = _mistake(None, **{key.replace(".", "__"): value})
    assert f"{key} must be a URL that begins with {BY_KEY[key].schemes[0]}://" in said


def test_urls_a_driver_understands_are_good() -> None:
    for url in ("postgresql:///blazon?host=/run/postgresql", "postgres://a:1,b:2/blazon", "sqlite:///x", "sqlite://x"):
        assert load(environment={"BLAZON_DATABASE_URL": url}).database.url == url


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert _mistake(tmp_path / "none.toml") == (
        f"there is no settings file {tmp_path}/none.toml; give another with --settings or BLAZON_SETTINGS"
    )
    assert "Is a directory" in _mistake(tmp_path)
    assert "cannot read" in _mistake(Path("a\0b"))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert _mistake(loop).startswith(f"cannot read the settings file {loop}: ")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert load(_file(tmp_path, b'\xef\xbb\xbfdata_dir = "x"\r\n')).data_dir == "x"


def test_a_home_is_found() -> None:
    assert load(flags={"data_dir": "~/x"}).data_path == Path.home() / "x"


WITH_SECRETS = [
    ("admin.password", f'[admin]\npassword = ["{SECRET}"]\n'),
    ("admin.password", f'[admin]\npassword = {{x = "{SECRET}"}}\n'),
    ("admin.password", f'[admin]\npassword = "{SECRET}\\u0000"\n'),
    ("admin.email", f'[admin]\nemail = {{password = "{SECRET}"}}\n'),
    ("admin", f'admin = "{SECRET}"\n'),
    ("secrets.master_key", f'[secrets]\nmaster_key = "{SECRET}"\n'),
    ("secrets", f'secrets = ["{SECRET}"]\n'),
    ("database.url", f'[database]\nurl = "mysql://u:{SECRET}@h/d"\n'),
    ("redis.url", f'[redis]\nurl = "redis://:{SECRET}@h:port"\n'),
    ("amqp.url", f'[amqp]\nurl = ["amqp://u:{SECRET}@h"]\n'),
    ("mail.url", f'[mail]\nurl = "u:{SECRET}@h"\n'),
    ("redis.port", f'[redis]\nport = "{SECRET}"\n'),
    ("http.listen", f'[http]\nlisten = "{SECRET}"\n'),
    ("http.trusted_proxies", f'[http]\ntrusted_proxies = "{SECRET}"\n'),
    ("tokens.access", f'[tokens]\naccess = "{SECRET}"\n'),
    ("log.level", f'[log]\nlevel = "{SECRET}"\n'),
    ("redis.embedded", f'[redis]\nembedded = "{SECRET}"\n'),
    ("users.password_rule", f'[users]\npassword_rule = "({SECRET}"\n'),
    ("TOML", f'[admin]\npassword = "{SECRET}\n'),
    ("TOML", f"[admin]\npassword = {SECRET}\n"),
]


@pytest.mark.parametrize(("key", "text"), WITH_SECRETS)
def test_no_error_repeats_a_secret(tmp_path: Path, key: str, text: str) -> None:
    said = _mistake(_file(tmp_path, text))
    assert key in said
    assert SECRET not in said
    assert "hunter" not in said


@pytest.mark.parametrize("key", BY_KEY)
@pytest.mark.parametrize("secret", [SECRET, "918273645546372819", f"postgresql://u:{SECRET}@h/d", f"a {SECRET}\x00"])
def test_no_error_repeats_what_may_be_a_secret_in_the_wrong_place(tmp_path: Path, key: str, secret: str) -> None:
    """Whichever setting it was given to, by the file, by a variable, or by a flag; alone or in a list or a table."""
    field = BY_KEY[key]
    shown = msgspec.json.encode(secret).decode()
    head = f"[{field.table}]\n" if field.table else ""
    for value in (shown, f"[{shown}]", f"{{x = {shown}}}", secret):
        said = _said(_file(tmp_path, f"{head}{field.name} = {value}\n"))
        assert said is None or not _shows(said, secret), said
    for said in (_said(environment={field.variable: secret}), _said(flags={key: secret})):
        assert said is None or not _shows(said, secret), said


def _shows(said: str, secret: str) -> bool:
    return any(part in said for part in (secret, "hunter", "918273"))


@pytest.mark.parametrize("key", [key for key, field in BY_KEY.items() if field.schemes and "http" not in field.schemes])
@pytest.mark.parametrize("rest", ["zq/qz@host/x", "8642#7531@host", "8642?7531@host:1/x", "zq@8642/qz@host"])
def test_a_password_that_is_not_encoded_is_told_from_a_host(key: str, rest: str) -> None:
    said = _mistake(None, **{key.replace(".", "__"): f"{BY_KEY[key].schemes[0]}://user:{rest}"})
    assert "must be a URL" in said
    assert all(part not in said for part in ("zq", "qz", "8642", "7531"))


def test_urls_with_encoded_passwords_and_paths_are_good() -> None:
    for key, url in {
        "database.url": "postgresql://u:p%2Fa%23@h:1/d?sslmode=require",
        "redis.url": "redis://:p%40ss@h/0",
        "amqp.url": "amqp://u:p@h:1/%2F?heartbeat=5",
        "mail.url": "smtp://u%40example.com:p@h:587",
        "http.public_url": "https://h:1/@team",
    }.items():
        assert load(flags={key: url}) != Settings()
    assert load(flags={"database.url": "sqlite:///a:b/c@d"}).database.url == "sqlite:///a:b/c@d"


def test_variables_that_are_no_settings() -> None:
    environment = {"BLAZON_HTTP_LISTN": "", "BLAZON_PORT": "", "BLAZON_SETTINGS": "", "BLAZON_URL": "", "BLAZING": ""}
    assert list(unknown_variables(environment)) == [("BLAZON_HTTP_LISTN", "BLAZON_HTTP_LISTEN"), ("BLAZON_PORT", "")]


def test_a_value_is_shown_without_its_secret() -> None:
    assert BY_KEY["admin.password"].show(SECRET) == "(set)"
    assert BY_KEY["admin.password"].show("") == ""
    assert BY_KEY["redis.url"].show(f"redis://u:{SECRET}@h/0") == "redis://u:***@h/0"
    assert BY_KEY["redis.url"].show("redis://[") == "(set)"


_words = st.text(max_size=30) | st.sampled_from([*BY_KEY, *(field.table for field in fields()), "listen", "http"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=8,
)


def _toml(value: Any) -> str:
    """A value as TOML, not always good TOML: that is to be found out as well."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_toml(inner)}' for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


@given(st.dictionaries(_words, _values, max_size=4), st.booleans())
def test_no_file_makes_it_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, Any], quoted: bool
) -> None:
    lines = (f'"{key}" = {_toml(value)}' if quoted else f"{key} = {_toml(value)}" for key, value in tables.items())
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    said = _said(path)
    assert said is None or str(path) in said


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf")
@example(b"[http]\r\nlisten = 1\r")
def test_no_bytes_make_it_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(raw)
    said = _said(path)
    assert said is None or str(path) in said


@given(
    st.sampled_from(sorted(BY_KEY)), _values.map(_toml) | st.text(max_size=30) | st.from_regex(r"\A[a-z]{1,9}://.*\Z")
)
def test_no_value_makes_it_raise_anything_else(key: str, value: str) -> None:
    field: Field = BY_KEY[key]
    said = _said(environment={field.variable: value})
    assert said is None or field.variable in said
    said = _said(flags={key: value})
    assert said is None or field.flag in said


@given(st.sampled_from(sorted(BY_KEY)), st.lists(st.sampled_from(["", "# note", "   "]), max_size=8), st.booleans())
def test_the_line_is_found_wherever_the_setting_stands(
    tmp_path_factory: pytest.TempPathFactory, key: str, before: list[str], dotted: bool
) -> None:
    field = BY_KEY[key]
    head = [] if dotted or not field.table else [f"[{field.table}]"]
    lines = [*before, *head, *before, f"{key if dotted else field.name} = [ 1,\n 2 ]", *before]
    path = tmp_path_factory.getbasetemp() / "lines.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert caught.value.reason.startswith(f"{path}, line {2 * len(before) + len(head) + 1}: {key} must be")
