"""Finding the commit that turned the reproduction red, in few probes, on a history where some commits can't tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

Red = Callable[[str], bool | None]
"""Whether the reproduction fails on a commit; None when it can't tell."""


def find_culprits(line: Sequence[str], red: Red) -> list[str]:
    """The commits of `line` (newest first, the newest known to be red) that may have turned it red.

    One commit when its neighbours could be judged, several when commits between them can't tell, none when no
    older commit is green. Gallops back for a green one, then bisects: O(log n) probes while commits can tell.
    Source: exponential search (Bentley and Yao, 1976) before a bisection that skips as `git bisect skip` does.
    """
    bad, good = _gallop(line, red)
    while 0 < good - bad > 1:
        for at in _outwards(bad, good):
            answer = red(line[at])
            if answer is not None:
                bad, good = (at, good) if answer else (bad, at)
                break
        else:
            break
    return list(line[bad:good]) if good else []


def _gallop(line: Sequence[str], red: Red) -> tuple[int, int]:
    """(last red index, green index after it); 0 as the green one when none was found."""
    bad, blank, at, last = 0, 0, 1, len(line) - 1
    while 0 < at <= last:
        answer = red(line[at])
        if answer is False:
            return bad, at
        if answer:
            bad, blank = at, 0
        elif not blank:
            blank = at
        if at == last:
            break
        at = min(2 * at, last)
    return _before_the_blank(line, red, bad, blank) if blank else (bad, 0)


def _before_the_blank(line: Sequence[str], red: Red, bad: int, blank: int) -> tuple[int, int]:
    """Old commits can't tell (the feature was not there yet): look for a green one just before that."""
    while blank - bad > 1:
        at = (bad + blank) // 2
        answer = red(line[at])
        if answer is False:
            return bad, at
        bad, blank = (at, blank) if answer else (bad, at)
    return bad, 0


def _outwards(bad: int, good: int) -> Iterator[int]:
    """Every index strictly between, from the middle outwards."""
    return iter(sorted(range(bad + 1, good), key=lambda at: abs(2 * at - bad - good)))
