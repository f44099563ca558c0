"""Arrow schemas of the records that a run writes, apart from the columns a playbook adds."""

import pyarrow as pa

INSTANT = pa.timestamp("ms", tz="UTC")

REJECTED = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),  # the file, or the producer where only that is known
        pa.field("position", pa.string(), nullable=False),  # where in it: line, row, block or signal id
        pa.field("stage", pa.string(), nullable=False),  # the transform that refused it
        pa.field("reason", pa.string(), nullable=False),  # a lower_snake code
        pa.field("message", pa.string(), nullable=False),  # what is wrong and what to do
        pa.field("payload", pa.binary()),  # as it came; null where it is too long to keep
        pa.field("payload_hash", pa.string(), nullable=False),  # BLAKE2b-128, hex
        pa.field("payload_length", pa.int64(), nullable=False),  # bytes
        pa.field("records", pa.int64()),  # that it stands for: 1, more of a lost part; null where nobody can know
        pa.field("attempt", pa.int64(), nullable=False),  # 1 at the first try
    ]
)
"""One dead letter a row: where, why, for how many records, how often tried, the payload or its hash and length."""

TRANSITION = pa.schema(
    [
        pa.field("subject_kind", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("tick", INSTANT, nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # segment | moment
        pa.field("name", pa.string(), nullable=False),
        pa.field("event", pa.string(), nullable=False),  # entered | refreshed | exited | fired
        pa.field(
            "reason", pa.string()
        ),  # of an exit: consent_withdrawn | condition_false | expired | superseded | erased; definition_changed
        pa.field("late", pa.bool_(), nullable=False),
        pa.field("evidence", pa.string()),  # JSON: the values that the deciding condition read; null of `expired`
    ]
)
"""One change of a membership, or one moment, a row."""

FACT = pa.schema(
    [
        pa.field("root_kind", pa.string(), nullable=False),  # the contact root that is told
        pa.field("root", pa.string(), nullable=False),
        pa.field("subject_kind", pa.string(), nullable=False),  # whose membership
        pa.field("subject", pa.string(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),  # LEVEL.SEGMENT, or LEVEL and TOO_LARGE or MOVED
        pa.field("member", pa.bool_(), nullable=False),  # from this tick on
        pa.field("tick", pa.int64(), nullable=False),  # milliseconds
    ],
    metadata={b"signal": b"fact"},
)
"""What a contact root is told of one membership in a segment, a row; it travels from contexts to decisions."""

NOTICE = pa.schema(
    [
        pa.field("root_kind", pa.string(), nullable=False),  # the contact root that is told; EVERYBODY: all are
        pa.field("root", pa.string(), nullable=False),
        pa.field("subject_kind", pa.string(), nullable=False),  # whom the signal is about
        pa.field("subject", pa.string(), nullable=False),
        pa.field("tick", pa.int64(), nullable=False),  # milliseconds: it acts from then on
        pa.field("time", pa.int64(), nullable=False),  # of the signal, as its source and id
        pa.field("source", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
    ],
    metadata={b"signal": b"notice"},
)
"""What a contact root is told of one signal that the policy reads, a row; columns of its payload follow."""

AGAIN = b"again"
"""In the metadata of notices: other contact roots were told, or would have been before a move: they may know more."""

EVERYBODY = "*"
"""Whom a `control` is about that holds for all; stands for kind and id of a contact root, too."""

TOO_LARGE = "@too_large"
"""Stands for a segment where a household or an SME is told that it has more than `max_members`."""

MOVED = "@moved"
"""Stands for a segment where a contact root is told that a subscriber has another one from this tick on."""

ERASED = pa.schema(
    [
        pa.field("root_kind", pa.string(), nullable=False),  # whom it erases, as a contact root
        pa.field("root", pa.string(), nullable=False),
        pa.field("subject_kind", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("token", pa.string(), nullable=False),  # the subject's salted hash
        pa.field("source", pa.string(), nullable=False),  # of the erasure, as its id
        pa.field("id", pa.string(), nullable=False),
        pa.field("tick", pa.int64(), nullable=False),  # milliseconds
    ],
    metadata={b"signal": b"erasure"},
)
"""One erasure a row; it travels from contexts to decisions."""

REMOVED = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),  # of the erasure, as its id
        pa.field("id", pa.string(), nullable=False),
        pa.field("subject_kind", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),  # its salted hash
        pa.field("tick", pa.int64(), nullable=False),  # milliseconds
        pa.field("table", pa.string()),  # what rows are of; null where the shard looked and may have found none
        pa.field("rows", pa.int64(), nullable=False),
    ]
)
"""What one shard of a stage removed for one erasure from one table, a row; these add up to receipts."""

RECEIPT = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),  # of the erasure, as its id
        pa.field("id", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),  # track_subscribers | track_groups | decide_offers
        pa.field("subject_kind", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),  # its salted hash
        pa.field("tick", INSTANT, nullable=False),  # from which on nothing of it is left
        # how many rows of what: features, ids, memberships, moments, sequences, fading, identity, notices (what a
        # new contact root would be told), waiting (signals of later ticks), reservations, names (in reservations that
        # still count for others), numbers (of the last record of a contact root)
        pa.field("removed", pa.list_(pa.struct([("table", pa.string()), ("rows", pa.int64())])), nullable=False),
        pa.field("outputs", pa.list_(pa.string()), nullable=False),  # of the stage, written before, in which it may be
    ]
)
"""What one stage did about one erasure, a row."""

SEGMENT_STATS = pa.schema(
    [
        pa.field("subject_kind", pa.string(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),
        pa.field("words", pa.string(), nullable=False),  # what it means
        pa.field("window", pa.string(), nullable=False),  # hour | day
        pa.field("end", INSTANT, nullable=False),  # the window has the ticks in (end - window, end]
        pa.field("size", pa.int64(), nullable=False),  # members at the end
        pa.field("base", pa.int64(), nullable=False),  # known subjects at the end
        pa.field("share", pa.float64()),  # size / base
        pa.field("entered", pa.int64(), nullable=False),
        pa.field("exited", pa.int64(), nullable=False),
        pa.field("dwell_median", pa.int64()),  # milliseconds, of memberships that ended in the window
        pa.field("dwell_mean", pa.int64()),  # milliseconds
        pa.field("overlap", pa.list_(pa.struct([("segment", pa.string()), ("members", pa.int64())])), nullable=False),
        pa.field("drift", pa.float64()),  # change of the share since the end of the window before
    ]
)
"""One segment in one window of event time a row."""

SEGMENT_PROFILE = pa.schema(
    [
        pa.field("subject_kind", pa.string(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),
        pa.field("end", INSTANT, nullable=False),  # of the day
        pa.field("feature", pa.string(), nullable=False),
        pa.field("value", pa.string()),  # of a text or a boolean; null for a number
        pa.field("words", pa.string(), nullable=False),  # what it measures; `{}` stands for the value
        pa.field("members_n", pa.int64(), nullable=False),  # members who have the feature
        pa.field("members_mean", pa.float64()),  # its mean, or the share of the value
        pa.field("members_sd", pa.float64()),
        pa.field("others_n", pa.int64(), nullable=False),  # others who are known and have the feature
        pa.field("others_mean", pa.float64()),
        pa.field("others_sd", pa.float64()),
        pa.field("effect", pa.float64()),  # members against others, in standard deviations: Cohen's d, of shares h
        pa.field("low", pa.float64()),  # of the 95 % interval of the effect
        pa.field("high", pa.float64()),
        pa.field("drift", pa.float64()),  # members against those of the day before, likewise
    ]
)
"""How the members of one segment differ from the others in one feature, or one value of it, a row."""

ALERT = pa.schema(
    [
        pa.field("subject_kind", pa.string(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),
        pa.field("end", INSTANT, nullable=False),  # of the day, UTC
        pa.field("size", pa.int64(), nullable=False),
        pa.field("base", pa.int64(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),
        pa.field("least", pa.float64(), nullable=False),  # of the share that the playbook expects
        pa.field("most", pa.float64(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
    ]
)
"""One day on which a segment is larger or smaller than expected a row."""

OPERATION = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),  # the same, however often it is told
        pa.field("kind", pa.string(), nullable=False),  # offers_held | rejects_flood
        pa.field("source", pa.string(), nullable=False),  # what it is about: /segment-of-one/PLAYBOOK
        pa.field("stage", pa.string(), nullable=False),  # the transform that tells it
        pa.field("time", INSTANT, nullable=False),  # event time at which it began
        pa.field("count", pa.int64(), nullable=False),  # of what is too much, at that time
        pa.field("most", pa.int64(), nullable=False),  # what would not have been too much
        pa.field("message", pa.string(), nullable=False),  # what is wrong and what to do
    ]
)
"""One thing about a stream that its operator should look at a row."""
