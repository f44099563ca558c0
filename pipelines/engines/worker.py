"""A worker of a pool:  python -m pipelines.engines.worker CONTROL_ADDRESS ID."""

import sys

from apache_beam.runners.worker.sdk_worker import SdkHarness

from pipelines.logs import configure_worker


def main() -> None:
    """Work until there is nobody to work for."""
    configure_worker()
    address, worker = sys.argv[1:]
    SdkHarness(address, worker_id=worker, state_cache_size=0, data_buffer_time_limit_ms=-1).run()


if __name__ == "__main__":
    main()
