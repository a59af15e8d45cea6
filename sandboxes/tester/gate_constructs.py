"""Gate 3: the patch brings no construct with which code can forge what its tests report."""

from __future__ import annotations

from nightshift.sandboxes.tester import constructs_javascript
from nightshift.sandboxes.tester.constructs import introduced
from nightshift.sandboxes.tester.sources import parse
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject


def judge(trial: Trial) -> Ruling:
    """See the module."""
    for path, (before, after) in trial.sources.items():
        if after is None:
            continue
        if brought := constructs_javascript.brought(path, before, after):
            return reject(f"{path} brings {', '.join(brought[:3])}, which a repair has no use for")
        if not path.endswith(".py"):
            continue
        module = parse(after)
        if module is None:
            return reject(f"{path} can't be read")
        if found := introduced(parse(before), module):
            return reject(f"{path} brings {', '.join(found[:3])}, which a repair has no use for")
    return accept("nothing that could forge a result")
