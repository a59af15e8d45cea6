import json

import pytest

from nightshift.fixers.model.answer import MAX_ANSWER_CHARS, SCHEMA, Unusable, parse

GOOD = {"rationale": "why", "edits": [{"path": "a.py", "search": "x", "replace": "y"}]}


def test_a_plain_and_a_fenced_object_are_read():
    assert parse(json.dumps(GOOD)).edits[0].path == "a.py"
    assert parse(f"```json\n{json.dumps(GOOD)}\n```\n").rationale == "why"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I can't help with that.",
        "Sure! " + json.dumps(GOOD),
        json.dumps(GOOD)[:-3],
        "null",
        "[]",
        "{}",
        json.dumps({"rationale": "w", "edits": []}),
        json.dumps({**GOOD, "command": "rm -rf /"}),
        json.dumps({"rationale": 5, "edits": GOOD["edits"]}),
        json.dumps({"rationale": "w", "edits": [{"path": "a.py", "search": "", "replace": "y"}]}),
        json.dumps({"rationale": "w", "edits": [{"path": "a.py", "search": "x"}]}),
        json.dumps({"rationale": "w", "edits": GOOD["edits"] * 11}),
        json.dumps({"rationale": "w", "edits": [{"path": "a.py", "search": "x", "replace": "y" * 20_001}]}),
        '{"rationale": "w", "edits": [{"path": "a.py", "search": "x", "replace": "\\ud800"}]}',
        "[" * 100_000,
        '{"a":' * 50_000,
        "9" * 10_000,
        "x" * (MAX_ANSWER_CHARS + 1),
        "\x00\xff\x1b[31m",
    ],
    ids=range(20),
)
def test_anything_else_is_refused_with_a_short_reason(text):
    with pytest.raises(Unusable) as refusal:
        parse(text)
    assert 10 < len(str(refusal.value)) < 500
    assert "\n" not in str(refusal.value)


def test_the_schema_asks_for_what_the_parser_takes():
    assert set(SCHEMA["required"]) == set(GOOD)
    assert set(SCHEMA["properties"]["edits"]["items"]["required"]) == set(GOOD["edits"][0])
