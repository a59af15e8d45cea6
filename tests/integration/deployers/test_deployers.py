"""What single deployers owe beyond the contract: canaries, what others changed meanwhile, reconcilers that take time."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from nightshift.daemon.deployers.all_deployers import AnyDeployer
from nightshift.daemon.deployers.examine import examine
from nightshift.daemon.deployers.images import image_of
from nightshift.daemon.deployers.kubernetes import CANARY
from nightshift.daemon.kit.git import BareRepo
from nightshift.daemon.ports import EnvironmentBroke, Refused

from .conftest import BAD, NEW, NEWER, OLD, UNDONE, of


def canary(world, seconds: float = 0.3, **more: object):
    world.service = replace(world.service, canary_s=seconds)
    return world.deployer(**more).deploy(world.service, NEW, "m-1-fix")


# ---------------------------------------------------------------- containers


@pytest.mark.parametrize("world", of("two containers"), indirect=True)
def test_one_container_goes_first_and_the_other_only_when_it_is_no_worse(world) -> None:
    seen: list[dict[str, str]] = []

    def worse(service, since_ms) -> str:
        seen.append(world.running())
        return "p95 is worse"

    with pytest.raises(EnvironmentBroke, match="p95 is worse"):
        canary(world, wrong=worse)
    first, second = world.names
    assert seen == [{first: NEW, second: OLD}]
    assert world.runs() == "old"
    assert sorted(c.id for c in world.all() if c.status == "running") == sorted(world.first)


@pytest.mark.parametrize("world", of("two containers"), indirect=True)
def test_a_canary_that_stays_well_is_followed_by_all(world) -> None:
    asked: list[int] = []
    assert canary(world, wrong=lambda service, since_ms: asked.append(since_ms) or "")
    assert world.runs() == "new" and len(asked) == 1


@pytest.mark.parametrize("world", of("docker"), indirect=True)
def test_the_new_container_has_what_the_old_one_had(world) -> None:
    world.deployer().deploy(world.service, NEW, "m-1-fix")
    (now,) = [c for c in world.all() if c.name == world.names[0]]
    assert "KEPT=yes" in now.attrs["Config"]["Env"]
    assert now.attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    (old,) = [c for c in world.all() if c.id == world.first[0]]
    assert old.status == "exited"


@pytest.mark.parametrize("world", of("docker"), indirect=True)
def test_old_containers_go_once_a_later_deploy_is_done(world) -> None:
    for number, commit in enumerate((NEW, NEWER, OLD)):
        world.deployer().deploy(world.service, commit, f"m-{number}-fix")
    assert len(world.all()) == 2, [c.name for c in world.all()]


@pytest.mark.parametrize("world", of("docker"), indirect=True)
def test_an_image_that_is_not_there_changes_nothing(world) -> None:
    with pytest.raises(EnvironmentBroke, match=r"(?i)no such"):
        world.deployer().deploy(world.service, "f" * 40, "m-1-fix")
    assert (world.runs(), world.changes()) == ("old", 0)


@pytest.mark.parametrize("world", of("docker"), indirect=True)
def test_a_command_makes_the_image_once(world, tmp_path) -> None:
    script = f"docker tag {world.name}:{NEW} {world.name}:tagged-$NIGHTSHIFT_COMMIT; echo x >> {tmp_path}/built"
    settings = world.settings().model_copy(update={
        "image": f"{world.name}:tagged-{{commit}}", "build": ("sh", "-c", script.replace("docker tag", "true")),
    })  # fmt: skip
    world.client.images.get(f"{world.name}:{NEW}").tag(world.name, f"tagged-{NEWER}")
    deployer = world.deployer()
    deployer._settings = settings
    try:
        for _ in range(2):
            deployer.deploy(world.service, NEWER, "m-1-fix")
        assert (tmp_path / "built").read_text() == "x\n"
    finally:
        world.client.images.remove(f"{world.name}:tagged-{NEWER}", force=True)


# ---------------------------------------------------------------- a cluster's workload


@pytest.mark.parametrize("world", of("kubernetes"), indirect=True)
def test_a_canary_of_one_replica_gets_traffic_and_goes_again(world) -> None:
    seen: list[dict] = []

    def look(service, since_ms) -> str:
        seen.append(world.cluster.read("deployment", "shop-canary"))
        assert world.runs() == "old"
        return ""

    assert canary(world, wrong=look)
    (there,) = seen
    spec = there["spec"]
    assert spec["replicas"] == 1
    assert [c["image"] for c in spec["template"]["spec"]["containers"]] == ["proxy:1", f"web:{NEW}"]
    labels = spec["template"]["metadata"]["labels"]
    assert labels["app"] == "shop" and CANARY in labels, "its pods match the service's selector"
    assert set(spec["selector"]["matchLabels"]) == {"app", CANARY}, "its selector takes no others"
    assert (world.runs(), world.extras()) == ("new", [])


@pytest.mark.parametrize("world", of("kubernetes"), indirect=True)
@pytest.mark.parametrize("why", ["it does not come up", "it is worse"])
def test_a_canary_that_is_not_well_stops_the_deploy(world, why: str) -> None:
    world.service = replace(world.service, canary_s=0.05)
    commit = BAD if why == "it does not come up" else NEW
    deployer = world.deployer(wrong=lambda *_: "more errors" if why == "it is worse" else "")
    with pytest.raises(EnvironmentBroke):
        deployer.deploy(world.service, commit, "m-1-fix")
    assert (world.runs(), world.changes(), world.extras()) == ("old", 0, [])


@pytest.mark.parametrize("world", of("kubernetes"), indirect=True)
def test_what_a_reconciler_manages_is_left_alone(world) -> None:
    thing = world.cluster.read("deployment", "shop")
    thing = {**thing, "metadata": {**thing["metadata"], "labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}}
    world.cluster.add("deployment", thing)
    with pytest.raises(Refused, match="Flux manages"):
        world.deployer().deploy(world.service, NEW, "m-1-fix")
    assert world.changes() == 0


@pytest.mark.parametrize("world", of("kubernetes"), indirect=True)
def test_what_people_deployed_meanwhile_is_not_undone(world) -> None:
    world.deployer().deploy(world.service, NEW, "m-1-fix")
    thing = world.cluster.read("deployment", "shop")
    thing["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    world.cluster.add("deployment", thing)
    with pytest.raises(EnvironmentBroke, match="changed by others"):
        world.deployer().undo(world.service, UNDONE, "m-1-rollback", of="m-1-fix")
    assert world.runs() == "new"


@pytest.mark.parametrize("world", of("kubernetes"), indirect=True)
def test_without_an_image_the_pods_are_restarted_once(world) -> None:
    deployer = world.deployer()
    deployer._settings = world.settings().model_copy(update={"image": ""})
    for _ in range(2):
        deployer.deploy(world.service, NEW, "m-1-fix")
    assert (world.runs(), world.changes()) == ("old", 1)
    assert "nightshift/deploy" in world.template()["metadata"]["annotations"]


# ---------------------------------------------------------------- reconcilers


@pytest.mark.parametrize("world", of("argocd", "flux"), indirect=True)
def test_it_waits_until_the_revision_is_live(world) -> None:
    world.service = replace(world.service, deploy_timeout_s=20.0)
    later = threading.Timer(0.4, world.merge, (NEW,))
    later.start()
    begin = time.monotonic()
    said = world.deployer().deploy(world.service, NEW, "k")
    later.join()
    assert time.monotonic() - begin >= 0.4 and NEW[:12] in said
    assert world.changes() == 0


@pytest.mark.parametrize("world", of("argocd", "flux"), indirect=True)
def test_a_revision_that_never_comes_is_told(world) -> None:
    with pytest.raises(EnvironmentBroke, match=r"not live after 0\.5 s"):
        world.deployer().deploy(world.service, NEW, "k")


@pytest.mark.parametrize("world", of("argocd", "flux"), indirect=True)
def test_a_later_commit_that_has_it_counts(world, tmp_path) -> None:
    repo = BareRepo.ensure(tmp_path / "repo.git")
    tree = repo.out("mktree").decode().strip()
    mine = repo.commit(tree, [], "mine", at_s=1)
    later = repo.commit(tree, [mine], "later", at_s=2)
    other = repo.commit(tree, [], "another line", at_s=3)
    deployer = world.deployer(repo_of=lambda _: repo.path)
    world.merge(later)
    assert deployer.deploy(world.service, mine, "k")
    world.merge(other)
    with pytest.raises(EnvironmentBroke):
        deployer.deploy(world.service, mine, "k")


@pytest.mark.parametrize("world", of("argocd"), indirect=True)
def test_an_application_of_another_repository_is_known_by_its_images(world) -> None:
    deployer = world.deployer()
    deployer._settings = deployer._settings.model_copy(update={"image": "web:{short}"})
    status = {"sync": {"status": "Synced", "revision": "9" * 40}, "health": {"status": "Healthy"}}
    world.put(status | {"summary": {"images": ["web:" + OLD[:12]]}})
    with pytest.raises(EnvironmentBroke):
        deployer.deploy(world.service, NEW, "k")
    world.put(status | {"summary": {"images": ["proxy:1", "web:" + NEW[:12]]}})
    assert deployer.deploy(world.service, NEW, "k")


@pytest.mark.parametrize("world", of("argocd"), indirect=True)
@pytest.mark.parametrize(
    "status",
    [
        {}, {"sync": {"status": "OutOfSync", "revision": NEW}, "health": {"status": "Healthy"}},
        {"sync": {"status": "Synced", "revision": NEW}, "health": {"status": "Progressing"}},
        {"sync": {"status": "Synced", "revision": NEW}, "operationState": {"phase": "Running"}, "health": {"status": "Healthy"}},
        {"sync": {"status": "Synced", "revision": ""}, "health": {"status": "Healthy"}},
    ],
)  # fmt: skip
def test_half_a_status_is_not_live(world, status: dict) -> None:
    world.put(status)
    with pytest.raises(EnvironmentBroke, match="not live"):
        world.deployer().deploy(world.service, NEW, "k")


# ---------------------------------------------------------------- before it has to


@pytest.mark.parametrize("world", of("docker", "kubernetes", "argocd", "flux"), indirect=True)
def test_a_check_says_whether_it_could_be_done_and_changes_nothing(world) -> None:
    settings = world.settings() if hasattr(world, "settings") else world.deployer()._settings
    found = examine("shop", settings)
    assert found.ok and found.what == "shop: deployer", found
    assert world.changes() == 0
    name = {"containers": ("nowhere",)} if settings.kind == "docker" else {"name": "nowhere"}
    missing = examine("shop", settings.model_copy(update=name))
    assert not missing.ok and missing.fix and "no" in missing.detail, missing


@pytest.mark.parametrize("world", of("kubernetes"), indirect=True)
def test_a_check_tells_of_a_reconciler_and_of_an_api_that_is_not_there(world, tmp_path) -> None:
    thing = world.cluster.read("deployment", "shop")
    notes = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/shop"}
    world.cluster.add("deployment", {**thing, "metadata": {**thing["metadata"], "annotations": notes}})
    assert "kind: argocd" in examine("shop", world.settings()).fix
    gone = world.settings().model_copy(update={"kubeconfig": tmp_path / "nowhere"})
    assert not examine("shop", gone).ok


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "docker", "containers": []}, {"kind": "docker", "containers": ["a b"]}, {"kind": "heroku"},
        {"kind": "docker", "containers": ["a"], "image": "Bad Image"}, {"kind": "kubernetes", "name": "Shop!"},
        {"kind": "argocd"}, {"kind": "none", "more": 1},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(settings: dict) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnyDeployer).validate_python(settings)


def test_only_a_commit_gets_into_an_image_s_name() -> None:
    assert image_of("web:{short}-{commit}", NEW) == f"web:{NEW[:12]}-{NEW}"
    with pytest.raises(ValueError, match="no commit"):
        image_of("web:{commit}", "x;rm -rf /")
