"""Random tests draw the same cases in every run, so that a red run is about the change that it proves.

A case that fails is told as it was drawn; `pytest --hypothesis-profile=explore` draws others and makes them small.
No test is judged by how long it takes: that is for the benchmarks.
"""

from hypothesis import HealthCheck, Phase, settings

pytest_plugins = ["tests.servers.kafka", "tests.servers.pubsub"]

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
settings.register_profile("same", derandomize=True, phases=(Phase.explicit, Phase.generate))
settings.register_profile("explore", print_blob=True)
settings.load_profile("same")
