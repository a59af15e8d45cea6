"""Gate 2: every changed Python file is still Python. The check's own Python says so again before the tests run."""

from __future__ import annotations

from nightshift.sandboxes.tester.sources import syntax_error
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject


def judge(trial: Trial) -> Ruling:
    """See the module."""
    after = {path: new for path, (_, new) in trial.sources.items() if path.endswith(".py") and new is not None}
    for path, source in after.items():
        if error := syntax_error(source):
            return reject(f"{path} does not compile: {error}")
    return accept(f"{len(after)} Python file(s) compile")
