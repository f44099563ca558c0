"""From cooldowns and caps to limits, in the order in which they are looked up."""

from collections.abc import Iterator

from schemas import playbook_offers as books
from schemas.durations import format_duration
from schemas.playbook import Playbook
from schemas.playbook_levels import GROUPS
from transforms.compiler.offer_definitions import CAPS, COOLDOWN, GOAL_REACHED, REASONS, SUBJECT, Limit


def limits_of(book: Playbook) -> Iterator[Limit]:
    """Yield the limits of a playbook.

    First come those of offers whose goal was reached. Then cooldowns: of offers by name, of families by name, then
    those after rejections likewise. Then the caps as written, and last that a household or an SME is offered the same
    once a tick.
    """
    offers = {name: book.offers[name].cooldown for name in sorted(book.offers)}
    families = {name: book.policy.cooldown[name] for name in sorted(book.policy.cooldown)}
    for name, goal in ((name, book.offers[name].goal) for name in offers):
        if goal:
            yield Limit(COOLDOWN, REASONS[GOAL_REACHED], SUBJECT, 1, goal.within, offer=(name,), reached=True)
    for rejected in (False, True):
        suffix = "_after_rejection" if rejected else ""
        for name, one in offers.items():
            if length := one.after_rejection if rejected else one.after:
                yield Limit(COOLDOWN, f"cooldown{suffix}", SUBJECT, 1, length, offer=(name,), rejected=rejected)
        for name, one in families.items():
            if length := one.after_rejection if rejected else one.after:
                yield Limit(COOLDOWN, f"cooldown_family{suffix}", SUBJECT, 1, length, family=(name,), rejected=rejected)
    yield from map(_cap, book.policy.caps)
    for kind in (kind for kind in GROUPS if kind in book.levels):
        yield from (Limit(CAPS, "same_tick", kind, 1, book.tick, offer=(name,)) for name in offers)


def _cap(cap: books.Cap) -> Limit:
    """Return a cap; its reason names what it counts, as `cap_1_per_subscriber_in_7d_channel_sms`."""
    period = cap.in_ if isinstance(cap.in_, str) else format_duration(cap.in_)
    parts = [f"cap_{cap.max}_per_{cap.per}_in_{period}"]
    parts += [f"family_{name}" for name in cap.family or ()]
    parts += [f"channel_{cap.channel}"] if cap.channel else []
    parts += [f"message_{cap.message}"] if cap.message != "marketing" else []
    channel, message = ((name,) if name else None for name in (cap.channel, cap.message.replace("any", "")))
    return Limit(CAPS, "_".join(parts), cap.per, cap.max, cap.in_, family=cap.family, channel=channel, message=message)
