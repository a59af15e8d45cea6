"""`nightshift scan`: the incidents in finished logs, with no configuration and no daemon.

Measured from outside as one process, so it reads its own options: the usual parser costs more than a small log.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

HELP = """\
Usage: nightshift scan [OPTIONS] FILE...

Print the incidents in finished logs: what kind, how often, first and last time, a sample. FILE may be compressed
(.gz, .bz2, .xz); '-' is standard input. Times without a zone are taken as UTC.

Options:
  --json            Print JSON for programs.
  --service NAME    The service the logs are of; it only names the incidents.
  --traces          Only crashes with a trace, no error records.
  --sort ORDER      count (default), first or last.
  -n, --limit N     Print at most N incidents (0: all). Default: 50; with --json: all.
  -h, --help        Show this text.

Exit status: 0 read, 1 some files could not be read, 2 bad usage.
"""
_ORDERS = ("count", "first", "last")


class _Usage(Exception):
    """What is wrong with the arguments."""


@dataclass(kw_only=True)
class _Options:
    files: list[str] = field(default_factory=list)
    json: bool = False
    service: str = "scan"
    traces: bool = False
    sort: str = "count"
    limit: int = -1


def lean(args: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    if "-h" in args or "--help" in args:
        sys.stdout.write(HELP)
        return 0
    try:
        options = _parse(list(args))
    except _Usage as wrong:
        print(f"nightshift scan: {wrong} (nightshift scan --help)", file=sys.stderr)
        return 2
    return _scan(options)


def _parse(args: list[str]) -> _Options:
    options = _Options()
    while args:
        name, given, value = args.pop(0).partition("=")
        if name in ("--json", "--traces") and not given:
            setattr(options, name[2:], True)
        elif name in ("--service", "--sort", "--limit", "-n"):
            if not given and not args:
                raise _Usage(f"{name} needs a value")
            _set(options, name, value if given else args.pop(0))
        elif name == "--" and not given:
            options.files += args
            args = []
        elif name.startswith("-") and name != "-":
            raise _Usage(f"no such option: {name}")
        else:
            options.files.append(name + given + value)
    if not options.files:
        raise _Usage("name at least one log file, or - for standard input")
    return options


def _set(options: _Options, name: str, value: str) -> None:
    if name == "--service":
        options.service = value
    elif name == "--sort":
        if value not in _ORDERS:
            raise _Usage(f"--sort is one of {', '.join(_ORDERS)}, not '{value}'")
        options.sort = value
    elif not value.isdigit():
        raise _Usage(f"{name} needs a number, not '{value}'")
    else:
        options.limit = int(value)


def _scan(options: _Options) -> int:
    from nightshift.daemon.kit.clock import SystemClock
    from nightshift.daemon.tally import Tally, open_log
    from nightshift.monitors.logs.scan import Prefilter

    tally = Tally(service=options.service, clock=SystemClock(), errors=not options.traces)
    prefilter = Prefilter(errors=not options.traces)
    files: list[dict[str, object]] = []
    for path in options.files:
        try:
            with open_log(path) as stream:
                files.append({"file": path, "bytes": tally.scan(stream, path, prefilter, _progress(path))})
        except (OSError, EOFError) as trouble:
            reason = getattr(trouble, "strerror", None) or str(trouble) or type(trouble).__name__
            print(f"nightshift scan: {path}: {reason}", file=sys.stderr)
            files.append({"file": path, "bytes": 0, "error": reason})
    _print(options, tally, files)
    return 1 if any("error" in f for f in files) else 0


def _progress(path: str):  # type: ignore[no-untyped-def]
    """Says on a terminal how far a long read is."""
    if not sys.stderr.isatty():
        return None
    try:
        size = os.path.getsize(path)
    except OSError:
        size = 0
    done, shown = 0, -1

    def tell(got: int) -> None:
        nonlocal done, shown
        done += got
        if done >> 28 != shown:
            shown = done >> 28
            share = f"{100 * done // size} %" if size else f"{done >> 20} MB"
            print(f"\r{path}: {share} ", end="" if done < size else "\r\033[K", file=sys.stderr, flush=True)

    return tell if size > 1 << 28 or not size else None


def _print(options: _Options, tally, files: list[dict[str, object]]) -> None:  # type: ignore[no-untyped-def]
    keys = {"count": lambda g: -g.count, "first": lambda g: g.first_ms or 0, "last": lambda g: -(g.last_ms or 0)}
    groups = sorted(tally.groups.values(), key=keys[options.sort])
    limit = options.limit if options.limit >= 0 else (0 if options.json else 50)
    chosen = groups[:limit] if limit else groups
    total = sum(int(str(f["bytes"])) for f in files)
    if options.json:
        import orjson

        from nightshift.daemon.kit.redact import redact

        body = {"incidents": [g.as_json() for g in chosen], "events": tally.events, "bytes": total, "files": files}
        text = orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()
        print(redact(text))
        return
    _table(chosen, len(groups), tally.events, total)


def _table(chosen, found: int, events: int, total: int) -> None:  # type: ignore[no-untyped-def]
    from nightshift.daemon.kit.plain import plain
    from nightshift.daemon.tally import iso

    for group in chosen:
        first, last = iso(group.first_ms) or "time unknown", iso(group.last_ms) or ""
        when = first if first == last or not last else f"{first} to {last}"
        signal = group.signal
        print(f"{group.count:>8} ×  {signal.severity.value:<8}  {plain(signal.title)}")
        print(f"            {when}  {group.fingerprint}  {plain(group.offsets[0][0])}:{group.offsets[0][1]}")
    more = f"; {found - len(chosen)} more (--limit)" if found > len(chosen) else ""
    print(f"{events} events of {found} kinds in {total / 1e6:.1f} MB{more}")
