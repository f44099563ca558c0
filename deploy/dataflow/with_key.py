"""Becomes another program, with the key of pseudonyms in its environment: `with_key.py PROGRAM [ARGUMENT ...]`.

Dataflow has no way to give workers a secret: they fetch it, by the name in SEGONE_PSEUDONYM_KEY_SECRET, as the service
account that they are. Without that name nothing is fetched.
"""

import os
import sys

from google.cloud.secretmanager import SecretManagerServiceClient

from transforms.shell.pseudonym_key import KEY_VARIABLE

SECRET = "SEGONE_PSEUDONYM_KEY_SECRET"


def fetch_key() -> None:
    """Put the secret that is named into the environment."""
    if name := os.environ.get(SECRET):
        found = SecretManagerServiceClient().access_secret_version(name=name)
        os.environ[KEY_VARIABLE] = found.payload.data.decode().strip()


if __name__ == "__main__":
    fetch_key()
    os.execvp(sys.argv[1], sys.argv[1:])  # its arguments are Dataflow's
