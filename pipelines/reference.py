"""The reference of playbooks, made from their models and the tables of expressions."""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.contracts import MAX_SCALE
from schemas.durations import DAY
from schemas.durations import PATTERN as DURATION
from schemas.fields import COLUMN, NAME
from schemas.playbook_file import playbook_json_schema
from transforms.compiler.sql.dates import days_until
from transforms.compiler.sql.forms import FORMS
from transforms.compiler.sql.functions import FUNCTIONS

EXAMPLE = """\
playbook: fibre_town
version: 1
time_zone: Europe/Helsinki
let:
  low_mb: 500
signals: [usage, balance, order]

subscriber:
  features:
    left_mb: {last: remaining_mb, from: balance, where: bucket = 'data'}
    mb_2h:   {sum: mb, from: usage, where: "kind IN ('data', 'web')", window: 2h}
    days:    {distinct: local_date, from: usage, window: 28d}
    before:  {distinct: local_date, from: usage, window: 28d, offset: 28d}
  derived:
    hours_left: {expr: left_mb / (mb_2h / 2.0)}
    fading:     {expr: 1 - days / before, bounds: [0, 1]}
  segments:
    churn_risk:
      describe: Uses us less and less
      enter: fading >= 0.6 AND before >= 10
      exit: fading < 0.3
      hold: 3d
      expect: 1%..5%
  moments:
    running_out: {when: left_mb < low_mb AND hours_left < 6, again_after: 1d}
    abandoned_order:
      after: {order: state = 'started'}
      without: {order: "state IN ('completed', 'cancelled')"}
      same: order_id
      within: 30m

offers:
  topup_5gb: {for: subscriber.running_out, family: data, owner: consumer, eligible: NOT subscriber.churn_risk,
              value: 4, cost: 0.02, p_accept: 0.22, send: [app, sms], valid_for: 6h, cooldown: 3d,
              params: {left_mb: left_mb}}
  stay:      {for: subscriber.churn_risk, message: care, family: retention, owner: care, priority: 1,
              value: 90, cost: 6, send: call_centre, valid_for: 3d, cooldown: 30d}
  finish_order: {for: subscriber.abandoned_order, message: service, family: order, owner: consumer,
                 value: 30, p_accept: 0.3, send: app, valid_for: 1d, params: {order: trigger.order_id}}

policy:
  caps:
    - {per: subscriber, max: 1, in: day}
    - {per: subscriber, max: 2, in: 7d, channel: sms}
priors: {retention: 0.3}
"""

SECTIONS = {
    "Playbook": "The file",
    "Table": "`tables.NAME`",
    "Model": "`models.NAME`",
    "Level": "`subscriber`",
    "Feature": "`subscriber.features.NAME`",
    "Derived": "`subscriber.derived.NAME`",
    "Segment": "`subscriber.segments.NAME`",
    "Moment": "`subscriber.moments.NAME`",
    "Offer": "`offers.NAME`",
    "Goal": "`offers.NAME.goal`",
    "Policy": "`policy`",
    "Consent": "`policy.consent`",
    "InboundFirst": "`policy.inbound_first`",
    "QuietHours": "`policy.quiet`",
    "Cap": "`policy.caps`, each",
    "Cooldown": "`cooldown`, of an offer or of a family in `policy.cooldown`",
    "Holdout": "`holdouts.NAME`",
}
"""The models, in the order of a file, and where they stand in it."""

_HEAD = """\
# The playbook

*Made by `segone schema --reference`; a test keeps it current.*

A playbook says what is known of a customer, when that matters, and what may then be offered. It is one YAML 1.2 file
(`on`, `NO` and `22:00` are texts). `segone validate` tells every mistake in it at once, with its line, and warns of
what is seldom meant (`--strict` refuses it); `segone schema` prints its JSON Schema, for completion in an editor.
"""

_WORDS = """\
A *name* is small letters, digits and `_`, a letter first; features, derived values, segments, moments and `let` share
one space of names. A *duration* is a number and a unit: `90s`, `5m`, `2h`, `3d`, `1w`. An *expression* is SQL, see
below; in `{…}`, one that holds a comma stands in quotes.
"""

_ANSWERS = """\
## Why there is no offer

Each trigger gets one decision. Where it is `no_offer`, its `reason` is that of the first gate at which its best
candidate failed; `segone explain` shows every candidate, what it met at each gate, and what was sent before where that
fills a cap or a cooldown. `segone explain OUT SUBJECT --why-not OFFER` tells it of one offer, and of its triggers that
never fired what they ask for, with the latest values of all that they read. `outranked` is an answer of its own:
something could be sent until a better trigger of the same tick and contact root took the last place under a cap or
cooldown. `deferred` is none yet: nothing can be sent now, and something may be later; `until` says when it is looked at
again, or it is when something happens. `holdout` would have been an offer, but for the draw that `holdout` names.

An offer by `inbound` is shown on own channels, as `inbound_first` asks. When that lapses it is withdrawn because it
`expired`, if nobody took it up, and its trigger gets another answer: an offer by a channel that pushes, or `no_offer`
because of `came_in`.
"""

_REASONS = (
    ("`no_recipient`", "A group has no member whom an offer could go to."),
    ("`segment_exited`", "The trigger waited, and its segment ended meanwhile."),
    ("`came_in`", "The customer came to own channels while the offer was there (`inbound_first`): nothing is pushed."),
    ("`paused`", "A `control` paused the offer, its family, its channel or everything, for the customer or for all."),
    (
        "`moved`",
        "The recipient changed its contact root, as by joining or leaving a household, and what the old one got does "
        "not count in the new: barred for the longest `cooldown` or cap. Not who was alone and triggered nothing in "
        "that time.",
    ),
    ("`no_channel`", "The channel is not among the recipient's `profile.channels`; without these all are."),
    ("`no_consent`", "The recipient did not consent to contacts of this purpose and channel, or no longer does."),
    ("`open_ticket`", "A ticket of the recipient, or of the customer of the trigger, is as `no_sales_while` says."),
    ("`stale`", "The trigger came later than `max_decision_age`."),
    ("`not_eligible`", "`eligible` is not true; NULL is not true."),
    ("`no_value`", "The expected value is NULL, or `p_accept` is not between 0 and 1."),
    ("`below_zero`", "The expected value is below zero; `at_a_loss` lets it pass."),
    ("`not_in_share`", "The customer is not drawn for the offer's `share` in this period."),
    (
        "`goal_reached`",
        "After the trigger, or after the same offer was made, the customer did what the offer's `goal` says; after "
        "own channels, what that of another offer of the family says. Of a household or an SME any member counts.",
    ),
    ("`cooldown`", "The customer that the trigger is about got the same offer less than `cooldown` ago."),
    ("`cooldown_family`", "It got one of the family less than `policy.cooldown` ago."),
    ("`cooldown_after_rejection`, `cooldown_family_after_rejection`", "The same, where what it got was rejected."),
    (
        "`cap_1_per_subscriber_in_day`, `cap_1_per_subscriber_in_day_message_care` and the like",
        "The cap of that name is full.",
    ),
    ("`same_tick`", "Another member of the household, or of the company, was made this offer at the same tick."),
    ("`unknown_zone`", "The recipient's `profile.zone` is no time zone, and a cap or quiet hours ask for it."),
    ("`quiet`", "It is quiet for the channel where the recipient is."),
)

_CONTRACT = """\
## A signal of your own

`{name: file.avsc}` in `signals` names an Avro record: the five fields that `segone schema usage` begins with, then
yours, each a `string`, `long`, `double` or `boolean`, an instant (`{"type": "long", "logicalType":
"timestamp-millis"}`), or `["null", one of these]` where it may be missing. Beside what Avro knows a field may say more
(`fields` in the file):

```json
{"name": "level", "type": ["null", "double"], "default": null, "doc": "dBm", "scale": 1, "min": -140, "max": 0}
{"name": "state", "type": "string", "doc": "What became of it", "values": ["open", "closed"]}
```
"""

_KEYS = (
    ("`min`, `max`", "The smallest and the greatest number; a signal beyond them is rejected as `out_of_range`."),
    (
        "`values`",
        "The only texts that are allowed, of a `string`; a signal with another one is rejected as `not_allowed`.",
    ),
    (
        "`scale`",
        f"How many decimals of a `double` are kept where it is summed, exactly: 1 to {MAX_SCALE}, by default 6. "
        "Numbers of 2^62 / 10^scale or more are `out_of_range`. Whole numbers are a `long`.",
    ),
)

_EXPRESSIONS = """\
## Expressions

One language everywhere: SQL over the values of one customer at one tick, or of one signal in `where`.

| where | can read |
|---|---|
| `where`, steps, goals | its columns, `source`; of its time `local_hour`, `local_weekday` (Monday: 1), `local_date` |
| `expr`, `enter`, `exit`, `when` | features, derived values, segments (TRUE inside), `profile.FIELD`, `TABLE.COLUMN` |
| `eligible`, `value`, `cost`, `p_accept`, `params` | the same, as at the trigger; `LEVEL.SEGMENT` of all levels |

`profile.tariff` and the like are the fields of the latest `profile` signal of the customer, as of the tick: one
replaces the one before as a whole, and what it leaves out is NULL. `profile` must be under `signals`.
`tariffs.monthly` is NULL where the table has no row for the customer's key.
`days_until(profile.contract_end)` counts the days from the local date, as of the last `refresh`, to that date. It may
stand everywhere but in `where`; in offers its `refresh` is a day. A day begins at midnight in `time_zone`.

`churn(fading, drops)` is the score of a model of that name for these numbers. It may stand where `days_until` may, but
not in offers, which read the derived value that it is named by. It is NULL where an argument is NULL or the score is no
finite number, and has six significant digits. Its version, a hash of its file, is in the context as `models.churn`.
Models run in ONNX Runtime (`pip install 'segment-of-one[scores]'`):

```yaml
models:
  churn: {file: churn.onnx, inputs: [fading, drops], output: probabilities, column: 1}
subscriber:
  derived:
    churn_score: {expr: "churn(fading, drops)"}
```

`LEVEL.SEGMENT` at another level than the trigger's is about the recipient at that tick: `household.SEGMENT` and
`sme.SEGMENT` about those it is in, `subscriber.SEGMENT` about itself. An offer for triggers of several levels reads
what all of them have.

An offer for a moment that is a sequence also reads `trigger.COLUMN`: the column of the `then` signal that completed it,
or else of the `after` signal that started it. For the offer's other triggers it is NULL.

`let` names stand for expressions everywhere; `--set name=value` sets one for a try.

- Literals: `1`, `2.5`, `'text'`, `TRUE`, `FALSE`, `NULL`. There are whole numbers, numbers, texts and truth values.
- Arithmetic: `+ - * /`, `a // b` (`a / b` rounded down) and `a % b` (`a - b * (a // b)`). Whole numbers are exact; `/`
  always gives a number, the one nearest to the quotient. Division by zero, what does not fit, infinite and undefined
  results are NULL, at every step. A row's value never depends on other rows.
- Comparison: `= <> < <= > >=`, `BETWEEN`, `IN (…)`, `IS [NOT] NULL`, `IS [NOT] TRUE`, `IS [NOT] DISTINCT FROM`; texts
  also `LIKE` and `ILIKE` with `%` and `_`. Text and number do not compare.
- Logic: `AND`, `OR`, `NOT`, of three values. A condition that is NULL is not true.
- Choice: `CASE WHEN … THEN … ELSE … END`.
- Types: `CAST(x AS BIGINT | DOUBLE | VARCHAR | BOOLEAN)`, NULL where it does not work; to BIGINT it cuts off.
- Text: `a || b`.

There are no aggregates, sub-queries, clocks or random numbers: the same signals always give the same decisions.
"""


def playbook_reference() -> str:
    """Return the reference of playbooks as Markdown."""
    schema = playbook_json_schema()
    models = {"Playbook": schema, **schema["$defs"]}
    parts = [_HEAD, f"```yaml\n{EXAMPLE}```\n", _WORDS]
    parts += [_section(title, models[name]) for name, title in SECTIONS.items()]
    parts += [_CONTRACT, *_table("key", "what it says", _KEYS)]
    return "\n".join([*parts, _ANSWERS, *_table("reason", "what it says", _REASONS), _EXPRESSIONS, _functions()])


def _section(title: str, model: Mapping[str, Any]) -> str:
    rows = [_row(key, field, key in model.get("required", ())) for key, field in model["properties"].items()]
    return "\n".join([f"## {title}\n", f"{model['description']}\n", *_table("key", "value", "by default", "", rows)])


def _row(key: str, field: Mapping[str, Any], required: bool) -> tuple[str, ...]:
    default = field.get("default")
    told = "" if default in (None, "") or isinstance(default, dict | list) else f"`{default}`"
    shown = "**required**" if required else told
    return f"`{key}`", _kind(field), shown, field["description"]


def _kind(field: Mapping[str, Any]) -> str:
    """Return what people call the values of a field."""
    choices = [choice for choice in field.get("anyOf", [field]) if choice.get("type") != "null"]
    kinds = [choice.get("type") for choice in choices]
    if {"string", "boolean"} <= {*kinds}:
        return "expression"
    if kinds[-1] == "array" and len(kinds) == 2:
        return "one or a list"
    return _kind_of_one(choices[0])


def _kind_of_one(field: Mapping[str, Any]) -> str:
    if known := field.get("enum") or ([field["const"]] if "const" in field else None):
        return " or ".join(f"`{value}`" for value in known)
    patterns = {DURATION: "duration", NAME: "name", COLUMN: "column"}
    if field.get("pattern") in patterns:
        return patterns[field["pattern"]]
    if field.get("format") == "date-time":
        return "date and time"
    kinds = {"string": "text", "integer": "whole number", "number": "number", "array": "list"}
    return kinds.get(field.get("type", ""), "mapping")


def _functions() -> str:
    docs = [function.doc for function in FUNCTIONS.values()] + [form.doc for form in FORMS.values()]
    docs.append(days_until("UTC", DAY).doc)
    rows = [(f"`{call}`", meaning) for call, meaning in sorted(doc.split(": ", 1) for doc in docs)]
    return "\n".join(["### Functions\n", *_table("function", "meaning", rows)])


def _table(*parts: Any) -> Iterator[str]:
    """Yield the lines of a table; the last part is its rows, the others are its titles."""
    *titles, rows = parts
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    yield ""
