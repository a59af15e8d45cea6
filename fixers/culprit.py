"""Finding the commit that turned the reproduction red, in few rounds, on a history where some commits can't tell."""

from __future__ import annotations

from collections.abc import Sequence

from nightshift.fixers.probes import Ask


def find_culprits(line: Sequence[str], ask: Ask, slots: int = 1) -> list[str]:
    """The commits of `line` (newest first, the newest known to be red) that may have turned it red.

    One commit when its neighbours could be judged, several when commits between them can't tell, none when no
    older commit is green. Gallops back for a green one, then cuts the rest into `slots` + 1 parts at a time: with
    all `slots` probes of a round side by side, O(log n / log(slots + 1)) rounds while commits can tell.
    Source: exponential search (Bentley and Yao, 1976), then a k-ary search that skips as `git bisect skip` does.
    """
    bad, good = _gallop(line, ask, slots)
    untold: set[int] = set()
    while good and (chosen := _spread(bad, good, slots, untold)):
        answers = dict(zip(chosen, ask([line[at] for at in chosen]), strict=True))
        untold.update(at for at, answer in answers.items() if answer is None)
        for at in sorted(answers):
            if answers[at]:
                bad = at
            elif answers[at] is False:
                good = at
                break
    return list(line[bad:good]) if good else []


def _spread(bad: int, good: int, slots: int, untold: set[int]) -> list[int]:
    """Up to `slots` indices strictly between, as evenly apart as those that can't tell allow."""
    free = [at for at in range(bad + 1, good) if at not in untold]
    chosen: list[int] = []
    for part in range(1, slots + 1):
        target = bad + part * (good - bad) / (slots + 1)
        if rest := [at for at in free if at not in chosen]:
            chosen.append(min(rest, key=lambda at: abs(at - target)))
    return sorted(chosen)


def _gallop(line: Sequence[str], ask: Ask, slots: int) -> tuple[int, int]:
    """(last red index, green index after it); 0 as the green one when none was found."""
    bad, blank, at, last = 0, 0, 1, len(line) - 1
    while 0 < at <= last:
        chosen = [step for n in range(slots) if (step := at << n) < last]
        chosen = [*chosen, last][:slots]
        for step, answer in zip(chosen, ask([line[n] for n in chosen]), strict=True):
            if answer is False:
                return bad, step
            if answer:
                bad, blank = step, 0
            elif not blank:
                blank = step
        if chosen[-1] == last:
            break
        at = min(2 * chosen[-1], last)
    return _before_the_blank(line, ask, slots, bad, blank) if blank else (bad, 0)


def _before_the_blank(line: Sequence[str], ask: Ask, slots: int, bad: int, blank: int) -> tuple[int, int]:
    """Old commits can't tell (the feature was not there yet): look for a green one just before that."""
    while chosen := _spread(bad, blank, slots, set()):
        for at, answer in zip(chosen, ask([line[n] for n in chosen]), strict=True):
            if answer is False:
                return bad, at
            if answer is None:
                blank = at
                break
            bad = at
    return bad, 0
