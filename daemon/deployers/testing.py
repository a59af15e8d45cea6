"""A deployer in memory, under the same contract as the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from nightshift.daemon.model import Service
from nightshift.daemon.ports import EnvironmentBroke


@dataclass
class MemoryDeployer:
    """Port `Deployer`. `live` is what runs; commits in `bad` don't come up. `changes` counts what was really done."""

    live: str = ""
    bad: set[str] = field(default_factory=set)
    changes: int = 0
    done: dict[str, tuple[str, str]] = field(default_factory=dict)

    def deploy(self, service: Service, commit: str, key: str) -> str:
        if self.done.get(key, ("", ""))[0] == commit:
            return f"{commit} runs"
        before = self.live
        self.changes += 1
        if commit in self.bad:
            self.done[f"{key} failed"] = (commit, before)
            raise EnvironmentBroke(f"{commit} does not come up")
        self.live = commit
        self.done[key] = (commit, before)
        return f"{commit} runs"

    def undo(self, service: Service, commit: str, key: str, *, of: str) -> str:
        if of in self.done and self.live == self.done[of][0]:
            self.live = self.done[of][1]
            self.changes += 1
        return f"{self.live} runs"
