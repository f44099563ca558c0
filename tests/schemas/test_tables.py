"""Reference tables: types, versions, and every mistake with its line."""

from pathlib import Path

import pytest

from schemas.errors import LoadErrors
from schemas.playbook_file import PlaybookErrors, load_playbook
from schemas.tables import MAX_COLUMNS, parse_table

TARIFFS = """tariff,unlimited,monthly,speed,note,code
flex,false,19.90,100,,007
max,TRUE,40,1000,"all, really",100
"""
BOOK = """
playbook: town
signals: [usage, profile]
tables: {tariffs: {key: profile.tariff, file: tariffs.csv}}
subscriber: {features: {n: {count: any, from: usage, window: 1h}}}
"""


def test_columns_have_the_narrowest_type() -> None:
    table = parse_table(TARIFFS.encode(), "tariffs.csv", "tariff")
    assert table.keys == ("flex", "max")
    assert table.types == {
        "unlimited": "boolean",
        "monthly": "double",
        "speed": "long",
        "note": "string",
        "code": "string",  # a leading zero is no number's
    }
    assert table.columns["unlimited"] == (False, True)
    assert table.columns["monthly"] == (19.9, 40.0)
    assert table.columns["note"] == (None, "all, really")


@pytest.mark.parametrize("text", ["tariff,limit\n", "tariff,limit\nflex,\n"])
def test_a_column_without_values_is_text(text: str) -> None:
    assert parse_table(text.encode(), "tariffs.csv", "tariff").types == {"limit": "string"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,a\nx,1\n", ":1: has no column `tariff`, its key"),
        (
            "tariff,a\nflex,1\nmax,2\nflex,3\n",
            ":4: the key `flex` is in line 2 already\n    flex,3\n    give each value one",
        ),
        ("tariff,a\n,1\n", ":2: the key is empty"),
        ("tariff,a\nflex,1,2\n", ":2: has 3 values for 2 columns"),
        ("tariff,A b\nflex,1\n", ":1: `A b` cannot be the name of a column"),
        ("tariff,version\nflex,1\n", ":1: `version` cannot be the name of a column"),
        ("tariff,a,a\nflex,1,2\n", ":1: column `a` is there twice"),
        ('tariff,a\nflex,"1\n', ":2: is not CSV"),
        ("", ": is empty\n    begin with the names of columns, `tariff` first"),
        ("\n\n", ": is empty"),
        (b"tariff,a\nfl\xffex,1\n", ": is not UTF-8"),
        ("tariff," + ",".join(f"c{n}" for n in range(MAX_COLUMNS)) + "\n", ":1: has 501 columns"),
    ],
)
def test_mistakes_have_their_line(text: str | bytes, told: str) -> None:
    with pytest.raises(LoadErrors) as caught:
        parse_table(text.encode() if isinstance(text, str) else text, "tariffs.csv", "tariff")
    assert str(caught.value.errors[0]).startswith(f"tariffs.csv{told}")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("a\u2028b", "a\u2028b"), ("1" + "0" * 400, "1" + "0" * 400), ("1e99", 1e99), ('"a\nb"', "a\nb")],
)
def test_a_cell_is_what_it_says(cell: str, value: object) -> None:
    assert parse_table(f"tariff,a\nflex,{cell}\n".encode(), "t", "tariff").columns["a"] == (value,)


def test_the_content_is_part_of_the_playbook(tmp_path: Path) -> None:
    (tmp_path / "town.yaml").write_text(BOOK, "utf-8")
    (tmp_path / "tariffs.csv").write_text(TARIFFS, "utf-8")
    book = load_playbook(tmp_path / "town.yaml")
    (tmp_path / "tariffs.csv").write_text(TARIFFS.replace("100,", "200,"), "utf-8")
    other = load_playbook(tmp_path / "town.yaml")
    assert book.content_hash != other.content_hash
    assert book.contents["tariffs"].version != other.contents["tariffs"].version


def test_a_table_that_is_not_there_is_told_with_the_rest(tmp_path: Path) -> None:
    (tmp_path / "town.yaml").write_text(BOOK.replace("window: 1h", "window: 90s"), "utf-8")
    with pytest.raises(PlaybookErrors) as caught:
        load_playbook(tmp_path / "town.yaml")
    missing, window = caught.value.errors
    assert (missing.line, missing.message) == (4, "`tariffs.csv` cannot be read: No such file or directory")
    assert missing.hint == "put it beside the playbook: CSV with a header, a column `tariff` and others"
    assert (Path(missing.file).name, window.line) == ("town.yaml", 5)
    assert "tariffs" in caught.value.lost


def test_names_of_tables_are_their_own(tmp_path: Path) -> None:
    text = BOOK.replace("tariffs:", "profile:").replace("{n:", "{tariffs:")
    (tmp_path / "town.yaml").write_text(text, "utf-8")
    (tmp_path / "tariffs.csv").write_text(TARIFFS, "utf-8")
    with pytest.raises(PlaybookErrors, match="`profile` means something else in expressions"):
        load_playbook(tmp_path / "town.yaml")
