"""What an engine may raise or lack, and what is made of it."""

from __future__ import annotations

import pytest
import requests
from docker.errors import APIError, ImageNotFound

from nightshift.daemon.ports import EnvironmentBroke, SandboxSpec
from nightshift.sandboxes.bubblewrap import BubblewrapSandboxes
from nightshift.sandboxes.container import engine_faults
from nightshift.sandboxes.docker import DockerSandboxes
from nightshift.sandboxes.recipe import program


class Engine:
    """An engine that says only what it is."""

    def __init__(self, **info: object) -> None:
        self.told = {"NCPU": 4, **info}

    def info(self) -> dict[str, object]:
        return self.told

    def version(self) -> dict[str, str]:
        return {"Version": "1", "ApiVersion": "1.41"}

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (APIError("x", explanation="write /x: no space left on device"), "free disk: docker system df"),
        (ImageNotFound("x", explanation="No such image: a:1"), "No such image: a:1"),
        (requests.ConnectionError("refused"), "deploy/engine start"),
        (requests.ReadTimeout("slow"), "does not answer"),
        (BrokenPipeError("gone"), "does not answer"),
    ],
)
def test_every_fault_says_what_to_do(error: Exception, message: str) -> None:
    with pytest.raises(EnvironmentBroke, match=message), engine_faults("trying"):
        raise error


def test_a_mistake_of_ours_is_not_the_engines_fault() -> None:
    with pytest.raises(ZeroDivisionError), engine_faults("trying"):
        _ = 1 // 0


def test_an_engine_that_cannot_limit_is_refused() -> None:
    health = DockerSandboxes(lambda: Engine(MemoryLimit=False, PidsLimit=True)).probe()  # type: ignore[arg-type,return-value]
    assert not health.ok
    assert "can't limit memory" in health.detail
    assert "cgroup" in health.fix


def test_an_engine_that_does_not_answer_has_a_fix() -> None:
    def refuse() -> None:
        raise requests.ConnectionError("refused")

    health = DockerSandboxes(refuse).probe()  # type: ignore[arg-type]
    assert not health.ok
    assert "deploy/engine start" in health.fix


@pytest.mark.parametrize("option", ["name=rootless", "name=userns"])
def test_engines_with_mapped_ids_get_small_ones(option: str) -> None:
    engine = DockerSandboxes(lambda: Engine(SecurityOptions=["name=seccomp", option]))  # type: ignore[arg-type,return-value]
    assert max(engine._engine().uids) <= 65_536


def test_bubblewrap_has_no_images() -> None:
    with pytest.raises(EnvironmentBroke, match="node:22 needs Docker"):
        BubblewrapSandboxes().open(SandboxSpec(image="node:22"))


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(EnvironmentBroke, match="apt-get install"):
        program("no-such-program")
