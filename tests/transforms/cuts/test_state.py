"""SaveState and LoadState in a whole stream: files of cuts, and a run that goes on from them."""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing import test_stream
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from pipelines.stories.reading import read_story
from pipelines.stories.signals import of_group, of_subscriber, salted, take
from pipelines.stories.story import Signal, Story
from schemas.durations import DAY, HOUR
from tests.reference.records import ms
from transforms import save_state
from transforms.decide_offers import DecideOffers
from transforms.describe_segments import DescribeSegments
from transforms.end_input import EndInput
from transforms.keep_parts import KeepParts
from transforms.load_state import LoadState
from transforms.metrics.tally import TALLY, Summary
from transforms.parsing.batches import by_shard
from transforms.save_state import SaveState
from transforms.shell.packed_batch import PackedBatch, ShardBatch
from transforms.shell.starts import newest_start
from transforms.shell.timers import Backlog, Cuts
from transforms.streams.erasures import FOLDER
from transforms.streams.manifests import cuts_in, path_of
from transforms.sum_receipts import SumReceipts
from transforms.track_contexts import TrackContexts
from transforms.watch_feeds import WatchFeeds

STORY = """\
story: A home, a feed that dies, somebody who is erased, and an absence, in ten hours.
day: 2026-01-05
engines: [stream]
playbook:
  tick: 30m
  signals: [usage, ticket, membership, erasure]
  feed_timeout: {usage: 1h}
  subscriber:
    features: {n: {count: any, from: usage, window: 2h}, kind: {last: kind, from: usage}}
    segments: {busy: {describe: Much to do, enter: n >= 2, expect: "40%..100%"}}
    moments:
      silent: {after: {ticket: state = 'closed'}, without: {usage: any}, within: 90m}
  household:
    features: {n: {count: any, from: usage, window: 2h}}
    segments: {loud: {enter: n >= 3}}
  offers:
    call: {for: [subscriber.silent, subscriber.busy], family: care, owner: care, value: 1, p_accept: 0.5, send: app,
           valid_for: 1d, cooldown: 2h}
    relax: {for: household.loud, family: home, owner: care, value: 5, p_accept: 0.5, send: [app], valid_for: 1d}
events:
  - signals:
      - {membership: ann, at: "00:05", group_kind: household, group: h, state: joined, role: primary}
      - {membership: ben, at: "00:06", group_kind: household, group: h, state: joined, role: secondary}
SIGNALS
  - watermark: "2026-01-05T09:00"
  - expect: {counts: {rejected: 0}}
"""
USAGE = {"ann": (40, 70, 75, 170, 240, 245, 370, 375, 480), "ben": (45, 80, 230, 250, 370, 500)}
TICKETS = {"ann": 180, "eva": 260, "ben": 380}
ERASED = {"ben": 405, "eva": 340}
TICK = 1_800_000
CUTS = Cuts(TICK, 4 * TICK)
AHEAD = 3 * TICK
"""How far behind its end a bounded run has signals, milliseconds."""

_HEARD: dict[str, list[dict[str, Any]]] = defaultdict(list)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    lines = [f"usage: {who}, kind: data, at: {at(m)}" for who, minutes in USAGE.items() for m in minutes]
    lines += [f"ticket: {who}, state: closed, ticket_id: t, at: {at(m)}" for who, m in TICKETS.items()]
    lines += [f"erasure: {who}, at: {at(m)}" for who, m in ERASED.items()]
    file = tmp_path_factory.mktemp("stories") / "a_day.yaml"
    file.write_text(STORY.replace("SIGNALS", "\n".join(f"      - {{{line}}}" for line in lines)))
    return read_story(file)


def at(minute: int) -> str:
    return f'"2026-01-{5 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:10"'


def elements(story: Story, signals: Iterable[Signal], shards: int) -> list[ShardBatch]:
    batches = take(story, signals).batches
    return [(shard, PackedBatch.of(rows)) for batch in batches for shard, rows in by_shard(batch, shards)]


def stream(story: Story, after: int | None, shards: int, given: int = 0) -> test_stream.TestStream:
    """Return the signals that were not given, and the watermark in small steps: this runner holds it for no timer."""
    found, first = test_stream.TestStream(), min(signal.time for signal in story.signals) // TICK * TICK
    for tick in range(first if after is None else after, story.until, TICK):
        mine = elements(story, [one for one in story.signals if max(tick, given) <= one.time < tick + TICK], shards)
        if mine:
            found.add_elements([TimestampedValue(one, stamp(one[1].earliest)) for one in mine])
        for later_by in (0, 1, 2, 3, 4, 6):
            found.advance_watermark_to(stamp(tick + TICK + later_by))
    return found.advance_watermark_to_infinity()


def stamp(time: int) -> Timestamp:
    return Timestamp(micros=1000 * time)


def bounded(story: Story, until: int, shards: int) -> list[ShardBatch]:
    return elements(story, [one for one in story.signals if one.time < until + AHEAD], shards)


def run(
    story: Story,
    directory: Path,
    *,
    after: int | None = None,
    until: int | None = None,
    given: int = 0,
    shards: int = 2,
) -> Any:
    """Run all stages as a stream, or up to an end; go on from the newest cut in the directory if told after which."""
    _HEARD.clear()
    books = {"playbook": story.playbook, "later": story.versions.playbooks[1:]}
    options: dict[str, Any] = {"bounded": until is not None}
    late = {"backlog": Backlog(story.until, TICK, last=story.until)} if until is None else {}
    runner, flags = (FnApiRunner(), []) if until is not None else (BundleBasedDirectRunner(), ["--streaming"])
    with salted(), beam.Pipeline(runner, options=PipelineOptions(flags)) as pipeline:
        seeds = {}
        if after is not None:
            start = newest_start(str(directory), story.versions)
            assert start.tick == after
            seeds = pipeline | LoadState(start=start, versions=story.versions, shards=shards)
        source = stream(story, after, shards, given) if until is None else beam.Create(bounded(story, until, shards))
        signals = pipeline | "Signals" >> source
        ends = () if until is None else (signals | EndInput(tick=TICK, shards=shards, until=until),)
        blobs, told = [], []

        def gathered(label: str, stage: str, *feeds: Any) -> Any:
            return (*feeds, *([seeds[stage]] if seeds else [])) | label >> beam.Flatten()

        cut = options | late | {"cuts": CUTS}
        watch = WatchFeeds(playbook=story.playbook, shards=shards, **cut)
        feeds = gathered("AllFeeds", "watch_feeds", signals) | "WatchFeeds" >> watch
        subscribers = signals | "Subscribers" >> beam.Filter(lambda one: of_subscriber(one[1].open()))
        groups = signals | "Groups" >> beam.Filter(lambda one: of_group(one[1].open()))
        track = {**books, **cut, "shards": shards, "segment_stats": True}
        first = gathered("First", "track_subscribers", subscribers, feeds.signals, *ends)
        stages = [first | "TrackContexts" >> TrackContexts(**track)]
        second = gathered("Second", "track_groups", groups, feeds.groups, stages[0]["forwarded"], *ends)
        stages.append(second | "TrackGroups" >> TrackContexts(**track, groups=True))
        third = gathered("Third", "decide_offers", *(one["triggers"] for one in stages), *ends)
        decided = third | "DecideOffers" >> DecideOffers(**books, **cut)
        parts = gathered("Parts", "describe_segments", *(one["segment_stats"] for one in stages))
        described = parts | "Describe" >> DescribeSegments(**books, **options, since=after)
        removed = [*(one["receipts"] for one in stages), decided["receipts"]] | "Removed" >> beam.Flatten()
        outputs = {
            "transitions": [one["transitions"] for one in stages] | "Transitions" >> beam.Flatten(),
            "decisions": decided["decisions"],
            "segment_stats": described["segment_stats"],
            "receipts": removed | SumReceipts(**books, **options),
        }
        blobs = [
            feeds.blobs,
            *(one["blobs"] for one in stages),
            decided["blobs"],
            parts | KeepParts(playbook=story.playbook, cuts=CUTS, **options, **late),
        ]
        for name, output in outputs.items():
            told.append(output | f"Hear {name}" >> beam.Map(_hear, name))
        done = told | "Done" >> beam.Flatten()
        save = SaveState(directory=str(directory), **books, shards=shards, cuts=CUTS, **options, **late, since=after)
        _ = {"blobs": blobs | "Blobs" >> beam.Flatten(), "done": done, "receipts": outputs["receipts"]} | save
    return {name: sorted(map(str, rows)) for name, rows in _HEARD.items()}, dict(_HEARD)


def _hear(batch: pa.RecordBatch, name: str) -> int:
    _HEARD[name] += batch.to_pylist()
    return batch.num_rows


def kept_until(directory: Path, to: Path, tick: int) -> Path:
    """Copy cuts as they were when that of a tick was the newest."""
    shutil.copytree(directory, to)
    for later in cuts_in(str(to)):
        if later > tick:
            path_of(str(to), later).unlink()
    for erased in (to / FOLDER).iterdir():
        if int(erased.name.partition("-")[0]) > tick:
            erased.unlink()
    return to


def later(rows: Iterable[dict[str, Any]], name: str, tick: int) -> list[str]:
    """Return the rows that are told after a cut."""
    column = "end" if name == "segment_stats" else "tick"
    return sorted(str(row) for row in rows if ms(row[column]) > tick)


@pytest.fixture(scope="module")
def whole(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    patch = pytest.MonkeyPatch()
    patch.setattr(save_state, "KEPT", 1_000)
    directory = tmp_path_factory.mktemp("state")
    _, rows = run(story, directory)
    yield directory, rows
    patch.undo()


@pytest.mark.parametrize(("hour", "shards"), [(4, 2), (4, 3)])
def test_a_stream_goes_on_from_its_files(
    story: Story, whole: tuple[Path, dict[str, Any]], tmp_path: Path, hour: int, shards: int
) -> None:
    directory, rows = whole
    cut = min(story.signals, key=lambda one: one.time).time // DAY * DAY + hour * HOUR
    assert cut in cuts_in(str(directory))
    before = [TALLY.values().get((name, "track_subscribers"), Summary()) for name in ("ticks", "due")]
    told, again = run(story, kept_until(directory, tmp_path / "state", cut), after=cut, shards=shards)
    calls, due = (TALLY.values()[name, "track_subscribers"] for name in ("ticks", "due"))
    assert calls.times - before[0].times == due.times - before[1].times > 0  # type: ignore[union-attr]
    assert 0 < due.total - before[1].total <= 3 * (due.times - before[1].times)  # type: ignore[union-attr]
    for name, mine in rows.items():
        assert later(again.get(name, []), name, cut) == later(mine, name, cut), name
        assert {*told.get(name, [])} <= {*map(str, mine)}, name
    assert all(later(rows[name], name, cut) for name in ("transitions", "decisions", "segment_stats", "receipts"))


def test_a_stream_goes_on_where_a_bounded_run_ended(
    story: Story, whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    _, rows = whole
    cut = min(story.signals, key=lambda one: one.time).time // DAY * DAY + 4 * HOUR
    _, before = run(story, tmp_path / "state", until=cut)
    assert cuts_in(str(tmp_path / "state")) == [cut]
    told, again = run(story, tmp_path / "state", after=cut, given=cut + AHEAD)
    for name, mine in rows.items():
        assert later(again.get(name, []), name, cut) == later(mine, name, cut), name
        whole_windows = (row for row in before.get(name, []) if name != "segment_stats" or ms(row["end"]) <= cut)
        assert {*told.get(name, []), *map(str, whole_windows)} == {*map(str, mine)}, name
