"""The table of fixers: loaded by name, in order, with settings that fit."""

from __future__ import annotations

import pytest

from nightshift.fixers.all_fixers import FIXERS, create
from nightshift.fixers.templates.fixer import Settings


def test_named_fixers_in_their_order() -> None:
    assert [f.name for f in create(["templates", "revert"])] == ["templates", "revert"]


def test_every_fixer_of_the_table_has_its_own_name() -> None:
    for name in FIXERS:
        if name != "model":  # needs a provider in its settings
            assert create([name])[0].name == name


def test_settings_reach_their_fixer_and_unknown_names_are_told() -> None:
    assert create(["templates"], {"templates": Settings(cores=1)})
    with pytest.raises(KeyError, match="there are revert, dependencies, templates"):
        create(["magic"])
