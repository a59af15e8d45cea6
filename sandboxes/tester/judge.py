"""The tester: asks one gate after the other, and never mistakes a broken world for a wrong patch."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence

from nightshift.daemon.kit.clock import Clock, SystemClock
from nightshift.daemon.kit.git import GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.kit.redact import redact
from nightshift.daemon.model import Case, GateResult, Judgement, Patch, Reproduction, Verdict
from nightshift.daemon.ports import EnvironmentBroke, Note, Sandboxes
from nightshift.sandboxes.lab import Lab, spec_of
from nightshift.sandboxes.proof import FLAKY
from nightshift.sandboxes.tester.all_gates import ALL_GATES, Gate
from nightshift.sandboxes.tester.on_base import OnBase
from nightshift.sandboxes.tester.patch_policy import PatchPolicy
from nightshift.sandboxes.tester.trial import Ruling, Trial, unjudged

log = logging.getLogger(__name__)
_DEFAULT = PatchPolicy()
_WARM = 2
_CASES = 8


class GateTester:
    """Port `Tester` over an engine of sandboxes. `gates` is the table to go by."""

    def __init__(
        self, sandboxes: Sandboxes, *, policy: PatchPolicy = _DEFAULT, timeout_s: float = 300.0,
        gates: Sequence[Gate] = ALL_GATES, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._sandboxes, self._policy, self._gates = sandboxes, policy, tuple(gates)
        self._clock = clock or SystemClock()
        self._lab = Lab(sandboxes, timeout_s=timeout_s, name="tester")
        self._bases: dict[str, OnBase] = {}
        self._lock = threading.Lock()

    def expect(self, case: Case) -> None:
        """Begin the negative control: the cores are idle while the search prepares itself."""
        if case.reproduction is not None and case.reproduction.kind != "none":
            self._on_base(case, case.reproduction).begin_control()

    def judge(self, case: Case, patch: Patch, note: Note) -> Verdict:
        """See the port: never raises for infrastructure."""
        if case.reproduction is None or case.reproduction.kind == "none":
            reason = "nothing is red on base, so nothing can be shown to be healed"
            return Verdict(judgement=Judgement.UNJUDGED, patch=patch, failed="reproduction", reason=reason)
        trial = Trial(case, patch, self._policy, self._lab, note, self._on_base(case, case.reproduction))
        results: list[GateResult] = []
        for gate in self._gates:
            results.append(self._ask(gate, trial))
            last = results[-1]
            if last.judgement is not Judgement.ACCEPTED:
                trial.drop_runs()
                self._sandboxes.prewarm(spec_of(case), _WARM)
                return Verdict(judgement=last.judgement, patch=patch, gates=tuple(results), failed=gate.name,
                               reason=last.reason, quarantined=_quarantined(trial))  # fmt: skip
        return Verdict(judgement=Judgement.ACCEPTED, patch=trial.patch, gates=tuple(results),
                       reason="every gate passed", quarantined=_quarantined(trial))  # fmt: skip

    def _on_base(self, case: Case, made: Reproduction) -> OnBase:
        """The runs on base, shared by the patches of one case; a few cases are remembered."""
        key = stable_id("base", case.repo, case.base, made.command, json.dumps(dict(made.files)), *made.failing)
        with self._lock:
            found = self._bases.pop(key, None) or OnBase(self._lab, case, made)
            self._bases[key] = found
            while len(self._bases) > _CASES:
                del self._bases[next(iter(self._bases))]
        return found

    def _ask(self, gate: Gate, trial: Trial) -> GateResult:
        began = self._clock.monotonic()
        try:
            ruling = gate.judge(trial)
        except EnvironmentBroke as error:
            ruling = unjudged(str(error))
        except (GitError, OSError) as error:
            ruling = unjudged(f"the daemon's repository can't be used: {error}")
        except Exception as error:
            log.exception("gate %s failed on patch %s", gate.name, trial.patch.id)
            ruling = unjudged(f"the gate itself failed: {type(error).__name__}: {error}")
        trial.note(_line(gate, ruling))
        return GateResult(gate=gate.name, judgement=ruling.judgement, reason=redact(ruling.reason),
                          duration_s=round(self._clock.monotonic() - began, 4))  # fmt: skip


def _quarantined(trial: Trial) -> tuple[str, ...]:
    flaky = {test for test, status in trial.made.baseline.items() if status == FLAKY}
    return tuple(sorted(flaky | trial.quarantined))


def _line(gate: Gate, ruling: Ruling) -> str:
    return redact(f"{gate.name}: {ruling.judgement} ({ruling.reason})")
