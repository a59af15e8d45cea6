"""Properties are tried on the same examples every time, so that what passes here passes everywhere and what fails can
be repeated. `NIGHTSHIFT_EXPLORE=1` tries others; what they find becomes an explicit example."""

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, print_blob=True)
settings.register_profile("exploring", derandomize=False, print_blob=True)
settings.load_profile("exploring" if os.environ.get("NIGHTSHIFT_EXPLORE") else "repeatable")
