import pytest

from nightshift.daemon.missions.gather import diagnose, locate
from nightshift.daemon.model import Frame, Signal

TREE = ["app.py", "shop/cart.py", "src/pkg/__init__.py", "src/pkg/util.py", "src/other/util.py", "README.md"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/srv/releases/1/app.py", "app.py"),
        ("/srv/shop/cart.py", "shop/cart.py"),
        ("/opt/venv/pkg/util.py", "src/pkg/util.py"),
        ("/opt/util.py", ""),
        ("/opt/src/pkg/util.py", "src/pkg/util.py"),
        ("shop/cart.py", "shop/cart.py"),
        ("/srv/cart.py", ""),
        ("/nowhere/else.py", ""),
        ("", ""),
    ],
)
def test_production_paths_become_paths_of_the_tree(path: str, found: str):
    assert locate(path, TREE) == found


def test_frames_outside_the_repository_are_dropped():
    frames = (
        Frame(path="/usr/lib/python3.11/json/decoder.py", line=1, function="decode"),
        Frame(path="C:\\srv\\shop\\cart.py", line=3, function="average"),
        Frame(path="/venv/site-packages/shop/cart.py", line=9, function="x"),
    )
    signal = Signal(key="k", source="logs", service="s", title="t", at_ms=1, exception="E", frames=frames)
    found = diagnose(signal, TREE)
    assert [(f.path, f.line) for f in found.frames] == [("shop/cart.py", 3)]
    assert found.suspects[0].path == "shop/cart.py"
