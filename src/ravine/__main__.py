"""`python -m ravine`."""

import sys

from ravine.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
