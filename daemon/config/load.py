"""From a file and the environment to a Config, or to the full list of what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nightshift.daemon.config import shape
from nightshift.daemon.config.errors import ConfigError, Place, Problem, spell
from nightshift.daemon.config.messages import explain
from nightshift.daemon.config.references import References
from nightshift.daemon.config.settings import Config
from nightshift.daemon.config.yaml_tree import MAX_BYTES, Tree, parse
from nightshift.daemon.kit.nearest import nearest

PLACES = (Path("nightshift.yaml"), Path("/etc/nightshift/nightshift.yaml"))
"""Where the configuration is looked for when none is named."""


def find_config(given: Path | None = None) -> Path:
    """The configuration file to use: the given one, else the first of `PLACES`. Raises ConfigError."""
    if given is not None:
        return given
    for place in PLACES:
        if place.is_file():
            return place
    looked = " and ".join(map(str, PLACES))
    raise ConfigError([f"no configuration: looked for {looked}; write one with 'nightshift init' or name it with -c"])


def load_config(path: str | Path, *, environ: Mapping[str, str] | None = None, demand_secrets: bool = True) -> Config:
    """Read, merge, resolve and check a configuration. Raises ConfigError with one line per problem.

    `environ` (default: the process's) may override any key; with `demand_secrets` false a secret that can't be read
    is no problem (commands that only read the store don't need any).
    """
    path = Path(path)
    environ = os.environ if environ is None else environ
    source = _Source(name=_shown(path), tree=parse(_read(path), _shown(path)), environ=environ)
    raw = _merge(source.tree.data, _from_environment(environ))
    raw.setdefault("state_dir", ".nightshift")
    resolve = References(folder=path.absolute().parent, environ=environ, demand=demand_secrets)
    ready = shape.rewrite(raw, (Config,), resolve)
    return _validated(ready, source, resolve.problems)


@dataclass(frozen=True, kw_only=True)
class _Source:
    name: str
    tree: Tree
    environ: Mapping[str, str]

    def tell(self, problem: Problem) -> tuple[int, str]:
        """(line, message) of a problem; those that come from the environment name the variable."""
        for end in range(len(problem.place), 0, -1):
            variable = "NIGHTSHIFT_" + "__".join(map(str, problem.place[:end])).upper()
            if variable in {name.upper() for name in self.environ}:
                return 0, f"environment: {variable}: {spell(problem.place)}: {problem.text}"
        line = self.tree.line(problem.place)
        where = f"{spell(problem.place)}: " if problem.place else ""
        return line, f"{self.name}:{line}: {where}{problem.text}"


def _validated(raw: Mapping[str, Any], source: _Source, problems: list[Problem]) -> Config:
    found = list(problems)
    try:
        config = Config(**raw)
    except ValidationError as error:
        known = {p.place for p in problems}
        found += [p for p in explain(error, (Config,), raw) if p.place not in known]
        config = None
    if found or config is None:
        raise ConfigError(list(dict.fromkeys(text for _, text in sorted(map(source.tell, found)))))
    return config


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{_shown(path)}: {_no_file(path, error)}"]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError([f"{_shown(path)}:{line}: not UTF-8 text"]) from None


def _no_file(path: Path, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"can't read it: {error.strerror}"
    folder = path.absolute().parent
    others = [p.name for p in folder.glob("*.y*ml")] if folder.is_dir() else []
    hint = nearest(path.name, others) if others else ""
    return f"no such file{hint or '; write one with: nightshift init'}"


def _shown(path: Path) -> str:
    return str(path)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    from pydantic_settings import EnvSettingsSource, SettingsError

    class _Given(EnvSettingsSource):
        def _load_env_vars(self) -> Mapping[str, str | None]:
            return {name.lower(): value for name, value in environ.items()}

    try:
        return dict(_Given(Config)())
    except SettingsError as error:
        field = str(error).split('"')[1] if '"' in str(error) else "?"
        raise ConfigError([f"environment: NIGHTSHIFT_{field.upper()}…: a list or section is given as JSON"]) from None


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


__all__ = ["PLACES", "Place", "find_config", "load_config"]
