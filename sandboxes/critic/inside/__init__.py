"""Programs of the critic that run inside a sandbox, shipped as text: they import nothing of the house and run on
Python 3.7+. They are a package so that the wheel carries them and the unit tests can import them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def source(name: str) -> str:
    """The text of an inside program (`values`, `canon`, `record`, `answer`, `supervise`)."""
    return files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")
