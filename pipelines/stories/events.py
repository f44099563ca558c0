"""What happens in a story, from what is written: checked, every mistake with its line."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pyarrow as pa

from pipelines.stories.decision_names import decision_id
from pipelines.stories.form import Event, Expectation, StoryForm
from pipelines.stories.story import OUTPUTS, Arrival, Expect, Signal, Watermark
from pipelines.stories.times import HINT, parse_time, plain_sentence
from schemas.contracts import Contract, Field
from schemas.errors import LoadError, LoadErrors
from schemas.near_miss import near_miss
from schemas.playbook import Playbook
from schemas.yaml_source import KeyPath, YamlSource

AND_OTHERS = "..."
"""Among the sentences of an output: others may be told, too."""

DECISION_ID = "decision_id"
_ENVELOPE = ("at", "id", "source", "subject_kind")
_FITS: dict[pa.DataType, tuple[type, ...]] = {
    pa.string(): (str,),
    pa.int64(): (int,),
    pa.float64(): (int, float),
    pa.bool_(): (bool,),
}


def read_events(
    source: YamlSource, form: StoryForm, known: Mapping[str, Contract], playbook: Playbook
) -> tuple[Arrival | Watermark | Expect, ...]:
    """Return the events of a story.

    Args:
        source: The file.
        form: What it says.
        known: The contracts of the signals that its playbook reads.
        playbook: Whose decisions it names.

    Raises:
        LoadErrors: everything that is wrong with them.
    """
    reader = _Events(source, form.day, known, playbook)
    events = tuple(reader.event(event, ("events", number)) for number, event in enumerate(form.events))
    reader.check_order(events)
    if reader.errors:
        raise LoadErrors(reader.errors)
    return events


class _Events:
    """Makes events of what is written, and notes what is wrong."""

    def __init__(self, source: YamlSource, day: str, known: Mapping[str, Contract], playbook: Playbook) -> None:
        self.errors: list[LoadError] = []
        self._source, self._day, self._known, self._numbered = source, day, known, count()
        self._playbook = playbook

    def event(self, event: Event, path: KeyPath) -> Arrival | Watermark | Expect:
        """Return an event."""
        if event.signals is not None:
            written = enumerate(event.signals)
            return Arrival(tuple(one for n, each in written for one in self._signal(each, (*path, "signals", n))))
        if event.expect is None:
            return Watermark(self._time(event.watermark, (*path, "watermark")))
        return self._expect(event.expect, (*path, "expect"))

    def check_order(self, events: tuple[Arrival | Watermark | Expect, ...]) -> None:
        """Note what would go unheard: a test that cannot fail."""
        now, waiting, unheard = -1, False, False
        for number, event in enumerate(events):
            path = ("events", number)
            if isinstance(event, Watermark) and event.time < now and not self.errors:
                self._wrong(path, "the `watermark` goes back: what is known stays known")
            if isinstance(event, Watermark):
                now, waiting = event.time, False
            waiting = waiting or isinstance(event, Arrival)
            unheard = not isinstance(event, Expect)
        if now < 0:
            self._wrong(("events",), "no `watermark` moves: nothing would be told")
        elif waiting:
            self._wrong(path, "no `watermark` moves after the last `signals`: nothing would come of them")
        if unheard:
            self._wrong(path, "no `expect` comes after it: nothing would be checked")

    def _wrong(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Note a mistake."""
        self.errors.append(self._source.error(path, message, hint=hint))

    def _expect(self, written: Expectation, path: KeyPath) -> Expect:
        """Return what is expected, its times as they are told."""
        lists = {key: lines for key in OUTPUTS if (lines := getattr(written, key)) is not None}
        sentences = {
            key: tuple(self._sentence(line, (*path, key, n)) for n, line in enumerate(lines) if line != AND_OTHERS)
            for key, lines in lists.items()
        }
        at_least = frozenset(key for key, lines in lists.items() if AND_OTHERS in lines)
        return Expect(path, sentences, {str(name): number for name, number in written.counts.items()}, at_least)

    def _sentence(self, text: str, path: KeyPath) -> str:
        try:
            return plain_sentence(text, self._day)
        except ValueError as error:
            self._wrong(path, str(error), HINT)
            return text

    def _signal(self, written: Mapping[str, Any], path: KeyPath) -> Iterator[Signal]:
        """Yield a signal; without an `id` it has one of its own, without a `source` it is from the network."""
        name = next(iter(written), "")
        if name not in self._known:
            hint = near_miss(name, self._known)
            self._wrong(path, f"starts with `{name}`, which is no signal type that the playbook reads", hint)
            return
        contract = self._known[name]
        payload = {key: value for key, value in written.items() if key not in (name, *_ENVELOPE)}
        defaults = {"id": f"n{next(self._numbered)}", "source": "net", "subject_kind": contract.subject_kind_default}
        named = {key: self._name(written.get(key, default), (*path, key)) for key, default in defaults.items()}
        yield Signal(
            signal=name,
            time=self._time(written.get("at"), (*path, "at")),
            subject=self._name(written[name], (*path, name)),
            payload={key: self._value(contract, key, value, (*path, key)) for key, value in payload.items()},
            **named,
        )

    def _name(self, value: Any, path: KeyPath) -> str | None:
        """Return a text of the envelope; none at all is for the run to reject."""
        if value is None or isinstance(value, str):
            return value
        self._wrong(path, f"`{path[-1]}`: `{value}` is not a text", f'put it in quotes, as `{path[-1]}: "4917"`')
        return None

    def _value(self, contract: Contract, name: str, value: Any, path: KeyPath) -> Any:
        """Return the value of a field; instants are written as times are."""
        if name not in contract.payload:
            self._wrong(path, f"{contract.name} has no field `{name}`", near_miss(name, contract.payload))
            return None
        field = contract.by_name[name]
        if field.instant and isinstance(value, str):
            return self._time(value, path)
        if not _fits(field, value):
            self._wrong(path, f"`{name}`: `{value}` is not {field.type}, as the contract of {contract.name} says")
        return self._decision(value, path) if name == DECISION_ID and isinstance(value, str) else value

    def _decision(self, text: str, path: KeyPath) -> str:
        try:
            return decision_id(text, self._day, self._playbook)
        except ValueError as error:
            self._wrong(path, str(error), "name it as `10:01 anna, burst`: the tick of the trigger, and what it is")
            return text

    def _time(self, text: Any, path: KeyPath) -> int:
        try:
            return parse_time(text, self._day)
        except ValueError as error:
            self._wrong(path, str(error), HINT)
            return 0


def _fits(field: Field, value: Any) -> bool:
    """Return whether a value is of a field's type."""
    truth = isinstance(value, bool)
    return value is None or (isinstance(value, _FITS[field.type]) and truth == (bool in _FITS[field.type]))
