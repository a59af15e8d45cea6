"""The repository's own scripts at base: what may be searched and edited, and what belongs to the tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from nightshift.daemon.kit.git import BareRepo
from nightshift.fixers.javascript.grammar import Source, is_script

_MOST_BYTES = 512 << 10
_MOST_FILES = 2000
_REGULAR = (0o100644, 0o100755)
_TEST = re.compile(
    r"(?:^|/)(?:tests?|__tests__|__mocks__|spec|specs|e2e|fixtures)/|[._-](?:test|spec|bench)\.[^/]+$|"
    r"(?:^|/)(?:test|spec)\.[^/]+$|(?:^|/)test-[^/]+$"
)
_OUTSIDE = re.compile(
    r"(?:^|/)(?:node_modules|bower_components|vendor|dist|build|out|coverage|\.[^/]+)/|"
    r"(?:^|/)(?:[^/]+\.config|\.[^/]*|gulpfile|gruntfile|karma\.conf)\.[^/]+$|\.min\.[^/]+$"
)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def is_test(path: str) -> bool:
    """Whether a path is a test or belongs to tests."""
    return _TEST.search(path) is not None


def editable(path: str) -> bool:
    """Whether a path is product code: not a test, no configuration, nothing built, vendored or hidden."""
    return is_script(path) and not is_test(path) and _OUTSIDE.search(path) is None


def read_scripts(repo: BareRepo, base: str) -> dict[str, bytes]:
    """Every script of a commit that is the repository's own and UTF-8, tests included."""
    entries = [
        e for e in repo.entries(base)
        if e.mode in _REGULAR and is_script(e.path) and not re.search(r"(?:^|/)node_modules/", e.path)
    ][:_MOST_FILES]  # fmt: skip
    blobs = repo.blobs(sorted({e.blob for e in entries}))
    return {e.path: blobs[e.blob] for e in entries if len(blobs[e.blob]) <= _MOST_BYTES and _decodes(blobs[e.blob])}


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def built_from(read: Mapping[str, bytes], paths: Iterable[str]) -> dict[str, str]:
    """Which source each file that the TypeScript compiler would write comes from, by the tree's tsconfig files."""
    found: dict[str, str] = {}
    for config, data in read.items():
        try:
            options = json.loads(re.sub(r",\s*([}\]])", r"\1", _COMMENT.sub("", data.decode("utf-8")))).get(
                "compilerOptions", {}
            )
        except (ValueError, AttributeError):
            continue
        home = config.rpartition("/")[0]
        out, root = _folder(home, options.get("outDir")), _folder(home, options.get("rootDir"))
        if out is None:
            continue
        typed = [
            path for path in paths if path.endswith((".ts", ".tsx", ".mts", ".cts")) and path.startswith(_slash(home))
        ]
        root = root if root is not None else ("src" if typed and all(p.startswith("src/") for p in typed) else home)
        for path in typed:
            if path.startswith(_slash(root)):
                built = re.sub(r"\.([cm]?)tsx?$", r".\1js", path.removeprefix(_slash(root)))
                found[f"{_slash(out)}{built}"] = path
    return found


def _slash(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _folder(home: str, value: object) -> str | None:
    if not isinstance(value, str):
        return None
    plain = value.removeprefix("./").strip("/")
    return _slash(home) + plain if plain not in ("", ".") else home


def expected_literals(tests: Iterable[Source], names: Iterable[str]) -> tuple[str, ...]:
    """Literals in the bodies of tests of these names: what a fix may return. All tests' when no name is found."""
    wanted, found = set(names), dict[str, None]()
    for source in tests:
        for node in source.nodes:
            given = node.child_by_field_name("arguments") if node.type == "call_expression" else None
            if given is None or not given.named_children or given.named_children[0].type != "string":
                continue
            if source.text(given.named_children[0])[1:-1] in wanted:
                found.update(dict.fromkeys(_literals(source, given)))
    return tuple(found)[:6]


def _literals(source: Source, given: object) -> Iterable[str]:
    from nightshift.fixers.javascript.grammar import walk

    for node in walk(given):  # type: ignore[arg-type]
        function = node.child_by_field_name("function") if node.type == "call_expression" else None
        if function is None or not re.search(
            r"assert|expect|equal|Equal|\bto[A-Z]|\bis\b|\bt\.", source.text(function)
        ):
            continue
        arguments = node.child_by_field_name("arguments")
        for inner in arguments.named_children if arguments is not None else ():
            text = source.text(inner)
            literal = inner.type in ("number", "string", "true", "false", "null", "undefined") or text in (
                "[]",
                "{}",
                "undefined",
                "NaN",
            )
            if literal and len(text) <= 30:
                yield text
