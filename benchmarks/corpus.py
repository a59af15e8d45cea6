"""A log with its truth: access lines, JSON and plain application logs, decoys, and error events in four languages.

Every kind of error carries a word of its own, so that what a reader found can be held against what was written.

python benchmarks/corpus.py FILE [--megabytes N] [--errors SHARE] writes FILE and FILE.truth.json
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 3, 1, tzinfo=UTC)
VOWELS, CONSONANTS = "aeiou", "bdfgklmnprtvz"


def words(count: int) -> list[str]:
    """Distinct made-up words without digits."""
    made = [
        a + b + c + d + "x" + e for a in CONSONANTS for b in VOWELS for c in CONSONANTS for d in VOWELS for e in "aeo"
    ]
    return random.Random(7).sample(made, count)


class Writer:
    """Fills templates with times, numbers and names."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = START

    def stamp(self) -> str:
        self.clock += timedelta(milliseconds=self.chance.randrange(40))
        return self.clock.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def number(self) -> int:
        return self.chance.randrange(1, 10**6)

    # ------------------------------------------------------------ what is no error

    def fine(self) -> str:
        kind = self.chance.random()
        if kind < 0.45:
            return self.access()
        if kind < 0.70:
            return self.json(
                "info", "request done", path="/cart/items", ms=self.number() % 900, user=f"u{self.number()}"
            )
        if kind < 0.97:
            text = self.chance.choice(
                ("request {} served in {} ms", "cache refreshed, {} entries, {} stale", "order {} shipped to depot {}")
            )
            return f"{self.stamp()} {self.chance.choice(('INFO', 'DEBUG', 'WARNING'))} [worker-{self.number() % 32}] shop.web: {text.format(self.number(), self.number())}\n"
        return self.decoy()

    def access(self) -> str:
        chance = self.chance
        path = chance.choice(
            ("/cart", "/items/{}", "/login", "/api/v2/orders/{}", "/static/app.{}.js", "/error/{}")
        ).format(self.number())
        return (
            f'10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)} - - [{self.stamp()}] "GET {path} HTTP/1.1" '
            f'{chance.choice((200, 200, 200, 301, 404, 500))} {self.number()} "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"\n'
        )

    def decoy(self) -> str:
        text = self.chance.choice((
            "INFO shop.audit: 0 ERROR in the last {} minutes", "INFO shop.audit: retries exhausted: none, errors=0 n={}",
            'DEBUG shop.http: headers {{"x-error": "none", "n": {}}}', "INFO shop.docs: Exception handling guide rendered {} times",
            "INFO shop.web: error rate {} is normal", "WARNING shop.web: critical section took {} us",
        ))  # fmt: skip
        return f"{self.stamp()} {text.format(self.number())}\n"

    def json(self, level: str, message: str, **more: object) -> str:
        return json.dumps({"time": self.stamp(), "level": level, "msg": message, "logger": "shop.web", **more}) + "\n"

    # ------------------------------------------------------------ errors

    def line(self, word: str) -> str:
        return f"{self.stamp()} ERROR [worker-{self.number() % 32}] shop.pay: {word} refused order {self.number()} after {self.number() % 90} s\n"

    def json_line(self, word: str) -> str:
        return self.json("error", f"{word} lost shard {self.number()}", user=f"u{self.number()}", ms=self.number())

    def python(self, word: str) -> str:
        frames = "".join(f'  File "/srv/shop/{m}.py", line {n}, in {f}\n    return {f}(request)\n'
                         for m, n, f in (("web", 40, "handle"), ("cart", 12, "checkout"), ("price", 7, word)))  # fmt: skip
        return f"{self.stamp()} ERROR [worker-{self.number() % 32}] shop.web: request {self.number()} failed\nTraceback (most recent call last):\n{frames}KeyError: 'sku{self.number()}'\n"

    def java(self, word: str) -> str:
        frames = "".join(
            f"\tat com.shop.{c}({c.split('.')[0]}.java:{n})\n"
            for c, n in ((f"Price.{word}", 12), ("Cart.checkout", 80), ("Web.handle", 41))
        )
        return (
            f"{self.stamp()} ERROR [http-{self.number() % 32}] com.shop.Web - request {self.number()} failed\n"
            f"java.lang.IllegalStateException: cart {self.number()} is closed\n{frames}"
            f"Caused by: java.io.IOException: reset after {self.number()}\n\tat com.shop.Net.read(Net.java:9)\n\t... 12 more\n"
        )

    def go(self, word: str) -> str:
        return (
            f"panic: runtime error: index out of range [{self.number()}] with length 3\n\ngoroutine {self.number()} [running]:\n"
            f"main.{word}(...)\n\t/srv/shop/{word}.go:31 +0x1d\nmain.main()\n\t/srv/shop/main.go:12 +0x5c\nexit status 2\n"
        )

    def node(self, word: str) -> str:
        """As Node prints what nobody caught. The bare trace behind another one's error record would be that record's."""
        return (
            f"/srv/shop/price.js:12\n    return table[key].price;\n                      ^\n\n"
            f"TypeError: Cannot read properties of undefined (reading 'k{self.number()}')\n    at {word} (/srv/shop/price.js:12:9)\n"
            f"    at checkout (/srv/shop/cart.js:80:3)\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)\n"
            f"\nNode.js v18.19.0\n"
        )

    def interleaved(self, one: str, other: str) -> str:
        """Two threads' traces, line by line, each behind its prefix."""
        left, right = self.python(one).splitlines()[1:], self.python(other).splitlines()[1:]
        a, b = f"[pid {self.number()}] ", f"[pid {self.number()}] "
        return "".join(f"{a}{x}\n{b}{y}\n" for x, y in zip(left, right, strict=True))

    def broken_up(self, word: str) -> str:
        """A trace with one line of another writer in between."""
        lines = self.python(word).splitlines(keepends=True)
        at = self.chance.randrange(3, len(lines))
        return "".join([*lines[:at], self.access(), *lines[at:]])


def kinds(writer: Writer) -> list[tuple[str, Callable[[str], str]]]:
    """118 kinds of error: (word, how it is written)."""
    shapes = (
        [writer.line] * 44
        + [writer.json_line] * 22
        + [writer.python] * 24
        + [writer.java] * 12
        + [writer.go] * 8
        + [writer.node] * 8
    )
    return list(zip(words(len(shapes)), shapes, strict=True))


def write(path: Path, megabytes: int, share: float = 0.005, seed: int = 1) -> dict[str, object]:
    """Write a log of about that size; `share` of its records are error events. Returns the truth, also written."""
    writer = Writer(seed)
    errors = kinds(writer)
    pythons = [word for word, shape in errors if shape == writer.python]
    truth: Counter[str] = Counter()
    chance, size = writer.chance, 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        while size < megabytes * 1_000_000:
            pieces = []
            for _ in range(4000):
                if chance.random() >= share:
                    pieces.append(writer.fine())
                    continue
                word, shape = chance.choice(errors)
                luck = chance.random()
                if shape == writer.python and luck < 0.05:
                    other = chance.choice(pythons)
                    pieces.append(writer.interleaved(word, other))
                    truth.update((word, other))
                    continue
                pieces.append(writer.broken_up(word) if shape == writer.python and luck < 0.15 else shape(word))
                truth[word] += 1
            text = "".join(pieces)
            size += len(text)
            out.write(text)
    told = {"bytes": path.stat().st_size, "events": truth.total(), "kinds": dict(truth)}
    Path(f"{path}.truth.json").write_text(json.dumps(told))
    return told


def judge(found: dict[str, object], truth: dict[str, object]) -> dict[str, float]:
    """Recall and false events of what `nightshift scan --json` printed, by the words in titles, frames and samples."""
    expected: dict[str, int] = dict(truth["kinds"])  # type: ignore[call-overload]
    counted: Counter[str] = Counter()
    false = 0
    for incident in found["incidents"]:  # type: ignore[attr-defined]
        last = incident["frames"][-1]["function"] if incident["frames"] else ""
        functions = " ".join(f["function"] for f in incident["frames"])
        text = f"{last} {functions}" if incident["frames"] else f"{incident['title']} {incident['message']}"
        word = next((w for w in expected if w in text), None)
        if word is None:
            false += incident["count"]
        else:
            counted[word] += incident["count"]
    hit = sum(min(counted[w], n) for w, n in expected.items())
    false += sum(max(0, counted[w] - n) for w, n in expected.items())
    total = sum(expected.values())
    return {
        "recall": hit / total,
        "false": false / total,
        "kinds_found": len(counted),
        "kinds": len(expected),
        "incidents": len(found["incidents"]),
    }  # type: ignore[arg-type]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--errors", type=float, default=0.005)
    given = parser.parse_args()
    print({k: v for k, v in write(given.file, given.megabytes, given.errors).items() if k != "kinds"})
