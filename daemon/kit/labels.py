"""Names on containers, known both to those who write them and to those who look at them."""

from __future__ import annotations

SANDBOX = "nightshift.sandbox"
"""Prefix of the labels of Nightshift's own sandboxes; monitors look past every container that has one."""
SERVICE = "nightshift.service"
"""Set by people: the container belongs to the service of that name."""
