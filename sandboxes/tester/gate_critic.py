"""Gate 7: no oracle that needs no other patch contradicts this one: docstring examples that held before, and the call
that production recorded. What needs a field of patches, or inputs nobody wrote down, is the critic's own turn.
"""

from __future__ import annotations

from nightshift.sandboxes.critic.examine import examine_written, field_of
from nightshift.sandboxes.critic.oracles import documented, production
from nightshift.sandboxes.critic.session import NoAnswer
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject

_MOST_S = 30.0


def judge(trial: Trial) -> Ruling:
    """See the module."""
    return trial.beside(compared).result()


def compared(trial: Trial) -> Ruling:
    """The gate's work; begun ahead by the gate that has to wait for the first runs."""
    field = field_of(trial.case, [trial.patch])
    if not field.changed or not (field.documents or trial.case.diagnosis.frames):
        return accept("nothing is written down of what it changes")
    try:
        found = examine_written(field, trial.lab, min(_MOST_S, trial.lab.timeout_s))
    except NoAnswer as error:
        return accept(f"nothing could be compared: {error}")
    for oracle in (production, documented):
        for said in oracle(found, 0):
            return reject(said.why)
    held = sum(sum(each) for each, _ in found.answers[0].examples.values())
    return accept(f"{held} docstring example(s) hold, {len(found.inputs)} recorded input(s) tried")
