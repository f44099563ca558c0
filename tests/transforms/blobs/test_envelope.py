"""What stages keep, in its envelope: what is foreign, torn, of another layout or kind is told, whatever it is."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.playbook_file import parse_playbook
from schemas.versions import Versions
from transforms.blobs import table_blob
from transforms.blobs.envelope import LAYOUT, StateError, pack, seal, unpack, unseal
from transforms.compiler.load import load_plan
from transforms.context.advance_levels import KIND as LEVELS
from transforms.context.advance_levels import advance_levels
from transforms.context.ingest.source_liveness import Feed
from transforms.context.state import shard_state
from transforms.decision import ledger_state as ledgers
from transforms.decision.decide import decide
from transforms.decision.ledgers import Ledgers
from transforms.shell.versions import load_all_offers

BOOK = parse_playbook("""\
playbook: p
signals: [usage]
subscriber:
  features: {n: {count: any, from: usage, window: 5m}}
  moments: {m: {when: n > 0}}
offers:
  o: {for: subscriber.m, family: f, owner: us, value: 1, p_accept: 1, send: app, valid_for: 1d}
""")
PLAN = load_plan(BOOK)
OFFERS = load_all_offers(Versions((BOOK,))).plans[0]
MINUTE = 60_000


def levels(state: bytes) -> bytes:
    """Go on from a state of contexts."""
    return advance_levels([PLAN], state, [], 2 * MINUTE).dump()


def ledger(state: bytes) -> bytes:
    """Go on from a state of decisions."""
    known = Ledgers.load(state)
    known.decide(OFFERS, [], 2 * MINUTE)
    return known.dump()


def feed(state: bytes) -> bytes:
    """Read what is known of a feed."""
    return pack("feed", unpack("feed", state, Feed))


KEPT: dict[Callable[[bytes], bytes], bytes] = {
    levels: advance_levels([PLAN], None, [], MINUTE).dump(),
    ledger: ledgers.dump(decide(OFFERS, None, [], MINUTE).ledger),
    feed: pack("feed", Feed(MINUTE, down=True)),
}
STAGES = pytest.mark.parametrize("go_on", KEPT, ids=lambda one: one.__name__)


@STAGES
def test_a_stage_goes_on_from_what_it_kept(go_on: Callable[[bytes], bytes]) -> None:
    assert unseal(go_on.__name__, go_on(KEPT[go_on]))


@STAGES
@pytest.mark.parametrize("foreign", [b"", b"\x00", b"S1", b"\x93\x01\x90\x90", b"PAR1" * 9, b"{}" * 99])
def test_foreign_bytes_are_told(go_on: Callable[[bytes], bytes], foreign: bytes) -> None:
    with pytest.raises(StateError, match=r"^not a state of Segment of One .*replay"):
        go_on(foreign)


@STAGES
def test_a_torn_state_is_told(go_on: Callable[[bytes], bytes]) -> None:
    whole = KEPT[go_on]
    for size in range(4, len(whole)):
        with pytest.raises(StateError, match=r"^the state is torn: "):
            go_on(whole[:size])
    with pytest.raises(StateError, match="torn"):
        go_on(whole + b"\0")


@STAGES
def test_a_changed_byte_is_told(go_on: Callable[[bytes], bytes]) -> None:
    whole = KEPT[go_on]
    for place in range(len(whole)):
        with pytest.raises(StateError):
            go_on(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


@STAGES
@pytest.mark.parametrize("layout", [1, LAYOUT - 1, LAYOUT + 1, 999])
def test_another_layout_is_told(go_on: Callable[[bytes], bytes], layout: int) -> None:
    other = b"S1ST" + struct.pack("<H", layout) + KEPT[go_on][6:]
    with pytest.raises(StateError, match=f"state has layout {layout}, this release reads {LAYOUT}: run the release"):
        go_on(other)


@STAGES
def test_the_state_of_another_stage_is_told(go_on: Callable[[bytes], bytes]) -> None:
    for other in KEPT.keys() - {go_on}:
        with pytest.raises(StateError, match=f"kind `{other.__name__}`, and `{go_on.__name__}` is read here"):
            go_on(KEPT[other])


@STAGES
def test_a_content_of_another_form_is_told(go_on: Callable[[bytes], bytes]) -> None:
    for content in (b"", b"\x01", b"\xff" * 40, b"\x02\x00\x00\x00{}"):
        with pytest.raises(StateError, match="cannot be read"):
            go_on(seal(go_on.__name__, content))


def test_each_level_has_its_own() -> None:
    inner = shard_state.dump(shard_state.ShardState())
    assert table_blob.load(shard_state.KIND, inner)[1] == {}
    assert {LEVELS, shard_state.KIND, ledgers.KIND, "feed"} == {"levels", "contexts", "ledger", "feed"}


@given(st.text("abcdefghijkl", min_size=1, max_size=12), st.binary())
def test_what_is_sealed_comes_back(kind: str, content: bytes) -> None:
    assert unseal(kind, seal(kind, content)) == content
