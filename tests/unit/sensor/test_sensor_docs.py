"""The configurations in docs/sensor.md are ones a sensor and a daemon take, and they fit each other."""

import re
from pathlib import Path

from nightshift.daemon.config.load import load_config

DOC = Path(__file__).parents[3] / "docs" / "sensor.md"


def test_the_examples_are_taken_and_know_each_other(tmp_path):
    sensor, daemon = re.findall(r"```yaml\n(.*?)```", DOC.read_text(), re.DOTALL)
    loaded = []
    for name, text in (("sensor.yaml", sensor), ("nightshift.yaml", daemon)):
        (tmp_path / name).write_text(text)
        environ = {"NIGHTSHIFT_SENSOR_TOKEN": "t", "WEB_1_SENSOR_TOKEN": "t"}
        loaded.append(load_config(tmp_path / name, environ=environ))
    assert [known.name for known in loaded[1].monitors.sensors.known] == [loaded[0].sensor.name]
