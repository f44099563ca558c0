"""The playbook: what an analyst writes, as strict and frozen models. The field descriptions are its reference."""

import hashlib
import json
import os
import pickle
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr

from schemas.contracts import MAX_BYTES as MAX_CONTRACT
from schemas.contracts import Contract, parse_contract
from schemas.durations import DAY, MINUTE, Duration, Instant
from schemas.errors import LoadError, LoadErrors
from schemas.fields import (
    Expression,
    Name,
    ProfileField,
    Share,
    SignalFiles,
)
from schemas.files import read_beside
from schemas.models import MAX_BYTES as MAX_MODEL
from schemas.models import ModelFile, model_file
from schemas.playbook_levels import LEVELS, Level, Part
from schemas.playbook_offers import INBOUND, Consent, Holdout, Offer, Policy
from schemas.tables import MAX_BYTES as MAX_TABLE
from schemas.tables import ReferenceTable, parse_table
from schemas.yaml_source import KeyPath, YamlSource


class Table(Part):
    """A small reference table."""

    key: ProfileField = Field(description="The field of the profile that it is looked up by: `profile.tariff`.")
    file: str = Field(
        min_length=1,
        description="CSV with a header, in the playbook's folder, up to 4 MiB and 500 columns. The column of the key "
        "is named as the field (`tariff`), each value once. The content is part of the playbook's hash.",
    )


class Model(Part):
    """A model that makes a score of numbers: a function in expressions."""

    file: str = Field(
        min_length=1,
        description="ONNX, in the playbook's folder, weights included, up to 8 MiB, without `Loop` and `Scan`. It is "
        "part of the playbook's hash.",
    )
    inputs: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        min_length=1,
        description="Names of the arguments, in their order: those of the model's inputs; where it has one input, of "
        "the columns of that.",
    )
    output: str | None = Field(
        None, min_length=1, description="The output that is the score; needed if there are several."
    )
    column: int | None = Field(None, ge=0, description="Which column of the output, from 0; needed if it has several.")


class Playbook(Part):
    """Everything that turns signals into contexts and offers, in one file."""

    playbook: Name = Field(description="The name; part of every decision's identity.")
    version: int = Field(1, ge=1, description="Counts up with every change that goes live.")
    effective_from: Instant | None = Field(
        None, description="From when on it holds, where it follows another version; else a label."
    )
    time_zone: str = Field("UTC", description="Of calendar caps and of local_hour, local_weekday and local_date.")
    tick: Duration = Field(MINUTE, gt=0, description="Grid on which contexts advance and decisions are made.")
    grace: Duration = Field(2 * MINUTE, description="How far signals may come out of order and still be on time.")
    allowed_lateness: Duration = Field(DAY, description="How late a signal may come and still be applied.")
    dedup_horizon: Duration = Field(DAY, gt=0, description="How long ids are remembered.")
    erased_for: Duration = Field(
        30 * DAY,
        gt=0,
        description="How long nothing is taken in about a customer after its `erasure`; at least `allowed_lateness`.",
    )
    contexts_every: Duration = Field(DAY, gt=0, description="How often changed contexts are written unasked.")
    feed_timeout: dict[Name, Annotated[Duration, Field(gt=0)]] = Field(
        {},
        description="Signal type to how long a source of it may be silent, a multiple of `tick`: then it is down. An "
        "absence (`without`) over its type waits until it is back. If one is still down `within` after the time at "
        "which it would have fired, it lapses for good. While it waits, a signal of its own `within` that arrives "
        "late ends it; a later signal does not.",
    )
    let: dict[Name, Expression] = Field({}, description="Names for use in any expression.")
    signals: SignalFiles = Field(
        min_length=1,
        description="Signal types it reads; `{name: file.avsc}` for one of your own, with the fields that `segone "
        "schema usage` begins with, up to `subject`, and yours; in the playbook's folder, up to 256 KiB. It is "
        "part of the playbook's hash.",
    )
    tables: dict[Name, Table] = Field({}, description="Tables that expressions read as `TABLE.COLUMN`.")
    models: dict[Name, Model] = Field({}, description="Models that expressions call as `MODEL(value, …)`.")
    max_members: int = Field(
        1_000,
        ge=1,
        description="A larger group is ignored: no condition holds, and its members are their own contact roots.",
    )
    min_confidence: Share = Field(
        0.0, description="A `membership` signal of less `confidence` says nothing about who is in which group."
    )
    subscriber: Level = Field(Level(), description="The user of one line or login.")
    household: Level | None = Field(None, description="People under one roof, by their `membership`.")
    sme: Level | None = Field(None, description="A small company, by the `membership` of its people.")
    offers: dict[Name, Offer] = Field({}, description="What may be sent.")
    policy: Policy = Field(
        default_factory=lambda: Policy.model_validate({}), description="Limits on contacts, and what needs consent."
    )
    holdouts: dict[Name, Holdout] = Field(
        {},
        description="Whom nothing is sent, to measure what offers bring. The name is the salt of the draw. A "
        "global one and those of families hold at once, each by its own draw. Of several `global` is told, else the "
        "first by name.",
    )
    priors: dict[Name, Share] = Field({}, description="Assumed probability of acceptance of each offer family.")

    _source: YamlSource = PrivateAttr()
    _contents: dict[str, ReferenceTable] = PrivateAttr({})
    _model_files: dict[str, ModelFile] = PrivateAttr({})
    _contracts: dict[str, Contract] = PrivateAttr({})

    @classmethod
    def of(cls, source: YamlSource) -> Self:
        """Return the playbook of a file's data, unchecked beyond types.

        Raises:
            pydantic.ValidationError: the data does not have the form of a playbook.
        """
        playbook = cls.model_validate(source.data)
        playbook._source = source
        return playbook

    def read_files(self) -> list[LoadError]:
        """Read tables, models and contracts, once, before anything is asked about them; return what is wrong."""
        errors: list[LoadError] = []
        for name, table in self.tables.items():
            column = table.key.partition(".")[2]
            hint = f"put it beside the playbook: CSV with a header, a column `{column}` and others"
            with self._noted(errors, ("tables", name, "file"), table.file, hint):
                content = read_beside(self.file, table.file, MAX_TABLE)
                self._contents[name] = parse_table(content, self._beside(table.file), column)
        for name, model in self.models.items():
            with self._noted(errors, ("models", name, "file"), model.file, "put it beside the playbook"):
                self._model_files[name] = model_file(read_beside(self.file, model.file, MAX_MODEL))
        for n, (name, file) in enumerate(self.signals.items()):
            if file is not None:
                with self._noted(errors, ("signals", n), file, "put it beside the playbook"):
                    content = read_beside(self.file, file, MAX_CONTRACT)
                    self._contracts[name] = parse_contract(content, self._beside(file))
        return errors

    @contextmanager
    def _noted(self, errors: list[LoadError], path: KeyPath, file: str, hint: str) -> Iterator[None]:
        """Note why a file that is named at `path` cannot be used."""
        try:
            yield
        except OSError as wrong:
            errors.append(self.error(path, f"`{file}` cannot be read: {wrong.strerror}", hint=hint))
        except LoadErrors as wrong:
            errors += wrong.errors

    def _beside(self, file: str) -> str:
        """Return what a file beside the playbook is called in errors."""
        return os.path.join(os.path.dirname(self.file), file)

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """The contracts of its own signal types that could be read, by name."""
        return self._contracts

    @property
    def model_files(self) -> Mapping[str, ModelFile]:
        """The models that could be read, by name."""
        return self._model_files

    @property
    def contents(self) -> Mapping[str, ReferenceTable]:
        """The tables that could be read, by name."""
        return self._contents

    @property
    def file(self) -> str:
        """The file's name as the user gave it."""
        return self._source.file

    @property
    def levels(self) -> dict[str, Level]:
        """The kinds of subjects that it is about, subscribers first; they are always there, to be told apart."""
        return {name: level for name in LEVELS if (level := getattr(self, name)) is not None}

    @property
    def profiling_needs(self) -> str:
        """The consent that inferred features need: `opt_in`, `opt_out`, or none, which is empty."""
        basis = self.policy.consent.profiling if self.policy.consent else None
        return "" if basis in (None, "contract") else basis

    def basis_of(self, message: str) -> str:
        """The basis of contacts for a purpose: `opt_in`, `opt_out` or `contract`."""
        asked = self.policy.consent or (Consent() if "consent" in self.signals else None)
        basis: str = getattr(asked, message) if asked else "contract"
        return basis

    def inbound_first(self, offer: Offer) -> int | None:
        """For how long an offer is published on own channels before it is pushed, milliseconds; None: it is not."""
        first = getattr(self.policy.inbound_first, offer.message)
        return None if first is None else min(first, offer.valid_for)

    def channels_of(self, offer: Offer) -> tuple[str, ...]:
        """The channels by which an offer goes, the preferred one first."""
        return offer.send if self.inbound_first(offer) is None else (INBOUND, *offer.send)

    @property
    def channels(self) -> set[str]:
        """The channels by which some offer goes."""
        return {channel for offer in self.offers.values() for channel in self.channels_of(offer)}

    def waits(self, offer: Offer) -> int:
        """For how long a trigger may wait for an offer, milliseconds: for gates to open, then for who may come in."""
        for_gates = offer.wait or (offer.valid_for if self.policy.quiet is not None else 0)
        shown = self.inbound_first(offer) or 0
        return for_gates + (shown if shown < offer.valid_for else 0)

    @property
    def contacts_matter(self) -> int:
        """For how long a contact may matter to a later one, milliseconds: the longest cooldown or cap."""
        every = (*(offer.cooldown for offer in self.offers.values()), *self.policy.cooldown.values())
        return max((*(one.longest for one in every), *(cap.reach for cap in self.policy.caps)), default=0)

    @property
    def goals_matter(self) -> int:
        """For how long it may matter that a goal was reached, milliseconds: to what waits, is valid, or may be next."""
        offers = self.offers.values()
        families = {offer.family for offer in offers if offer.goal}
        kin = [offer for offer in offers if offer.family in families]
        lengths = [length for one in kin for length in (one.goal.within if one.goal else 0, one.valid_for)]
        return max(*lengths, *map(self.waits, offers)) if kin else 0

    @property
    def move_bars(self) -> int:
        """For how long a change of contact root bars contacting somebody, milliseconds."""
        return self.policy.contacts_reported_within or self.contacts_matter

    @property
    def text(self) -> str:
        """The file's text."""
        return self._source.text

    @property
    def said(self) -> Mapping[str, Any]:
        """What the file says, as plain data."""
        return self._source.data

    def line_of(self, path: KeyPath) -> int:
        """Return the line of what stands at `path`, else of what is around it."""
        return self._source.line_of(path)

    def __hash__(self) -> int:
        """Equal files have equal hashes; plans are kept by it."""
        return hash((self.file, self.content_hash))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a pickle makes it again: small, and once a process, for most steps of a pipeline hold it."""
        return _unpacked, (self._packed,)

    @cached_property
    def _packed(self) -> bytes:
        return zlib.compress(pickle.dumps(self.__getstate__()))

    @cached_property
    def content_hash(self) -> str:
        """BLAKE2b-128, hex, of what file, tables, models and contracts say, whatever comments and the order of keys."""
        canonical = json.dumps(self._source.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        canonical += "".join(f"\0{name} {table.version}" for name, table in sorted(self._contents.items()))
        canonical += "".join(f"\0models.{name} {model.version}" for name, model in sorted(self._model_files.items()))
        canonical += "".join(f"\0signals.{name} {one.version}" for name, one in sorted(self._contracts.items()))
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()

    def error(self, path: KeyPath, message: str, quoted: str = "", hint: str = "") -> LoadError:
        """Return a mistake at `path` (keys and indexes as in the file) for `LoadErrors`."""
        return self._source.error(path, message, quoted, hint)


@lru_cache(maxsize=16)
def _unpacked(packed: bytes) -> Playbook:
    playbook = Playbook.__new__(Playbook)
    playbook.__setstate__(pickle.loads(zlib.decompress(packed)))
    return playbook
