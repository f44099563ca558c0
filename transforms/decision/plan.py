"""From a playbook to the plan of its offers: every expression compiled, every mistake told at once."""

from collections.abc import Collection, Mapping
from functools import lru_cache

import polars as pl
import pyarrow as pa

from schemas import playbook as books
from schemas.durations import format_duration
from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook
from schemas.yaml_source import KeyPath
from transforms.context.advance import advance
from transforms.context.expressions import ExpressionError, ScopeColumn, compile_expression
from transforms.context.plan import load_plan
from transforms.context.plan import scope_of as context_scope
from transforms.decision.definitions import CAPS, COOLDOWN, Limit, Offer, OfferPlan

TRUTH = (pl.Boolean(),)
NUMBER = (pl.Int64(), pl.Float64())
ANYTHING = (*TRUTH, *NUMBER, pl.String())


@lru_cache(maxsize=64)
def load_offers(playbook: Playbook, mode: str = "live") -> OfferPlan:
    """Compile the offers of a playbook over the contexts that it defines; see `compile_offers`."""
    contexts = load_plan(playbook)
    nothing = advance(contexts, None, [], playbook.tick)
    return compile_offers(playbook, context_scope(contexts), nothing.outputs.triggers.schema, mode)


def compile_offers(
    playbook: Playbook, scope: Mapping[str, ScopeColumn], triggers: pa.Schema, mode: str = "live"
) -> OfferPlan:
    """Compile the offers and the policy of a playbook.

    Args:
        playbook: The checked playbook.
        scope: What an expression over a context may read; segments under their own name are also
            `subscriber.NAME`.
        triggers: Schema of the trigger batches.
        mode: What the offers are for: live, backfill, shadow or simulated.

    Raises:
        LoadErrors: all mistakes in the expressions, with their lines.
    """
    return _Compiler(playbook, scope).plan(triggers, mode)


class _Compiler:
    """One walk over a playbook's offers that collects mistakes."""

    def __init__(self, playbook: Playbook, scope: Mapping[str, ScopeColumn]) -> None:
        self._playbook = playbook
        segments = playbook.subscriber.segments
        self._segments = {name: name for name in segments} | {f"subscriber.{name}": name for name in segments}
        self._scope = {**scope, **dict.fromkeys(self._segments, ScopeColumn(pl.Boolean(), nullable=False))}
        self._errors: list[LoadError] = []
        self._read: set[str] = set()

    def plan(self, triggers: pa.Schema, mode: str) -> OfferPlan:
        book = self._playbook
        offers = tuple(self._offer(name, book.offers[name]) for name in sorted(book.offers))
        if self._errors:
            raise LoadErrors(self._errors)
        return OfferPlan(
            playbook=book.playbook,
            version=book.version,
            playbook_hash=book.content_hash,
            mode=mode,
            tick=book.tick,
            time_zone=book.time_zone,
            segments={column: name for column, name in self._segments.items() if column in self._read},
            offers=offers,
            limits=(*_cooldowns(book), *map(_cap, book.policy.caps)),
            triggers=triggers.remove_metadata(),
        )

    def _offer(self, name: str, book: books.Offer) -> Offer:
        path: KeyPath = ("offers", name)
        return Offer(
            name=name,
            family=book.family,
            owner=book.owner,
            message=book.message,
            triggers=book.for_,
            priority=book.priority,
            send=book.send,
            valid_for=book.valid_for,
            eligible=self._compile((*path, "eligible"), book.eligible, TRUTH),
            value=self._compile((*path, "value"), book.value, NUMBER).cast(pl.Float64),
            cost=self._compile((*path, "cost"), book.cost, NUMBER).cast(pl.Float64),
            p_accept=self._p_accept(path, book),
            p_accept_assumed=book.p_accept is None,
            params=tuple(
                self._compile((*path, "params", param), book.params[param], ANYTHING).alias(param)
                for param in sorted(book.params)
            ),
        )

    def _p_accept(self, path: KeyPath, book: books.Offer) -> pl.Expr:
        if book.p_accept is None:
            return pl.lit(self._playbook.priors[book.family], pl.Float64)
        chance = self._compile((*path, "p_accept"), book.p_accept, NUMBER).cast(pl.Float64)
        one_row = pl.DataFrame({"any": [None]})
        if not chance.meta.root_names() and not one_row.select(chance.is_between(0, 1)).item():
            self._fail((*path, "p_accept"), "is a probability, from 0 to 1", book.p_accept)
        return chance

    def _compile(self, path: KeyPath, text: str, gives: Collection[pl.DataType]) -> pl.Expr:
        try:
            expression = compile_expression(text, self._scope, self._playbook.let, gives=gives)
        except ExpressionError as error:
            self._fail(path, error.message, text, error.hint)
            return pl.lit(None)
        self._read |= expression.columns
        return expression.expr

    def _fail(self, path: KeyPath, message: str, quoted: str, hint: str = "") -> None:
        told = f"`{'.'.join(map(str, path))}`: {message}"
        self._errors.append(self._playbook.error(path, told, quoted, hint))


def _cooldowns(book: Playbook) -> list[Limit]:
    """Return the cooldowns, by name of the offer."""
    cooldowns = {name: book.offers[name].cooldown for name in sorted(book.offers)}
    return [Limit(COOLDOWN, "cooldown", 1, length, offer=name) for name, length in cooldowns.items() if length]


def _cap(cap: books.Cap) -> Limit:
    """Return a cap; its reason names what it counts, as `cap_1_per_subscriber_in_7d_channel_sms`."""
    period = cap.in_ if isinstance(cap.in_, str) else format_duration(cap.in_)
    parts = [f"cap_{cap.max}_per_{cap.per}_in_{period}"]
    parts += [f"{kind}_{name}" for kind, name in (("family", cap.family), ("channel", cap.channel)) if name]
    return Limit(CAPS, "_".join(parts), cap.max, cap.in_, family=cap.family, channel=cap.channel)
