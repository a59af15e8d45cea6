"""From signals to incidents: fingerprint, dedup, counts, cool-down."""

from nightshift.daemon.intake.fingerprint import fingerprint
from nightshift.daemon.intake.settings import Settings, Silence

__all__ = ["Settings", "Silence", "fingerprint"]
