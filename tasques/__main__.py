"""``python -m tasques`` is the command ``tasques``."""

import sys

from tasques.cli import main

sys.exit(main())
