"""The tester: judges patches gate by gate, in sandboxes no fixer has touched. It never sees who made a patch.

One module per gate, `all_gates` is their order, `docs/security.md` says what a forger would have to do.
"""

from nightshift.sandboxes.tester.judge import GateTester
from nightshift.sandboxes.tester.patch_policy import PatchPolicy

__all__ = ["GateTester", "PatchPolicy"]
