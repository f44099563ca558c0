"""Random tests draw the same cases in every run, so that a red run is about the change that it proves.

`pytest --hypothesis-profile=explore` draws others each time.
"""

from hypothesis import settings

settings.register_profile("same", derandomize=True)
settings.register_profile("explore", print_blob=True)
settings.load_profile("same")
