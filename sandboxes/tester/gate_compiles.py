"""Gate 2: every changed Python file is still Python, every script JavaScript or TypeScript. For Python files the
check's own Python says so again before the tests run.
"""

from __future__ import annotations

from nightshift.sandboxes.tester import constructs_javascript
from nightshift.sandboxes.tester.sources import syntax_error
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject


def judge(trial: Trial) -> Ruling:
    """See the module."""
    after = {path: new for path, (_, new) in trial.sources.items() if path.endswith(".py") and new is not None}
    for path, source in after.items():
        if error := syntax_error(source):
            return reject(f"{path} does not compile: {error}")
    scripts = [path for path in trial.sources if constructs_javascript.is_script(path)]
    for path in scripts:
        before, new = trial.sources[path]
        if new is not None and (error := constructs_javascript.syntax_error(path, before, new)):
            return reject(f"{path} is no program any more: {error}")
    return accept(f"{len(after)} Python file(s) compile" if not scripts else f"{len(scripts)} script(s) parse")
