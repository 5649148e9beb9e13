"""Strange files: each row that can be read is read, with its line; of each that cannot it is said why."""

import contextlib
import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blazon.cli.imports.files import BadFile, Line, Source, opened
from blazon.cli.imports.rows import THING_COLUMNS, Rows
from blazon.errors import Malformed


def _read(content: bytes, form: str | None = None) -> list[Line]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        with opened(Path(file.name), THING_COLUMNS, form) as source:
            return list(source)


def _bad(content: bytes) -> str:
    with pytest.raises(BadFile) as caught:
        _read(content)
    return caught.value.reason


def _names(lines: list[Line]) -> list[tuple[int, str]]:
    return [(line.number, line.cells["name"] if line.cells else line.wrong) for line in lines]


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)] * 3),
        max_size=8,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
@example([("a,b", 'c"d', "e\nf")], ",", "\r\n")
def test_what_a_csv_writer_writes_is_read(rows: list[tuple[str, ...]], delimiter: str, ending: str) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(("name", "tags", "identity"))
    writer.writerows(rows)
    found = _read(file.getvalue().encode())
    assert [tuple((line.cells or {}).values()) for line in found] == rows


@given(st.binary(max_size=200), st.booleans())
@example(b"\xff\xfe", False)
@example(b'"\n"\n', True)
def test_bytes_of_any_kind_are_read_or_refused(content: bytes, header: bool) -> None:
    lines: list[Line] = []
    with contextlib.suppress(BadFile):
        lines = _read((b"name\n" if header else b"") + content)
    numbers = [line.number for line in lines]
    assert numbers == sorted(set(numbers))
    rows = Rows("thing", "me", "", _nobody)
    for line in lines:
        with contextlib.suppress(Malformed):
            assert rows.row(line).line == line.number


def _nobody(noun: str, named: str) -> str:
    raise Malformed(f"there is no {noun} {named}")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_marks_and_line_ends(mark: bytes, ending: bytes) -> None:
    assert _names(_read(mark + ending.join([b"name", b"x", b"", "Zoë".encode()]))) == [(2, "x"), (4, "Zoë")]
    assert [line.json for line in _read(mark + ending.join([b'{"name":"x"}', b"", b"{}"]))] == ['{"name":"x"}', "{}"]


def test_a_row_that_is_not_utf_8_is_refused_alone() -> None:
    found = _names(_read(b"name\nx\nZo" + b"\xeb\ny\n"))
    assert found[0] == (2, "x")
    assert found[2] == (4, "y")
    assert found[1][1].startswith("is not UTF-8 at character 3; save the file as UTF-8")
    (line,) = _read(b'{"name":"Zo\xeb"}')
    assert line.wrong.startswith("is not UTF-8 at character 12")


def test_a_quotation_mark_that_is_not_closed_is_one_refusal() -> None:
    (first, broken) = _read(b'name\nx\n"y\nz\n')
    assert (first.number, broken.number) == (2, 3)
    assert "a quotation mark that is not closed; nothing is read up to line 4" in broken.wrong


def test_reading_goes_on_after_a_broken_quotation() -> None:
    found = _names(_read(b'name\n"a"b\nc\n'))
    assert found == [(2, "this is not CSV: ',' expected after '\"'"), (3, "c")]


def test_rows_with_another_number_of_cells() -> None:
    found = [line.wrong for line in _read(b"name,tags\na\nb,c\nd,e,f\n")]
    assert found == ["there are 1 cell, and 2 columns", "", "there are 3 cells, and 2 columns"]


def test_columns_without_a_name_must_be_empty() -> None:
    found = _read(b"name,,\na,,\nb,x,\n")
    assert found[0].cells == {"name": "a"}
    assert found[1].wrong == "the cell 'x' is in a column without a name"


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_huge_line_is_refused_and_the_next_is_read(form: str) -> None:
    huge = b"x" * (3 * 1024 * 1024)
    content = b"name\n" + huge + b"\ny\n" if form == "csv" else b'{"a":1}\n' + huge + b"\n{}\n"
    found = _read(content, form)
    wrong = [line for line in found if line.wrong]
    assert [(line.number, line.wrong) for line in wrong] == [(2, "the line is longer than 1048576 characters")]
    assert found[-1].number == 3


def test_what_is_no_file_of_rows() -> None:
    assert _bad(b"").endswith("is empty")
    assert "is in UTF-16; save it as UTF-8" in _bad("name\nx".encode("utf-16"))
    assert "is not text" in _bad(b"PK\x03\x04\0\0")
    assert "is one JSON array" in _bad(b' [{"name":"x"}]')
    assert "has no header" in _bad(b"\n \n")
    assert "the header is not UTF-8" in _bad(b"n\xe4me\nx\n")
    assert "did you mean 'metadata'?" in _bad(b"name,metdata\n")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (Line(1, json="nope"), "the row is not JSON: Expecting value (column 1)"),
        (Line(1, json='{"name":"x","tgas":[]}'), "there is no field `tgas`"),
        (Line(1, json='{"name":1}'), "name: expected `str | null`, got `int`"),
        (Line(1, json='{"name":"a","name":"b"}'), "the row has the name 'name' twice in one object"),
        (Line(1, json='{"name":"\\ud800"}'), "the row holds half a surrogate pair"),
        (Line(1, json='{"name":"a\\u0000b"}'), "the row holds the character U+0000"),
        (Line(1, json="5"), "expected `object`, got `int`"),
        (Line(1, json='{"metadata":' + '{"a":' * 1000 + "1" + "}" * 1001), "nested deeper than 64 levels"),
        (Line(1, json='{"metadata":' + '{"a":' * 90_000 + "1" + "}" * 90_001), "nested deeper than 64 levels"),
        (Line(1, cells={"id": "X"}), "id must be a UUID in lower case"),
        (Line(1, cells={"name": "a\tb"}), "name holds a control character"),
        (Line(1, cells={"secret": " x"}), "the secret begins or ends with space"),
        (Line(1, cells={"status": "off"}), "status: invalid enum value 'off'"),
        (Line(1, cells={"metadata": "{a:1}"}), "metadata: it is not JSON: Expecting property name enclosed in double"),
        (Line(1, cells={"metadata": "[1]"}), "metadata: expected `object`, got `array`"),
        (Line(1, cells={"owner": "x"}), "there is no user x"),
        (Line(1, cells={"channels": "a;b"}), "there is no channel a"),
    ],
    ids=lambda value: "" if isinstance(value, Line) else value,
)
def test_what_is_wrong_with_a_row(line: Line, says: str) -> None:
    with pytest.raises(Malformed) as caught:
        Rows("thing", "me", "", _nobody).row(line)
    assert says in caught.value.reason


def _ids(rows: Rows, *cells: dict[str, str]) -> list[str]:
    return [rows.row(Line(number, cells=each)).id for number, each in enumerate(cells, 1)]


def test_the_id_of_a_row_is_that_of_what_it_says() -> None:
    def of(whose: str = "me", lot: str = "", noun: str = "thing") -> Rows:
        return Rows(noun, whose, lot, lambda noun, named: named)

    a, b, again = _ids(of(), {"name": "a"}, {"name": "b"}, {"name": "a"})
    assert len({a, b, again}) == 3
    assert _ids(of(), {"name": "b"}, {"name": "a"}, {"name": "a"}) == [b, a, again]
    assert _ids(of(), {"name": "a", "tags": " ", "channels": "x"}) == [a]
    assert _ids(of(), {"name": "a", "secret": "k"}) == [a]  # a key is not to be tried against an id
    others: list[Callable[[], Rows]] = [lambda: of("you"), lambda: of(lot="2"), lambda: of(noun="channel")]
    assert len({a, *(_ids(make(), {"name": "a"})[0] for make in others)}) == 4


def test_ids_and_keys_are_there_once_in_a_file() -> None:
    rows = Rows("thing", "me", "", _nobody)
    own = "5b7d0b3e-6f3c-4f5e-9a55-0a8d6d1d3c1e"
    rows.row(Line(2, cells={"id": own, "secret": "k"}))
    with pytest.raises(Malformed, match="it has the id of line 2"):
        rows.row(Line(3, cells={"id": own}))
    with pytest.raises(Malformed, match="it has the key of line 2"):
        rows.row(Line(4, cells={"secret": "k"}))


def test_a_source_knows_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"name\n" + b"x\n" * 100_000)
    with open(path, "rb") as file:
        source = Source(file, "rows.csv", THING_COLUMNS, None)
        assert source.size == path.stat().st_size
        positions = [source.position for number, _ in enumerate(source) if number % 1000 == 0]
    assert positions == sorted(positions)
    assert 0 < positions[1] < positions[-1] <= source.size
