"""What the launcher of Flex Templates runs: `segone run` with the parameters that it was given."""

import sys

from with_key import fetch_key

from pipelines.cli import main
from pipelines.flex_template import arguments

if __name__ == "__main__":
    try:
        sys.argv[1:] = ["--log-json", "--log-level", "info", "run", *arguments(sys.argv[1:])]
    except ValueError as error:
        sys.exit(str(error))
    fetch_key()
    main()
