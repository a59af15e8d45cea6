"""Secrets and paths in raw values. A secret is written as ``env:NAME`` or ``file:PATH`` and never in clear, so that a
configuration can be shown, kept in git and pasted into a bug report; a relative path starts at the file's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nightshift.daemon.config.errors import Place, Problem
from nightshift.daemon.config.shape import Options, is_path, is_secret, is_section
from nightshift.daemon.kit.nearest import nearest
from nightshift.daemon.kit.redact import register_secret

UNSET = "https://unset.invalid/"
"""Stands where a secret could not be read and did not have to be (`demand` false); passes for a URL."""

_TEXT_PATHS = {
    ("monitors", "logs", "files", "path"),
    ("fixers", "model", "model_path"),
    ("fixers", "model", "script"),
}
"""Text to their plugins, and paths all the same."""
_MAX_SECRET = 64 * 1024


@dataclass(kw_only=True)
class References:
    """Resolves references; problems pile up in `problems`. `demand`: a missing secret is a problem."""

    folder: Path
    environ: Mapping[str, str]
    demand: bool = True
    problems: list[Problem] = field(default_factory=list)

    def __call__(self, value: Any, here: Options, place: Place) -> Any:
        """The value to use for a raw one."""
        if value is None and is_section(here):
            return {}  # a section whose keys are all commented out
        if is_secret(here) and value is not None:
            return self._secret(str(value), place)
        if is_path(here) and isinstance(value, str) and "://" not in value:
            return self._path(value)
        names = tuple(part for part in place if isinstance(part, str))
        if value not in ("", "-") and isinstance(value, str) and names in _TEXT_PATHS:
            return str(self._path(value))
        return value

    def _path(self, text: str) -> Path:
        path = Path(text).expanduser()
        return path if path.is_absolute() else self.folder / path

    def _secret(self, reference: str, place: Place) -> str:
        kind, _, rest = reference.partition(":")
        if kind not in ("env", "file") or not rest:
            text = "a secret is never written in clear: use env:NAME (an environment variable) or file:PATH"
            self.problems.append(Problem(place=place, text=text))
            return UNSET
        secret = self._env(rest, place) if kind == "env" else self._file(rest, place)
        if secret and secret != UNSET:
            register_secret(secret)
        return secret

    def _env(self, name: str, place: Place) -> str:
        found = self.environ.get(name, "")
        if found:
            return found
        hint = nearest(name, [n for n in self.environ if n[:1] == name[:1]]) if name not in self.environ else ""
        what = "is empty" if name in self.environ else "is not set"
        return self._missing(place, f"the environment variable {name} {what}{hint if 'mean' in hint else ''}")

    def _file(self, name: str, place: Place) -> str:
        path = self._path(name)
        try:
            with path.open("rb") as stream:
                data = stream.read(_MAX_SECRET + 1)
        except OSError as error:
            return self._missing(place, f"can't read the secret's file {path}: {error.strerror}")
        text = data.decode("utf-8", "replace").strip()
        if not text or len(data) > _MAX_SECRET:
            return self._missing(place, f"the secret's file {path} is {'too large' if text else 'empty'}")
        return text

    def _missing(self, place: Place, text: str) -> str:
        if self.demand:
            self.problems.append(Problem(place=place, text=text))
        return UNSET
