"""Log lines: JSON for machines, text for a terminal, from the level that is set on, and never a local variable."""

import json
import subprocess
import sys

_SOURCE = """
import logging
import structlog
from blazon.logs import configure
from blazon.settings import Logging

log = structlog.get_logger("blazon.part")
configure(Logging(level={level!r}, format={format!r}))
log.debug("small", number=1)
log.info("usual", thing={{"a": b"bytes"}})
log.warning("worth a look")
logging.getLogger("some.library").warning("chatter")
logging.getLogger("some.library").error("trouble")
def fail(password):
    raise ValueError("on purpose")
try:
    fail("hidden " + "value")
except ValueError:
    log.exception("it failed")
"""


def _lines(kind: str, level: str = "info") -> list[str]:
    source = _SOURCE.format(format=kind, level=level)
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def test_json_is_one_object_a_line_with_its_part() -> None:
    usual, look, library, failed = _lines("json")
    line = json.loads(usual)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "usual", "logger": "blazon.part", "level": "info", "thing": {"a": "Ynl0ZXM="}}
    assert json.loads(look)["level"] == "warning"
    assert library == "some.library: trouble"
    assert "ValueError: on purpose" in json.loads(failed)["exception"]


def test_without_a_terminal_it_is_json() -> None:
    assert json.loads(_lines("auto")[0])["event"] == "usual"


def test_text_is_for_people() -> None:
    lines = _lines("text")
    assert lines[0].endswith("[info] usual [blazon.part] thing={'a': b'bytes'}")
    assert "\x1b" not in "".join(lines)
    assert "ValueError: on purpose" in "\n".join(lines)


def test_a_trace_shows_no_value() -> None:
    for kind in ("json", "text"):
        assert "hidden value" not in "\n".join(_lines(kind))


def test_levels() -> None:
    assert len(_lines("json", "debug")) == 5
    assert [json.loads(line)["event"] for line in _lines("json", "error") if line[0] == "{"] == ["it failed"]


def test_a_full_disk_under_the_log_ends_nothing() -> None:
    source = _SOURCE.format(format="json", level="info") + "print('it went on')\n"
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert ended.stdout == "it went on\n"
