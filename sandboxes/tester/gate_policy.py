"""Gate 1: the resulting tree must differ from base only where, and only in the way, an automatic patch may."""

from __future__ import annotations

import re
import sys

from nightshift.daemon.kit.checks import named_files
from nightshift.daemon.kit.git import GitError
from nightshift.sandboxes.tester.changes import REGULAR, Change
from nightshift.sandboxes.tester.examples import lost, written_in
from nightshift.sandboxes.tester.patch_policy import DEPENDENCIES, folded, matches
from nightshift.sandboxes.tester.restored import KIND, restored_from
from nightshift.sandboxes.tester.reverts import reverted_commit
from nightshift.sandboxes.tester.trial import Ruling, Trial, accept, reject

_DIFF_BYTES = 2 << 20
_FILE_BYTES = 1 << 20
_TOOLS = frozenset({"pytest", "_pytest", "pluggy", "iniconfig", "py", "coverage", "hypothesis", "pip", "setuptools"})
_IMPORT_ROOTS = ("src", "lib")
_TEST_REQUIREMENTS = re.compile(r"(?:tests?/)?[\w.-]*requirements[\w.-]*\.txt")
"""Among the tests' own files those that are installed; other dependency files there are data that tests read."""


def judge(trial: Trial) -> Ruling:
    """See the module."""
    if trial.patch.base != trial.case.base:
        return reject(f"the patch is for {trial.patch.base[:12]}, the case stands at {trial.case.base[:12]}")
    if len(trial.patch.diff) > _DIFF_BYTES:
        return reject("the diff is too big to be looked at")
    try:
        found = trial.changes
    except GitError as error:
        return reject(f"the patch does not apply: {error}")
    if trial.patch.kind == KIND:
        return _dependencies(trial)
    reason = _whole(trial) or next((r for r in (_single(trial, change) for change in found) if r), "")
    return reject(reason) if reason else _tests(trial)


def _dependencies(trial: Trial) -> Ruling:
    """Packages may go back to versions of the past: the only way into files that say what is installed."""
    found, policy = trial.changes, trial.policy
    if len(found) > policy.max_files:
        return reject(f"{len(found)} files are changed, {policy.max_files} are allowed")
    for change in found:
        if reason := _mode(trial, change) or _no_lock(trial, change.path):
            return reject(reason)
    commit = restored_from(trial.repo, trial.case.base, found)
    if not commit:
        return reject("packages may only go back, line by line, to what one commit found: these files do not")
    return accept(f"packages as they were before {commit[:12]}, line by line")


def _no_lock(trial: Trial, path: str) -> str:
    """Why a path is not to be touched even where packages go back, or ''."""
    policy = trial.policy
    if glob := next((each for each in policy.deny if each not in DEPENDENCIES and matches(path, each)), ""):
        return f"{path} is denied ({glob})"
    if not policy.allowed(path):
        return f"{path} is outside what patches may change"
    if folded(path) in {folded(own) for own in trial.made.files}:
        return f"{path} belongs to the reproduction"
    if policy.is_test(path) and not _TEST_REQUIREMENTS.fullmatch(path):
        return f"{path} is an existing test's data and would be changed"
    return ""


def _whole(trial: Trial) -> str:
    found, policy = trial.changes, trial.policy
    lines = sum(max(0, change.lines) for change in found)
    if not found:
        return "the patch changes nothing"
    if len(found) > policy.max_files:
        return f"{len(found)} files are changed, {policy.max_files} are allowed"
    if lines > policy.max_lines:
        return f"{lines} lines are changed, {policy.max_lines} are allowed"
    return ""


def _single(trial: Trial, change: Change) -> str:
    """Why one change is not allowed, or ''."""
    path, policy = change.path, trial.policy
    if not _clean(path):
        return f"{path!r} is no ordinary path"
    if reason := _mode(trial, change):
        return reason
    if glob := policy.denied(path):
        return f"{path} may not be changed by a patch ({glob})"
    if not policy.allowed(path):
        return f"{path} is outside what patches may change"
    if folded(path) in {folded(own) for own in trial.made.files}:
        return f"{path} belongs to the reproduction"
    if trial.patch.kind != "revert" and named_files(trial.made.command, {path}):
        return f"{path} is the check itself"
    if change.status == "A" and (name := _shadows(path)):
        return f"{path} would stand in for the module {name}"
    return _content(trial, change)


def _clean(path: str) -> bool:
    parts = path.split("/")
    return path.isprintable() and "\\" not in path and not any(p in ("", ".", "..") or p != p.strip() for p in parts)


def _mode(trial: Trial, change: Change) -> str:
    if change.status == "D":
        return "" if change.old_mode in REGULAR else f"{change.path} is no regular file"
    if change.new_mode not in REGULAR:
        kind = {"120000": "a symbolic link", "160000": "a submodule"}.get(change.new_mode, "no regular file")
        return f"{change.path} would become {kind}"
    if change.status == "A":
        return "" if change.new_mode == "100644" else f"{change.path} would be a new executable"
    if change.new_mode == change.old_mode or _made_executable(trial, change):
        return ""
    return f"{change.path} would change its mode"


def _made_executable(trial: Trial, change: Change) -> bool:
    """A script that lacks its bit, and nothing else; people merge changes of this kind, whatever the configuration."""
    modes, same = (change.old_mode, change.new_mode), change.old_blob == change.new_blob
    script = (trial.sources[change.path][1] or b"").startswith(b"#!")
    return trial.patch.kind == "configuration" and modes == ("100644", "100755") and same and script


def _shadows(path: str) -> str:
    parts = path.split("/")
    if parts[0] in _IMPORT_ROOTS and len(parts) > 1:
        parts = parts[1:]
    name = folded(parts[0].removesuffix(".py"))
    is_module = len(parts) > 1 or parts[0].endswith(".py")
    return name if is_module and (name in _TOOLS or name in {folded(m) for m in sys.stdlib_module_names}) else ""


def _content(trial: Trial, change: Change) -> str:
    if change.lines < 0:
        return f"{change.path} is binary"
    after = trial.sources[change.path][1]
    if after is not None and len(after) > _FILE_BYTES and change.path.endswith(".py"):
        return f"{change.path} is too big to be checked"
    return ""


def _documented(trial: Trial, change: Change) -> bool:
    """Whether a file is code whose docstring examples are what the check runs in it."""
    if change.status == "A" or not change.path.endswith(".py") or trial.policy.is_test(change.path):
        return False
    told = written_in(change.path, trial.made.baseline.keys(), trial.sources[change.path][0])
    return told or ("doctest" in trial.made.command and not trial.is_pytest)


def _tests(trial: Trial) -> Ruling:
    """Existing tests stay as they are, unless the patch is the exact revert of the commit that last changed them."""
    known = {test.partition("::")[0] for test in trial.made.baseline}
    documented = [c.path for c in trial.changes if trial.patch.kind != "revert" and _documented(trial, c)]
    if owner := next((owner for path in documented if (owner := lost(*trial.sources[path]))), ""):
        return reject(f"the examples in the docstring of {owner} are existing tests and would be changed or hidden")
    known.difference_update(documented)
    touched = [c for c in trial.changes if c.status != "A" and (c.path in known or trial.policy.is_test(c.path))]
    removed = [c for c in trial.changes if c.status == "D" and c not in touched]
    if not touched and not (removed and trial.patch.kind != "revert"):
        return accept(f"{len(trial.changes)} file(s), all of them allowed")
    if trial.patch.kind != "revert":
        worst = (touched or removed)[0]
        verb = "removed" if worst.status == "D" else "changed"
        return reject(f"{worst.path} is {'an existing test' if touched else 'a file'} and would be {verb}")
    commit = reverted_commit(trial.repo, trial.case.base, trial.changes, touched)
    if not commit:
        return reject(f"{touched[0].path} is an existing test and would not become what it was before one commit")
    trial.reverted_tests = frozenset(change.path for change in touched)
    return accept(f"a full revert of {commit[:12]}, its tests included")
