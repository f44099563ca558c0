"""What the simulated town's people would say to offers, in truth: by offer and by what is true of them."""

import polars as pl

from pipelines.simulation.arrays import INSTANT

ANY_OTHER = "*"
"""Stands for every offer that is not listed."""

ACCEPTANCE: tuple[tuple[str, str | None, float, float, float], ...] = (
    ("topup_5gb", "eager", 0.45, 0.08, 0.15),
    ("day_pass", "eager", 0.25, 0.05, 0.15),
    ("fibre", "fibre_curious", 0.30, 0.02, 0.20),
    ("roaming_pack", "travelling", 0.35, 0.01, 0.10),
    ("sorry_for_drops", "leaving", 0.20, 0.60, 0.05),
    ("care_call", "leaving", 0.25, 0.50, 0.20),
    ("finish_order", "eager", 0.40, 0.20, 0.10),
    ("renew", "leaving", 0.02, 0.25, 0.20),
    ("home_office", "homeworker", 0.12, 0.01, 0.25),
    ("micro_pos", "nanobusiness", 0.10, 0.01, 0.25),
    ("add_lines", "growing", 0.20, 0.02, 0.20),
    (ANY_OTHER, None, 0.05, 0.05, 0.20),
)
"""Offer; the trait that matters to it; how many accept it who have the trait, and who have not; how many reject it."""


def acceptance_of() -> pl.DataFrame:
    """Return the truth about offers, a row for those who have the trait that matters and one for those who have not.

    Columns: offer (`*`: any other), trait (a name in `traits`; null for none), has_trait, p_accept and p_reject: of
    those whom the offer reaches. What is neither accepted nor rejected is ignored.
    """
    rows = [
        (offer, trait, has, p_with if has else p_without, p_reject)
        for offer, trait, p_with, p_without, p_reject in ACCEPTANCE
        for has in ((True, False) if trait else (False,))
    ]
    names = {"offer": pl.String, "trait": pl.String, "has_trait": pl.Boolean}
    return pl.DataFrame(rows, schema=names | {"p_accept": pl.Float64, "p_reject": pl.Float64}, orient="row")


def traits_of(subscribers: pl.DataFrame, smes: pl.DataFrame, eager: pl.DataFrame) -> pl.DataFrame:
    """Return who has which trait, from `trait_from` until `trait_until` (null: for ever).

    Traits: `eager` tops up an empty bucket unasked; `growing` has a line in a company that grows; `homeworker`,
    `nanobusiness`, `fibre_curious`, `leaving`, `travelling` as in the tables of people.

    Args:
        subscribers: The truth about them.
        smes: The truth about companies.
        eager: Columns subscriber and eager.
    """
    told = subscribers.join(smes.select("sme", "growing_from"), on="sme", how="left")
    told = told.join(eager.filter("eager"), on="subscriber", how="left")
    told = told.with_columns(eager_from=pl.when("eager").then("joined_from"))
    frames = []
    for trait in sorted({trait for _, trait, *_ in ACCEPTANCE if trait}):
        end = pl.col(f"{trait}_until") if f"{trait}_until" in told.columns else pl.lit(None)
        since = pl.col(f"{trait}_from")
        columns = {"trait": pl.lit(trait), "trait_from": since, "trait_until": end.cast(INSTANT)}
        frames.append(told.filter(since.is_not_null()).select("subscriber", **columns))
    return pl.concat(frames).sort("trait", "subscriber")


def chances(offers: pl.DataFrame, traits: pl.DataFrame, acceptance: pl.DataFrame) -> pl.DataFrame:
    """Return of each offer how likely it is accepted, and rejected, by whom it reaches.

    Args:
        offers: Columns offer, recipient, tick.
        traits: What `traits_of` gives.
        acceptance: What `acceptance_of` gives.

    Returns:
        Columns p_accept, p_reject, in the order of the offers.
    """
    known = pl.col("offer").is_in(acceptance["offer"].implode())
    asked = offers.select("recipient", "tick", offer=pl.when(known).then("offer").otherwise(pl.lit(ANY_OTHER)))
    matters = acceptance.select("offer", "trait").unique("offer")
    asked = asked.with_row_index("row").join(matters, on="offer", how="left", maintain_order="left")
    had = asked.join(traits, left_on=["recipient", "trait"], right_on=["subscriber", "trait"])
    had = had.filter(pl.col("trait_from") <= pl.col("tick"))
    had = had.filter((pl.col("tick") < pl.col("trait_until")).fill_null(True))
    asked = asked.with_columns(has_trait=pl.col("row").is_in(had["row"].implode()))
    found = asked.join(acceptance, on=["offer", "has_trait"], how="left", maintain_order="left")
    return found.select("p_accept", "p_reject")
