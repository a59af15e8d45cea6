"""The durable half of the tournament: every move is a step, and the standing follows from what the steps answered.

As pure as `heal`, and as bound to its order of steps. A plan without rules was made by a version that knew neither
rounds nor critic: its mission goes on the way it began.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from nightshift.daemon.missions import tournament
from nightshift.daemon.missions.durable import Json
from nightshift.daemon.missions.steps import Steps
from nightshift.daemon.missions.tournament import Criticise, Draft, Judge, Learn, Lesson, Rules, Standing
from nightshift.daemon.model import Critique, Patch, Verdict, dump, load

Do = Callable[..., Awaitable[Json]]


class Rounds:
    """One tournament of one mission. `do` runs a step by name, and raises what ends the mission."""

    def __init__(self, do: Do, steps: Steps) -> None:
        self._do, self._steps = do, steps

    async def play(self, case: Json) -> tuple[Json, Json]:
        """The arbiter's choice, and the case as the last round knew it."""
        plan = await self._do("plan", self._steps.plan, case)
        rules, standing = Rules(**plan.get("rules", {})), tournament.opening(plan["fixers"])
        cases = [case]
        while not isinstance(move := tournament.next_move(standing, rules), tournament.Choose):
            standing = await self._made(move, standing, rules, cases)
        choice = await self._do("choose", self._steps.choose, cases[0], dump(standing), asdict(rules))
        return choice, cases[-1]

    async def _made(self, move: Any, standing: Standing, rules: Rules, cases: list[Json]) -> Standing:
        round_, case = standing.number, cases[-1]
        if isinstance(move, Draft):
            given = await self._do(_named(f"draft:{move.creator}", round_), self._steps.draft, case,
                                   list(move.creators), round_)  # fmt: skip
            patches = [load(Patch, patch) for patch in given["patches"]]
            return standing.drafted(move.creator, patches, given.get("searches", ()))
        if isinstance(move, Judge):
            patch = dump(move.entry.patch)
            place = {"round": round_ + 1, "rank": move.entry.rank}
            field = [dump(each) for each in tournament.foreseen(standing, move.entry, rules)]
            verdict = await self._do(
                _named(f"judge:{patch['id']}", round_), self._steps.judge, case, patch, place, field
            )
            return standing.judged(patch["id"], load(Verdict, verdict))
        if isinstance(move, Criticise):
            field = [dump(patch) for patch in move.patches]
            said = await self._do(_named("criticise", round_), self._steps.criticise, case, field, round_)
            return standing.criticised(load(Critique, said["critique"]))
        assert isinstance(move, Learn)
        refuted = [{"entry": dump(entry), "said": dump(said)} for entry, said in move.refutations]
        learned = await self._do(_named("learn", round_), self._steps.learn, case, refuted, round_)
        cases.append(learned["case"])
        return standing.taught((load(Lesson, each) for each in learned["lessons"]), learned["criticism"])


def _named(step: str, round_: int) -> str:
    """A step's name; that of the first round as it always was."""
    return f"{step}:round-{round_ + 1}" if round_ else step
