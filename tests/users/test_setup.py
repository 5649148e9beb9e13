"""The first start makes the admin, later starts do not, and of several that start at once one does."""

import asyncio
import base64
import secrets
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from blazon.errors import SettingsError
from tests.running import ADMIN, PASSWORD, Answer, Running, refused, running
from tests.servers import PostgresServer
from tests.streams import Stream


async def sign_in(blazon: Running, password: str) -> Answer:
    """The answer to the admin's sign-in."""
    return await blazon.call("POST", "/users/tokens/issue", {"identity": ADMIN, "secret": password}, token="")


async def test_the_admin(blazon: Running) -> None:
    admin = await blazon.ok("GET", "/users/profile")
    assert admin == {
        "id": blazon.admin.id,
        "name": "admin",
        "credentials": {"identity": ADMIN},
        "metadata": {"role": "admin"},
        "created_at": admin["created_at"],
        "updated_at": "0001-01-01T00:00:00Z",
        "status": "enabled",
        "role": "admin",
    }


async def test_its_event_is_the_first_of_all(blazon: Running) -> None:
    async with Stream(blazon, "users") as stream:
        first = await stream.wait_for("user.create")
        assert (first.sequence, first.fields["id"], first.fields["role"]) == (1, blazon.admin.id, "admin")


async def test_a_second_start_makes_no_other(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false") as blazon:
        first = blazon.admin.id
        assert blazon.notes["Admin"] == f"{ADMIN}   password {PASSWORD}"
    async with running(tmp_path, redis__embedded="false", admin__email="other@example.com") as blazon:
        assert blazon.admin.id == first
        page = await blazon.ok("GET", "/users?status=all")
        assert page["total"] == 1


async def test_a_password_that_was_changed_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false") as blazon:
        body = {"old_secret": PASSWORD, "new_secret": "a new secret"}
        await blazon.ok("PATCH", "/users/secret", body)
        token = blazon.admin.token
    async with running(tmp_path, sign_in=False, redis__embedded="false") as blazon:
        refused(await sign_in(blazon, PASSWORD), 401)
        assert (await sign_in(blazon, "a new secret")).status == 201
        assert (await blazon.call("GET", "/users/profile", token=token)).status == 200
        assert blazon.notes["Admin"] == f"{ADMIN}, whose first password was changed"


async def test_a_password_that_is_made_up(tmp_path: Path) -> None:
    async with running(tmp_path, sign_in=False, redis__embedded="false", admin__password="") as blazon:
        file = tmp_path / "admin-password"
        password = file.read_text().strip()
        assert len(password) >= 16
        assert file.stat().st_mode & 0o777 == 0o600
        assert blazon.notes["Admin"] == f"{ADMIN}   password {password}"
        assert (await sign_in(blazon, password)).status == 201
    async with running(tmp_path, sign_in=False, redis__embedded="false", admin__password="") as blazon:
        assert file.read_text().strip() == password
        assert (await sign_in(blazon, password)).status == 201


async def test_a_first_password_against_the_rule_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"admin\.password does not meet users\.password_rule, \^\.\{12,\}\$"):
        async with running(tmp_path, redis__embedded="false", users__password_rule="^.{12,}$"):
            pass


async def test_several_start_at_once(postgres: PostgresServer, tmp_path: Path) -> None:
    flags = {
        "database__url": postgres.new_database(),
        "redis__embedded": "false",
        "secrets__master_key": base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    async with AsyncExitStack() as stack:
        starts = [stack.enter_async_context(running(tmp_path / str(number), **flags)) for number in range(3)]
        several = await asyncio.gather(*starts)
        assert len({blazon.admin.id for blazon in several}) == 1
        for blazon in several:
            assert (await blazon.ok("GET", "/users?status=all"))["total"] == 1


async def test_several_start_at_once_in_one_folder(postgres: PostgresServer, tmp_path: Path) -> None:
    """The file is the only place where the password is: who was slower must not take it away."""
    flags = {"database__url": postgres.new_database(), "redis__embedded": "false", "admin__password": ""}
    async with AsyncExitStack() as stack:
        starts = [stack.enter_async_context(running(tmp_path, sign_in=False, **flags)) for _ in range(3)]
        several = await asyncio.gather(*starts)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["admin-password", "master.key"]
        password = (tmp_path / "admin-password").read_text().strip()
        for blazon in several:
            assert blazon.notes["Admin"] == f"{ADMIN}   password {password}"
            assert (await sign_in(blazon, password)).status == 201


async def test_several_start_at_once_in_folders_of_their_own(postgres: PostgresServer, tmp_path: Path) -> None:
    """A password that was made up in vain is not left to mislead."""
    flags = {
        "database__url": postgres.new_database(),
        "redis__embedded": "false",
        "admin__password": "",
        "secrets__master_key": base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    async with AsyncExitStack() as stack:
        folders = [tmp_path / str(number) for number in range(3)]
        starts = [stack.enter_async_context(running(folder, sign_in=False, **flags)) for folder in folders]
        several = await asyncio.gather(*starts)
        (kept,) = [file for folder in folders for file in folder.iterdir()]
        assert kept.name == "admin-password"
        for blazon in several:
            assert (await sign_in(blazon, kept.read_text().strip())).status == 201


async def test_a_password_file_that_is_empty_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "admin-password").touch()
    with pytest.raises(SettingsError, match="admin-password holds no password for the admin; remove it"):
        async with running(tmp_path, sign_in=False, redis__embedded="false", admin__password=""):
            pass
    (tmp_path / "admin-password").unlink()
    async with running(tmp_path, sign_in=False, redis__embedded="false", admin__password="") as blazon:
        assert "password" in blazon.notes["Admin"]
    (tmp_path / "admin-password").write_text("")  # once there is an admin, it is not needed any more
    async with running(tmp_path, sign_in=False, redis__embedded="false", admin__password="") as blazon:
        assert "Admin" not in blazon.notes
