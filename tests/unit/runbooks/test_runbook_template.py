import pytest

from nightshift.runbooks.template import TemplateError, fill, holes, truth

VALUES = {"params.name": "shop", "params.count": 3, "params.on": True, "steps.a.output": "${{ params.name }}"}


def test_a_lone_hole_keeps_its_type_a_mixed_one_is_text():
    assert fill("${{ params.count }}", VALUES) == 3
    assert fill("${{params.on}}", VALUES) is True
    assert fill("n=${{ params.count }} ${{ params.on }}", VALUES) == "n=3 true"


def test_nesting_is_followed_and_other_values_left_alone():
    wanted = {"argv": ["restart", "shop"], "grace_s": 5}
    assert fill({"argv": ["restart", "${{ params.name }}"], "grace_s": 5}, VALUES) == wanted
    assert holes({"a": ["${{ params.x }}"], "b": "${{ run.key }}/${{ params.y }}"}) == [
        "params.x",
        "run.key",
        "params.y",
    ]


def test_a_value_is_not_looked_at_again():
    assert fill("${{ steps.a.output }}!", VALUES) == "${{ params.name }}!"


@pytest.mark.parametrize(
    "text",
    ["${{ 1 + 1 }}", "${{ params['x'] }}", "${{ name }}", "${{ params.x | upper }}", "${{ }}", "${{ params.x",
     "a ${{ b",
     "${{ __import__('os') }}", "${{ params.a.b.c.d.e.f.g.h }}"],
)  # fmt: skip
def test_expressions_are_refused(text):
    with pytest.raises(TemplateError):
        holes(text)


def test_a_missing_name_is_refused():
    with pytest.raises(TemplateError, match=r"params\.nmae"):
        fill("${{ params.nmae }}", VALUES)


@pytest.mark.parametrize(("value", "expected"), [("", False), ("No", False), (0, False), (True, True), ("ok", True)])
def test_truth(value, expected):
    assert truth(value) is expected
