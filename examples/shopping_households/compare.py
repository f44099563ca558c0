"""Hold a run's offers beside the campaigns that were really sent, and the coupons that were really redeemed."""

import sys
from datetime import timedelta
from pathlib import Path

import polars as pl

from examples.shopping_households.prepare import table

SOON = timedelta(days=28)


def campaigns() -> pl.DataFrame:
    """Return household, start and end of every campaign sent to a household."""
    sent = table("campaigns").join(table("campaign_descriptions"), on="campaign_id")
    return sent.select("household_id", start=_utc("start_date"), end=_utc("end_date") + timedelta(days=1))


def redemptions() -> pl.DataFrame:
    """Return household and time of every redeemed coupon."""
    return table("coupon_redemptions").select("household_id", redeemed=_utc("redemption_date"))


def offers_of(out_dir: Path) -> pl.DataFrame:
    """Return household, tick and offer of every offer of a run."""
    offers = pl.read_parquet(out_dir / "decisions.parquet").filter(pl.col("action") == "offer")
    household = pl.col("subject").str.strip_prefix("household-").cast(pl.Int64)
    return offers.select("offer", "tick", household_id=household)


def compare(moments: pl.DataFrame) -> pl.DataFrame:
    """Return for each kind of moment: how many, of how many households, and what really happened around them.

    `in_campaign` is the share that falls into a campaign sent to that household, `redeemed` the share after which the
    household redeemed a coupon within 28 days.
    """
    numbered = moments.with_row_index("n")
    inside = _numbers(numbered, campaigns(), pl.col("tick").is_between("start", "end", closed="left"))
    answered = _numbers(numbered, redemptions(), pl.col("redeemed").is_between("tick", pl.col("tick") + SOON))
    return (
        numbered.group_by("offer")
        .agg(
            offers=pl.len(),
            households=pl.col("household_id").n_unique(),
            in_campaign=pl.col("n").is_in(inside.implode()).mean(),
            redeemed=pl.col("n").is_in(answered.implode()).mean(),
        )
        .sort("offer")
    )


def every_tenth_day() -> pl.DataFrame:
    """Return a moment on every tenth day of every household: what chance alone gives."""
    lines = table("transactions").select("household_id", tick=_utc("transaction_timestamp"))
    days = pl.datetime_range(lines["tick"].min(), lines["tick"].max(), "10d", eager=True).alias("tick")
    return (
        lines.select("household_id").unique().join(days.to_frame(), how="cross").with_columns(offer=pl.lit("(any day)"))
    )


def main(out_dir: Path) -> None:
    """Print the comparison."""
    chance = compare(every_tenth_day())
    found = pl.concat([compare(offers_of(out_dir)), chance])
    print(f"{'':16}{'offers':>8}{'households':>12}{'in campaign':>13}{'redeemed':>10}")
    for offer, offers, households, in_campaign, redeemed in found.iter_rows():
        print(f"{offer:16}{offers:8,}{households:12,}{in_campaign:13.1%}{redeemed:10.1%}")


def _utc(column: str) -> pl.Expr:
    return pl.col(column).dt.cast_time_unit("ms").dt.replace_time_zone("UTC")


def _numbers(moments: pl.DataFrame, facts: pl.DataFrame, holds: pl.Expr) -> pl.Series:
    """Return the numbers of the moments for which a fact about the household holds."""
    return moments.join(facts, on="household_id").filter(holds)["n"].unique()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
