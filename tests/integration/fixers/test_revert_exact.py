"""Undoing exactly what has to be undone: single changes, moved files, commits that belong together, any language."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from nightshift.daemon.model import Diagnosis, Frame, Patch, Suspect
from nightshift.daemon.ports import Budget
from nightshift.fixers.revert import RevertFixer, Settings


def rows(n: int, **changed: str) -> str:
    texts = {f"k{at}": f"value {at}" for at in range(n)} | changed
    return "".join(f"{name} = {text}\n" for name, text in texts.items())


def drafted(line, looking, judge, *frames: Frame, settings: Settings | None = None, **more: object) -> list[Patch]:
    case = line.case(*frames, **more)
    line.bench, line.notes = looking(line, case, judge), []
    budget = Budget(deadline=time.monotonic() + 60)
    return list(RevertFixer(settings).draft(case, line.bench, budget, line.notes.append))


def test_only_the_guilty_changes_of_a_large_commit_are_undone(line, looking) -> None:
    line.commit({"a.conf": rows(30), "b.conf": rows(30)})
    changed = {f"k{at}": f"tuned {at}" for at in range(0, 30, 3)}
    culprit = line.commit({"a.conf": rows(30, **changed), "b.conf": rows(30, **changed)})
    line.commit({"c.conf": "later = 1\n"})

    def red(files: Mapping[str, str]) -> bool:
        return "k12 = tuned" in files["a.conf"] or "k27 = tuned" in files["b.conf"]

    patches = drafted(line, looking, red)
    assert [p.kind for p in patches] == ["revert", "partial-revert"]
    exact = patches[1]
    assert exact.parents == (culprit,) and "2 of its 20 changes, each of them needed" in exact.rationale
    assert line.after(exact, "a.conf") == rows(30, **{**changed, "k12": "value 12"})
    assert line.after(exact, "b.conf") == rows(30, **{**changed, "k27": "value 27"})
    assert len(line.bench.asked) <= 60


def test_what_conflicts_stays_out_of_the_guilty_part(line, looking) -> None:
    line.commit({"a.conf": rows(12)})
    line.commit({"a.conf": rows(12, k1="bad", k9="tuned")})
    line.commit({"a.conf": rows(12, k1="bad", k9="tuned further")})
    patches = drafted(line, looking, lambda files: "k1 = bad" in files["a.conf"])
    assert patches[0].kind == "partial-revert" and line.after(patches[0], "a.conf") == rows(12, k9="tuned further")
    assert "goes, too: a.conf" in patches[1].rationale and line.after(patches[1], "a.conf") == rows(12)


def test_later_work_elsewhere_in_the_file_stays_when_the_culprit_was_built_upon(line, looking) -> None:
    line.commit({"a.conf": rows(12)})
    line.commit({"a.conf": rows(12, k1="bad")})
    line.commit({"a.conf": rows(12, k1="bad indeed", k9="later")})
    patches = drafted(line, looking, lambda files: "k1 = bad" in files["a.conf"])
    assert [line.after(p, "a.conf") for p in patches] == [rows(12, k9="later")]


def test_a_file_that_moved_since_is_mended_where_it_is_now(line, looking) -> None:
    line.commit({"old.conf": rows(20)})
    culprit = line.commit({"old.conf": rows(20, k3="bad")})
    line.commit({"old.conf": None, "new/place.conf": rows(20, k3="bad")})
    patches = drafted(line, looking, lambda files: any("k3 = bad" in text for text in files.values()))
    assert patches[0].parents == (culprit,) and patches[0].files == ("new/place.conf",)
    assert line.after(patches[0], "new/place.conf") == rows(20)


def test_a_commit_that_moves_and_breaks_keeps_its_move(line, looking) -> None:
    line.commit({"old.conf": rows(20)})
    line.commit({"old.conf": None, "new.conf": rows(20, k3="bad", k15="tuned")})
    line.commit({"reader": "new.conf\n"})
    patches = drafted(line, looking, lambda files: "k3 = bad" in files.get("new.conf", ""))
    exact = next(p for p in patches if p.kind == "partial-revert")
    assert line.after(exact, "new.conf") == rows(20, k15="tuned") and line.after(exact, "old.conf") is None


def test_a_commit_that_only_deletes_is_undone(line, looking) -> None:
    line.commit({"a.conf": "a\n", "needed.txt": "x\n", "junk.txt": "y\n"})
    culprit = line.commit({"needed.txt": None, "junk.txt": None})
    line.commit({"a.conf": "b\n"})
    patches = drafted(line, looking, lambda files: "needed.txt" not in files)
    assert [p.parents for p in patches] == [(culprit,)] * 2
    assert line.after(patches[0], "junk.txt") == "y\n"
    assert line.after(patches[1], "needed.txt") == "x\n" and line.after(patches[1], "junk.txt") is None


@pytest.mark.parametrize("slots", [1, 4])
def test_two_commits_that_each_break_it_are_undone_together(line, looking, slots: int) -> None:
    line.commit({"a.conf": rows(20)})
    for at in range(6):
        line.commit({"n": f"{at}\n"})
    first = line.commit({"a.conf": rows(20, k2="bad")})
    for at in range(6, 12):
        line.commit({"n": f"{at}\n"})
    second = line.commit({"a.conf": rows(20, k2="bad", k15="worse")})
    line.commit({"n": "end\n"})
    patches = drafted(line, looking, lambda files: "bad" in files["a.conf"] or "worse" in files["a.conf"],
                      settings=Settings(probes_at_once=slots))  # fmt: skip
    assert [p.parents for p in patches] == [(first, second)]
    assert line.after(patches[0], "a.conf") == rows(20) and line.after(patches[0], "n") == "end\n"
    assert "undoing" in patches[0].rationale and second[:10] in patches[0].rationale


def test_what_was_deployed_just_before_is_asked_first(line, looking) -> None:
    line.commit({"a.conf": rows(5)})
    for at in range(40):
        line.commit({"n": f"{at}\n"})
    culprit = line.commit({"a.conf": rows(5, k2="bad")})
    for at in range(40, 80):
        line.commit({"n": f"{at}\n"})
    told = Suspect(commit=culprit, weight=0.8, why="deployed 3 minutes before the first signal")
    patches = drafted(line, looking, lambda files: "bad" in files["a.conf"], diagnosis=Diagnosis(suspects=(told,)))
    assert "deployed 3 minutes before the first signal, and the reproduction is green just before it" in (
        patches[0].rationale
    )
    assert len(line.bench.asked) == 3


def test_more_slots_take_fewer_rounds_and_stay_within_the_budget(line, looking) -> None:
    line.commit({"a.conf": rows(5)})
    for at in range(30):
        line.commit({"n": f"{at}\n"})
    culprit = line.commit({"a.conf": rows(5, k2="bad")})
    for at in range(30, 100):
        line.commit({"n": f"{at}\n"})
    rounds = {}
    for slots in (1, 4):
        settings = Settings(probes_at_once=slots, max_probes=40)
        patches = drafted(line, looking, lambda files: "bad" in files["a.conf"], settings=settings)
        assert patches[0].parents == (culprit,) and len(line.bench.asked) <= 40
        rounds[slots] = next(int(n.split()[-2]) for n in line.notes if n.endswith("rounds"))
    assert rounds[4] * 2 <= rounds[1]


def test_a_merge_whose_two_sides_are_each_right_is_the_culprit(line, looking) -> None:
    start = line.commit({"a.conf": rows(20)})
    ours = line.commit({"a.conf": rows(20, k1="ours")})
    theirs = line.commit({"a.conf": rows(20, k15="theirs"), "side.txt": "x\n"}, parents=(start,))
    both = {"a.conf": rows(20, k1="ours", k15="theirs"), "side.txt": "x\n"}
    merge = line.commit(both, parents=(ours, theirs))
    line.commit({"n": "later\n"})
    patches = drafted(line, looking, lambda files: "ours" in files["a.conf"] and "theirs" in files["a.conf"])
    assert {p.parents for p in patches} == {(merge,)}
    assert line.after(patches[0], "side.txt") is None and line.after(patches[0], "a.conf") == rows(20, k1="ours")
    exact = next(p for p in patches if p.kind == "partial-revert")
    assert line.after(exact, "side.txt") == "x\n" and line.after(exact, "a.conf") == rows(20, k1="ours")


def test_a_lock_that_changed_with_the_code_stays_where_the_code_alone_is_guilty(line, looking) -> None:
    line.commit({"app.js": "good\n", "package-lock.json": "{}\n"})
    culprit = line.commit({"app.js": "bad\n", "package-lock.json": '{"packages": {}}\n'})
    patches = drafted(line, looking, lambda files: files["app.js"] == "bad\n")
    assert (patches[0].parents, patches[0].files, patches[0].kind) == ((culprit,), ("app.js",), "revert")
