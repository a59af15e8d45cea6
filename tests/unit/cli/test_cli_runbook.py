"""Runbooks read and checked here; running them belongs to the daemon."""

import json

import pytest

BOOK = """
name: hello
description: Says hello
parameters: {who: {}}
steps:
  - {name: say, action: notify, with: {title: "hello {{ params.who }}"}}
"""


@pytest.fixture
def books(tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "hello.yaml").write_text(BOOK)
    (tmp_path / "nightshift.yaml").write_text("runbooks: {dirs: [books]}\n")
    return tmp_path / "books"


def test_the_shipped_books_are_listed_without_a_configuration(nightshift):
    ran = nightshift("runbook", "list")
    assert ran.code == 0
    assert "restart-container" in ran.out


def test_books_of_the_configuration_join_them(nightshift, books):
    names = [book["name"] for book in json.loads(nightshift("runbook", "list", "--json").out)]
    assert {"hello", "restart-container"} <= set(names)
    assert names == sorted(names)


def test_show(nightshift, books):
    assert json.loads(nightshift("runbook", "show", "hello", "--json").out)["steps"][0]["action"] == "notify"
    assert "Says hello" in nightshift("runbook", "show", "hello").out
    ran = nightshift("runbook", "show", "helo")
    assert (ran.code, ran.err) == (2, "nightshift runbook: no runbook 'helo'; did you mean 'hello'?\n")


def test_lint(nightshift, books):
    assert nightshift("runbook", "lint", books).code == 0
    (books / "bad.yaml").write_text(BOOK.replace("action: notify", "action: notfy"))
    ran = nightshift("runbook", "lint", books)
    assert (ran.code, ran.out) == (1, "")
    assert f"{books}/bad.yaml:6:" in ran.err
    assert "notify" in ran.err


def test_a_broken_book_is_told_when_books_are_needed(nightshift, books):
    (books / "bad.yaml").write_text("steps: 3\n")
    ran = nightshift("runbook", "list")
    assert (ran.code, ran.out) == (2, "")
    assert "bad.yaml" in ran.err


def test_a_parameter_without_a_value(nightshift, books):
    ran = nightshift("runbook", "run", "hello", "-p", "who")
    assert (ran.code, ran.err) == (2, "nightshift runbook run: -p takes name=value, not 'who'\n")


def test_a_word_that_yaml_takes_for_something_else_wants_quotes(nightshift, books):
    (books / "bad.yaml").write_text(BOOK.replace("name: say", "name: no"))
    ran = nightshift("runbook", "lint", books / "bad.yaml")
    assert f"{books}/bad.yaml:6: steps.0.name: input should be a valid string; put it in quotes" in ran.err


def test_lint_finds_books_that_run_each_other_for_ever(nightshift, books):
    for name, other in (("one", "two"), ("two", "one")):
        step = f"{{name: s, action: runbook, with: {{book: {other}}}}}"
        (books / f"{name}.yaml").write_text(f"name: {name}\ndescription: d\nsteps: [{step}]\n")
    ran = nightshift("runbook", "lint", books)
    assert (ran.code, "in a circle: one → two → one" in ran.err) == (1, True)


def test_the_schema_is_one_editors_can_use(nightshift):
    schema = json.loads(nightshift("runbook", "schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "kubernetes.rollout_undo" in schema["$defs"]["Step"]["properties"]["action"]["enum"]
