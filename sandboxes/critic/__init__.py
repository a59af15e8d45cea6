"""The critic: compares patches that pass the same tests by what they do on inputs nobody wrote a test for.

`functions` what a field changes · `session` one sandbox, `inside` the programs in it · `shapes`, `drawing` inputs like
recorded ones · `clusters` equal answers · `oracles` what refutes, `lessons` what that teaches · `telling` when
to abstain. See docs/critic.md.
"""

from nightshift.sandboxes.critic.critic import GateCritic

__all__ = ["GateCritic"]
