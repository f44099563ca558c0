"""From a playbook to the plan of its offers: every expression compiled, every mistake told at once."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial

import polars as pl
import pyarrow as pa

from schemas import playbook_offers as books
from schemas.durations import DAY
from schemas.errors import LoadError, LoadErrors
from schemas.playbook import Playbook
from schemas.playbook_levels import LEVELS
from schemas.yaml_source import KeyPath
from transforms.compiler.compile_expression import ExpressionError, ScopeColumn, compile_expression
from transforms.compiler.compiling import Scope
from transforms.compiler.features import DTYPES
from transforms.compiler.goals import compile_goals
from transforms.compiler.limits import limits_of
from transforms.compiler.load import contracts, load_plans
from transforms.compiler.load import scope_of as context_scope
from transforms.compiler.notices import MESSAGES, notices_of, notices_read, schemas_of
from transforms.compiler.offer_definitions import Holdout, Offer, OfferPlan
from transforms.compiler.quiet import quiet_of
from transforms.compiler.sequences import trigger_scopes
from transforms.compiler.sql.dates import days_until
from transforms.context.emit.triggers import trigger_schema

TRUTH = (pl.Boolean(),)
NUMBER = (pl.Int64(), pl.Float64())
ANYTHING = (*TRUTH, *NUMBER, pl.String())


@lru_cache(maxsize=64)
def load_offers(playbook: Playbook, mode: str = "live") -> OfferPlan:
    """Compile the offers of a playbook over the contexts that it defines; see `compile_offers`."""
    return offers_for(playbook, trigger_schema(load_plans(playbook)[LEVELS[0]]), mode)


def offers_for(playbook: Playbook, triggers: pa.Schema, mode: str = "live") -> OfferPlan:
    """Return the offers of a playbook over the contexts that it defines; see `compile_offers`.

    Args:
        playbook: The checked playbook.
        triggers: Schema of the trigger batches.
        mode: What the offers are for: live, backfill, shadow or simulated.
    """
    return replace(_offers(playbook), triggers=triggers.remove_metadata(), mode=mode)


@lru_cache(maxsize=64)
def _offers(playbook: Playbook) -> OfferPlan:
    return compile_offers(playbook, {level: context_scope(plan) for level, plan in load_plans(playbook).items()})


def compile_offers(playbook: Playbook, scopes: Mapping[str, Scope]) -> OfferPlan:
    """Compile the offers and the policy of a playbook, for no triggers yet.

    Args:
        playbook: The checked playbook.
        scopes: What an expression over a context may read, by level, segments under their own names included. An
            offer sees what all levels of its triggers have, the segments of every level as `LEVEL.SEGMENT`, and as
            `trigger.X` the columns of signals that made one of its triggers.

    Raises:
        LoadErrors: all mistakes in the expressions, with their lines.
    """
    return _Compiler(playbook, scopes).plan()


class _Compiler:
    """One walk over a playbook's offers that collects mistakes."""

    def __init__(self, playbook: Playbook, scopes: Mapping[str, Scope]) -> None:
        self._playbook = playbook
        self._scopes = scopes
        self._contracts = contracts(playbook)
        self._made = trigger_scopes(playbook, self._contracts)
        self._functions = {"DAYS_UNTIL": days_until(playbook.time_zone, DAY)}
        self._segments = {f"{kind}.{name}" for kind, level in playbook.levels.items() for name in level.segments}
        self._own = {name for level in playbook.levels.values() for name in level.segments}
        self._of_levels: dict[frozenset[str], Scope] = {}
        self._errors: list[LoadError] = []
        self._read: set[str] = set()

    def plan(self) -> OfferPlan:
        book = self._playbook
        offers, ticket = tuple(self._offer(name, book.offers[name]) for name in sorted(book.offers)), self._ticket()
        self._errors += compile_goals(book, self._contracts)[1]
        read = notices_read(book)
        messages = {*MESSAGES} if "consent" in read else {offer.message for offer in offers}
        if self._errors:
            raise LoadErrors(self._errors)
        return OfferPlan(
            playbook=book.playbook,
            version=book.version,
            playbook_hash=book.content_hash,
            mode="live",
            tick=book.tick,
            time_zone=book.time_zone,
            segments=tuple(sorted(self._read & (self._segments | self._own))),
            offers=offers,
            limits=tuple(limits_of(book)),
            triggers=pa.schema([]),
            notices=schemas_of(notices_of(book), self._contracts),
            listed=frozenset((*notices_of(book), *read)),
            bases={name: basis for name in sorted(messages) if (basis := book.basis_of(name)) != "contract"},
            ticket=ticket,
            quiet=quiet_of(book),
            max_decision_age=book.policy.max_decision_age,
            reported_within=book.policy.contacts_reported_within if book.policy.on_silence == "release" else None,
            holdouts=tuple(_holdouts(book)),
            goals_kept=book.goals_matter + book.allowed_lateness if book.goals_matter else 0,
            held=frozenset(f"{kind}.{name}" for kind, level in book.levels.items() for name in level.segments),
            explore={family: share for family, share in sorted(book.policy.explore.items()) if share},
        )

    def _ticket(self) -> pl.Expr | None:
        """Return which tickets stop sales."""
        if self._playbook.policy.no_sales_while is None or "ticket" not in self._contracts:
            return None
        scope = {one.name: ScopeColumn(DTYPES[one.type], not one.required) for one in self._contracts["ticket"].fields}
        text = self._playbook.policy.no_sales_while["ticket"]
        return self._compile(scope, ("policy", "no_sales_while", "ticket"), text, TRUTH)

    def _offer(self, name: str, book: books.Offer) -> Offer:
        path: KeyPath = ("offers", name)
        compiled = partial(self._compile, self._scope(book))
        return Offer(
            name=name,
            family=book.family,
            owner=book.owner,
            message=book.message,
            triggers=book.for_,
            priority=book.priority,
            send=self._playbook.channels_of(book),
            valid_for=book.valid_for,
            eligible=compiled((*path, "eligible"), book.eligible, TRUTH),
            value=compiled((*path, "value"), book.value, NUMBER).cast(pl.Float64),
            cost=compiled((*path, "cost"), book.cost, NUMBER).cast(pl.Float64),
            p_accept=self._p_accept(path, book, compiled),
            p_accept_assumed=book.p_accept is None,
            params=tuple(
                compiled((*path, "params", param), book.params[param], ANYTHING).alias(param)
                for param in sorted(book.params)
            ),
            wait=book.wait,
            share=book.share,
            at_a_loss=book.at_a_loss,
            goal_within=book.goal.within if book.goal else 0,
            goal_signal=next(iter(book.goal.signals), "") if book.goal else "",
            inbound=self._playbook.inbound_first(book) or 0,
        )

    def _scope(self, book: books.Offer) -> Scope:
        """Return what an offer sees: what all levels of its triggers have, all segments, and what made its triggers."""
        shared = self._shared(frozenset(trigger.partition(".")[0] for trigger in book.for_))
        made = {name: column for trigger in book.for_ for name, column in self._made.get(trigger, {}).items()}
        return shared | made | dict.fromkeys(self._segments, ScopeColumn(pl.Boolean(), nullable=False))

    def _shared(self, levels: frozenset[str]) -> Scope:
        if levels not in self._of_levels:
            first, *others = [scope for level, scope in self._scopes.items() if level in levels] or [{}]
            self._of_levels[levels] = {
                name: ScopeColumn(column.dtype, any(scope[name].nullable for scope in (first, *others)))
                for name, column in first.items()
                if all(name in scope for scope in others)
            }
        return self._of_levels[levels]

    def _p_accept(self, path: KeyPath, book: books.Offer, compiled: Callable[..., pl.Expr]) -> pl.Expr:
        if book.p_accept is None:
            return pl.lit(self._playbook.priors[book.family], pl.Float64)
        chance = compiled((*path, "p_accept"), book.p_accept, NUMBER).cast(pl.Float64)
        one_row = pl.DataFrame({"any": [None]})
        if not chance.meta.root_names() and not one_row.select(chance.is_between(0, 1)).item():
            self._fail((*path, "p_accept"), "is a probability, from 0 to 1", book.p_accept)
        return chance

    def _compile(self, scope: Scope, path: KeyPath, text: str, gives: Collection[pl.DataType]) -> pl.Expr:
        try:
            expression = compile_expression(text, scope, self._playbook.let, self._functions, gives)
        except ExpressionError as error:
            self._fail(path, error.message, text, error.hint)
            return pl.lit(None)
        self._read |= expression.columns
        return expression.expr

    def _fail(self, path: KeyPath, message: str, quoted: str, hint: str = "") -> None:
        mistake = f"`{'.'.join(map(str, path))}`: {message}"
        self._errors.append(self._playbook.error(path, mistake, quoted, hint))


def _holdouts(book: Playbook) -> Iterator[Holdout]:
    """Yield the holdouts in the order in which they are looked up: `global` first, then by name."""
    for name in sorted(book.holdouts, key=lambda name: (name != "global", name)):
        yield Holdout(name, book.holdouts[name].share, book.holdouts[name].family)
