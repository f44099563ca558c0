"""Story files: what they may say, and that each mistake is told with its line."""

import json
from pathlib import Path

import pytest

from pipelines.contracts import schema_text
from pipelines.stories.bounded import play_bounded
from pipelines.stories.reading import find_stories, read_story
from pipelines.stories.story import Signal
from pipelines.stories.told import differences
from schemas.contracts import ENVELOPE
from schemas.errors import LoadErrors
from tests.pipelines.stories.conftest import WriteStory

TEN = 1_767_607_200_000  # 2026-01-05T10:00Z


def test_signals_get_what_is_left_out(write_story: WriteStory) -> None:
    anna, ben = read_story(write_story()).signals
    assert anna == Signal("usage", "n0", "net", TEN + 20_000, "subscriber", "anna", {"mb": 100})
    assert ben.id == "n1"


SHOP = """
playbook:
  playbook: shop
  signals: [usage, contact]
  subscriber:
    features: {n: {count: any, from: usage, window: 1m}}
    moments: {burst: {when: n > 0}}
events:
  - signals:
      - {contact: bob, at: 11:00, channel: app, state: seen, decision_id: NAME}
  - watermark: 12:00
  - expect: {decisions: []}
"""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ('"10:00 bob, burst"', "280894655ce22b4072f80eec51551d86"),
        ('"2026-01-05 10:00 bob, burst"', "280894655ce22b4072f80eec51551d86"),
        ('"10:00 bob, burst, woken 1"', "d4ab8cc5c27899282a5864aa8c368f4a"),
        ("d1", "d1"),
    ],
)
def test_decisions_are_named_by_what_they_answer(tmp_path: Path, name: str, found: str) -> None:
    (path := tmp_path / "story.yaml").write_text(SHOP.replace("NAME", name))
    assert [one.payload["decision_id"] for one in read_story(path).signals] == [found]


def test_a_decision_about_nothing_is_a_mistake(tmp_path: Path) -> None:
    (path := tmp_path / "story.yaml").write_text(SHOP.replace("NAME", '"10:00 bob, bursts"'))
    with pytest.raises(LoadErrors, match="no segment or moment `bursts`; did you mean `burst`"):
        read_story(path)


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("10:00", TEN),
        ("10:00:20", TEN + 20_000),
        ("10:00:20.001", TEN + 20_001),
        ("2026-01-06 10:00", TEN + 86_400_000),
        ("2026-01-05 10:00:20", TEN + 20_000),
        ("2026-01-05T10:00:20Z", TEN + 20_000),
    ],
)
def test_times(write_story: WriteStory, written: str, time: int) -> None:
    assert read_story(write_story("10:00:20", written)).signals[0].time == time


def test_instants_of_the_payload_are_written_as_times(write_story: WriteStory) -> None:
    path = write_story("{usage: anna, at: 10:00:20, mb: 100}", "{balance: anna, at: 10:00, valid_until: 10:00:20}")
    assert read_story(path).signals[0].payload == {"valid_until": TEN + 20_000}


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("story: Anna", "stroy: Anna", 1, "`stroy`: unknown key"),
        ("playbook: playbook.yaml", "playbook: 5", 2, "`playbook`: must be a file beside the story, or a playbook"),
        ("playbook: playbook.yaml", "playbook: nowhere.yaml", 2, "`playbook`: there is no file "),
        ("- watermark: 11:00", "- watermark: soon", 7, "`soon` is no time"),
        ("- watermark: 11:00", "- watermark: 11:00+01:00", 7, "`11:00+01:00` is no time"),
        ("- watermark: 11:00", "- watermark: 2026-02-30 11:00", 7, "`2026-02-30 11:00` is no time"),
        ("- watermark: 11:00", "- watermark: 11:00\n  - watermark: 10:00", 8, "the `watermark` goes back"),
        ("[10:01 anna has burst]", "[anna has burst]", 9, "`anna has burst` does not begin with a time"),
        ("usage: anna", "usage: 4917", 5, "`usage`: `4917` is not a text"),
        ("mb: 100", "mb: 100, id: 7", 5, "`id`: `7` is not a text"),
        ("mb: 100", "mb: 100, subject_kind: true", 5, "`subject_kind`: `True` is not a text"),
        ("- watermark: 11:00", "- {}", 7, "an event is one of `signals`, `watermark`, `expect`"),
        ("- watermark: 11:00", "- signals: []", 3, "no `watermark` moves"),
        ("at: 10:00:20", "art: 10:00:20", 5, "`None` is no time"),
        ("usage: anna", "usgae: anna", 5, "starts with `usgae`, which is no signal type"),
        ("usage: anna", "ticket: anna", 5, "starts with `ticket`, which is no signal type that the playbook reads"),
        ("{usage: anna, at: 10:00:20, mb: 100}", "{}", 5, "starts with ``"),
        ("mb: 100", "md: 100", 5, "usage has no field `md`"),
        ("mb: 100", "mb: much", 5, "`mb`: `much` is not double"),
        ("mb: 100", "mb: true", 5, "`mb`: `True` is not double"),
        ("transitions: [", "transition: [", 9, "unknown key"),
        ("applied: 2", "aplied: 2", 13, "`events.2.expect.counts.aplied`: must be 'applied'"),
        ("story: Anna", "engines: [cores]\nstory: Anna", 1, "must be 'core', 'bounded' or 'stream', not `cores`"),
    ],
)
def test_mistakes_are_told_with_their_line(
    write_story: WriteStory, old: str, new: str, line: int, message: str
) -> None:
    path = write_story(old, new)
    with pytest.raises(LoadErrors) as told:
        read_story(path)
    assert any(error.line == line and message in error.message for error in told.value.errors), told.value


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("  - signals: []\n  - expect: {offers: []}\n", "no `watermark` moves after the last `signals`"),
        ("  - watermark: 12:00\n", "no `expect` comes after it"),
    ],
)
def test_what_would_go_unheard_is_a_mistake(write_story: WriteStory, event: str, message: str) -> None:
    path = write_story()
    path.write_text(path.read_text() + event)
    with pytest.raises(LoadErrors, match=message):
        read_story(path)


@pytest.mark.parametrize("written", ["10:01", "10:01:00", "2026-01-05 10:01", "2026-01-05T10:01:00.000Z"])
def test_times_of_sentences_may_be_written_in_full(write_story: WriteStory, written: str) -> None:
    ((expect, _),) = read_story(write_story("[10:01 anna has burst]", f'["{written} anna has burst"]')).expects
    assert expect.sentences["transitions"] == ("10:01 anna has burst",)


def test_others_may_be_told_too(write_story: WriteStory) -> None:
    ((expect, _),) = read_story(write_story("[10:01 anna has burst]", "[10:01 anna has burst, ...]")).expects
    assert (expect.sentences["transitions"], expect.at_least) == (("10:01 anna has burst",), {"transitions"})


def test_nobody_is_no_customer_named_none(write_story: WriteStory) -> None:
    assert read_story(write_story("usage: anna", "usage: null")).signals[0].subject is None


def test_mistakes_of_a_playbook_within_a_story_have_its_lines(write_story: WriteStory) -> None:
    inline = "playbook:\n  signals: [usage]\n  subscriber:\n    features: {mb: {sum: mb, from: usege}}"
    with pytest.raises(LoadErrors, match=r"burst.yaml:5: .*usege"):
        read_story(write_story("playbook: playbook.yaml", inline))


def test_a_playbook_within_a_story_finds_its_contracts_beside_it(tmp_path: Path) -> None:
    envelope = json.loads(schema_text("usage"))["fields"][: len(ENVELOPE)]
    meter = {"type": "record", "name": "meter", "fields": [*envelope, {"name": "kwh", "type": "double"}]}
    (tmp_path / "meter.avsc").write_text(json.dumps(meter))
    (tmp_path / "story.yaml").write_text(
        """\
playbook:
  signals: [{meter: meter.avsc}]
  subscriber:
    features: {kwh: {sum: kwh, from: meter, window: 1h}}
    moments: {much: {when: kwh > 5}}
events:
  - signals: [{meter: anna, at: 10:00, kwh: 6}]
  - watermark: 10:30
  - expect: {transitions: [10:01 anna has much]}
"""
    )
    ((told, expects),) = play_bounded(read_story(tmp_path / "story.yaml"))
    assert differences(told, expects) == []


def test_files_that_are_no_stories_are_named(write_story: WriteStory, tmp_path: Path) -> None:
    path = write_story()
    assert find_stories(tmp_path) == ([path], [tmp_path / "playbook.yaml"])
    assert find_stories(path) == ([path], [])


def test_a_folder_without_stories_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LoadErrors, match="holds no story"):
        find_stories(tmp_path)
