"""`blazon settings` shows what is set and where it comes from, and never a secret."""

import pytest

from blazon.app import TABLES
from blazon.settings import fields
from tests.cli.program import Program


def test_every_setting_with_its_default(program: Program) -> None:
    found = {setting["setting"]: setting for setting in program.ok("settings", "--json").json}
    assert list(found) == [field.key for field in fields(TABLES)]
    assert found["http.listen"] == {
        "setting": "http.listen",
        "variable": "BLAZON_HTTP_LISTEN",
        "flag": "--http-listen",
        "value": "127.0.0.1:8080",
        "from": "default",
        "default": "127.0.0.1:8080",
        "description": "Address to listen on, host:port; port 0 is a free one.",
    }


def test_where_each_comes_from(program: Program) -> None:
    (program.home / "blazon.toml").write_text('[redis]\nport = 7000\nprefix = "a"\nmaxlen = 5\n')
    ended = program.ok("settings", "--redis-prefix", "c", "--json", BLAZON_REDIS_PORT="8000", BLAZON_REDIS_PREFIX="b")
    found = {setting["setting"]: (setting["value"], setting["from"]) for setting in ended.json}
    assert found["redis.maxlen"] == ("5", "blazon.toml, line 4")
    assert found["redis.port"] == ("8000", "the environment variable BLAZON_REDIS_PORT")
    assert found["redis.prefix"] == ("c", "the flag --redis-prefix")
    assert "redis.maxlen\t5\tblazon.toml, line 4\tEntries" in program.ok("settings").out


def test_another_file_is_named_by_flag_or_variable(program: Program) -> None:
    (program.home / "other.toml").write_text('data_dir = "there"\n')
    assert "data_dir\tthere\tother.toml, line 1\t" in program.ok("settings", "--settings", "other.toml").out
    assert "data_dir\tthere\tother.toml, line 1\t" in program.ok("settings", BLAZON_SETTINGS="other.toml").out


def test_no_secret_is_shown(program: Program) -> None:
    ended = program.ok(
        *("settings", "--json"),
        BLAZON_ADMIN_PASSWORD="hidden-1",
        BLAZON_SECRETS_MASTER_KEY="aGlkZGVuLWhpZGRlbi1oaWRkZW4taGlkZGVuLTEyMzQ=",
        BLAZON_DATABASE_URL="postgresql://blazon:hidden-2@db:5432/blazon",
        BLAZON_AMQP_URL="amqp://user:hidden-3@rabbit/",
        BLAZON_MAIL_URL="smtp://user:hidden-4@mail",
    )
    assert "hidden" not in ended.out
    assert "aGlkZGVu" not in ended.out
    found = {setting["setting"]: setting["value"] for setting in ended.json}
    assert found["admin.password"] == "(set)"
    assert found["database.url"] == "postgresql://blazon:***@db:5432/blazon"


def test_a_mistake_stops_it_with_place_and_mend(program: Program) -> None:
    (program.home / "blazon.toml").write_text('[http]\nlisten = "127.0.0.1:8080"\nbody_byte = 5\n')
    ended = program.run("settings")
    assert ended.code == 1
    assert ended.err == (
        "blazon: blazon.toml, line 3: there is no setting http.body_byte; did you mean http.body_bytes?\n"
    )


def test_a_variable_that_is_no_setting_is_named(program: Program) -> None:
    ended = program.ok("settings", BLAZON_ADMIN_MAIL="x")
    assert ended.err == "blazon: there is no setting for BLAZON_ADMIN_MAIL; did you mean BLAZON_ADMIN_EMAIL?\n"


@pytest.mark.parametrize(
    "words",
    [
        ["up", "--admin-password", "correct", "hunter2"],
        ["up", "--admin-pasword=hunter2"],
        ["up", "--redis-port", "hunter2"],
        ["up", "--database-url", "postgresql://u:hunter2@h:hunter2/d"],
        ["up", "--database-url", "postgresql://u:p@127.0.0.1:1/d?target_session_attrs=hunter2"],
        ["up", "--database-url", "postgresql://u:p@127.0.0.1:123456/hunter2"],
        ["log", "verify", "--database-url", "postgresql://u:p", "hunter2@h/d"],
        ["log", "status", "hunter2"],
        ["history", "rebuild", "--data-dir", "x", "hunter2"],
        ["events", "tail", "hunter2"],
        ["settings", "--mail-url", "smtp://u:p", "hunter2@h"],
        ["token", "--password", "correct", "hunter2"],
    ],
    ids=" ".join,
)
def test_no_error_of_a_command_repeats_what_may_be_a_secret(program: Program, words: list[str]) -> None:
    ended = program.run(*words)
    assert ended.code in (1, 2)
    assert ended.err
    assert "hunter2" not in ended.err + ended.out
