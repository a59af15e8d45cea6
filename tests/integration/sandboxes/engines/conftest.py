"""Both real engines behind one fixture: every test of the contract runs over each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from nightshift.daemon.ports import Sandbox, Sandboxes, SandboxSpec
from nightshift.sandboxes.all_sandboxes import ENGINES, Settings
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
from nightshift.sandboxes.docker import DockerSandboxes

SECRET = "NIGHTSHIFT_PROBE_SECRET"
SMALL = SandboxSpec(memory_mb=256, work_mb=32, pids=64, lifetime_s=300, output_bytes=1 << 20)
BOTH = [pytest.param("docker", marks=pytest.mark.engine), pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)]
GVISOR = pytest.param("gvisor", marks=pytest.mark.engine)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """gVisor has to keep the contract; the probes are for the engine's own kernel, which gVisor hides behind another."""
    if "engine" in metafunc.fixturenames:
        more = [GVISOR] if metafunc.module.__name__.endswith("test_sandbox_contract") else []
        metafunc.parametrize("engine", [*BOTH, *more], indirect=True, scope="module")


def _made(name: str, folder: str) -> Sandboxes:
    settings = Settings(runtime="runsc" if name == "gvisor" else "")
    made = BubblewrapSandboxes(base=folder) if name == "bubblewrap" else ENGINES["docker"](settings)
    health = made.probe()
    if not health.ok and name != "docker":
        pytest.skip(f"{name} does not work here: {health.detail}")
    assert health.ok, health
    return made


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandboxes]:
    """One engine a module; what a test opens it closes."""
    os.environ[SECRET] = "must-not-be-seen-inside"
    made = _made(request.param, str(tmp_path_factory.mktemp("private")))
    yield made
    made.close()
    del os.environ[SECRET]


@pytest.fixture
def opened(engine: Sandboxes) -> Iterator[Callable[[SandboxSpec], Sandbox]]:
    """Open fresh sandboxes, closed at the end of the test."""
    boxes: list[Sandbox] = []

    def _open(spec: SandboxSpec = SMALL) -> Sandbox:
        boxes.append(engine.open(spec))
        return boxes[-1]

    yield _open
    for box in boxes:
        box.close()


@pytest.fixture
def box(opened: Callable[[SandboxSpec], Sandbox]) -> Sandbox:
    """A fresh small sandbox."""
    return opened(SMALL)


@pytest.fixture(scope="module")
def shared(engine: Sandboxes) -> Iterator[Sandbox]:
    """One sandbox for tests that leave it as it was."""
    with engine.open(SMALL) as made:
        yield made


@pytest.fixture
def docker_engine() -> Iterator[DockerSandboxes]:
    """A Docker engine of the test's own."""
    made = ENGINES["docker"](Settings())
    assert isinstance(made, DockerSandboxes)
    yield made
    made.close()
