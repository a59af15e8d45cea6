"""What follows from answers: clusters, refutations, lessons, abstaining. The examinations are written by hand."""

from __future__ import annotations

import ast
import doctest

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.missions.arbiter import choose
from nightshift.daemon.model import Case, Critique, Judgement, Patch, Reproduction, Verdict
from nightshift.sandboxes.critic.clusters import clusters, usable, witnesses
from nightshift.sandboxes.critic.critic import summed_up
from nightshift.sandboxes.critic.documents import documents
from nightshift.sandboxes.critic.examine import Examination, Field
from nightshift.sandboxes.critic.functions import Version, callers, changed, functions_of
from nightshift.sandboxes.critic.inputs import DRAWN, PRODUCTION, TEST, Input
from nightshift.sandboxes.critic.lessons import example_lesson
from nightshift.sandboxes.critic.oracles import refutations
from nightshift.sandboxes.critic.session import Answer, Answers
from nightshift.sandboxes.critic.telling import untellable, weight_of_best

SOURCE = '''\
LIMIT = 3


def double(n) -> int:
    """Twice.

    >>> double(2)
    4
    """
    return n + n


def twice(n):
    return double(n) * 2


class Box:
    size = 1

    def grow(self):
        def inner():
            return self.size
        self.size += LIMIT
        return inner()
'''
MODULE = ast.parse(SOURCE)


def answers(texts, what="returned", kind="int") -> Answers:
    return Answers(calls={at: text if isinstance(text, Answer) else Answer(what=what, text=str(text), kind=kind)
                          for at, text in enumerate(texts)})  # fmt: skip


@pytest.fixture
def found(tmp_path):
    """An examination: what base and each version answer to inputs that are recorded first, then drawn."""
    repo = BareRepo.ensure(tmp_path / "r.git")
    tree = repo.with_files(
        repo.out("hash-object", "-t", "tree", "-w", "--stdin").decode().strip(), {"m.py": SOURCE.encode()}
    )
    base_commit = repo.commit(tree, [], "x", at_s=1_700_000_000)

    def make(base, *versions, sources=(TEST,), scores=(), kinds=(), fixers=(), again=None) -> Examination:
        patches = [
            Patch(id=f"p{at}", base=base_commit, diff="d", files=("m.py",), rationale="",
                  fixer=fixers[at] if fixers else "x", kind=kinds[at] if kinds else "",
                  score=scores[at] if scores else 1.0)
            for at in range(len(versions))
        ]  # fmt: skip
        inputs = [
            Input(module="m", name="double", arguments=(("n", at),), shape=(1, 0, False, False),
                  source=sources[at] if at < len(sources) else DRAWN)
            for at in range(len(base))
        ]  # fmt: skip
        field = Field(case=Case(id="c", repo=repo.path, base=base_commit),
                      versions=tuple(Version(patch=p, overlay={}) for p in patches),
                      changed=tuple(f for f in functions_of("m.py", MODULE) if f.name == "double"))  # fmt: skip
        told = answers(base)
        return Examination(field=field, inputs=tuple(inputs), base=told, again=answers(again) if again else told,
                           answers=tuple(answers(each) for each in versions), modules={"m.py": "m"})  # fmt: skip

    return make


def judged(found: Examination) -> str:
    return untellable(found, clusters(found), range(len(found.answers)))


def test_equal_answers_make_clusters_numbered_by_rank(found) -> None:
    assert clusters(found([0, 0], [1, 2], [1, 3], [1, 2])) == (1, 2, 1)


def test_what_base_does_not_do_twice_is_not_compared(found) -> None:
    shaky = found([0, 5], [1, 2], [1, 3], again=[0, 6])
    assert usable(shaky) == [0] and clusters(shaky) == (1, 1)


def test_a_version_without_answers_is_in_no_cluster(found) -> None:
    assert clusters(found([0, 0], [1, 2], [])) == (1, 0)


def test_witnesses_show_an_input_and_every_answer(found) -> None:
    split = found([0, 0], [1, 2], [1, 3])
    assert witnesses(split, clusters(split), [0, 1]) == ("on double(1): 2 (cluster 1); 3 (cluster 2)",)


def test_patches_that_rank_alike_and_differ_can_not_be_told_apart(found) -> None:
    assert "2 behaviours pass the tests" in judged(found([0, 0], [1, 2], [1, 3], scores=(1.0, 0.95)))
    assert judged(found([0, 0], [1, 2], [1, 3], scores=(1.0, 0.4))) == ""
    assert judged(found([0, 0], [1, 2], [1, 2], scores=(1.0, 0.95))) == ""


def test_many_calls_of_the_tests_leave_less_open(found) -> None:
    few = found([0] * 9, range(9), [*range(8), 99], scores=(1.0, 0.95))
    many = found([0] * 9, range(9), [*range(8), 99], scores=(1.0, 0.95), sources=(TEST,) * 4)
    assert "none stands out (53%" in judged(few) and judged(many) == ""


def test_an_unlikely_edit_that_fits_few_calls_is_no_more_than_a_guess(found) -> None:
    def alone(score: float, calls: int, fixer: str = "templates") -> str:
        return judged(found([0] * 9, range(1, 10), sources=(TEST,) * calls, scores=(score,), fixers=(fixer,)))

    assert "only 1 different call of what it changes" in alone(0.2, 1)
    assert "a test should say what is right for" in alone(0.2, 2)
    assert alone(0.2, 3) == alone(0.4, 2) == alone(0.2, 2, "model") == ""
    assert alone(0.05, 3) != ""
    assert alone(0.01, 4) == ""


def test_few_calls_need_a_likely_edit_or_rivals_that_weigh_little(found) -> None:
    def two(score: float) -> str:
        sources, fixers = (TEST, TEST), ("templates", "templates")
        return judged(
            found([0] * 9, range(1, 10), range(2, 11), sources=sources, scores=(score, score * 0.6), fixers=fixers)
        )

    assert "it is no likely edit by itself" in two(0.5)
    assert two(0.9) == ""


def test_a_rival_that_mostly_answers_one_thing_weighs_nothing(found) -> None:
    dull = found([0] * 20, range(20), [7] * 20, scores=(1.0, 0.99))
    assert weight_of_best(dull, clusters(dull), [0, 1]) == 1.0 and judged(dull) == ""


def test_a_revert_is_not_weighed_against_guesses(found) -> None:
    assert judged(found([0, 0], [1, 2], [1, 3], kinds=("revert", ""))) == ""


def test_a_credible_rival_that_differs_on_what_production_recorded_is_not_guessed_away(found) -> None:
    apart = found([0, 0], [1, 2], [3, 2], scores=(1.0, 0.6), sources=(PRODUCTION,))
    assert "production recorded" in judged(apart)
    far_behind = found([0, 0], [1, 2], [3, 2], scores=(1.0, 0.1), sources=(PRODUCTION,))
    assert judged(far_behind) == ""


def test_what_refuses_to_end_or_still_blunders_is_refuted(found) -> None:
    crash, hang = Answer(what="raised", text="TypeError"), Answer(what="endless", text="")
    still = refutations(found([crash] * 9, [1, crash, crash, crash, 4, 5, 6, 7, 8], range(9)))
    assert set(still) == {0} and "3 of 8 such inputs" in still[0].why
    new = refutations(found([1] * 9, [1, 2, 3, hang, hang, hang, 1, 2, 3]))
    assert "does not end any more" in new[0].why
    value = Answer(what="raised", text="ValueError")
    assert refutations(found([value] * 9, [1, value, value, value, 4, 5, 6, 7, 8])) == {}


def test_an_annotation_is_broken_only_where_base_kept_it(found) -> None:
    nothing = Answer(what="returned", text="None", kind="NoneType")
    assert "returns None" in refutations(found([1, 2], [1, nothing]))[0].why
    assert refutations(found([1, nothing], [1, nothing])) == {}


def test_the_same_answer_to_everything_is_refuted_when_it_says_something(found) -> None:
    always = refutations(found(range(40), ["'joe, tom'"] * 40, range(40)))
    assert set(always) == {0} and "whatever it is asked" in always[0].why
    assert refutations(found(range(40), [0] * 40)) == {}


def test_the_critique_sums_it_up_and_abstains_only_over_what_is_left(found) -> None:
    crash = Answer(what="raised", text="TypeError")
    seen = found([crash] * 9, [1, crash, crash, crash, 4, 5, 6, 7, 8], range(9), scores=(1.0, 0.99))
    critique = summed_up(seen, {}, [v.patch for v in seen.field.versions])
    assert [bool(c.refuted) for c in critique.criticisms] == [True, False]
    assert (critique.clusters, critique.inputs, critique.abstain) == (2, 9, "")


def test_functions_whose_source_differs_are_changed_and_those_that_use_a_changed_constant() -> None:
    def names(old: str, new: str) -> list[str]:
        return [f.name for f in changed("m.py", MODULE, ast.parse(SOURCE.replace(old, new)))]

    assert names("n + n", "n * 2") == ["double"]
    assert names("LIMIT = 3", "LIMIT = 4") == ["Box.grow"]
    assert names("return self.size", "return 0") == ["Box.grow", "Box.grow.<locals>.inner"]
    assert names("size = 1", "size = 2") == ["Box.grow", "Box.grow.<locals>.inner"]
    assert names("twice(n)", "thrice(n)") == ["twice"]


def test_callers_and_their_docstrings_are_found() -> None:
    functions = functions_of("m.py", MODULE)
    double = [f for f in functions if f.name == "double"]
    assert [f.name for f in callers(functions, double)] == ["twice"]
    said = list(documents("m.py", MODULE, {"double"}, {"twice"}))
    assert [(d.owner, d.changed, len(d.examples())) for d in said] == [("double", True, 1)]


@pytest.mark.parametrize(("text", "test"), [
    (">>> double(2)\n4\n", "    assert double(2) == 4\n"),
    (">>> x = Box()\n>>> x.grow()\n4\n", "    x = Box()\n    assert x.grow() == 4\n"),
    (">>> double('a')  # doctest: +ELLIPSIS\n'a...'\n", ""),
    (">>> double(None)\nTraceback (most recent call last):\nTypeError: no\n",
     "    with pytest.raises(TypeError):\n        double(None)\n"),
    (">>> Box()\nBox of 1\n", "    assert repr(Box()) == 'Box of 1'\n"),
])  # fmt: skip
def test_a_lesson_holds_the_example_as_an_assertion(text, test) -> None:
    examples = doctest.DocTestParser().get_examples(text)
    lesson = example_lesson("m", MODULE, "double", examples, len(examples) - 1)
    assert lesson.endswith(f"def test_documented_example() -> None:\n{test}") if test else lesson == ""


def test_the_arbiter_says_why_nothing_is_chosen() -> None:
    patch = Patch(id="p", base="b", diff="d", files=("m.py",), fixer="x", rationale="")
    verdict = Verdict(judgement=Judgement.ACCEPTED, patch=patch)
    red = Reproduction(kind="check", command="python -m pytest -q")
    said = "2 behaviours pass the tests and none stands out: on f(1) the best answers 2, another 3"
    assert choose([verdict], 2, red, Critique(abstain=said)).reason == said
    assert choose([verdict], 2, red, Critique()).verdict is verdict
    assert choose([verdict], 2, red).verdict is verdict


def test_a_version_that_hangs_does_not_make_others_look_alike(found) -> None:
    base, right, wrong = range(40), range(100, 140), [*range(100, 139), 7]
    hangs = [100, *([Answer(what="endless", text="")] * 3)]
    assert clusters(found(base, hangs, right, wrong, right)) == (1, 2, 3, 2)


def test_what_is_nested_without_end_is_taken_for_changed() -> None:
    sums = f"X = {' + '.join(['1'] * 700)}\n\n\ndef f():\n    return {' + '.join(['X'] * 700)}\n\n\ndef g():\n    return 1\n"
    assert [f.name for f in changed("m.py", ast.parse(sums), ast.parse(sums.replace("return 1", "return 2")))][:1]
    branches = "".join(f"    elif n == {n}:\n        return {n}\n" for n in range(900))
    ladder = f"def f(n):\n    if n == -1:\n        return 0\n{branches}"
    assert isinstance(changed("m.py", ast.parse(ladder), ast.parse(ladder.replace("return 0", "return 9"))), list)


def lesson(docstring: str) -> str:
    examples = doctest.DocTestParser().get_examples(docstring)
    return example_lesson("m", ast.parse("class Odd(Exception): pass\ndef f(): pass"), "f", examples, len(examples) - 1)


def test_a_comment_in_an_example_does_not_swallow_what_it_has_to_give() -> None:
    assert "assert f() == 3" in lesson(">>> f()  # three\n3\n")


def test_an_exception_that_nobody_can_name_gives_no_lesson() -> None:
    wanted = ">>> f()\nTraceback (most recent call last):\n  x\n{}: why\n"
    assert "from m import Odd, f" in lesson(wanted.format("m.Odd"))
    assert "pytest.raises(ValueError)" in lesson(wanted.format("ValueError"))
    for kind in ("Elsewhere", '__import__("os").system("x")'):
        assert lesson(wanted.format(kind)) == ""
