"""docs/runbooks.md says what the actions are today, and its examples are sound."""

import re
from pathlib import Path

import pytest
import yaml

from nightshift.daemon.config.load import load_config
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.reference import with_actions

MANUAL = Path("docs/runbooks.md")
BLOCKS = re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(), re.DOTALL)


def test_the_actions_are_todays():
    text = MANUAL.read_text()
    assert with_actions(text) == text, "write it anew: nightshift runbook schema --markdown"


def test_every_shipped_book_is_named():
    assert all(f"`{name}`" in MANUAL.read_text() for name in load_books())


def test_the_example_is_a_book():
    assert parse_book(BLOCKS[0]).name == "drain-worker"


@pytest.mark.parametrize("at", range(1, len(BLOCKS)))
def test_the_examples_are_configurations(tmp_path, at):
    (tmp_path / "runbooks").mkdir()
    data = yaml.safe_load(BLOCKS[at])
    (tmp_path / "nightshift.yaml").write_text(yaml.safe_dump(data))
    environ = {"SHOP_POOL_URL": "postgresql://x@/y", "SLACK_SIGNING_SECRET": "s3cret-s3cret",
               "SLACK_WEBHOOK": "https://hooks.slack.com/services/x"}  # fmt: skip
    assert load_config(tmp_path / "nightshift.yaml", environ=environ).runbooks
