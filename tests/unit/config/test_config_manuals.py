"""The examples of docs/policy.md and docs/deploy.md are configurations that are taken, and their words are today's."""

import re
from pathlib import Path

import pytest

from nightshift.daemon.config.load import load_config
from nightshift.daemon.missions.policy.rules import _RULES

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = [(name, n) for name in ("policy.md", "deploy.md")
            for n in range(len(re.findall(r"```yaml\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)))]  # fmt: skip


@pytest.mark.parametrize(("name", "number"), EXAMPLES)
def test_the_examples_are_taken(tmp_path, name, number):
    text = re.findall(r"```yaml\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)[number]
    for place in set(re.findall(r"repo: (/\S+)", text)):
        (tmp_path / place.strip("/")).mkdir(parents=True, exist_ok=True)
        text = text.replace(f"repo: {place}", f"repo: {tmp_path}{place}")
    (tmp_path / "nightshift.yaml").write_text(text)
    config = load_config(tmp_path / "nightshift.yaml", environ={})
    assert config.services
    assert config.services_model()


def test_every_rule_is_in_the_manual():
    text = (DOCS / "policy.md").read_text()
    for rule in _RULES:
        assert rule in text, rule


@pytest.mark.parametrize(
    ("service", "told"),
    [
        ("deploy: [x]\n    deployer: {kind: none}", "deploy and deployer are each a way to deploy: keep one"),
        ("guards: [latency]\n    watch_window_s: 60", "set watch_window_s to 180 or more"),
        ("guards: [latency]\n    watch_window_s: 300", "say where it answers"),
        ("guards: [latnecy]\n    watch_window_s: 300", "did you mean 'latency'"),
        ("deployer: {kind: docker}", "containers"),
        ("deployer: {kind: dokcer, containers: [a]}", "docker"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_line(tmp_path, service, told):
    from nightshift.daemon.config.errors import ConfigError

    (tmp_path / "nightshift.yaml").write_text(f"services:\n  - name: shop\n    repo: .\n    {service}\n")
    with pytest.raises(ConfigError) as wrong:
        load_config(tmp_path / "nightshift.yaml", environ={})
    assert told in "\n".join(wrong.value.lines), wrong.value.lines
