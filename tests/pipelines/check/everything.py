"""A small playbook that has everything that decides."""

from schemas.playbook import Playbook
from schemas.playbook_file import parse_playbook

TEXT = """
playbook: everything
time_zone: Europe/Helsinki
tick: 10m
signals: [usage, household_event, consent, profile, ticket, control, contact, outcome, membership]
subscriber:
  features:
    n: {count: any, from: usage, window: 10m}
    mb: {sum: mb, from: usage, window: 10m}
  moments:
    burst: {when: n >= 1}
    heavy: {when: mb >= 50}
  segments:
    busy: {enter: mb >= 50, exit: n = 0, hold: 1h}
household:
  features: {moves: {count: any, from: household_event, where: kind = 'moved', window: 10m}}
  moments: {moved: {when: moves >= 1}}
sme:
  features: {n: {count: any, from: usage, window: 10m}}
  moments: {works: {when: n >= 2}}
offers:
  more: {for: [subscriber.burst, sme.works], family: data, owner: us, value: 1, p_accept: 0.5, send: [app, sms],
         valid_for: 6h, wait: 12h, cooldown: {after: 5h, after_rejection: 20h}}
  plus: {for: [subscriber.heavy, subscriber.busy], family: plus, owner: us, value: 2, p_accept: 0.5, send: [sms, app],
         valid_for: 12h, wait: 3h}
  poor: {for: subscriber.heavy, family: poor, owner: us, priority: 1, value: 1, p_accept: 0.1, cost: 1, send: app,
         valid_for: 1h}
  help: {for: [subscriber.heavy, subscriber.burst], family: care, owner: us, message: care, value: 1, p_accept: 0.5,
         send: [app, email], valid_for: 4h, share: 60% per 1d, priority: 3}
  bill: {for: [subscriber.burst, household.moved], family: bill, owner: us, message: service, value: 1, p_accept: 0.5,
         send: [sms, email], valid_for: 1d, priority: 8}
  home: {for: household.moved, family: home, owner: us, value: 9, p_accept: 0.5, send: [app, sms], valid_for: 8h,
         wait: 6h, to: primary}
policy:
  consent: {marketing: opt_in, care: opt_out, service: contract}
  no_sales_while: {ticket: state = 'open'}
  contacts_reported_within: 3h
  on_silence: release
  caps:
    - {per: subscriber, max: 1, in: 2h, family: [data, plus]}
    - {per: subscriber, max: 1, in: day, message: care}
    - {per: subscriber, max: 3, in: day, message: any}
    - {per: household, max: 2, in: 6h, message: any}
    - {per: sme, max: 1, in: 3h}
  cooldown: {plus: 4h, bill: 5h}
  quiet: {sms: "20:00-08:00", app: "01:00-05:00", sunday: "12:00-14:00"}
holdouts:
  global: {share: 10%}
  second: {share: 20%, family: data}
"""


GOALS = {
    "valid_for: 12h, wait: 3h": """valid_for: 12h, wait: 3h, goal: {usage: "kind = 'voice'", within: 6h}""",
    "valid_for: 1d, priority: 8": """valid_for: 1d, priority: 8, goal: {usage: "kind = 'sms'", within: 3h}""",
}


def with_goals() -> Playbook:
    """Return the playbook with goals of two offers."""
    text = TEXT
    for old, new in GOALS.items():
        text = text.replace(old, new)
    return parse_playbook(text, "with_goals.yaml")


EXPLORES = {
    "family: plus": "family: data",
    "policy:\n": "policy:\n  explore: {data: 60%, bill: 30%}\n",
    "[data, plus]": "data",
    "{plus: 4h, bill: 5h}": "{bill: 5h}",
    "family: poor": "family: data",
    "p_accept: 0.1, cost: 1": "p_accept: 0.1",
}


def that_explores() -> Playbook:
    """Return the playbook with a family of two tiers that explores, and another one."""
    text = TEXT
    for old, new in EXPLORES.items():
        text = text.replace(old, new)
    return parse_playbook(text, "that_explores.yaml")


def everything() -> Playbook:
    """Return the playbook."""
    return parse_playbook(TEXT, "everything.yaml")
