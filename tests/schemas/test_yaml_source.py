"""YAML files: values, lines, limits and refusals."""

import textwrap
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import LoadErrors
from schemas.yaml_source import MAX_BYTES, MAX_NESTING, parse_yaml, plain_scalar, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("22:00", "22:00"),
        ("2026-12-01", "2026-12-01"),
        ("2026-12-01T00:00:00+02:00", "2026-12-01T00:00:00+02:00"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9" * 19, "9" * 19),
        ("007", 7),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("kind = 'data'", "kind = 'data'"),
    ],
)
def test_plain_scalars_are_read_as_yaml_1_2(text: str, value: object) -> None:
    found = parse_yaml(f"key: {text}\n", "f.yaml").data["key"]
    assert found == value
    assert type(found) is type(value)
    assert plain_scalar(text) == value


def test_quoted_scalars_stay_text() -> None:
    assert parse_yaml("a: '5'\nb: \"true\"\nc: |\n  x\n  y\n", "f.yaml").data == {"a": "5", "b": "true", "c": "x\ny\n"}


def test_keys_are_always_text() -> None:
    assert parse_yaml("{on: 1, 5: 2, null: 3}", "f.yaml").data == {"on": 1, "5": 2, "null": 3}


def test_every_value_knows_its_line() -> None:
    text = "a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\ne:\n  >-\n  long\n  text\n"
    source = parse_yaml(text, "f.yaml")
    lines = {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4, ("b", 1, "d"): 5, ("e",): 6, (): 1}
    assert dict(source.lines) == lines
    assert source.line_of(("b", 1, "unknown", 7)) == 4
    assert source.quote(4) == "- {c: 2,"
    assert str(source.error(("b", 1, "d"), "is wrong", hint="mend it")) == "f.yaml:5: is wrong\n    d: 3}\n    mend it"


def test_aliases_are_followed() -> None:
    assert parse_yaml("a: &x [1, {b: 2}]\nc: *x\n", "f.yaml").data["c"] == [1, {"b": 2}]


_BOMB = "a0: &a0 [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [{','.join([f'*a{n}'] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f.yaml: is empty"),
        ("# nothing\n", "f.yaml: is empty"),
        ("a: 1\na: 2\n", "f.yaml:2: `a` is there already, on line 1\n    a: 2"),
        ("a: {b: 1, b: 2}\nc: 1\nc: 2", "f.yaml:1: `b` is there already, on line 1"),
        ("a: {b: 1, b: 2}\nc: 1\nc: 2", "f.yaml:3: `c` is there already, on line 2"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: has a second document"),
        ("%YAML 1.1\n---\na: on\n", "f.yaml:2: starts with a `%` directive"),
        ("a: !!str 5\n", "f.yaml:1: has the tag `tag:yaml.org,2002:str`"),
        ("!!python/name:os.system a: 1\n", "has the tag `tag:yaml.org,2002:python/name:os.system`"),
        ("a: [1\nb: 2", "f.yaml:2: is not valid YAML: "),
        ("a: b: c\n", "put text that holds `: `, ` #`, `,` or a bracket in quotes"),
        ("a: 1\nb: {c: x IN ('a', 'b')}\n", "f.yaml:2: is not valid YAML: "),
        ("a:\n\tb: 1\n", "indent with spaces: a tab is none"),
        ("a: *b\n", "f.yaml:1: refers to `*b`, which is not defined before it"),
        ("a: &a [*a]\n", "f.yaml:1: refers to `*a`, which is not defined before it"),
        ("? [a]\n: b\n", "f.yaml:1: has a key that is not a plain word"),
        ('a: "\\UFFFFFFFF"\n', "f.yaml: is not valid YAML: "),
        ('a: "\\ud800"\n', "f.yaml:1: has half a character (a lone surrogate)"),
        ("a: \x00\n", "f.yaml: is not valid YAML: unacceptable character #x0000"),
        ("[" * (MAX_NESTING + 2), f"f.yaml:1: is nested deeper than {MAX_NESTING} levels"),
        (_BOMB, "has more than 20,000 values"),
        ("#" * (MAX_BYTES + 1), "f.yaml: is longer than 256 KiB"),
    ],
)
def test_refusals_say_where_and_what(text: str, told: str) -> None:
    with pytest.raises(LoadErrors) as caught:
        parse_yaml(text, "f.yaml")
    assert told in str(caught.value)


def test_files_are_read_as_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes("\ufeffa: ä\n".encode())
    assert read_yaml(file).data == {"a": "ä"}
    file.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(LoadErrors, match=r"f\.yaml:2: is not UTF-8 text"):
        read_yaml(file)
    file.write_bytes(b"\xff" * (MAX_BYTES + 1))
    with pytest.raises(LoadErrors, match="cannot be read: it is larger than 262,144 bytes"):
        read_yaml(file)
    with pytest.raises(LoadErrors, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")


_PIECES = st.sampled_from([*"ab: -,[]{}&*!|>'\"%#?@\n\t\r\\~1\x85\u2028", "\n  ", ": ", "- ", "&a ", "*a", "---\n"])


@given(st.one_of(st.text(max_size=40), st.lists(_PIECES, max_size=30).map("".join)))
def test_whatever_is_written_is_data_or_load_errors(text: str) -> None:
    with suppress(LoadErrors):
        source = parse_yaml(text, "f.yaml")
        assert all(isinstance(source.quote(line), str) for line in source.lines.values())


def test_a_mapping_may_be_indented_as_one_likes() -> None:
    text = textwrap.dedent("""
        a:
            b:   # why not
             - 1
             - 2
    """)
    assert parse_yaml(text, "f.yaml").data == {"a": {"b": [1, 2]}}
