"""`python -m nightshift.daemon.cli`, for places without the installed script."""

import sys

from nightshift.daemon.cli import main

sys.exit(main())
