"""Estimates of a changed policy hold what they promise: in the simulator, whose truth is known."""

from functools import cache

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.estimate_choices import choices, earned, recorded_scope
from pipelines.off_policy import Estimate, Floats, Logged, gain, ips, on_policy, snips
from pipelines.simulation.acceptance import acceptance_of, chances
from pipelines.simulation.answers import CHANNELS, answers_to
from schemas.durations import DAY, HOUR
from schemas.playbook_file import parse_playbook
from tests.transforms.decision.reference_policy import draw
from transforms.arrays.arrow_columns import replaced
from transforms.compiler.offer_definitions import OfferPlan
from transforms.compiler.offer_plan import load_offers
from transforms.decision.decide import decide

SEEDS, SIZE = 100, 1_500
NINE = 1_772_442_000_000  # 2026-03-02T09:00:00Z
PLAYBOOK = """
playbook: town
tick: 1m
signals: [balance]
subscriber:
  features: {left_mb: {last: remaining_mb, from: balance}}
  moments: {running_out: {when: left_mb < 500}}
offers:
  topup_5gb: {for: subscriber.running_out, family: data, owner: us, value: 4, cost: 0.02, p_accept: 0.3, send: app,
              valid_for: 6h}
  day_pass: {for: subscriber.running_out, family: data, owner: us, value: 9, cost: 0.02, p_accept: 0.1, send: app,
             valid_for: 6h}
  fibre: {for: subscriber.running_out, family: plans, owner: us, value: 30, p_accept: 0.01, send: app, valid_for: 6h}
policy: {explore: {data: 40%}}
holdouts: {global: {share: 5%}}
"""
CHANGED = PLAYBOOK.replace("p_accept: 0.1,", '"p_accept": "CASE WHEN left_mb < 100 THEN 0.2 ELSE 0.1 END",')
EAGER = {50.0: 0.8, 300.0: 0.2}
"""How many are eager of those who have so much left; each of them is half of all."""


def _value(offer: str, left: float) -> float:
    """Return what an offer truly earns: what the town says of acceptance, and that the app reaches not all."""
    truth = acceptance_of().filter(offer=offer, trait="eager").select("has_trait", "p_accept").rows()
    accepted = sum(p * (EAGER[left] if has else 1 - EAGER[left]) for has, p in truth)
    return (1 - CHANNELS["app"].fails) * accepted * {"topup_5gb": 4, "day_pass": 9}[offer] - 0.02


TRUTH_A = {offer: (_value(offer, 50.0) + _value(offer, 300.0)) / 2 for offer in ("topup_5gb", "day_pass")}
TRUE_A = 0.8 * TRUTH_A["topup_5gb"] + 0.2 * TRUTH_A["day_pass"]
TRUE_B = (_value("day_pass", 50.0) + _value("topup_5gb", 300.0)) / 2


def _plan(text: str) -> OfferPlan:
    return load_offers(parse_playbook(text))


def _people() -> pl.DataFrame:
    """Return subject, seed, left, eager: drawn anew for each seed."""
    chance = np.random.default_rng(48)
    size = SEEDS * SIZE
    left = chance.choice([*EAGER], size)
    eager = chance.random(size) < np.where(left < 100, EAGER[50.0], EAGER[300.0])
    seed = np.arange(size) // SIZE
    names = [f"sim-s{number:07d}" for number in range(size)]
    return pl.DataFrame({"subject": names, "seed": seed, "left": left, "eager": eager})


def _triggers(plan: OfferPlan, people: pl.DataFrame) -> pa.RecordBatch:
    size = len(people)
    names, left = people["subject"].to_list(), pa.array(people["left"].to_list())
    known = {"subject": names, "recipient": names, "root": names}
    known |= {"trigger": pa.repeat("subscriber.running_out", size), "tick": pa.repeat(NINE, size)}
    known |= {"late": pa.repeat(False, size), "root_kind": pa.repeat("subscriber", size)}
    known |= {name: pa.StructArray.from_arrays([left], ["left_mb"]) for name in ("context", "evidence")}
    known |= {"segments": pa.array([[]] * size, pa.list_(pa.string()))}
    columns = [
        pa.array(known[one.name]).cast(one.type) if one.name in known else pa.nulls(size, one.type)
        for one in plan.triggers
    ]
    schema = plan.triggers.with_metadata({b"signal": b"trigger", b"subject_kind": b"subscriber"})
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@cache
def _decided() -> tuple[pl.DataFrame, pa.Table]:
    people = _people()
    plan = _plan(PLAYBOOK)
    made = decide(plan, None, [_triggers(plan, people)], NINE).decisions
    return people, replaced(made, "tick", made["tick"].cast(pa.int64()))


def _accepted(people: pl.DataFrame, sent: pa.Table) -> pl.Series:
    """Return whether the town's people accept what they are sent."""
    offers = pl.DataFrame({name: sent[name].to_pylist() for name in ("decision_id", "recipient", "offer", "channel")})
    lines = {"family": pl.lit("data"), "message": pl.lit("marketing"), "tick": pl.lit(NINE)}
    offers = offers.with_columns(**lines, valid_until=NINE + 6 * HOUR, withdrawn=pl.lit(None, pl.Int64))
    since = pl.from_epoch(pl.lit(NINE - DAY), "ms")
    traits = people.filter("eager").select(
        subscriber="subject", trait=pl.lit("eager"), trait_from=since, trait_until=pl.lit(None, pl.Datetime("ms"))
    )
    asked = offers.select("offer", "recipient", tick=pl.from_epoch("tick", "ms"))
    found = answers_to(offers, chances(asked, traits, acceptance_of()), 1, NINE + 30 * DAY)["outcome"]
    accepts = found.filter(result="accepted")["decision_id"].implode()
    return offers.select(pl.col("decision_id").is_in(accepts)).to_series()


@cache
def _estimates() -> list[dict[str, Estimate]]:
    people, decisions = _decided()
    sent = decisions.filter(pc.equal(decisions["action"], "offer"))
    old, new = _plan(PLAYBOOK), _plan(CHANGED)
    chosen = choices(old, new, sent)
    assert (chosen["chance"] > 0).all()
    rewards = earned(old, sent["offer"].to_pylist(), _accepted(people, sent), recorded_scope(old, sent))
    same = chosen["offer"] == pl.Series(sent["offer"].to_pylist())
    weights = np.where(same.to_numpy(), 1 / sent["propensity"].to_numpy(), 0.0)
    who = pl.DataFrame({"subject": sent["subject"].to_pylist()})
    seeds = who.join(people.select("subject", "seed"), on="subject", how="left", maintain_order="left")["seed"]
    found = []
    for seed in range(SEEDS):
        rows = np.flatnonzero(seeds.to_numpy() == seed)
        logged = Logged(rewards[rows], weights[rows], rows, np.zeros(len(rows), np.bool_))
        estimates = {"a": on_policy(logged), "ips": ips(logged), "snips": snips(logged), "gain": gain(logged)}
        found.append(estimates)
    return found


@pytest.mark.parametrize(
    ("name", "truth"), [("a", TRUE_A), ("ips", TRUE_B), ("snips", TRUE_B), ("gain", TRUE_B - TRUE_A)]
)
def test_the_truth_lies_within_the_interval_of_nine_seeds_in_ten(name: str, truth: float) -> None:
    intervals = [each[name].interval for each in _estimates()]
    inside = sum(low <= truth <= high for low, high in intervals)
    assert 90 <= inside < SEEDS, "an interval that always holds the truth is too wide"
    values = [each[name].value for each in _estimates()]
    assert np.mean(values) == pytest.approx(truth, abs=3 * np.std(values) / np.sqrt(SEEDS)), "it is not biased"


def test_what_was_earned_is_no_estimate_of_the_changed_policy() -> None:
    assert TRUE_B - TRUE_A > 0.05
    assert sum(low <= TRUE_B <= high for low, high in (each["a"].interval for each in _estimates())) < 80


def test_what_is_held_out_is_exactly_what_the_hash_says() -> None:
    people, decisions = _decided()
    held = decisions.filter(pc.equal(decisions["action"], "holdout"))
    few = people["subject"].head(20_000).to_list()
    drawn = {name for name in few if draw("holdout", "global", "subscriber", name) < 0.05}
    assert {*held["subject"].to_pylist()} & {*few} == drawn
    assert len(held) / len(decisions) == pytest.approx(0.05, abs=0.002)
    assert held["propensity"].null_count == 0


def _log(rewards: list[float], weights: list[float], clusters: list[int] | None = None) -> Logged:
    size = len(rewards)
    own = np.arange(size) if clusters is None else np.array(clusters)
    return Logged(np.array(rewards), np.array(weights), own, np.zeros(size, np.bool_))


def test_by_hand() -> None:
    logged = _log([1.0, 0.0, 2.0, 0.0], [2.0, 2.0, 0.0, 0.0])
    terms: Floats = np.array([2.0, 0.0, 0.0, 0.0])
    assert (on_policy(logged).value, ips(logged).value, snips(logged).value, gain(logged).value) == (
        0.75,
        0.5,
        0.5,
        -0.25,
    )
    assert ips(logged).error == pytest.approx(np.std(terms, ddof=1) / 2)
    assert on_policy(logged).error == pytest.approx(np.std([1, 0, 2, 0], ddof=1) / 2)
    assert snips(logged).error == pytest.approx(np.sqrt(2 * (2 * 0.5) ** 2 / 4 * 4 / 3 / 4))
    assert logged.effective == 2


def test_a_constant_moves_snips_by_itself_and_copies_tell_nothing_more() -> None:
    logged, moved = _log([1.0, 0.0, 3.0], [2.0, 1.5, 1.0]), _log([11.0, 10.0, 13.0], [2.0, 1.5, 1.0])
    assert snips(moved).value == pytest.approx(snips(logged).value + 10)
    assert snips(moved).error == pytest.approx(snips(logged).error)
    twice = _log([1.0, 0.0, 3.0] * 2, [2.0, 1.5, 1.0] * 2, [0, 1, 2] * 2)
    assert snips(twice).error == pytest.approx(snips(logged).error)


def test_what_sends_nothing_earns_nothing_for_sure() -> None:
    rewards, weights = np.array([1.0, 1.0]), np.array([1.0, 1.0])
    logged = Logged(rewards, weights, np.arange(2), np.array([True, False]))
    assert (on_policy(logged).value, ips(logged).value, snips(logged).value) == (1.0, 0.5, 0.5)


def test_too_little_is_told() -> None:
    with pytest.raises(ValueError, match="not empty"):
        _log([], [])
    alone = _log([1.0], [0.0])
    assert np.isnan(snips(alone).value)
    assert alone.effective == 0
    assert snips(alone).record() == {"value": None, "error": None, "low": None, "high": None}
