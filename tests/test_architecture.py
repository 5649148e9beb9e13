"""The house stands as DESIGN draws it: floors, rooms, no cycles, the same files everywhere, two equal schemas."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blazon
from blazon.app import ROOMS, catalogue
from blazon.log import MIGRATIONS, EventName, Kind
from blazon.room import Room
from blazon.storage import DIALECTS, Database, migrate, open_database
from tests.servers import PostgresServer

SOURCE = Path(blazon.__file__).parent

# A module imports from its own floor's package and from floors before it.
FLOORS = (
    (
        "errors",
        "addresses",
        "caller",
        "clock",
        "durations",
        "health",
        "serials",
        "services",
        "settings",
        "logs",
        "tasks",
    ),
    ("storage",),
    ("log",),
    ("wire",),
    ("relay", "web"),
    ("entity",),
    ("access",),
    ("listing",),
    ("grouping",),
    ("room",),
    ("users",),
    ("things",),
    ("engines", "pkix"),
    ("ca",),
    ("history",),
    ("embedded",),
    ("app",),
    ("cli",),
    ("testing",),
)
FLOOR = {part: number for number, floor in enumerate(FLOORS) for part in floor}

# What every domain room has. `service` and `api` may be packages.
ROOM_FILES = ("__init__", "models", "events", "service", "store", "apply", "api")

CHANGES_NOTHING = {
    ("users", "user.issue_token"),
    ("users", "user.refresh_token"),
    ("users", "user.generate_reset_token"),
    ("users", "user.send_password_reset"),
    ("ca", "ca.signature.sign"),
}
"""Facts that are kept for ever and change no table."""


def _modules() -> list[str]:
    return sorted(found.name for found in pkgutil.walk_packages([str(SOURCE)], "blazon."))


MODULES = _modules()


def _path(module: str) -> Path:
    path = SOURCE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imported(module: str, *, at_start: bool = False) -> Iterator[tuple[str, str]]:
    """The modules of ours a module imports, each with the name it takes from it, or an empty one.

    With `at_start` only what is imported when the module is: not inside functions, not for type checking.
    """
    for node in _statements(ast.parse(_path(module).read_text()), at_start=at_start):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "blazon")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "blazon":
            assert node.level == 0, f"{module} imports by a relative name"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = inner in MODULES and alias.name not in importlib.import_module(node.module).__all__
                yield (inner, "") if is_module else (node.module, alias.name)


def _statements(tree: ast.AST, *, at_start: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if at_start and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _statements(node, at_start=at_start)


def _part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_part_of_the_house_has_its_floor() -> None:
    assert {_part(module) for module in MODULES} == set(FLOOR)
    assert {room.name for room in ROOMS} <= set(FLOOR)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_the_floors(module: str) -> None:
    for imported, name in _imported(module):
        if _part(imported) not in ("", _part(module)):
            assert FLOOR[_part(imported)] <= FLOOR[_part(module)], f"{module} imports {imported} {name}"


@pytest.mark.parametrize("module", MODULES)
def test_a_part_is_used_by_its_public_names(module: str) -> None:
    """What another package imports is a name in the `__init__` of a package, never its inside."""
    for imported, name in _imported(module):
        if _part(imported) in ("", _part(module)) or (module, imported) in INSIDE:
            continue
        assert imported.count(".") <= 1, f"{module} reaches into {imported}"
        if name:
            assert name in importlib.import_module(imported).__all__, f"{module} takes {name} from {imported}"


INSIDE = {
    # To fold the log is what the writer does, without a log to append to.
    ("blazon.history.rebuild", "blazon.log.batch"),
}


def test_only_users_and_things_have_groups() -> None:
    """What other rooms need too stands in `access`, `entity` or `listing`."""
    importers = {
        _part(module) for module in MODULES for imported, _ in _imported(module) if _part(imported) == "grouping"
    }
    assert importers == {"grouping", "users", "things"}


def _check_no_cycle(edges: Mapping[str, set[str]]) -> None:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))


def test_no_modules_import_each_other() -> None:
    _check_no_cycle(
        {
            module: {imported for imported, _ in _imported(module, at_start=True)} - {module}
            for module in MODULES
            if _path(module).name != "__init__.py"
        }
    )


def test_no_packages_import_each_other() -> None:
    edges: dict[str, set[str]] = {}
    for module in MODULES:
        used = {_part(imported) for imported, _ in _imported(module)} - {"", _part(module)}
        edges.setdefault(_part(module), set()).update(used)
    _check_no_cycle(edges)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_rooms_look_alike(room: Room) -> None:
    folder = SOURCE / room.name
    for name in ROOM_FILES:
        assert (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists(), name
    module = importlib.import_module(f"blazon.{room.name}")
    assert module.room is room
    assert "does not" in (module.__doc__ or "") or "never" in (module.__doc__ or ""), "say what it does not do"


def test_every_module_says_what_it_is_for_and_none_is_a_drawer() -> None:
    for module in MODULES:
        tree = ast.parse(_path(module).read_text())
        assert ast.get_docstring(tree), f"{module} has no docstring"
        assert not re.search(r"\b(utils?|helpers?|common|misc)\b", module), f"{module} says nothing about what is in it"


def test_files_are_small_enough_to_hold_in_mind() -> None:
    long = {module: length for module in MODULES if (length := len(_path(module).read_text().splitlines())) > 370}
    assert not long


@pytest.mark.parametrize("module", MODULES)
def test_all_names_what_there_is(module: str) -> None:
    loaded = importlib.import_module(module)
    if module == "blazon.cli" and not hasattr(loaded, "__all__"):
        return
    names = loaded.__all__
    assert all(hasattr(loaded, name) for name in names)
    assert len(names) == len(set(names))
    private = [name for name in names if name.startswith("_") and not name.startswith("__")]
    assert not private


def test_nothing_says_it_will_be_done_later() -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for path in (path for folder in ("src", "tests", "docs", "scripts") for path in _files(folder)):
        if path != Path(__file__):
            assert not later.search(path.read_text()), path


def _files(folder: str) -> Iterator[Path]:
    root = SOURCE.parent.parent / folder
    for path in root.rglob("*"):
        if path.is_file() and path.suffix not in (".pyc", ".db") and "__pycache__" not in path.parts:
            yield path


@pytest.mark.parametrize("declared", list(catalogue()), ids=lambda declared: f"{declared.service} {declared.name}")
def test_a_fact_changes_a_table_or_is_known_not_to(declared: object) -> None:
    from blazon.log import EventType

    assert isinstance(declared, EventType)
    assert str(EventName.parse(declared.name)) == declared.name
    key = (declared.service, declared.name)
    appliers = {key for room in ROOMS for key in room.appliers}
    if declared.kind is Kind.FACT:
        assert (key in appliers) != (key in CHANGES_NOTHING)
    else:
        assert key not in appliers, "an observation changes nothing"


def test_every_applier_and_every_exception_is_of_a_declared_type() -> None:
    declared = {(found.service, found.name) for found in catalogue()}
    assert {key for room in ROOMS for key in room.appliers} <= declared
    assert declared >= CHANGES_NOTHING


_word = st.from_regex(r"\A[a-z][a-zA-Z]{0,8}([-_][a-z]{1,8}){0,2}\Z")


@given(st.booleans(), st.lists(_word, min_size=2, max_size=4))
def test_a_name_by_the_grammar_is_taken_apart_and_put_together(prefixed: bool, words: list[str]) -> None:
    text = ("io.lamassuiot." if prefixed else "") + ".".join(words)
    name = EventName.parse(text)
    assert str(name) == text
    assert (name.noun, name.verb) == (words[0], tuple(words[1:]))


@given(st.text(max_size=30) | st.from_regex(r"\A[A-Za-z._-]{0,20}\Z"))
def test_a_name_is_by_the_grammar_or_is_refused(text: str) -> None:
    word = r"[a-z][a-zA-Z]*([-_][a-z]+)*"
    good = re.fullmatch(rf"(io\.lamassuiot\.)?{word}(\.{word}){{1,3}}", text)
    if good:
        assert str(EventName.parse(text)) == text
    else:
        with pytest.raises(ValueError, match="is not the name of an event type"):
            EventName.parse(text)


async def _columns(database: Database) -> dict[str, list[str]]:
    if database.dialect.name == "sqlite":
        rows = await database.rows(
            "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'"
            " AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid"
        )
    else:
        rows = await database.rows(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
            " ORDER BY table_name, ordinal_position"
        )
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


async def _indexes(database: Database) -> set[str]:
    sql = {
        "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite_%'",
        "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
        " AND indexname NOT LIKE '%_pkey'",
    }
    return {row[0] for row in await database.rows(sql[database.dialect.name])}


async def test_both_databases_have_the_same_tables_columns_and_indexes(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    sets = (MIGRATIONS, *(room.migrations for room in ROOMS))
    found = []
    for url in ("", postgres.new_database()):
        database = await open_database(url, tmp_path)
        assert await migrate(database, sets) == sum(len(known.read(database.dialect)) for known in sets)
        assert await migrate(database, sets) == 0
        found.append((await _columns(database), await _indexes(database)))
        await database.close()
    sqlite, postgresql = found
    assert sqlite == postgresql
    tables = {table.name: table.key for room in ROOMS for table in room.tables}
    assert tables.keys() <= sqlite[0].keys()
    assert all(set(key) <= set(sqlite[0][name]) for name, key in tables.items())
    kinds = [kind for room in ROOMS for kind in room.kinds]
    assert all({kind.column, *kind.keys} <= set(sqlite[0][kind.table]) for kind in kinds)


def test_migrations_come_in_pairs() -> None:
    for known in (MIGRATIONS, *(room.migrations for room in ROOMS)):
        names = [[migration.name for migration in known.read(dialect)] for dialect in DIALECTS.values()]
        assert names[0] == names[1]
