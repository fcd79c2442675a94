"""``python -m tasques.cli`` is the command ``tasques``."""

import sys

from tasques.cli import main

sys.exit(main())
