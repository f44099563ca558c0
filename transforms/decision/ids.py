"""Decision ids: the same decision has the same id in every run, on every engine, for ever."""

from hashlib import blake2b

import polars as pl


def decision_ids(playbook: str, triggers: pl.DataFrame) -> pl.Series:
    """Return the id of each trigger's decision: BLAKE2b-128, 32 hexadecimal digits.

    The hash is over six netstrings (length of the UTF-8 bytes in decimal, `:`, the bytes, `,`) one after the
    other: playbook name, subject kind, subject id, trigger, trigger tick (milliseconds since the epoch, decimal)
    and n. Netstrings keep apart what plain concatenation would confuse.

    Args:
        playbook: The playbook's name.
        triggers: Columns subject_kind, subject, trigger, own_tick (of the trigger, milliseconds) and n: 0 for the
            answer, one more for each wake-up.
    """
    parts = [pl.lit(playbook), *map(pl.col, ("subject_kind", "subject", "trigger", "own_tick", "n"))]
    texts = triggers.select(pl.concat_str(_netstring(part.cast(pl.String)) for part in parts)).to_series()
    return pl.Series(
        "decision_id",
        [blake2b(text, digest_size=16).hexdigest() for text in texts.cast(pl.Binary).to_list()],
        pl.String,
    )


def _netstring(text: pl.Expr) -> pl.Expr:
    return pl.concat_str(text.str.len_bytes().cast(pl.String), pl.lit(":"), text, pl.lit(","))
