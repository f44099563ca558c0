"""What `make bench` measures of streams: on Prism, all of one broker in one place."""

from benchmarks.streams.bars import Found
from benchmarks.streams.burst import Burst, burst
from benchmarks.streams.latency import Latency, latency
from benchmarks.streams.live import MAIN, SMALL, live, place
from benchmarks.streams.rate import LEAST, SIZES, SMALL_SIZES, Rate, ramp, rate
from benchmarks.streams.soak import Soak, soak
from pipelines.engines.pubsub import emulator
from schemas.errors import LoadErrors


def streams(soak_minutes: float | None = None) -> list[Found]:
    """Measure the rates of both brokers; latency and a burst at half of what Kafka sustains; a soak if asked for."""
    found: list[Found] = []
    for name, sizes in SIZES.items():
        if name == "pubsub" and (absent := _absent_emulator()):
            print(f"NOT MEASURED with Pub/Sub: {absent}")
            continue
        with place(name, "prism") as (broker, cluster, folder):
            with live(broker, "prism", cluster, folder / "live", MAIN) as warm:
                sustained = ramp(warm)
                if name == "kafka":
                    half = sustained.signals_per_second / 2
                    found += [latency(warm, half), burst(warm, half)]
            found.append(rate(broker, "prism", cluster, folder, sizes, sustained))
    if soak_minutes:
        with (
            place("kafka", "prism") as (broker, cluster, folder),
            live(broker, "prism", cluster, folder / "live", MAIN, cuts=True) as warm,
        ):
            found.append(soak(warm, half, soak_minutes))
    return found


def _absent_emulator() -> str:
    """Return why there is no emulator of Pub/Sub, nothing where it is."""
    try:
        emulator()
    except LoadErrors as error:
        return str(error)
    return ""


def smallest(broker_name: str = "kafka", engine: str = "prism") -> tuple[Rate, Latency, Burst, Soak]:
    """Do all once, as small as it goes."""
    with place(broker_name, engine) as (broker, cluster, folder):
        with live(broker, engine, cluster, folder / "live", SMALL, cuts=True) as warm:
            sustained, few = ramp(warm, most=LEAST, step=1.0), SMALL.warm_rate
            late, short = latency(warm, few, seconds=3.0), burst(warm, few, seconds=0.5, usual_seconds=1.0)
            soaked = soak(warm, few, minutes=1 / 60)
        rates = rate(broker, engine, cluster, folder, SMALL_SIZES, sustained)
    return rates, late, short, soaked
