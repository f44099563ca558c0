"""What a playbook's models cannot say one by one: how its parts fit together."""

import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain

from schemas.durations import DAY, format_duration
from schemas.feature_checks import feature_mistakes, of_unfit_signal
from schemas.goal_checks import goal_mistakes
from schemas.mistake import Mistake
from schemas.name_checks import name_mistakes
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS, STEPS, Level, Moment
from schemas.playbook_offers import INBOUND, Offer
from schemas.quiet import QuietHours, calendar_of, known_calendars
from schemas.yaml_source import KeyPath

MOST_IN_SET = 100
"""Segments of an exclusive set: each waits for all that go before it."""


def mistakes(playbook: Playbook, *, whole: bool = True) -> Iterator[Mistake]:
    """Yield what does not fit together; expressions and columns are checked where contracts are known.

    Args:
        playbook: A playbook of the right form.
        whole: False where malformed parts were left out: then nobody can say what the others refer to.
    """
    yield from _times(playbook)
    yield from _feeds(playbook)
    yield from name_mistakes(playbook)
    for kind, level in playbook.levels.items():
        for name, feature in level.features.items():
            yield from feature_mistakes(playbook, (kind, "features", name), feature)
        yield from _level(playbook, (kind,), level)
    yield from _groups(playbook)
    yield from _offers(playbook)
    if whole:
        yield from _nothing(playbook)
        yield from chain.from_iterable(_sets((kind,), level) for kind, level in playbook.levels.items())
        yield from _caps(playbook)
        yield from _policy(playbook)
        yield from _quiet(playbook)
        yield from _consent(playbook)


def _times(playbook: Playbook) -> Iterator[Mistake]:
    try:
        zoneinfo.ZoneInfo(playbook.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        hint = near_miss(playbook.time_zone, zoneinfo.available_timezones())
        yield Mistake(("time_zone",), f"no time zone `{playbook.time_zone}`", hint)
    if DAY % playbook.tick:
        yield Mistake(("tick",), f"`tick` {format_duration(playbook.tick)} does not divide a day")
    if playbook.allowed_lateness > playbook.dedup_horizon:
        told = f"{format_duration(playbook.allowed_lateness)} is longer than {format_duration(playbook.dedup_horizon)}"
        where = "allowed_lateness" if "allowed_lateness" in playbook.model_fields_set else "dedup_horizon"
        yield Mistake((where,), f"`allowed_lateness` of {told}, the `dedup_horizon`", "a copy could not be recognised")
    if playbook.erased_for < playbook.allowed_lateness:
        told = f"{format_duration(playbook.erased_for)} is shorter than {format_duration(playbook.allowed_lateness)}"
        hint = "what was erased could come again, late"
        yield Mistake(("erased_for",), f"`erased_for` of {told}, the `allowed_lateness`", hint)


def _feeds(playbook: Playbook) -> Iterator[Mistake]:
    for signal, timeout in playbook.feed_timeout.items():
        if signal not in playbook.signals:
            message = f"`{signal}` is not one of the playbook's `signals`"
            yield Mistake(("feed_timeout", signal), message, near_miss(signal, playbook.signals))
        if timeout % playbook.tick:
            tick = format_duration(playbook.tick)
            told = f"{format_duration(timeout)} is not a multiple of the tick of {tick}"
            yield Mistake(("feed_timeout", signal), f"`feed_timeout` {told}")


def _groups(playbook: Playbook) -> Iterator[Mistake]:
    """Groups are made by membership signals, and somebody must be looked at."""
    groups = [kind for kind in GROUPS if kind in playbook.levels]
    if groups and "membership" not in playbook.signals:
        yield Mistake((groups[0],), f"who is in a {groups[0]} is told by `membership`", "add it to `signals`")


def _nothing(playbook: Playbook) -> Iterator[Mistake]:
    """Somebody must be looked at: by features, or by sequences of signals."""
    levels = playbook.levels.values()
    if not any(level.features or any(one.after for one in level.moments.values()) for level in levels):
        told = "has neither features nor sequences, and no other level has any"
        yield Mistake(("subscriber",), told, "say what is to be known")


def _level(playbook: Playbook, path: KeyPath, level: Level) -> Iterator[Mistake]:
    for name, derived in level.derived.items():
        if derived.bounds and derived.bounds[0] > derived.bounds[1]:
            told = f"{derived.bounds[0]:g} is above {derived.bounds[1]:g}"
            yield Mistake((*path, "derived", name, "bounds"), f"`bounds` are the wrong way round: {told}")
    for name, segment in level.segments.items():
        if segment.expire is not None and segment.expire < segment.hold:
            told = f"{format_duration(segment.expire)} is shorter than `hold` {format_duration(segment.hold)}"
            yield Mistake((*path, "segments", name, "expire"), f"`expire` {told}")
    for name, moment in level.moments.items():
        yield from _moment(playbook, (*path, "moments", name), moment)
    lengths = [((*path, "moments", name, "repeat"), moment.repeat) for name, moment in level.moments.items()]
    for section in ("derived", "segments", "moments"):
        lengths += [((*path, section, name, "refresh"), one.refresh) for name, one in getattr(level, section).items()]
    for where, length in lengths:
        if length is not None and length % playbook.tick:
            told = f"{format_duration(length)} is not a multiple of the tick of {format_duration(playbook.tick)}"
            yield Mistake(where, f"`{where[-1]}` {told}")


def _sets(path: KeyPath, level: Level) -> Iterator[Mistake]:
    """A set has at least two segments, each with a rank of its own."""
    sets: dict[str | None, list[str]] = defaultdict(list)
    for name, segment in level.segments.items():
        taken = [other for other in sets[segment.exclusive] if level.segments[other].priority == segment.priority]
        if segment.exclusive and taken:
            message = f"`priority` {segment.priority} of the set `{segment.exclusive}` is taken by `{taken[0]}`"
            yield Mistake((*path, "segments", name, "priority"), message, "give each segment of a set its own")
        sets[segment.exclusive].append(name)
    named = {name for name in sets if name is not None}
    for name in sorted(named):
        if len(sets[name]) > MOST_IN_SET:
            where = (*path, "segments", sets[name][MOST_IN_SET], "exclusive")
            told = f"the set `{name}` has {len(sets[name])} segments, and may have {MOST_IN_SET}"
            yield Mistake(where, told, "each is looked at after all before it")
        if len(sets[name]) == 1:
            where = (*path, "segments", sets[name][0], "exclusive")
            yield Mistake(where, f"no other segment is in the set `{name}`", near_miss(name, named - {name}))


def _moment(playbook: Playbook, path: KeyPath, moment: Moment) -> Iterator[Mistake]:
    """A moment is an edge or a sequence."""
    steps = {key: step for key in STEPS if (step := getattr(moment, key)) is not None}
    if moment.after is None:
        if not moment.when:
            yield Mistake(path, "needs `when`, or `after` with `then` or `without`")
        for key in ("then", "without", "within", "same"):
            if getattr(moment, key) is not None:
                yield Mistake((*path, key), f"`{key}` needs `after`")
    else:
        if moment.within is None:
            yield Mistake(path, "`after` needs `within`", "say how long it may take, as `within: 30m`")
        if len(steps) == 1:
            yield Mistake(path, "`after` needs `then`, `without` or both")
        if moment.repeat is not None:
            yield Mistake((*path, "repeat"), "`repeat` goes with `when` alone, not with `after`")
    for key, step in steps.items():
        yield from _step(playbook, (*path, key), step)


def _step(playbook: Playbook, path: KeyPath, step: Iterable[str]) -> Iterator[Mistake]:
    for signal in step:
        yield from of_unfit_signal((*path, signal), signal)
        if signal not in playbook.signals:
            message = f"`{signal}` is not one of the playbook's `signals`"
            yield Mistake((*path, signal), message, near_miss(signal, playbook.signals))


def _offers(playbook: Playbook) -> Iterator[Mistake]:
    triggers = set()
    for kind, level in playbook.levels.items():
        triggers |= {f"{kind}.{name}" for name in (*level.segments, *level.moments)}
        triggers |= {f"{kind}.{name}.exited" for name in level.segments}
    for name, offer in playbook.offers.items():
        for n, trigger in enumerate(offer.for_):
            if trigger not in triggers:
                message = f"`for: {trigger}` is no segment or moment"
                yield Mistake(("offers", name, "for", n), message, near_miss(trigger, triggers))
        lax = [other for other in playbook.offers.values() if not (other.to or "").endswith("!")]
        shared = sorted({trigger for other in lax for trigger in other.for_} & {*offer.for_})
        if (offer.to or "").endswith("!") and shared:
            hint = f"let each offer for `{shared[0]}` insist on a role, or none"
            yield Mistake(("offers", name, "to"), f"`{offer.to}` insists, and another offer for it does not", hint)
        yield from _names(("offers", name), offer)
        if offer.p_accept is None and offer.family not in playbook.priors:
            hint = f"give it one, or give `{offer.family}` a prior under `priors`"
            yield Mistake(("offers", name), f"no `p_accept`, and its family `{offer.family}` has no prior", hint)
        if offer.goal is not None:
            yield from goal_mistakes(playbook, ("offers", name, "goal"), offer.goal)


def _names(path: KeyPath, offer: Offer) -> Iterator[Mistake]:
    for key, names in (("for", offer.for_), ("send", offer.send)):
        if len(set(names)) < len(names):
            yield Mistake((*path, key), f"`{key}` names something twice")
    if INBOUND in offer.send:
        hint = f"leave it out, and say `policy: {{inbound_first: {{{offer.message}: 24h}}}}`"
        message = f"`{INBOUND}` is what own channels are called, and nothing is sent by it"
        yield Mistake((*path, "send"), message, hint)


def _caps(playbook: Playbook) -> Iterator[Mistake]:
    families = {offer.family for offer in playbook.offers.values()}
    channels = playbook.channels
    for n, cap in enumerate(playbook.policy.caps):
        if cap.per in GROUPS and not playbook.levels.keys() & set(GROUPS):
            told = f"`per: {cap.per}` counts nothing: the playbook has neither households nor SMEs"
            yield Mistake(("policy", "caps", n, "per"), told, f"add `{cap.per}: {{}}`, and `membership` to `signals`")
        named = [("family", name, families) for name in cap.family or ()]
        for key, name, known in (*named, *([("channel", cap.channel, channels)] if cap.channel else [])):
            if name not in known:
                yield Mistake(("policy", "caps", n, key), f"no offer has the {key} `{name}`", near_miss(name, known))
    of_families: list[tuple[KeyPath, str | None]] = [(("priors", name), name) for name in sorted(playbook.priors)]
    of_families += [(("policy", "cooldown", name), name) for name in playbook.policy.cooldown]
    of_families += [(("policy", "explore", name), name) for name in playbook.policy.explore]
    of_families += [(("holdouts", name, "family"), one.family) for name, one in playbook.holdouts.items()]
    for path, family in of_families:
        if family is not None and family not in families:
            yield Mistake(path, f"no offer has the family `{family}`", near_miss(family, families))


def _policy(playbook: Playbook) -> Iterator[Mistake]:
    """What the policy reads is told by signals."""
    policy = playbook.policy
    for signal in policy.no_sales_while or ():
        if signal != "ticket":
            yield Mistake(
                ("policy", "no_sales_while", signal), "only a `ticket` stops sales", "use `{ticket: EXPRESSION}`"
            )
        elif signal not in playbook.signals:
            yield Mistake(("policy", "no_sales_while"), "what is open is told by `ticket`", "add it to `signals`")
    if policy.on_silence == "release":
        if policy.contacts_reported_within is None:
            hint = "say `contacts_reported_within`, as `1d`"
            yield Mistake(("policy", "on_silence"), "`release` needs to know how soon contacts are reported", hint)
        if not {"contact", "outcome"} & playbook.signals.keys():
            told = "`release` needs signals that say what was sent"
            yield Mistake(("policy", "on_silence"), told, "add `contact` to `signals`")
    for message, first in policy.inbound_first:
        path = ("policy", "inbound_first", message)
        if first is not None and first % playbook.tick:
            told = f"{format_duration(first)} is not a multiple of the tick of {format_duration(playbook.tick)}"
            yield Mistake(path, f"`{message}` {told}")
        if first is not None and not {"contact", "outcome"} & playbook.signals.keys():
            yield Mistake(path, "who comes is told by `contact` or `outcome`", "add `contact` to `signals`")


def _quiet(playbook: Playbook) -> Iterator[Mistake]:
    """Whoever is quiet is a channel of some offer, and holidays are those of somewhere."""
    quiet = playbook.policy.quiet
    if quiet is None:
        return
    channels = playbook.channels
    for name in sorted(quiet.channels.keys() - channels):
        hint = near_miss(name, channels | QuietHours.model_fields.keys())
        yield Mistake(("policy", "quiet", name), f"no offer has the channel `{name}`", hint)
    for code in quiet.holidays:
        try:
            calendar_of(code)
        except NotImplementedError:
            hint = near_miss(code, known_calendars(code[:2]))
            yield Mistake(("policy", "quiet", "holidays"), f"no public holidays are known of `{code}`", hint)


def _consent(playbook: Playbook) -> Iterator[Mistake]:
    """What is inferred says on what basis, and who consents is told by signals."""
    features = ((kind, *each) for kind, level in playbook.levels.items() for each in level.features.items())
    inferred = [(kind, "features", name, "inferred") for kind, name, feature in features if feature.inferred]
    consent = playbook.policy.consent
    if inferred and (consent is None or consent.profiling is None):
        hint = "say `policy: {consent: {profiling: opt_in}}`, or opt_out, or contract"
        yield Mistake(inferred[0], "`inferred` needs a basis, and `policy.consent` names none", hint)
    bases = {offer.message: playbook.basis_of(offer.message) for offer in playbook.offers.values()} if consent else {}
    asked = {*bases.values(), *([playbook.profiling_needs] if inferred else [])} - {"contract", ""}
    if asked and "consent" not in playbook.signals:
        yield Mistake(("policy", "consent"), "who consents is told by `consent`", "add it to `signals`")
