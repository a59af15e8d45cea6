"""What comes out of the critic's sandbox was written by code under test: bounded, printable, and its own answer only."""

from __future__ import annotations

import json

from nightshift.sandboxes.critic.session import Answer, _answers, _parsed, _whole


def test_texts_from_inside_can_be_printed_and_stored() -> None:
    row = [1, "returned", "a\x1b[2J\n\ud800\x00é", "int"]
    held = [0, "document", json.dumps([0]), json.dumps(["\ud800\n" * 300] * 50)]
    found = _answers([row, held], 1, 2)
    assert found.calls[0].text == "a\\x1b[2J\\n\\ud800\\x00é"
    (example,) = found.examples.values()
    assert len(example[1]) == 20 and all(text.isprintable() for text in example[1])
    json.dumps(found.calls[0].text).encode()
    found.calls[0].text.encode()


def test_rows_that_blow_up_in_memory_are_no_rows() -> None:
    assert _parsed("[" + "[]," * (1 << 20) + "[]]") is None
    assert _parsed("[" * 100_000) is None


def test_what_is_left_out_before_the_end_is_an_answer_of_its_own() -> None:
    base = _answers([[n, "returned", "1", "int"] for n in range(3)], 0, 3)
    early = [[0, "returned", "1", "int"], [-1]]
    assert _whole(_answers(early, 0, 3), early, base).calls[2] == Answer(what="silent", text="")
    cut = early[:1]
    assert set(_whole(_answers(cut, 0, 3), cut, base).calls) == {0}
