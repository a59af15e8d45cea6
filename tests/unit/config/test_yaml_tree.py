"""YAML with line numbers: where values stood, and what is refused before anybody reads it."""

import pytest

from nightshift.daemon.config.errors import ConfigError
from nightshift.daemon.config.yaml_tree import MAX_BYTES, parse


def refused(text):
    with pytest.raises(ConfigError) as caught:
        parse(text, "n.yaml")
    return caught.value.lines


def test_values_and_their_lines():
    tree = parse("a: 1\nb:\n  - c: x\n    d: [1, 2]\n", "n.yaml")
    assert tree.data == {"a": 1, "b": [{"c": "x", "d": [1, 2]}]}
    assert tree.line(("b", 0, "d")) == 4
    assert tree.line(("b", 0, "missing")) == 3
    assert tree.line(()) == 1


@pytest.mark.parametrize("text", ["", "# only a comment\n", "null\n"])
def test_nothing_is_an_empty_mapping(text):
    assert parse(text, "n.yaml").data == {}


def test_duplicate_keys_are_all_told_with_both_lines():
    assert refused("a: 1\nb: {c: 1, c: 2}\na: 2\n") == (
        "n.yaml:3: a: the key is there twice, first on line 1",
        "n.yaml:2: b.c: the key is there twice, first on line 2",
    )


def test_anchors_and_merge_keys_work():
    tree = parse("base: &b {x: 1, y: 2}\nthing:\n  <<: *b\n  y: 3\n", "n.yaml")
    assert tree.data["thing"] == {"x": 1, "y": 3}


def test_an_alias_bomb_is_refused():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "too many values" in refused("\n".join(levels))[0]


def test_an_alias_to_itself_is_refused():
    assert "too many values or levels" in refused("a: &a [*a]\n")[0]


def test_size_is_capped():
    assert refused("a: " + "x" * MAX_BYTES) == ("n.yaml:1: larger than 256 KiB; a configuration is not",)


def test_tags_make_nothing():
    assert refused("a: 1\nb: !!python/object/apply:os.system ['true']\n") == ("n.yaml:2: b: tags (!…) are not allowed",)
    assert refused("a: !!python/name:os.system x\n") == ("n.yaml:1: not valid YAML: tags (!…) are not allowed",)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a: [1, 2\nb: 3\n", "n.yaml:2: not valid YAML: "),
        ("\ta: 1\n", "n.yaml:1: not valid YAML: "),
        ("- a\n- b\n", "n.yaml:1: the file must be a mapping of keys to values, not a list"),
        ("1: x\n", "n.yaml:1: top level: the key 1 is not text"),
        ("on: x\n", "n.yaml:1: top level: the key True is not text"),
        ("a: \x00\n", "n.yaml:1: not "),
        ("[" * 5000, "n.yaml:1: "),
    ],
)
def test_what_is_not_a_mapping_is_told_with_its_line(text, start):
    (line,) = refused(text)
    assert line.startswith(start)
    assert "\n" not in line
