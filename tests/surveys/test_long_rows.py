"""Splitting of long rows: as the general parser splits them, or not at all."""

from pathlib import Path

import pytest

from catalog.errors import FormatError
from catalog.surveys.formats import open_tables, text
from catalog.surveys.formats.long_rows import split_long_rows
from catalog.surveys.tables import TextSpans

LIST = "[" + ",".join(["0.98698866"] * 600) + "]"
HEADER = "source_id,flag,flux,name\n"


def rows(*lines: str) -> bytes:
    return "".join(lines).encode()


def split(data: bytes) -> list[list[str | None]] | None:
    columns = split_long_rows(data, len(data), 4, [0, 1, 2, 3])
    # Bytes of an earlier block may follow.
    assert (columns is None) == (split_long_rows(data + b'9,"x",y\n', len(data), 4, [0]) is None)
    if columns is None:
        return None
    texts = [column.to_arrow() if isinstance(column, TextSpans) else column for column in columns]
    return [list(row) for row in zip(*(column.to_pylist() for column in texts), strict=True)]


def test_fields_of_long_rows() -> None:
    data = rows(f'12,"A","{LIST}",x\n', f'13,null,"{LIST}",\n', f'14,"B","{LIST}",null')
    assert split(data) == [["12", "A", LIST, "x"], ["13", None, LIST, None], ["14", "B", LIST, None]]


def test_short_rows_are_not_worth_it() -> None:
    assert split(rows(f'12,"A","{LIST}",x\n', *(["13,B,null,x\n"] * 9))) is None


def test_a_null_among_long_cells() -> None:
    data = rows(f'12,"A","{LIST}{LIST}",x\n', '13,"A",null,x\n')
    assert split(data) == [["12", "A", LIST + LIST, "x"], ["13", "A", None, "x"]]


@pytest.mark.parametrize(
    "line",
    [
        f'12,"A","{LIST}"\n',  # a field too few
        f'12,"A","{LIST}",x,y\n',  # one too many
        f'12,"A ""quoted"" word","{LIST}",x\n',
        f'12,"A","{LIST}",x\r\n',
        f'12,"A","{LIST}","x"\r\n',
        f'12,"A\nB","{LIST}",x\n',  # a line end in quotes
        f'12,"A","{LIST}",x\n\n',  # an empty line
        f'12,"null","{LIST}",x\n',  # quoted, it is a word
        f'12,"A","{LIST},x\n',  # the quote is never closed
        f'12,"A","{LIST}" ,x\n',
        "12,A,1.5,x\n",
    ],
)
def test_anything_else_is_left_to_the_general_parser(line: str) -> None:
    good = f'12,"A","{LIST}",x\n'
    assert split(rows(good, line)) is None
    assert split(rows(line, good)) is None


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER.encode() + f'12,"A\xff","{LIST}",x\n'.encode("latin-1"))
    [table] = open_tables(path)
    with pytest.raises(FormatError, match="rows after 0"):
        list(table.blocks(["flag", "flux"]))


def test_both_parsers_give_the_same_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "".join(f'{i},"A{i}","{LIST}",{"x" if i % 3 else ""}\n' for i in range(40)))
    monkeypatch.setattr(text, "BLOCK_BYTES", 30_000)

    def columns() -> list[list[str | None]]:
        [table] = open_tables(path)
        found: list[list[str | None]] = [[], []]
        for block in table.blocks(["name", "flux"]):
            for values, name in zip(found, ("name", "flux"), strict=True):
                column = block.columns[name]
                values += (column.to_arrow() if isinstance(column, TextSpans) else column).to_pylist()
        return found

    fast = columns()
    monkeypatch.setattr(text, "split_long_rows", lambda *_: None)
    assert columns() == fast
