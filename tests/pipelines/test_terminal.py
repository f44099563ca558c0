"""No text of others reaches a terminal as it came: no id, no payload, no argument, no text of an error."""

import io
import json
import logging
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from rich.console import Console
from typer.testing import CliRunner

from pipelines import console
from pipelines.cli import app
from pipelines.logs import configure

HOSTILE = "\x1b[31mred\x1b]0;title\x07\x9b2J\rforged\n  decisions: none \u202eevol\u2066 :warning: [bold]x[/bold]"
SHOWN = r"\x1b[31mred\x1b]0;title\x07\x9b2J\rforged\n  decisions: none \u202eevol\u2066 :warning: [bold]x[/bold]"

PLAYBOOK = f"""\
playbook: hostile
signals: [usage]
subscriber:
  features:
    n: {{count: any, from: usage, window: 1h}}
    app: {{last: app, from: usage}}
  segments: {{heavy: {{describe: {json.dumps(HOSTILE)}, enter: n >= 1, exit: n < 1}}}}
  moments: {{m: {{when: n >= 2}}}}
offers:
  o: {{for: subscriber.m, family: f, owner: us, value: 4, p_accept: 0.2, send: app, valid_for: 6h,
      params: {{app: app}}}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "playbook.yaml").write_text(PLAYBOOK)
    rows = [
        {"id": f"{n}{HOSTILE}", "time": 1_772_409_600_000 + n, "subject": HOSTILE, "app": HOSTILE} for n in range(3)
    ]
    rows += [{"id": "4", "time": HOSTILE, "subject": HOSTILE}]
    (folder / f"u{HOSTILE.replace('/', '')}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def _told(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], terminal_width=10_000)
    assert result.exit_code in (0, 1, 2), result.output
    return result.stdout + result.stderr


def _clean(told: str) -> None:
    assert [line for line in told.split("\n") if not line.isprintable()] == []


def test_whatever_signals_hold_is_shown_as_it_is(place: Path) -> None:
    given = [str(place / "playbook.yaml"), f"--signals=usage={place}/u*.jsonl"]
    told = _told("run", *given, f"--out={place}/out")
    assert SHOWN in told
    _clean(told)
    for arguments in (
        ("explain", f"{place}/out", HOSTILE),
        ("segments", f"{place}/out"),
        ("preview", *given),
        ("validate", given[0]),
    ):
        told = _told(*arguments)
        assert SHOWN in told, arguments
        _clean(told)


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", f"nowhere{HOSTILE}"),
        ("explain", f"nowhere{HOSTILE}", "ann"),
        ("diff", f"nowhere{HOSTILE}", "b"),
        ("test", f"nowhere{HOSTILE}"),
        ("schema", HOSTILE),
        (HOSTILE,),
        ("run", "p.yaml", f"--{HOSTILE}"),
        ("run", "p.yaml", "--out", "o", "--signals", HOSTILE),
        ("demo", "--out", f"{__file__}/{HOSTILE}"),
    ],
)
def test_whatever_is_asked_for_is_told_as_it_is(arguments: tuple[str, ...]) -> None:
    told = _told(*arguments)
    assert r"\x1b[31mred" in told
    _clean(told)


def test_who_is_not_known_is_told_as_asked(small_out: Path) -> None:
    told = _told("explain", str(small_out), HOSTILE)
    assert SHOWN in told
    _clean(told)


@pytest.mark.parametrize("field", ["describe", "let"])
def test_what_a_playbook_says_is_compared_as_it_is(tmp_path: Path, field: str) -> None:
    changed = PLAYBOOK if field == "describe" else PLAYBOOK + f"let: {{x: {json.dumps(HOSTILE)}}}\n"
    (tmp_path / "a.yaml").write_text(PLAYBOOK.replace(json.dumps(HOSTILE), "plain"))
    (tmp_path / "b.yaml").write_text(changed)
    _clean(_told("diff", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")))


@pytest.mark.parametrize(
    "show",
    [
        lambda: console.warn(HOSTILE),
        lambda: console.say_styled([(HOSTILE, "red")]),
        lambda: console.traceback_told(ValueError, ValueError(HOSTILE), None),
    ],
)
def test_a_terminal_makes_nothing_of_it(
    show: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(console, "_errors", Console(file=stream, force_terminal=True, width=10_000, soft_wrap=True))
    show()
    told = stream.getvalue() + capsys.readouterr().out
    assert ":warning: [bold]x[/bold]" in told
    assert r"\x1b]0;title\x07\x9b2J" in told
    assert "\x9b" not in told
    assert "\x1b]" not in told


@pytest.mark.usefixtures("logging_restored")
def test_logs_show_it_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", as_json=False)
    structlog.get_logger().info("an event", file=HOSTILE)
    logging.getLogger("apache_beam.x").error("of Beam %s", HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        structlog.get_logger().exception("failed")
    told = capsys.readouterr().err
    assert told.count("title") == 3
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & {*told}


def test_a_real_terminal_gets_no_other_colours_than_ours(small_out: Path) -> None:
    code = "import sys; from pipelines.cli import main; sys.argv[0] = 'segone'; main()"
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(
            sys.executable, [sys.executable, "-c", code, "explain", str(small_out), "no\x1b[35mbody\x1b]0;pwned\x07"]
        )
    told = b""
    while part := _read(terminal):
        told += part
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert rb"no\x1b[35mbody\x1b]0;pwned\x07" in told
    assert not any(bad in told for bad in (b"\x1b[35m", b"\x1b]", b"\x07"))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the child has closed it
        return b""
