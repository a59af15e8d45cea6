"""The only way out of a build: a small package index that answers from the configured ones and from nowhere else.

A build asks it for pages by distribution name and for files those pages listed; nothing else can be asked for, no
address, no query, no upload. So what leaves a build is names, and what comes in is what the configured indexes list,
narrowed to the digests a lock allows. Credentials and certificates stay on this side. Every answer is logged.
"""

from __future__ import annotations

import html
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

from nightshift.sandboxes.project.index import Sources
from nightshift.sandboxes.project.plan import normal

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

_PAGE_BYTES, _CHUNK = 64 << 20, 1 << 16
_PAGE = re.compile(r"/simple/([A-Za-z0-9._-]{1,200})/")
_FILE = re.compile(r"/files/(\d{1,7})/([^/]{1,300}?)(\.metadata)?")
_LEADS_TO = {"https": ("https",), "http": ("http", "https"), "file": ("file",)}
_SDIST = (".tar.gz", ".zip", ".tar.bz2")
_KEPT = ("data-requires-python", "data-yanked", "data-dist-info-metadata", "data-core-metadata")
_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.FORBIDDEN)


class Unreachable(Exception):
    """A configured index did not answer, or not sensibly."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A file some index lists: its address, its digest ('' = not told) and pip's attributes."""

    url: str
    name: str
    digest: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(kw_only=True)
class Mirror:
    """Answers for one build. `hashes` maps normalised names to allowed SHA-256 digests. Thread-safe. `failed` says what
    did not answer; `fetched` what was got, a line each."""

    sources: Sources
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sdists: bool = False
    limit_bytes: int = 8 << 30
    failed: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    _files: list[Link] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _client: httpx.Client | None = None

    def answer(self, path: str) -> tuple[int, Iterator[bytes]]:
        """The status and body for a path; 404 for whatever was not offered, 502 when an index fails."""
        try:
            if found := _PAGE.fullmatch(path):
                page = self._page(normal(found[1]))
                return (200, iter([page])) if page else (404, iter([b"not on the configured index"]))
            if (found := _FILE.fullmatch(path)) and int(found[1]) < len(self._files):
                link = self._files[int(found[1])]
                if unquote(found[2]) == link.name:
                    return 200, self._body(link, found[3] or "")
            return 404, iter([b"nothing here"])
        except Unreachable as error:
            self.failed.append(str(error))
            log.warning("project image: %s", error)
            return 502, iter([str(error).encode()])

    def close(self) -> None:
        """Drop connections."""
        if self._client:
            self._client.close()

    # -- pages

    def _page(self, name: str) -> bytes:
        found = [link for source in self.sources.indexes for link in self._listed(source, name)]
        found += [link for folder in self.sources.links for link in _lying(folder, name)]
        allowed = self.hashes.get(name)
        offered = [link for link in found if self._is_wanted(link) and (allowed is None or link.digest in allowed)]
        if not found:
            return b""
        with self._lock:
            start = len(self._files)
            self._files += offered
        rows = "".join(_row(start + at, link) for at, link in enumerate(offered))
        return f"<!DOCTYPE html><html><body>\n{rows}</body></html>\n".encode()

    def _is_wanted(self, link: Link) -> bool:
        return link.name.endswith(".whl") or (self.sdists and link.name.endswith(_SDIST))

    def _listed(self, index: str, name: str) -> list[Link]:
        address = f"{index.rstrip('/')}/{name}/"
        if address.startswith("file:"):
            text = _local(f"{address}index.html")
            return _links(text.decode("utf-8", "replace"), address) if text is not None else []
        body, final = b"", ""
        for status, where, chunk in self._get(address):
            final = where
            if status in _ABSENT:
                return []
            body += chunk
            if len(body) > _PAGE_BYTES:
                raise Unreachable(f"the index page of {name} is larger than {_PAGE_BYTES >> 20} MB")
        return _links(body.decode("utf-8", "replace"), final)

    # -- bytes

    def _body(self, link: Link, suffix: str) -> Iterator[bytes]:
        count = 0
        try:
            for chunk in self._bytes(link.url + suffix):
                count += len(chunk)
                self.limit_bytes -= len(chunk)
                if self.limit_bytes < 0:
                    raise Unreachable("the build fetched more than it may write")
                yield chunk
        except Unreachable as error:
            self.failed.append(str(error))
            raise
        self.fetched.append(f"{link.name}{suffix} {count}")
        log.info("project image: fetched %s%s, %d bytes", link.name, suffix, count)

    def _bytes(self, url: str) -> Iterator[bytes]:
        if url.startswith("file:"):
            yield _local(url) or b""
            return
        for status, _, chunk in self._get(url):
            if status != HTTPStatus.OK:
                raise Unreachable(f"{_host(url)} answers {status} for a file its index lists")
            yield chunk

    def _get(self, url: str) -> Iterator[tuple[int, str, bytes]]:
        import httpx

        try:
            with self._http().stream("GET", url, headers={"Accept": "text/html, */*;q=0.1"}) as answer:
                status = answer.status_code
                if status not in (HTTPStatus.OK, *_ABSENT):
                    raise Unreachable(f"the package index at {_host(url)} answers {status}")
                yield status, str(answer.url), b""
                for chunk in answer.iter_bytes(_CHUNK):
                    yield status, str(answer.url), chunk
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unreachable(f"the package index at {_host(url)} does not answer: {error}") from error

    def _http(self) -> httpx.Client:
        import ssl

        import httpx

        with self._lock:
            if self._client is None:
                context = ssl.create_default_context(cafile=self.sources.cafile or None)
                self._client = httpx.Client(verify=context, follow_redirects=True, timeout=60, max_redirects=5)
            return self._client


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append({name: value or "" for name, value in attrs})


def _links(page: str, address: str) -> list[Link]:
    """The files a page lists. A page may not lead from the network to files of this machine, nor from TLS to none."""
    anchors = _Anchors()
    anchors.feed(page)
    made = []
    for each in anchors.found:
        url = urljoin(address, each.get("href", ""))
        parts = urlsplit(url)
        if parts.scheme not in {"https": ("https",), "file": ("file",)}.get(
            urlsplit(address).scheme, ("http", "https")
        ):
            continue
        digest = parts.fragment.removeprefix("sha256=") if parts.fragment.startswith("sha256=") else ""
        told = tuple((name, each[name]) for name in _KEPT if name in each)
        made.append(Link(url=url.partition("#")[0], name=unquote(parts.path.rpartition("/")[2]), digest=digest,
                         attributes=told))  # fmt: skip
    return made


def _lying(folder: str, name: str) -> list[Link]:
    """Files of a plain folder that are of that distribution."""
    path = url2pathname(urlsplit(folder).path) if folder.startswith("file:") else ""
    names = sorted(os.listdir(path)) if path and os.path.isdir(path) else []
    mine = [each for each in names if normal(re.split(r"-\d", each)[0]) == name]
    return [Link(url=f"{folder.rstrip('/')}/{each}", name=each) for each in mine]


def _local(url: str) -> bytes | None:
    try:
        with open(url2pathname(urlsplit(url).path), "rb") as stream:
            return stream.read()
    except OSError:
        return None


def _row(at: int, link: Link) -> str:
    told = "".join(f' {name}="{html.escape(value)}"' for name, value in link.attributes)
    digest = f"#sha256={link.digest}" if link.digest else ""
    return f'<a href="/files/{at}/{html.escape(link.name)}{digest}"{told}>{html.escape(link.name)}</a>\n'


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
