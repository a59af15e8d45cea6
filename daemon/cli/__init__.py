"""The command line. This file imports nothing heavy: `--help` is printed from a table, and a command's module (and
typer with it) is imported only when that command runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

COMMANDS: dict[str, str] = {
    "run": "Run the daemon in the foreground.",
    "sensor": "Watch here and forward what is seen to a daemon elsewhere.",
    "heal": "Heal one failure of a git repository, now, and print the patch.",
    "init": "Write a commented nightshift.yaml for a repository.",
    "check": "Check the configuration and the world around it.",
    "report": "Print the report of a period.",
    "incidents": "List incidents.",
    "scan": "Print the incidents in finished logs; no configuration needed.",
    "show": "Show one incident: its mission, evidence, gates and diff.",
    "replay": "Judge the patches of a recorded tournament again.",
    "approve": "Approve a mission that waits for a person.",
    "reject": "Reject what a mission proposes; it ends.",
    "pause": "Hold a mission before its next step.",
    "resume": "Let a paused mission go on.",
    "policy": "Explain what a mission may do alone; stop every effect.",
    "runbook": "List, show, check and run runbooks.",
    "schema": "Print the configuration's JSON schema.",
    "demo": "Watch three incidents on a real small service, start to end.",
    "version": "Print the version.",
}
"""Command → one line of help; the module of the same name in this package holds `command` or `app`."""

_MODULES = dict.fromkeys(("approve", "reject", "pause", "resume"), "verbs")


def help_text() -> str:
    """What `nightshift --help` prints."""
    width = max(map(len, COMMANDS)) + 2
    rows = "\n".join(f"  {name:<{width}}{text}" for name, text in COMMANDS.items())
    return (
        "Usage: nightshift COMMAND [OPTIONS]\n\n"
        "Watches services at night, heals what it can prove, reports in the morning.\n\n"
        f"Commands:\n{rows}\n\n"
        "Options:\n"
        "  -h, --help     Show this text; nightshift COMMAND --help explains one command.\n"
        "  -V, --version  Print the version.\n"
        "  --debug        Show tracebacks (also: NIGHTSHIFT_DEBUG=1).\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 no, 2 bad usage or configuration, 3 broken environment)."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(args)
    except KeyboardInterrupt:
        return 130


def _main(args: list[str]) -> int:
    debug = _take_debug(args)
    if not args:
        sys.stderr.write(help_text())
        return 2
    name = args[0]
    if name in ("-h", "--help", "help"):
        sys.stdout.write(help_text())
        return 0
    if name in ("-V", "--version", "version"):
        from nightshift import __version__

        print(f"nightshift {__version__}")
        return 0
    if name not in COMMANDS:
        return _unknown(name)
    if name == "scan":
        return _scan(args[1:])
    from nightshift.daemon.cli.dispatch import dispatch

    return dispatch(name, _MODULES.get(name, name), args[1:], debug=debug)


def _scan(args: list[str]) -> int:
    """Without the machinery of the other commands, which costs more than a small log."""
    from nightshift.daemon.cli.scan import lean

    try:
        status = lean(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _take_debug(args: list[str]) -> bool:
    ours = args[: args.index("--")] if "--" in args else args
    if "--debug" not in ours:
        import os

        return os.environ.get("NIGHTSHIFT_DEBUG", "") not in ("", "0")
    args.remove("--debug")
    return True


def _unknown(name: str) -> int:
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "see nightshift --help"
    what = "option" if name.startswith("-") else "command"
    print(f"nightshift: no such {what} '{name}'; {hint}", file=sys.stderr)
    return 2


__all__ = ["COMMANDS", "help_text", "main"]
