"""What a playbook's models cannot say one by one: how its parts fit together."""

import zoneinfo
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import cast

from schemas.durations import DAY, format_duration
from schemas.feature_checks import feature_mistakes, of_unfit_signal
from schemas.mistake import Mistake
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS, LEVELS, STEPS, Level, Moment
from schemas.yaml_source import KeyPath

_WORDS = """
    all alter and any as between call case create cross describe distinct drop else end except execute explain
    false fetch for from glob grant having if ilike in inner insert intersect into is join lateral like not notnull
    null on optimize or outer partitioned_by prepare qualify regexp rename returning revoke rlike rollback select
    show tablesample then true uncache union using vacuum values when where with xor
"""
RESERVED_WORDS = frozenset(_WORDS.split())
"""Words that SQL reads, at least in places, as something else than a name."""

PREFIXES = ("consent", "models", "profile", "trigger")
"""What names with a dot begin with in expressions."""

_SECTIONS = ("features", "derived", "segments", "moments")


def mistakes(playbook: Playbook, *, whole: bool = True) -> Iterator[Mistake]:
    """Yield what does not fit together; expressions and columns are checked where contracts are known.

    Args:
        playbook: A playbook of the right form.
        whole: False where malformed parts were left out: then nobody can say what the others refer to.
    """
    yield from _times(playbook)
    yield from _feeds(playbook)
    yield from _names(playbook)
    yield from _beside(playbook)
    for kind, level in playbook.levels.items():
        for name, feature in level.features.items():
            yield from feature_mistakes(playbook, (kind, "features", name), feature)
        yield from _level(playbook, (kind,), level)
    yield from _groups(playbook)
    yield from _offers(playbook)
    if whole:
        yield from chain.from_iterable(_sets((kind,), level) for kind, level in playbook.levels.items())
        yield from _caps(playbook)
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


def _names(playbook: Playbook) -> Iterator[Mistake]:
    """Names of a level and of `let` stand beside one another in expressions: each may be used once."""
    lets: KeyPath = ("let",)
    levels = [[(kind, section) for section in _SECTIONS] for kind in playbook.levels]
    for path in (lets, *chain(*levels)):
        for name in _at(playbook, path):
            if name in PREFIXES or name in playbook.tables:
                yield Mistake((*path, name), f"`{name}` is what `{name}.COLUMN` begins with", "give it another name")
            if name in RESERVED_WORDS:
                yield Mistake((*path, name), f"`{name}` is a word of SQL and cannot be a name", f"try `{name}_`")
    for sections in levels:
        seen: dict[str, KeyPath] = {}
        for section in (lets, *sections):
            for name in _at(playbook, section):
                if name in seen:
                    told = f"the name `{name}` is taken by `{_dotted(seen[name])}`"
                    yield Mistake((*section, name), told, "give it another name")
                seen.setdefault(name, (*section, name))
    yield from _segments_and_values(playbook)


def _segments_and_values(playbook: Playbook) -> Iterator[Mistake]:
    """Offers may see several levels under their bare names: a segment of one is no value of another."""
    values = {name: kind for kind, level in playbook.levels.items() for name in (*level.features, *level.derived)}
    for kind, level in playbook.levels.items():
        for name in level.segments:
            if values.get(name, kind) != kind:
                told = f"the name `{name}` is that of a value at `{values[name]}`"
                yield Mistake((kind, "segments", name), told, "give it another name")


def _beside(playbook: Playbook) -> Iterator[Mistake]:
    """Names of tables and models are their own."""
    for name in playbook.tables:
        if name in (*PREFIXES, *LEVELS) or name in RESERVED_WORDS:
            yield Mistake(("tables", name), f"`{name}` means something else in expressions", "give it another name")
    for name, model in playbook.models.items():
        if name in RESERVED_WORDS:
            yield Mistake(("models", name), f"`{name}` is a word of SQL and cannot be a name", f"try `{name}_`")
        if twice := next((one for one in model.inputs if model.inputs.count(one) > 1), None):
            yield Mistake(("models", name, "inputs"), f"`{twice}` is there twice", "name each argument once")


def _at(playbook: Playbook, path: KeyPath) -> Iterable[str]:
    """Return the names under a path of sections."""
    found: object = playbook
    for key in path:
        found = getattr(found, str(key))
    return cast(Iterable[str], found)


def _groups(playbook: Playbook) -> Iterator[Mistake]:
    """Groups are made by membership signals, and somebody must be looked at."""
    groups = [kind for kind in GROUPS if kind in playbook.levels]
    if groups and "membership" not in playbook.signals:
        yield Mistake((groups[0],), f"who is in a {groups[0]} is told by `membership`", "add it to `signals`")
    if not any(level.features for level in playbook.levels.values()):
        yield Mistake(("subscriber",), "has no features, and no other level has any", "say what is to be known")


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
        for key, names in (("for", offer.for_), ("send", offer.send)):
            if len(set(names)) < len(names):
                yield Mistake(("offers", name, key), f"`{key}` names something twice")
        if offer.p_accept is None and offer.family not in playbook.priors:
            hint = f"give it one, or give `{offer.family}` a prior under `priors`"
            yield Mistake(("offers", name), f"no `p_accept`, and its family `{offer.family}` has no prior", hint)


def _caps(playbook: Playbook) -> Iterator[Mistake]:
    families = {offer.family for offer in playbook.offers.values()}
    channels = {channel for offer in playbook.offers.values() for channel in offer.send}
    for n, cap in enumerate(playbook.policy.caps):
        if cap.per in GROUPS and not playbook.levels.keys() & set(GROUPS):
            told = f"`per: {cap.per}` counts nothing: the playbook has neither households nor SMEs"
            yield Mistake(("policy", "caps", n, "per"), told, f"add `{cap.per}: {{}}`, and `membership` to `signals`")
        for key, name, known in (("family", cap.family, families), ("channel", cap.channel, channels)):
            if name is not None and name not in known:
                yield Mistake(("policy", "caps", n, key), f"no offer has the {key} `{name}`", near_miss(name, known))
    for family in playbook.priors.keys() - families:
        yield Mistake(("priors", family), f"no offer has the family `{family}`", near_miss(family, families))


def _consent(playbook: Playbook) -> Iterator[Mistake]:
    """What is inferred says on what basis, and who consents is told by signals."""
    features = ((kind, *each) for kind, level in playbook.levels.items() for each in level.features.items())
    inferred = [(kind, "features", name, "inferred") for kind, name, feature in features if feature.inferred]
    if not inferred:
        return
    if playbook.policy.consent is None:
        hint = "say `policy: {consent: {profiling: opt_in}}`, or opt_out, or contract"
        yield Mistake(inferred[0], "`inferred` needs a basis, and `policy.consent` names none", hint)
    if playbook.profiling_needs and "consent" not in playbook.signals:
        yield Mistake(("policy", "consent"), "who consents is told by `consent`", "add it to `signals`")


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))
