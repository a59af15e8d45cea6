import json

import pytest

from nightshift.runbooks.all_actions import ACTIONS, action_named
from nightshift.runbooks.errors import BookError
from nightshift.runbooks.load import lint, load_book, load_books, parse_book
from nightshift.runbooks.schema import json_schema

GOOD = """\
name: calm-down
description: Calms it down.
match:
  exception: KeyError
parameters:
  unit:
    description: What.
  grace:
    type: integer
    default: 5
steps:
  - name: first
    action: command
    with:
      argv: [calm, '${{ params.unit }}']
  - name: second
    action: docker.restart
    when: ${{ steps.first.output }}
    with:
      container: ${{ params.unit }}
      grace_s: ${{ params.grace }}
rollback:
  - name: tell
    action: notify
    with: {title: 'calm-down failed: ${{ steps.second.status }}'}
"""


def problems(text):
    with pytest.raises(BookError) as error:
        parse_book(text, "b.yaml")
    return list(error.value.problems)


def test_a_good_book():
    book = parse_book(GOOD)
    assert [(phase, step.name) for phase, step in book.all_steps()] == [
        ("steps", "first"), ("steps", "second"), ("rollback", "tell"),
    ]  # fmt: skip
    assert book.parameters["grace"].default == 5
    assert book.autonomy == "propose"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("description: Calms", "descripton: Calms", "b.yaml:2: unknown key 'descripton', nearest valid name: 'descrip"),
        ("docker.restart", "docker.restrat", "b.yaml:17: no action 'docker.restrat', nearest valid name: 'docker.rest"),
        ("grace_s:", "grace:", "b.yaml:21: unknown key 'grace', nearest valid name: 'grace_s'"),
        ("params.grace }}", "params.grade }}", "b.yaml:21: there is no 'params.grade' here, nearest valid name: 'p"),
        ("steps.first.output", "steps.second.output", "b.yaml:18: there is no 'steps.second.output' here"),
        ("when: ${{ steps.first.output }}", "when: ${{ 1 + 1 }}", "b.yaml:18: '${{ 1 + 1 }}' is not a plain look-up"),
        ("name: second", "name: first", "b.yaml:16: the step name 'first' is taken"),
        ("default: 5", "default: five", "b.yaml:10: the default of 'grace' must be a whole number"),
        ("type: integer", "type: int", "b.yaml:9: parameters.grace.type: input should be"),
        ("    action: command\n", "", "b.yaml:12: steps.0.action: field required"),
        ("[calm, '${{ params.unit }}']", "calm down", "b.yaml:15: steps.0.with.argv:"),
        ("container: ${{ params.unit }}\n      ", "", "b.yaml:19: steps.1.with.container: field required"),
        ("exception: KeyError", "regex: '(['", "b.yaml:4: match.regex: not a regular expression"),
        ("exception: KeyError", "exeption: KeyError", "b.yaml:4: unknown key 'exeption', nearest valid name: 'excep"),
        ("name: calm-down", "name: Calm Down", "b.yaml:1: name: string should match pattern"),
        ("name: calm-down", "name: calm-down\nname: again", "b.yaml:2: the key 'name' stands here twice"),
        ("steps:\n", "steps: {}\nsteps2:\n", "b.yaml:12: unknown key 'steps2', nearest valid name: 'steps'"),
        ("title: 'calm", "titel: 'calm", "b.yaml:25: unknown key 'titel', nearest valid name: 'title'"),
    ],
    ids=range(18),
)  # fmt: skip
def test_each_mistake_is_one_line_with_file_line_and_the_nearest_name(old, new, line):
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1))
    assert [p for p in found if p.startswith(line)], found


def test_every_mistake_is_told_at_once():
    bad = GOOD.replace("docker.restart", "nope").replace("params.grace }}", "params.x }}").replace("notify", "shout")
    assert len(problems(bad)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "", "- a\n- b", "just words", "a: [", "a: !!python/object/apply:os.system ['true']", "\x00", "{" * 5000,
        "a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"k{n}: [*b, *b]\n" for n in range(30)),
        "? [a]\n: b", "x: " + "y" * (64 * 1024), "a: 9" + "9" * 9999, "<<: {a: &x 1}\nb: *y",
    ],
    ids=range(12),
)  # fmt: skip
def test_hostile_or_broken_files_are_lines_too(text, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(text.encode())
    found = lint(path)
    assert found
    assert all(line.startswith(f"{path}:") for line in found)


def test_an_alias_within_reason_is_fine():
    assert parse_book(
        GOOD.replace("description: What.", "description: &what What.").replace("default: 5", "default: 5")
    )


def test_a_self_reference_is_refused():
    assert "b.yaml" in problems(GOOD + "cool_down_s: &x [*x]\n")[0]


def test_the_shipped_books_are_sound_and_told_apart():
    books = load_books()
    assert {"restart-container", "rollout-restart", "restart-by-command"} <= set(books)
    assert len(books) >= 14
    assert all(step.action in (*ACTIONS, "undo") for b in books.values() for _, step in b.all_steps())


def test_folders_add_to_the_shipped_books_and_replace_them(tmp_path):
    (tmp_path / "calm.yaml").write_text(GOOD)
    (tmp_path / "own.yml").write_text(GOOD.replace("calm-down", "restart-container", 1))
    (tmp_path / "notes.txt").write_text("not a book")
    books = load_books([tmp_path])
    assert "calm-down" in books
    assert books["restart-container"].description == "Calms it down."


def test_two_books_of_one_name_and_a_missing_folder_are_problems(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(BookError, match="is taken by"):
        load_books([tmp_path])
    with pytest.raises(BookError, match="no such folder"):
        load_books([tmp_path / "nowhere"])
    assert lint(tmp_path / "nowhere.yaml")
    assert "is taken by" in lint(tmp_path)[0]
    (tmp_path / "b.yaml").unlink()
    assert lint(tmp_path) == []


def test_the_schema_describes_books_and_actions():
    schema = json_schema()
    json.dumps(schema)
    assert schema["$defs"]["Step"]["properties"]["action"]["enum"] == [*sorted(ACTIONS), "undo"]
    assert "with" in schema["$defs"]["Step"]["properties"]
    assert "container" in schema["$defs"]["docker.restart"]["properties"]


def test_the_table_holds_actions_under_their_own_names(tmp_path):
    assert all(action_named(name).name == name for name in ACTIONS)
    (tmp_path / "x.yaml").write_text(GOOD)
    assert load_book(tmp_path / "x.yaml").name == "calm-down"
