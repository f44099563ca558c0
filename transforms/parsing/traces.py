"""W3C trace context: which trace a signal belongs to, for whoever follows it through to an offer."""

import pyarrow as pa
import pyarrow.compute as pc

_FORM = r"^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$"
_NEWER = r"^(?:0[1-9a-f]|[1-9a-e][0-9a-f]|f[0-9a-e])-([0-9a-f]{32}-[0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?$"
_NOTHING = r"-(?:0{32}|[0-9a-f]{32}-0{16})-"


def traces_of(texts: pa.Array) -> pa.Array:
    """Return the texts that are a `traceparent` by https://www.w3.org/TR/trace-context/, null for others.

    One of a version that is newer than ours becomes one of ours, as the W3C says: the same ids, and no flag that we do
    not know.
    """
    newer = pc.replace_substring_regex(texts, _NEWER, r"00-\1-00")
    good = pc.and_not(pc.match_substring_regex(newer, _FORM), pc.match_substring_regex(newer, _NOTHING))
    return pc.if_else(good, newer, pa.scalar(None, pa.string()))
