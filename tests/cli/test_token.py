"""Signing in from the command line: where to, as whom, what is kept, and what is said when it does not work."""

import json
import stat
import subprocess
from pathlib import Path

from tests.cli.program import PASSWORD, Program, Up, up
from tests.servers import free_port


def _file(program: Program) -> Path:
    return program.home / ".config" / "blazon" / "login.json"


def test_the_data_folder_says_where_and_with_which_password(program: Program) -> None:
    with up(program, program.home / "blazon-data", BLAZON_ADMIN_PASSWORD="") as blazon:
        # Neither a URL, nor a folder, nor a password need be given in the folder Blazon was started in.
        token = program.ok("token").out.strip()
        kept = json.loads(_file(program).read_text())
        assert kept["access_token"] == token
        assert kept["url"] == blazon.url
        assert stat.S_IMODE(_file(program).stat().st_mode) == 0o600
        assert stat.S_IMODE(_file(program).parent.stat().st_mode) == 0o700
        assert "admin@example.com" in program.ok("users", "show", "me").out


def test_json(program: Program, running: Up) -> None:
    ended = program.ok(
        "token",
        "--url",
        running.url,
        "--email",
        "admin@example.com",
        BLAZON_PASSWORD=PASSWORD,
    )
    described = program.ok("token", "--url", running.url, "--password", PASSWORD, "--json").json
    assert set(described) == {"access_token", "email", "kept_in", "url"}
    assert described["kept_in"] == str(_file(program))
    assert ended.lines[0].count(".") == 2


def test_a_given_token_is_used_and_nothing_is_kept(program: Program, running: Up) -> None:
    token = json.loads(_file(running.program).read_text())["access_token"]
    environment = {"BLAZON_TOKEN": token, "BLAZON_URL": running.url}
    assert "admin@example.com" in program.ok("users", "list", **environment).out
    assert not _file(program).exists()
    # Also where there is no home to keep anything in.
    assert program.run("users", "list", HOME="/nonexistent", **environment).code == 0


def test_a_token_that_is_over_is_renewed(program: Program, running: Up) -> None:
    program.ok("token", "--url", running.url, "--password", PASSWORD)
    kept = json.loads(_file(program).read_text())
    _file(program).write_text(json.dumps(kept | {"access_token": "over"}))
    program.ok("users", "list")
    assert json.loads(_file(program).read_text())["access_token"] not in ("over", kept["access_token"])


def test_a_sign_in_that_is_over_says_to_sign_in_again(program: Program, running: Up) -> None:
    program.ok("token", "--url", running.url, "--password", PASSWORD)
    kept = json.loads(_file(program).read_text())
    _file(program).write_text(json.dumps(kept | {"access_token": "over", "refresh_token": "over"}))
    over = program.run("users", "list")
    assert over.code == 1
    assert over.err == f"blazon: your sign-in at {running.url} is over; run: blazon token --url {running.url}\n"
    assert not _file(program).exists()


def test_a_damaged_file_is_as_none(program: Program) -> None:
    _file(program).parent.mkdir(parents=True)
    _file(program).write_text('{"url": ')
    ended = program.run("users", "list")
    assert ended.code == 1
    assert ended.err == "blazon: you are not signed in at http://127.0.0.1:8080; run: blazon token\n"


def test_a_wrong_password_names_where_it_came_from(program: Program, running: Up) -> None:
    given = program.run("token", "--url", running.url, "--email", "admin@example.com", "--password", "wrong")
    assert given.code == 1
    assert given.err == f"blazon: {running.url} does not know admin@example.com with this password\n"
    other = program.home / "other"
    other.mkdir()
    (other / "admin-password").write_text("of another Blazon\n")
    found = program.run("token", "--url", running.url, "--data-dir", other)
    assert found.code == 1
    assert f"with the password of {other}/admin-password" in found.err
    assert "--data-dir" in found.err


def test_the_password_of_this_machine_is_sent_to_no_other(program: Program) -> None:
    folder = program.home / "blazon-data"
    folder.mkdir()
    (folder / "admin-password").write_text("secret\n")
    ended = program.run("token", "--url", "http://other.invalid")
    assert ended.code == 2
    assert "give the password with --password" in ended.err


def test_a_server_that_is_not_up_is_said_to_be_so(program: Program) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ended = program.run("token", "--url", url, "--password", "x")
    assert ended.code == 1
    assert ended.err.startswith(f"blazon: cannot reach {url} (Connection refused). Start Blazon with `blazon up`")


def test_what_is_no_blazon_is_said_to_be_none(program: Program) -> None:
    import http.server
    import threading

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200 if self.path.startswith("/good") else 404)
            self.send_header("content-length", "7")
            self.end_headers()
            self.wfile.write(b"<html/>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        missing = program.run("token", "--url", url, "--password", "x")
        page = program.run("token", "--url", f"{url}/good", "--password", "x")
        server.shutdown()
        thread.join()
    assert missing.code == page.code == 1
    assert "answered 404, and not as Blazon does; give the right address with --url" in missing.err
    assert "is not Blazon; give the right address with --url" in page.err


def test_a_certificate_that_is_not_trusted_says_how_to_trust_it(program: Program) -> None:
    import http.server
    import ssl
    import threading

    key, certificate = program.home / "key.pem", program.home / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key)]
    subprocess.run([*command, "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    with server:
        thread.start()
        url = f"https://localhost:{server.server_address[1]}"
        refused = program.run("token", "--url", url, "--email", "a@b.de", "--password", "x")
        trusted = program.run(
            *("token", "--url", url, "--email", "a@b.de", "--password", "x"), SSL_CERT_FILE=str(certificate)
        )
        server.shutdown()
        thread.join()
    assert refused.code == 1
    assert f"the certificate of {url} is not trusted here; set SSL_CERT_FILE" in refused.err
    # Now it is a server like any other, only not Blazon.
    assert trusted.code == 1
    assert "answered 501, and not as Blazon does" in trusted.err


def test_what_is_no_url_is_code_2(program: Program) -> None:
    for url in ("127.0.0.1:8080", "ftp://x", "http://", "http://x:99999", "http://["):
        ended = program.run("users", "list", "--url", url)
        assert ended.code == 2, url
        assert "is not a URL of Blazon" in ended.err


def test_a_home_that_cannot_be_written_is_named(program: Program, running: Up) -> None:
    (program.home / ".config").touch()
    ended = program.run("token", "--url", running.url, "--password", PASSWORD)
    assert ended.code == 1
    assert "cannot keep the sign-in in" in ended.err or "cannot read" in ended.err
    program.ok("token", "--url", running.url, "--password", PASSWORD, XDG_CONFIG_HOME=str(program.home / "elsewhere"))
