"""What the pages of metrics and probes show can be configured as shown."""

import re
from pathlib import Path

import pytest

from nightshift.daemon.config.load import load_config

PAGES = Path(__file__).parents[3] / "docs" / "monitors"
BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page in ("prometheus", "probes")
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", (PAGES / f"{page}.md").read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_are_accepted(tmp_path, block):
    path = tmp_path / "nightshift.yaml"
    path.write_text(block)
    config = load_config(path, environ={"PROMETHEUS_PASSWORD": "a-password"})
    assert config.monitors.prometheus or config.monitors.probes
