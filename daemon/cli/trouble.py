"""What commands raise when they can't go on: lines for people and the exit code for programs."""

from __future__ import annotations


class Trouble(Exception):
    """Ends a command. `code`: 1 the answer is no, 2 bad usage or configuration, 3 the environment broke."""

    def __init__(self, *lines: str, code: int = 2) -> None:
        super().__init__("\n".join(lines))
        self.lines, self.code = lines, code
