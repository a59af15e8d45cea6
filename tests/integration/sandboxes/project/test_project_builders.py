"""Two builders at once, builders that are killed, images that are too many: one image each, or none."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.run import run, spawn
from nightshift.daemon.ports import Sandboxes
from nightshift.sandboxes.all_sandboxes import connect_docker
from nightshift.sandboxes.project import image_for
from nightshift.sandboxes.project.docker_images import DockerProjects
from nightshift.sandboxes.project.index import Settings

PROGRAM = """
import sys
from nightshift.daemon.ports import SandboxSpec
from nightshift.sandboxes.all_sandboxes import connect_docker
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
from nightshift.sandboxes.docker import DockerSandboxes
from nightshift.sandboxes.project.index import Settings
kind, url, folder, recipe = sys.argv[1:]
project = Settings(index=(url,), cache_dir=folder + "/cache")
made = (DockerSandboxes(connect_docker, project=project) if kind == "docker"
        else BubblewrapSandboxes(base=folder + "/private", project=project))
made.open(SandboxSpec(image="project", recipe=recipe))
"""
LEAF = {"requirements.txt": "leaf\n"}


def _opened(engine: Sandboxes, spec: object, wrong: list[BaseException]) -> None:
    try:
        with engine.open(spec) as box:  # type: ignore[arg-type]
            assert box.run(["python", "-c", "import leaf"], timeout_s=60).code == 0
    except BaseException as error:
        wrong.append(error)


def test_two_engines_at_once_build_once(make, index, served, committed) -> None:
    url, asked = served
    index.add("leaf", "1.0")
    engines = [make(index=(url,)) for _ in range(2)]
    spec, wrong = image_for(committed(LEAF)), list[BaseException]()
    threads = [threading.Thread(target=_opened, args=(each, spec, wrong)) for each in engines * 2]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    assert not wrong
    assert sum(path.endswith("leaf-1.0-py3-none-any.whl") for path in asked) == 1


@pytest.mark.parametrize("moment", ["leaf", "pytest"])
def test_a_builder_that_is_killed_leaves_nothing_that_counts(make, index, served, committed, tmp_path: Path, request,
                                                            moment: str) -> None:  # fmt: skip
    """Killed when it has fetched the page of one of the packages."""
    url, asked = served
    index.add("leaf", "1.0")
    spec = image_for(committed(LEAF))
    kind = request.node.callspec.params["make"]
    (tmp_path / "private").mkdir()
    argv = [sys.executable, "-c", PROGRAM, kind, url, str(tmp_path), spec.recipe]
    with open(tmp_path / "said", "wb") as said:
        builder = spawn(argv, stdout=said)
    deadline = time.monotonic() + 90
    while not any(f"/simple/{moment}/" in path for path in asked) and time.monotonic() < deadline:
        time.sleep(0.05)
    builder.kill()
    builder.wait()
    assert any(f"/simple/{moment}/" in path for path in asked), (tmp_path / "said").read_text()
    engine = make(index=(url,))
    with engine.open(spec) as box:
        assert box.run(["python", "-c", "import leaf, pytest"], timeout_s=60).code == 0
    engine.reap()
    if kind == "docker":
        names = run(["docker", "ps", "-a", "--format", "{{.Names}}"], timeout_s=30).text()
        assert "nightshift-project" not in names
    else:
        assert not list((tmp_path / "cache").glob("*.new"))


def test_only_so_many_are_kept(make, index, committed, request, tmp_path: Path) -> None:
    """The longest unused go; bubblewrap's only when nothing can be running in them any more."""
    index.add("leaf", "1.0")
    index.add("stem", "1.0")
    engine = make(index=(index.url,), keep=1)
    specs = [image_for(committed({"requirements.txt": f"{name}\n"})) for name in ("leaf", "stem")]
    engine.open(specs[0]).close()
    if request.node.callspec.params["make"] == "bubblewrap":
        (old,) = [each for each in (tmp_path / "cache").iterdir() if each.is_dir()]
        engine.open(specs[1]).close()
        assert old.is_dir()
        os.utime(old, (1, 1))
        assert engine.reap() == 1
        assert not old.is_dir()
        return
    api = connect_docker()
    before = {tag for each in api.images(name="nightshift-project") for tag in each["RepoTags"]}
    projects = DockerProjects(Settings(keep=len(before)), SystemClock())
    engine._projects = projects  # keeps as many as there are, so that one more drops exactly the longest unused
    engine._project = Settings(index=(index.url,), keep=len(before))
    projects._settings = engine._project
    oldest = min(before, key=lambda tag: api.inspect_image(tag)["Metadata"]["LastTagTime"])
    mine = next(
        tag for tag in before if tag == max(before, key=lambda t: api.inspect_image(t)["Metadata"]["LastTagTime"])
    )
    engine.open(specs[1]).close()
    after = {tag for each in api.images(name="nightshift-project") for tag in each["RepoTags"]}
    assert len(after) == len(before)
    assert (before - after) == {oldest}
    assert mine in after or len(before) == 1
    api.close()
