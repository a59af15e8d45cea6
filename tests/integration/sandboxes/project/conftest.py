"""A package index of the tests' own: tiny wheels in a folder, served as files or over HTTP, and cases that want them."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.model import Case
from nightshift.daemon.ports import Sandboxes
from nightshift.sandboxes.all_sandboxes import connect_docker
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
from nightshift.sandboxes.docker import DockerSandboxes
from nightshift.sandboxes.project.index import Settings

BOTH = [pytest.param("docker", marks=pytest.mark.engine), pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)]


def wheel(name: str, version: str, files: Mapping[str, str], requires: tuple[str, ...] = ()) -> bytes:
    """A pure wheel."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}  # fmt: skip
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": "\n".join([*rows, f"{info}/RECORD,,", ""])}.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


PYTEST = '''
"""Stands for pytest, which is always asked for; the real one would need a network."""
'''


@dataclass(kw_only=True)
class Index:
    """A simple index in a folder."""

    root: Path
    digests: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, version: str, text: str = "", requires: tuple[str, ...] = ()) -> str:
        """Publish a distribution with one module; returns its wheel's SHA-256."""
        data = wheel(name, version, {f"{name}.py": text or f"version = {version!r}\n"}, requires)
        return self.put(name, f"{name}-{version}-py3-none-any.whl", data)

    def put(self, name: str, file: str, data: bytes) -> str:
        """Publish a file."""
        (self.root / "files").mkdir(exist_ok=True)
        (self.root / "files" / file).write_bytes(data)
        digest = self.digests[file] = hashlib.sha256(data).hexdigest()
        page = self.root / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with page.open("a") as out:
            out.write(f'<a href="../../files/{file}#sha256={digest}">{file}</a>\n')
        return digest

    @property
    def url(self) -> str:
        return f"file://{self.root}/simple"


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index that has `pytest` (a stand-in of that name) and nothing else."""
    made = Index(root=tmp_path / "index")
    made.root.mkdir()
    made.add("pytest", "9.0", PYTEST)
    return made


@pytest.fixture
def served(index: Index) -> Iterator[tuple[str, list[str]]]:
    """The same index over HTTP: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(index.root)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/simple", asked
    server.shutdown()
    server.server_close()


Commit = Callable[[Mapping[str, str]], Case]


@pytest.fixture
def committed(tmp_path: Path) -> Commit:
    """A case with the image `project` whose base holds these files, nothing else."""
    repo = BareRepo.ensure(tmp_path / "repo.git")

    def _commit(files: Mapping[str, str]) -> Case:
        root = repo.commit(repo.out("mktree").decode().strip(), [], "empty", at_s=1)
        tree = repo.with_files(root, {path: text.encode() for path, text in files.items()})
        return Case(id="c", repo=repo.path, base=repo.commit(tree, [root], "files", at_s=2), image="project")

    return _commit


Make = Callable[..., Sandboxes]


@pytest.fixture
def docker_api() -> Iterator[object]:
    client = connect_docker()
    yield client
    client.close()


@contextlib.contextmanager
def only_new_images_removed(api: object) -> Iterator[None]:
    """Project images made meanwhile are removed again."""

    def tags() -> set[str]:
        listed = api.images(filters={"label": "nightshift.project"})  # type: ignore[attr-defined]
        return {tag for each in listed for tag in each.get("RepoTags") or [each["Id"]]}

    before = tags()
    yield
    for tag in tags() - before:
        api.remove_image(tag, force=True)  # type: ignore[attr-defined]


@pytest.fixture(params=BOTH)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes engines of one kind with project settings; images and folders made here are gone afterwards."""
    made: list[Sandboxes] = []

    def _make(**settings: object) -> Sandboxes:
        project = Settings(cache_dir=str(tmp_path / "cache"), **settings)  # type: ignore[arg-type]
        if request.param == "bubblewrap":
            (tmp_path / "private").mkdir(exist_ok=True)
            made.append(BubblewrapSandboxes(base=str(tmp_path / "private"), project=project))
            if not made[-1].probe().ok:
                pytest.skip("bubblewrap does not work here")
        else:
            made.append(DockerSandboxes(connect_docker, project=project))
        return made[-1]

    if request.param == "docker":
        client = connect_docker()
        with only_new_images_removed(client):
            yield _make
            for each in made:
                each.close()
        client.close()
        return
    yield _make
    for each in made:
        each.close()
