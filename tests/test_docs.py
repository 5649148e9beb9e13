"""The documents say what is so: the tour of the README runs as it stands, links lead somewhere, pages are current."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from blazon.app import TABLES
from blazon.settings import fields
from tests.cli.program import Program, up
from tests.servers import RabbitServer, free_port, wait_for
from tests.tour import Step, consoles, is_shown

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_MARK = "--- the end of a step ---"


def _run(program: Program, steps: list[Step], changed: dict[str, str]) -> list[str]:
    """Runs the commands in one shell, with some words changed; what each prints, with those words changed back."""
    script = "exec 2>&1\n" + "".join(f"{step.command}\necho '{_MARK}'\n" for step in steps)
    for shown, real in changed.items():
        script = script.replace(shown, real)
    ended = subprocess.run(
        ["bash", "-c", script], cwd=program.home, env=program.environment, capture_output=True, text=True, check=True
    )
    out = ended.stdout
    for shown, real in changed.items():
        out = out.replace(real, shown)
    return out.split(f"{_MARK}\n")[:-1]


def test_the_tour_runs_as_it_stands(program: Program, rabbitmq: RabbitServer) -> None:
    found = list(consoles((ROOT / "README.md").read_text()))
    (greeting,) = (steps[0] for mark, steps in found if mark == "greeting")
    (consume,) = (steps[0] for mark, steps in found if mark == "consume")
    steps = [step for mark, run in found if mark == "run" for step in run]
    (program.home / ".venv").symlink_to(Path(sys.executable).parent.parent)
    (program.home / "docs").symlink_to(ROOT / "docs")

    # With a port that is known at the start, certificates name the address the tour shows.
    settings = {"BLAZON_ADMIN_PASSWORD": "", "BLAZON_HTTP_LISTEN": f"127.0.0.1:{free_port()}"}
    with up(program, Path("blazon-data"), BLAZON_AMQP_URL=rabbitmq.url, **settings) as blazon:
        changed = {
            "127.0.0.1:8080": blazon.url.removeprefix("http://"),
            "-p 6379": f"-p {blazon.redis_port}",
            "127.0.0.1:6379": f"127.0.0.1:{blazon.redis_port}",
        }
        only_at_the_start = {
            "  .venv/bin/blazon ": "  blazon ",
            "RabbitMQ   none; set amqp.url": "RabbitMQ   exchange lamassu of amqp.url",
        }
        out = program.home / "consumed"
        environment = program.environment | {"PYTHONUNBUFFERED": "1"}
        words = consume.command.replace("amqp://guest:guest@127.0.0.1:5672/", rabbitmq.url).split()
        with open(out, "w") as file:
            consumer = subprocess.Popen(words, cwd=program.home, env=environment, stdout=file, stderr=file)
        try:
            wait_for(lambda: _is_bound(rabbitmq, program) or consumer.poll() is not None, "the consumer")
            for step, printed in zip(steps, _run(program, steps, changed), strict=True):
                assert is_shown(step.shown, printed), f"{step.command}\nprinted\n{printed}"
            wait_for(lambda: "user.reset_secret" in out.read_text(), "the events from RabbitMQ")
        finally:
            consumer.kill()
            consumer.wait()
        begin = out.read_text().index("4 user.create")
        assert is_shown(consume.shown, out.read_text()[begin:])

        printed = blazon.output
        printed = printed[printed.index("Blazon is up at") :]  # a line of the log may stand before it
        for shown, real in (changed | only_at_the_start).items():
            printed = printed.replace(real, shown)
        assert is_shown((*greeting.shown[1:], "…"), printed), printed


def _is_bound(rabbitmq: RabbitServer, program: Program) -> bool:
    """Whether the consumer has its queue: what is sent before that is not for it."""
    import pika

    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq.url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("lamassu", "probe", b'{"sequence": 0, "type": "probe", "data": {}}', mandatory=True)
    except (pika.exceptions.UnroutableError, pika.exceptions.ChannelClosedByBroker):
        return False
    else:
        return True
    finally:
        connection.close()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The command, with an empty home."""
    return Program(tmp_path)


def test_the_generated_pages_are_current() -> None:
    command = [sys.executable, ROOT / "scripts" / "pages.py", "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_the_promise_is_the_same_everywhere() -> None:
    promises = set()
    for page in (ROOT / "README.md", ROOT / "docs" / "explanation" / "architecture.md"):
        (promise,) = re.findall(r"^> An operation.*?(?:\n>.*?)*$", page.read_text(), re.MULTILINE)
        promises.add(promise)
    assert len(promises) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found), target


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_variable_and_test_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    settings = {field.key: field for field in fields(TABLES)}
    tables = {field.table for field in settings.values() if field.table}
    for name in re.findall(rf"`((?:{'|'.join(tables)})\.[a-z_]+)`", text):
        assert name in settings or name.endswith(".py"), name
    variables = {field.variable for field in settings.values()}
    for name in re.findall(r"\bBLAZON_[A-Z_]+[A-Z]\b", text):
        assert name in variables | {"BLAZON_SETTINGS", "BLAZON_URL", "BLAZON_TOKEN", "BLAZON_PASSWORD"}, name
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text):
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(), name


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for name in re.findall(r"(?:^|`|\s)make ([a-z]+)(?=`|$|\s+#)", page.read_text(), re.MULTILINE):
            assert name in targets, f"{page}: make {name}"


def test_ci_runs_the_tests() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
