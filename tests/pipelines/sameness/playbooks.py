"""Five playbooks over the same signals: each asks for another thing that might depend on where and how it runs."""

_OFFERS = "valid_for: 6h, owner: x, family: f, send: [app, sms], p_accept: 0.25"

LATER = f"""
playbook: later
signals: [usage, profile]
subscriber:
  features:
    n:      {{count: any, from: usage, window: 1h}}
    mb_1h:  {{sum: mb, from: usage, window: 1h}}
    tariff: {{last: tariff, from: profile}}
    app:    {{last: app, from: usage, window: 6h}}
  derived:
    total: {{expr: zeal + beta + alpha + omega}}
    zeal:  {{expr: alpha * 2 + delta}}
    alpha: {{expr: delta + n}}
    beta:  {{expr: "CASE WHEN busy THEN 2 ELSE delta END"}}
    omega: {{expr: "CASE WHEN calm THEN alpha ELSE zeal END"}}
    delta: {{expr: n * 3 + mb_1h}}
  segments:
    rich:  {{enter: total > 120, exclusive: worth, priority: 1}}
    fair:  {{enter: total > 60, exclusive: worth, priority: 2}}
    some:  {{enter: total > 5, exclusive: worth, priority: 3}}
    eager: {{enter: zeal > 40 AND NOT rich}}
    busy:  {{enter: n >= 2}}
    calm:  {{enter: NOT busy AND n >= 1}}
  moments:
    both: {{when: eager AND busy}}
    burst: {{when: omega > 30 OR (rich AND beta > 1)}}
offers:
  one: {{for: [subscriber.both, subscriber.rich], value: total, params: {{zeal: zeal, app: app, alpha: alpha}},
         {_OFFERS}}}
  two: {{for: [subscriber.burst, subscriber.calm.exited], value: omega + 1, eligible: tariff <> 'c', {_OFFERS}}}
"""

DIVISIONS = f"""
playbook: divisions
signals: [usage]
let: {{third: n / 3, part: bytes / 49}}
subscriber:
  features:
    n:     {{count: any, from: usage, where: bytes / 7 > 3 AND mb / 49 < 10, window: 1h}}
    bytes: {{sum: bytes, from: usage, where: bytes % 3 <> 1, window: 6h}}
    mb:    {{sum: mb, from: usage, window: 1d}}
    mean:  {{mean: amount, from: usage, window: 3h}}
    least: {{min: amount, from: usage, window: 12h}}
  derived:
    thirds: {{expr: third}}
    sevens: {{expr: n / 7}}
    parts:  {{expr: part}}
    cents:  {{expr: mb / 100 + mean / 3}}
    whole:  {{expr: bytes // 49}}
    rest:   {{expr: bytes % 7 + mb % 3}}
    steps:  {{expr: mb // 7}}
    inverse: {{expr: 49 / n + 100 / bytes}}
  segments:
    whole_part: {{enter: third >= 1 AND n / 3 * 3 = n}}
    share: {{enter: parts >= 49 OR sevens >= 1}}
    cheap: {{enter: least / 7 < 0.1, exit: least / 3 > 1}}
  moments:
    hundredth: {{when: cents >= 0.07}}
    remainder: {{when: rest / 3 >= 1}}
offers:
  one: {{for: subscriber.whole_part, value: n / 7 + 1 / 3, cost: mb / 100, params: {{s: sevens, i: inverse}},
         {_OFFERS}}}
  two: {{for: [subscriber.hundredth, subscriber.remainder, subscriber.share], value: 1,
         eligible: bytes / 49 >= 1, {_OFFERS}}}
"""

HOMES = f"""
playbook: homes
signals: [usage, membership, profile]
subscriber:
  features:
    n:    {{count: any, from: usage, window: 2h}}
    mb:   {{sum: mb, from: usage, window: 2h}}
    cost: {{mean: amount, from: usage, window: 6h}}
  derived: {{worth: {{expr: mb * 0.1 + n}}}}
  segments: {{online: {{enter: n >= 1}}}}
household:
  features:
    members: {{count: any, from: members}}
    worth_all: {{sum: worth, from: members}}
    cost_all:  {{mean: cost, from: members}}
    kinds: {{distinct: n, from: members}}
    used:  {{sum: bytes, from: usage, window: 6h}}
    first_app: {{first: app, from: usage, window: 12h}}
  derived:
    share: {{expr: each * 2}}
    each:  {{expr: worth_all / members}}
  segments:
    lively: {{enter: worth_all > 3 OR share > 1}}
    wide:   {{enter: lively AND members >= 2}}
  moments: {{many: {{when: used > 4000}}}}
offers:
  home: {{for: [household.lively, household.many], value: worth_all, {_OFFERS}}}
  own:  {{for: subscriber.online, value: worth, eligible: NOT household.wide, cooldown: 1d, {_OFFERS}}}
"""

DAYS = f"""
playbook: days
signals: [usage, profile, order]
time_zone: America/Los_Angeles
contexts_every: 6h
subscriber:
  features:
    n:    {{count: any, from: usage, where: local_hour < 12, window: 1d}}
    days: {{distinct: local_date, from: usage, window: 3d}}
    idle: {{seconds_since_last: any, from: usage, window: 2d}}
  derived:
    wish: {{expr: n, half_life: 12h}}
    soon: {{expr: n, half_life: 3h, refresh: 30m}}
    left: {{expr: "CASE WHEN days_until(profile.contract_end) < 2 THEN 1 ELSE 0 END"}}
  segments:
    ending: {{enter: days_until(profile.contract_end) BETWEEN 0 AND 1}}
    wishing: {{enter: wish > 0.7 AND soon > 0.1}}
    silent: {{enter: idle > 40000 AND n < 3}}
  moments:
    abandoned: {{after: {{order: state = 'open'}}, without: {{order: state = 'done'}}, within: 2h, same: order_id}}
offers:
  stay: {{for: [subscriber.ending, subscriber.wishing], value: wish + 1, eligible: days_until(profile.contract_end) < 3,
         {_OFFERS}}}
  back: {{for: [subscriber.silent, subscriber.abandoned], value: days, cooldown: 12h, {_OFFERS}}}
policy: {{caps: [{{max: 2, per: subscriber, in: day}}]}}
"""

LONG = f"""
playbook: long
signals: [usage, order]
tick: 5m
subscriber:
  features:
    peers:  {{distinct: peer, from: usage, window: 4d}}
    big:    {{sum: bytes, from: usage, window: 3d, offset: 3h}}
    before: {{sum: bytes, from: usage, window: 1d, offset: 1d}}
    first:  {{first: app, from: usage, window: 2d}}
    last:   {{last: peer, from: usage, window: 1d}}
    bought: {{sum: amount, from: order, window: 4d}}
    ever:   {{last: product, from: order}}
    least:  {{min: mb, from: usage, window: 2d}}
    most:   {{max: mb, from: usage, window: 2d}}
  derived:
    grown: {{expr: big - before}}
    told:  {{expr: "COALESCE(first, '-') || COALESCE(last, '-')"}}
  segments:
    known: {{enter: peers >= 4, expire: 1d}}
    over:  {{enter: big IS NULL OR before IS NULL}}
    grows: {{enter: grown > 0 AND bought > 20}}
  moments: {{turns: {{when: first = last, again_after: 6h}}}}
offers:
  pack: {{for: [subscriber.known, subscriber.grows], value: bought, params: {{told: told, peers: peers}}, {_OFFERS}}}
  more: {{for: subscriber.known.exited, value: most - least, {_OFFERS}}}
"""

PLAYBOOKS = {"later": LATER, "divisions": DIVISIONS, "homes": HOMES, "days": DAYS, "long": LONG}
