"""A backtest as one page of HTML that needs nothing else: tables and pictures; needs Matplotlib."""

from collections.abc import Iterable, Iterator
from html import escape

from pipelines.backtest import Backtest, Comparison
from pipelines.backtest_pictures import blocks_by_gate, offers_by_day, svg_of
from pipelines.backtest_tables import Cell, Table, by_day, customers, tables, title
from schemas.visible import visible

_STYLE = """\
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1.2rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: right; vertical-align: top; }
th { border-bottom: 2px solid #888; }
th:first-child, td:first-child, .text td, .text th { text-align: left; overflow-wrap: anywhere; }
.beyond { border-left: 4px solid #b00020; padding: .2rem .8rem; color: #b00020; }
svg { max-width: 100%; height: auto; }"""


def page_of(backtest: Backtest) -> str:
    """Return the page; all text of playbooks and data in it is escaped."""
    return "\n".join(_page(backtest)) + "\n"


def _page(backtest: Backtest) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Backtest of {_text(backtest.b.book.playbook)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>"
    yield f"<h1>Backtest of {_text(backtest.b.book.playbook)}</h1>"
    yield f"<p>{'<br>'.join(map(_text, title(backtest)))}</p>"
    yield from (f'<p class="beyond">Beyond the limit: {_text(one)}</p>' for one in backtest.beyond)
    yield from _pictures(backtest.found)
    yield "<h2>In numbers</h2>"
    yield from (_table(each) for each in tables(backtest.found))
    yield from _differing(backtest.found)
    yield "<h2>By day</h2>"
    yield _table(by_day(backtest.found))
    yield "</body>\n</html>"


def _pictures(found: Comparison) -> Iterator[str]:
    if not found.days.is_empty():
        yield "<h2>Offers by day (UTC)</h2>"
        yield svg_of(offers_by_day(found.days), "days", "Offers sent by day with A and with B; the table is below")
    if (found.gates["result"] != "passed").any():
        yield "<h2>Candidates blocked or deferred, by gate</h2>"
        yield svg_of(blocks_by_gate(found.gates), "gates", "Candidates blocked or deferred by gate with A and with B")


def _differing(found: Comparison) -> Iterator[str]:
    yield "<h2>Customers with another decision</h2>"
    size = found.changed.select("subject_kind", "subject").n_unique()
    yield f"<p>{len(found.customers):,} of {size:,}, drawn by hash; of each the first decision that is another.</p>"
    rows = [*customers(found)]
    if rows:
        yield _table(Table(("customer", "tick (UTC)", "trigger", "A", "B", "why"), rows), "text")


def _table(table: Table, kind: str = "numbers") -> str:
    head = f"<thead>{_row(table.heads, 'th')}</thead>"
    body = "\n".join(_row(row, "td") for row in table.rows)
    return f'<div class="scroll"><table class="{kind}">\n{head}\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _row(cells: Iterable[Cell], kind: str) -> str:
    told = (f"{cell:,}" if isinstance(cell, int) else _text(cell) for cell in cells)
    return f"<tr>{''.join(f'<{kind}>{cell}</{kind}>' for cell in told)}</tr>"


def _text(text: str) -> str:
    return escape(visible(text))
