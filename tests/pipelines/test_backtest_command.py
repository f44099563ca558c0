"""`segone backtest` from its signals to its page and its exit code."""

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import polars as pl
import pytest
from typer.testing import CliRunner

from pipelines.backtest import Comparison, compared
from pipelines.cli import app
from schemas.playbook_file import load_playbook
from tests.pipelines.small import PLAYBOOK, report_of, small_arguments, write_small
from tests.pipelines.written import candidate, decision, event, write

MORE = PLAYBOOK.replace("cooldown: 1d, ", "").replace("> 1000", "> 1500").replace("version: 3", "version: 4")


def backtested(folder: Path, *options: str, other: str = MORE) -> Any:
    """Run the command over the small playbook and another."""
    arguments = small_arguments(folder)
    (folder / "other.yaml").write_text(other)
    given = [arguments[0], str(folder / "other.yaml"), *arguments[1:], "--as-of=2026-03-03T00:00:00Z", *options]
    return CliRunner().invoke(app, ["backtest", *given])


def test_a_backtest_from_its_signals_to_its_page(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    options = (f"--html={tmp_path / 'page.html'}", f"--out={tmp_path / 'kept'}", "--max-contacts=+50%")
    done = backtested(tmp_path, *options)
    assert (done.exit_code, done.stderr) == (0, ""), done.stderr
    assert "small version 4" in done.stdout.splitlines()[1]
    for line in (
        "segment             A  B  gained  lost",
        "  subscriber.heavy  0  0       0     0",
        "2 of 2 customers with another decision, the first of each",
        "      A  no offer: cooldown",
        "      B  offer topup by app",
        "      topup by app with A: blocked by cooldown",
    ):
        assert line in done.stdout.splitlines(), done.stdout
    record = json.loads((tmp_path / "kept" / "backtest.json").read_text())
    assert record["a"]["playbooks"][0]["version"] == 3
    assert {one["path"] for one in record["differences"]} == {
        "version", "offers.topup.cooldown", "subscriber.segments.heavy.enter",
    }  # fmt: skip
    assert pl.read_parquet(tmp_path / "kept" / "changed.parquet").height == sum(
        record["changes"][name] for name in ("decision", "only_a", "only_b")
    )
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg ") == 2
    assert "<script" not in page
    assert "2026-03-02" in page
    again = backtested(tmp_path, *options, "--json", "--max-contacts=0%")
    assert again.exit_code == 1
    assert json.loads(again.stdout)["beyond"] == [again.stderr.strip()]
    assert again.stderr.startswith("--max-contacts 0%: A sends ")


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--max-contacts=5",), 2, "is not a share with `%`"),
        (("--until=2026-03-02T00:00:01Z",), 2, "--until: is not a tick"),
        (("--html=nowhere/page.html",), 2, "--html nowhere/page.html: there is no such directory"),
        (("--max-rejected=0",), 3, "more than --max-rejected 0"),
    ],
)
def test_what_cannot_be_compared_is_not_beyond_a_limit(
    tmp_path: Path, options: tuple[str, ...], code: int, told: str
) -> None:
    done = backtested(tmp_path, *options)
    assert done.exit_code == code
    assert told in done.stderr


def test_a_mistake_in_a_playbook_is_wrong_usage(tmp_path: Path) -> None:
    done = backtested(tmp_path, other="playbook: small\nnothing: else\n")
    assert (done.exit_code, "other.yaml" in done.stderr) == (2, True)


def test_a_feed_that_one_playbook_does_not_read_is_left_out_there(tmp_path: Path) -> None:
    start, end = MORE.index("  plan:"), MORE.index("priors:")
    other = MORE[:start] + MORE[end:]
    for line in ("    mb_1h:", "  segments:", "    heavy:"):
        start = other.index(line)
        other = other[:start] + other[other.index("\n", start) + 1 :]
    done = backtested(tmp_path, "--max-lost-members=0%", other=other.replace("[balance, usage]", "[balance]"))
    assert done.exit_code == 0, done.stderr
    assert "B does not read usage" in done.stdout.splitlines()


def test_the_page_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pipelines.backtest_page", "pipelines.backtest_pictures"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = backtested(tmp_path, f"--html={tmp_path / 'page.html'}")
    assert (done.exit_code, done.stderr) == (2, "--html needs Matplotlib: pip install 'segment-of-one[pages]'\n")


def _page(folder: Path, found: Comparison) -> str:
    pytest.importorskip("matplotlib")
    from pipelines.backtest import Backtest, Side  # noqa: PLC0415
    from pipelines.backtest_page import page_of  # noqa: PLC0415

    book = load_playbook(write_small(folder)["playbook"])
    side = Side(book, report_of({}), ())
    return page_of(Backtest(side, side, [], found, ["<script>alert('b')</script>"]))


def test_the_page_is_whole_escaped_and_the_same_each_time(tmp_path: Path) -> None:
    nasty = "<img src=x onerror=alert(1)>$x_1$"
    wild = [decision(nasty, "offer", offer=nasty, candidates=[candidate(nasty, ("caps", "blocked", nasty))])]
    out = [write(tmp_path / name, rows, [event(nasty, nasty, "entered")]) for name, rows in (("a", wild), ("b", []))]
    pages = [_page(tmp_path, compared(*out)) for _ in range(2)]
    assert pages[0] == pages[1]
    assert "&lt;img src=x onerror=alert(1)&gt;$x_1$" in pages[0]
    assert not [each for each in ("<img", "<script", 'src="', "@import", "url(http") if each in pages[0]]
    ids = re.findall(r'\bid="([^"]+)"', pages[0])
    assert len(ids) == len({*ids})
    whole = re.sub(r"<(meta[^>]*|br)>", "", pages[0].removeprefix("<!DOCTYPE html>\n"))
    assert fromstring(whole).tag == "html"
