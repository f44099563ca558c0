"""What people in the simulated town do with their lines."""

from dataclasses import dataclass


@dataclass(frozen=True)
class App:
    """An application: how often it is chosen, the median MB of a session, and the share that goes up."""

    name: str
    weight: float
    mb: float
    up: float


@dataclass(frozen=True)
class Stream:
    """One habit that makes usage signals.

    Attributes:
        name: What the town calls it; its position in STREAMS seeds its random numbers.
        kind: `data`, `voice` or `sms`.
        rhythm: At which hours: a name of `calendar.RHYTHMS`.
        network: `mobile` or `fixed`; mobile data counts against the bucket.
        apps: What data sessions run.
        circle: How many different peers a person has in it.
        business: Whether the peers are businesses.
    """

    name: str
    kind: str
    rhythm: str
    network: str = "mobile"
    apps: tuple[App, ...] = ()
    circle: int = 0
    business: bool = False


STREAMS = (
    Stream(
        "leisure",
        "data",
        "leisure",
        apps=(
            App("social", 30, 8, 0.12),
            App("messenger", 24, 1, 0.4),
            App("browser", 20, 4, 0.08),
            App("video", 12, 60, 0.02),
            App("music", 8, 10, 0.02),
            App("games", 4, 8, 0.1),
            App("maps", 2, 3, 0.05),
        ),
    ),
    Stream(
        "work",
        "data",
        "office",
        network="fixed",
        apps=(App("conference", 40, 350, 0.45), App("vpn", 40, 80, 0.4), App("office", 20, 25, 0.5)),
    ),
    Stream("study", "data", "evening", network="fixed", apps=(App("vpn", 60, 40, 0.2), App("office", 40, 10, 0.3))),
    Stream(
        "shop",
        "data",
        "shop",
        apps=(App("payment_terminal", 70, 0.2, 0.5), App("seller", 20, 6, 0.5), App("ads_manager", 10, 9, 0.4)),
    ),
    Stream(
        "company", "data", "office", apps=(App("mail", 50, 3, 0.3), App("crm", 30, 5, 0.2), App("maps", 20, 3, 0.05))
    ),
    Stream("private_call", "voice", "evening", circle=12),
    Stream("business_call", "voice", "office", circle=40, business=True),
    Stream("text", "sms", "leisure", circle=12),
)

APPS = tuple(sorted({app.name for stream in STREAMS for app in stream.apps}))
