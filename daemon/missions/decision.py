"""What the arbiter is asked at the end of a tournament, and its answer in words that say what was eliminated."""

from __future__ import annotations

from nightshift.daemon.missions import arbiter
from nightshift.daemon.missions.tournament import Standing
from nightshift.daemon.model import Reproduction


def decide(standing: Standing, reproduction: Reproduction) -> arbiter.Choice:
    """The arbiter's choice among what survived; the same standing gives the same choice."""
    now = standing.now
    proved = [entry.verdict for entry in now.survivors if entry.verdict]
    choice = arbiter.choose(proved, standing.plausible, reproduction, now.critique)
    refuted = [said for each in standing.rounds for _, said in each.refutations]
    if proved or not refuted:
        return choice
    last = " ".join(refuted[-1].refuted.split())[:300]
    return arbiter.Choice(
        verdict=None, reason=f"no patch survived the critic, {len(refuted)} refuted; the last: {last}"
    )
