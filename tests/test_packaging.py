"""The wheel holds everything Blazon needs and nothing else, and what is pinned is pinned with hashes and no address."""

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from blazon import __version__
from blazon.app import ROOMS
from blazon.storage import DIALECTS

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_every_file_of_the_source(wheel: Path) -> None:
    source = ROOT / "src"
    expected = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    held = {name for name in names if name.startswith("blazon/")}
    assert held == expected
    assert "blazon/py.typed" in held
    for part in ("log", "users"):
        for dialect in ("sqlite", "postgresql"):
            assert f"blazon/{part}/migrations/0001_{part}.{dialect}.sql" in held
    rest = {name.partition("/")[0] for name in names - held}
    assert rest == {f"blazon-{__version__}.dist-info"}


def test_it_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"blazon-{__version__}.dist-info/METADATA").decode()
        scripts = archive.read(f"blazon-{__version__}.dist-info/entry_points.txt").decode()
        licences = [name for name in archive.namelist() if name.endswith("/LICENSE")]
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "Provides-Extra: embedded" in metadata
    assert "blazon = blazon.cli.main:main" in scripts
    assert licences


def test_it_installs_and_finds_its_files(wheel: Path, tmp_path: Path) -> None:
    """Into an environment of its own, without dependencies: those are borrowed from the one that runs the tests."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*command, "--disable-pip-version-check"], check=True, capture_output=True)
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (borrowing,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    # Behind its own packages, so that the installed Blazon is the one that is found.
    (borrowing / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    source = (
        "import blazon, blazon.app\n"
        "from blazon.storage import DIALECTS\n"
        "for room in blazon.app.ROOMS:\n"
        "    for dialect in DIALECTS.values():\n"
        "        print(room.name, len(room.migrations.read(dialect)))\n"
        "print(blazon.__file__)\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    ended = subprocess.run(
        [python, "-c", source], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    *rooms, place = ended.stdout.splitlines()
    # The same migrations as here: each is a file of its own, which a wheel could leave out.
    assert rooms == [
        f"{room.name} {len(room.migrations.read(dialect))}" for room in ROOMS for dialect in DIALECTS.values()
    ]
    assert Path(place).is_relative_to(tmp_path)
    program = [tmp_path / "venv" / "bin" / "blazon", "--version"]
    shown = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout == f"blazon {__version__}\n"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address_and_has_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--(index-url|extra-index-url|find-links|trusted-host)", text, re.MULTILINE)
    pinned = re.findall(r"^([a-zA-Z0-9._-]+)==\S+(.*(?:\n    .*)*)", text, re.MULTILINE)
    assert len(pinned) > 10
    assert [package for package, rest in pinned if "--hash=sha256:" not in rest] == []


def test_what_is_needed_is_pinned_and_both_locks_agree() -> None:
    pins = [dict(re.findall(r"^([a-zA-Z0-9._-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS]
    runtime, development = pins
    assert runtime.items() <= development.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["embedded"]]
    for requirement in needed:
        assert re.split(r"[>=<\[]", requirement)[0] in runtime, requirement
    for requirement in project["dependency-groups"]["dev"]:
        assert re.split(r"[>=<\[]", requirement)[0] in development, requirement


def test_what_is_imported_at_run_time_is_a_dependency() -> None:
    """No import leans on a package that is only there for tests."""
    import ast
    from importlib.metadata import packages_distributions

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    named = [*project["project"]["dependencies"], *(requirement for extra in extras for requirement in extra)]
    allowed = {re.split(r"[>=<\[]", requirement)[0].replace("_", "-").lower() for requirement in named}
    providers = packages_distributions()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in (name.partition(".")[0] for name in names):
                if name not in sys.stdlib_module_names and name != "blazon":
                    found = {provider.replace("_", "-").lower() for provider in providers.get(name, ())}
                    assert found & allowed, f"{path} imports {name}"
