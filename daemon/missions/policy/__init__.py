"""What may be done without a person. Every rule answers with a reason; anything unclear, unknown or broken is a no."""

from nightshift.daemon.missions.policy.decision import Case, Decision, Rule
from nightshift.daemon.missions.policy.levels import Autonomy, lowest
from nightshift.daemon.missions.policy.rules import decide, forbidden
from nightshift.daemon.missions.policy.settings import Settings
from nightshift.daemon.missions.policy.switch import stopped
from nightshift.daemon.missions.policy.trust import Trust, trust_of

__all__ = [
    "Autonomy",
    "Case",
    "Decision",
    "Rule",
    "Settings",
    "Trust",
    "decide",
    "forbidden",
    "lowest",
    "stopped",
    "trust_of",
]
