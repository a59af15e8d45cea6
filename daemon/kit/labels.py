"""Names that Nightshift writes on containers, known to those who make them and those who must look past them."""

from __future__ import annotations

PREFIX = "nightshift."
SANDBOX = "nightshift.sandbox"
"""Carried by every container that is one of Nightshift's own sandboxes; monitors look past those."""
SERVICE = "nightshift.service"
"""Set by people: the container belongs to the service of that name."""
