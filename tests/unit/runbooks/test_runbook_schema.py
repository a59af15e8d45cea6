"""The JSON schema for editors says what the loader says, for every shipped book and for mistakes."""

import copy
from pathlib import Path

import pytest
import yaml

from nightshift.runbooks.action import Action
from nightshift.runbooks.all_actions import ACTIONS, action_named
from nightshift.runbooks.load import SHIPPED, load_books
from nightshift.runbooks.schema import json_schema

jsonschema_rs = pytest.importorskip("jsonschema_rs")
SCHEMA = json_schema()
BOOKS = sorted(SHIPPED.glob("*.yaml"))


def errors(data):
    return [e.message for e in jsonschema_rs.validator_for(SCHEMA).iter_errors(data)]


def test_it_is_a_schema():
    jsonschema_rs.meta.validate(SCHEMA)


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_every_shipped_book_fits(path):
    assert errors(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    ("where", "value"),
    [(("autonomy",), "sometimes"), (("steps", 0, "action"), "docker.restrat"), (("steps", 0, "with", "grace"), 3),
     (("steps", 0, "with", "grace_s"), "soon"), (("steps", 0, "timeout_s"), 0), (("nmae",), "x"),
     (("parameters", "container", "type"), "int")],
)  # fmt: skip
def test_mistakes_are_marked(where, value):
    data = copy.deepcopy(yaml.safe_load((SHIPPED / "restart-container.yaml").read_text()))
    place = data
    for part in where[:-1]:
        place = place[part]
    place[where[-1]] = value
    assert errors(data)


def test_a_look_up_may_stand_for_a_number():
    data = yaml.safe_load((SHIPPED / "restart-container.yaml").read_text())
    assert data["steps"][0]["with"]["grace_s"] == "${{ params.grace_s }}"
    assert errors(data) == []


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_every_action_describes_its_arguments_and_says_why_it_is_there(name):
    action = action_named(name)
    properties = SCHEMA["$defs"][name]["properties"]
    assert all(p.get("description") for p in properties.values()), name
    assert action.accepts.model_config["extra"] == "forbid"
    assert action.can_undo is (type(action).undo is not Action.undo)
    assert Path(__import__(type(action).__module__, fromlist=["x"]).__file__).read_text().startswith('"""')


def test_every_shipped_book_says_how_to_see_that_it_worked_or_only_tells():
    quiet = {
        "tell-people",
        "restart-container",
        "rollout-restart",
        "failing-probe",
    }  # their action waits until it is well
    assert {name for name, book in load_books().items() if not book.verify} == quiet
