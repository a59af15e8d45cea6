"""Running commands in this process and looking at what a shell would see."""

from dataclasses import dataclass

import pytest

from nightshift.daemon.cli import main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def nightshift(capsys, monkeypatch, tmp_path):
    """`nightshift ARGS` in an empty folder, without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NIGHTSHIFT_DEBUG", raising=False)

    def run(*args: object) -> Ran:
        code = main([str(a) for a in args])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run
