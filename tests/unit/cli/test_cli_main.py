"""The top level: help without heavy imports, and one line for everything that goes wrong."""

import sys

import pytest

from nightshift import __version__
from nightshift.daemon.cli import COMMANDS, dispatch
from nightshift.daemon.cli.trouble import Trouble
from nightshift.daemon.kit.run import run


def test_help_names_every_command(nightshift):
    ran = nightshift("--help")
    assert ran.code == 0
    assert ran.err == ""
    for name, text in COMMANDS.items():
        assert name in ran.out
        assert text in ran.out


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from nightshift.daemon.cli import main; main(['--help']); "
        "heavy = {'typer', 'rich', 'pydantic', 'fastapi', 'sqlalchemy', 'docker', 'yaml', 'httpx'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = run([sys.executable, "-c", code], timeout_s=60)
    assert (done.code, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"version"}))
def test_every_command_explains_itself(nightshift, name):
    ran = nightshift(name, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: nightshift {name}")


def test_version(nightshift):
    assert nightshift("version").out == nightshift("-V").out == f"nightshift {__version__}\n"


def test_no_command_is_bad_usage(nightshift):
    ran = nightshift()
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: nightshift")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("hael",), "nightshift: no such command 'hael'; did you mean 'heal'?\n"),
        (("xyzzy",), "nightshift: no such command 'xyzzy'; see nightshift --help\n"),
        (("--verbose",), "nightshift: no such option '--verbose'; see nightshift --help\n"),
        (("show",), "nightshift show: Missing argument 'ID'. (nightshift show --help)\n"),
        (("heal", "--chek", "x"), "nightshift heal: No such option: --chek"),
        (("incidents", "--limit", "x"), "nightshift incidents: Invalid value for '--limit'"),
    ],
)
def test_bad_usage_is_one_line_and_2(nightshift, args, line):
    ran = nightshift(*args)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(line)
    assert ran.err.count("\n") == 1


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A command of its own, whose outcome the test decides."""
    module = type(sys)("nightshift.daemon.cli.broken")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def raising(error):
        def command() -> None:
            raise error

        module.command = command

    return raising


@pytest.mark.parametrize(
    ("error", "code", "err"),
    [
        (KeyboardInterrupt(), 130, ""),
        (Trouble("one", "two", code=1), 1, "one\ntwo\n"),
        (RuntimeError("first line\nsecond"), 3, "nightshift broken: RuntimeError: first line (--debug shows where)\n"),
        (
            RuntimeError("password=hunter22x"),
            3,
            "nightshift broken: RuntimeError: password=[redacted] (--debug shows where)\n",
        ),
    ],
)
def test_whatever_a_command_raises_becomes_lines_and_a_code(broken, capsys, error, code, err):
    broken(error)
    assert dispatch.dispatch("broken", "broken", [], debug=False) == code
    assert capsys.readouterr().err == err


def test_debug_shows_where(broken, capsys):
    broken(RuntimeError("boom"))
    assert dispatch.dispatch("broken", "broken", [], debug=True) == 3
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "raise error" in err
