"""``python -m wyrm`` and the command ``wyrm``: see wyrm.cli."""

import sys

from wyrm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
