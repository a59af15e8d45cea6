"""Change requests kept as JSON blobs under refs of the repository they belong to: one store, one truth, one backup.

Every change is a compare-and-swap of a ref, so that a record is made once however many ask for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nightshift.daemon.kit.git import ZERO, BareRepo, GitError
from nightshift.daemon.kit.ids import stable_id
from nightshift.daemon.model import ChangeRequest, dump, load

_REQUESTS = "refs/nightshift/requests/"
_NUMBERS = "refs/nightshift/numbers/"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A change request as stored; `blob` is the id of this version, '' for one not stored yet."""

    request: ChangeRequest
    labels: tuple[str, ...] = ()
    reason: str = ""
    created_at_ms: int = 0
    comments: tuple[str, ...] = ()
    """`once` keys of comments that were made, with their text where there is no other place for it."""
    blob: str = ""


def safe_name(text: str) -> str:
    """A name that is safe in a path and in a ref: the text itself when it is, else its letters and a digest."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", text):
        return text
    slug = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:60] or "x"
    return stable_id(slug, text)


class Records:
    """The change requests of one repository."""

    def __init__(self, repo: BareRepo) -> None:
        self.repo = repo

    def find(self, key: str) -> Record | None:
        """The record of a key, whatever its state. Raises GitError when it is there but can't be read."""
        done = self.repo.run("rev-parse", "--verify", "--quiet", _REQUESTS + safe_name(key))
        blob = done.text().strip()
        return _parse(blob, self.repo.blobs([blob])[blob]) if blob else None

    def all(self) -> list[Record]:
        """Every record, by number."""
        blobs = self._refs(_REQUESTS).values()
        data = self.repo.blobs(sorted(set(blobs)))
        return sorted((_parse(blob, data[blob]) for blob in blobs), key=lambda record: record.request.number)

    def number(self, key: str) -> int:
        """The number of a key: its own if it has one, else the next; unique because claiming it is a swap."""
        blob = self.repo.write_blob(key.encode())
        while True:
            taken = {int(ref.removeprefix(_NUMBERS)): claimed for ref, claimed in self._refs(_NUMBERS).items()}
            mine = [number for number, claimed in taken.items() if claimed == blob]
            if mine:
                return min(mine)
            if self.repo.swap(f"{_NUMBERS}{max(taken, default=0) + 1}", blob, ZERO):
                return max(taken, default=0) + 1

    def put(self, record: Record) -> Record:
        """Store a new version over the one it came from; returns what is stored, which a racer may have written."""
        blob = self.repo.write_blob(_format(record))
        key = record.request.key
        self.repo.swap(_REQUESTS + safe_name(key), blob, record.blob or ZERO)
        stored = self.find(key)
        if stored is None:
            raise GitError(f"the record of change request {key} vanished while it was written")
        return stored

    def _refs(self, prefix: str) -> dict[str, str]:
        rows = self.repo.out("for-each-ref", "--format=%(refname) %(objectname)", prefix).decode().split("\n")
        return dict(_pair(row.split(" ")) for row in rows if row)


def _pair(words: Sequence[str]) -> tuple[str, str]:
    return words[0], words[1]


def _format(record: Record) -> bytes:
    data = {
        "request": dump(record.request),
        "labels": list(record.labels),
        "reason": record.reason,
        "created_at_ms": record.created_at_ms,
        "comments": list(record.comments),
    }
    return json.dumps(data, indent=1, sort_keys=True).encode()


def _parse(blob: str, text: bytes) -> Record:
    data = json.loads(text)
    return Record(
        request=load(ChangeRequest, data["request"]), labels=tuple(data["labels"]), reason=data["reason"],
        created_at_ms=data["created_at_ms"], comments=tuple(data.get("comments", ())), blob=blob,
    )  # fmt: skip
