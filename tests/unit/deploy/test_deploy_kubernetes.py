import os
import shutil

import pytest
import yaml

from nightshift.daemon.config.load import load_config
from nightshift.daemon.kit.run import run
from nightshift.monitors import kubernetes
from nightshift.monitors.kubernetes.resources import rights

from .conftest import DEPLOY, documents, problems

BASE, SIDECAR = DEPLOY / "kubernetes" / "base", DEPLOY / "kubernetes" / "sidecar"
CLUSTER, SENSOR = DEPLOY / "kubernetes" / "cluster", DEPLOY / "kubernetes" / "sensor"
MANIFESTS = [
    p for folder in (BASE, SIDECAR, CLUSTER, SENSOR) for p in sorted(folder.glob("*.yaml"))
    if p.name not in ("kustomization.yaml", "nightshift.yaml", "sensor.yaml")
]  # fmt: skip
KUSTOMIZE = [["kustomize", "build"]] if shutil.which("kustomize") else [["kubectl", "kustomize"]]
built = pytest.mark.skipif(
    not (shutil.which("kustomize") or shutil.which("kubectl")), reason="neither kustomize nor kubectl is installed"
)
APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {nightshift/sidecar: enabled}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: shop
          image: shop:1
          volumeMounts: [{name: nightshift-logs, mountPath: /logs}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
spec:
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: other, image: other:1}]}
"""


def build(folder):
    done = run([*KUSTOMIZE[0], str(folder)], timeout_s=60)
    assert done.ok, done.stderr.decode()
    return list(yaml.safe_load_all(done.text()))


def only(things, kind):
    (found,) = [t for t in things if t["kind"] == kind]
    return found


def pods(deployment):
    return deployment["spec"]["template"]["spec"]


def rules(role):
    return {
        (verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_manifest_fits_the_api(path):
    found = [p for thing in documents(path) for p in problems(thing)]
    if path.parent in (SIDECAR, SENSOR):  # a patch: what it leaves out comes from the application
        found = [p for p in found if "`selector`, must not be `None`" not in p]
    assert found == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("imagePullPolicy:", "imagePullPolice:", "unknown to V1Container"),
        ("replicas: 1", "replicas: one", "'one' is not a int"),
        ("readOnly: true", "readOnly: yes please", "is not a bool"),
        ("args: [run, -c, /etc/nightshift/nightshift.yaml]", "args: run", "not a list"),
        ("mountPath: /tmp", "path: /tmp", "mount_path"),
        ("containerPort: 8700", "containerport: 8700", "container_port"),
        ("{cpu: 50m, memory: 160Mi}", "[50m]", "not a mapping"),
    ],
)
def test_the_check_itself_sees_mistakes(old, new, complaint):
    text = (BASE / "deployment.yaml").read_text()
    assert old in text
    assert any(complaint in p for p in problems(yaml.safe_load(text.replace(old, new))))


@pytest.mark.parametrize("folder", [BASE, SIDECAR], ids=["base", "sidecar"])
def test_the_configuration_is_one_nightshift_takes(folder):
    environ = {"NIGHTSHIFT_MONITORS__KUBERNETES__NAMESPACES": '["shop"]'} if folder == BASE else {}
    config = load_config(folder / "nightshift.yaml", environ=environ)
    assert config.http.port == 8700
    if folder == BASE:
        assert config.monitors.kubernetes.namespaces == ("shop",)
    else:
        assert config.logs_settings().files[0].path == "/var/log/app/*.log"


def test_the_sensors_configuration_is_one_a_sensor_takes():
    config = load_config(SENSOR / "sensor.yaml", environ={"NIGHTSHIFT_SENSOR_TOKEN": "t"})
    assert config.sensor.name == "app" and config.logs_settings().files[0].path == "/var/log/app/*.log"


@built
def test_the_base_builds_into_things_that_find_each_other():
    things = build(BASE)
    assert [p for t in things for p in problems(t)] == []
    deployment, claim, config = (only(things, k) for k in ("Deployment", "PersistentVolumeClaim", "ConfigMap"))
    service, account = only(things, "Service"), only(things, "ServiceAccount")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"]):
        assert selector
        assert selector.items() <= labels.items()
    volumes = {v["name"]: v for v in pods(deployment)["volumes"]}
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"] != "nightshift"
    assert "nightshift.yaml" in config["data"]
    assert pods(deployment)["serviceAccountName"] == account["metadata"]["name"]
    binding, role = only(things, "RoleBinding"), only(things, "Role")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"][0]["name"] == account["metadata"]["name"]


@built
def test_the_daemon_s_container_is_where_everything_expects_it():
    things = build(BASE)
    (container,) = pods(only(things, "Deployment"))["containers"]
    assert container["args"] == ["run", "-c", "/etc/nightshift/nightshift.yaml"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {"http": 8700}
    assert only(things, "Service")["spec"]["ports"][0]["targetPort"] in ports
    mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    assert {"/var/lib/nightshift", "/etc/nightshift", "/tmp"} == set(mounts)
    assert set(mounts.values()) == {v["name"] for v in pods(only(things, "Deployment"))["volumes"]}
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {p["port"] for p in probes.values()} == {"http"}
    assert (probes["liveness"]["path"], probes["readiness"]["path"]) == ("/healthz", "/readyz")


def test_the_role_only_reads_and_one_daemon_holds_the_state():
    (role,) = documents(BASE / "role.yaml")
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert "secrets" not in str(role["rules"])
    granted, needed = rules(role), kubernetes.Settings(namespaces=("shop",))
    assert granted == {(r.verb, r.group, r.resource) for r in rights(needed)}, "exactly what the monitor asks for"
    (deployment,) = documents(BASE / "deployment.yaml")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_the_cluster_role_is_what_watching_everything_takes():
    (role,) = documents(CLUSTER / "cluster-role.yaml")
    assert rules(role) == {(r.verb, r.group, r.resource) for r in rights(kubernetes.Settings())}
    (binding,) = documents(CLUSTER / "cluster-role-binding.yaml")
    (account,) = documents(BASE / "service-account.yaml")
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("ClusterRole", role["metadata"]["name"])
    assert binding["subjects"][0]["name"] == account["metadata"]["name"]


@built
def test_the_cluster_component_gives_the_account_of_the_base_its_rights(tmp_path):
    base, there = (os.path.relpath(p, tmp_path.resolve()) for p in (BASE, CLUSTER))
    wanted = {"namespace": "night", "resources": [base], "components": [there]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    things = build(tmp_path)
    assert [p for t in things for p in problems(t)] == []
    assert only(things, "ClusterRoleBinding")["subjects"][0]["namespace"] == "night"
    (container,) = pods(only(things, "Deployment"))["containers"]
    env = {row["name"]: row.get("value") for row in container["env"]}
    assert env["NIGHTSHIFT_MONITORS__KUBERNETES__NAMESPACES"] == "[]"


@pytest.mark.parametrize("path", [BASE / "deployment.yaml", SIDECAR / "sidecar.yaml"], ids=["base", "sidecar"])
def test_the_container_may_do_nothing_special(path):
    (deployment,) = documents(path)
    pod = pods(deployment)
    (container,) = pod["containers"]
    rights = pod.get("securityContext", {}) | container["securityContext"]
    assert rights["runAsNonRoot"] is True
    assert rights["runAsUser"] == 10001
    assert rights["readOnlyRootFilesystem"] is True
    assert rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not any("hostPath" in v for v in pod["volumes"])
    assert container["resources"]["limits"]["memory"]


@built
def test_the_sidecar_joins_the_labelled_deployment_only(tmp_path):
    (tmp_path / "app.yaml").write_text(APP)
    there = os.path.relpath(SIDECAR, tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["app.yaml"], "components": [there]}))
    things = build(tmp_path)
    assert [p for t in things for p in problems(t)] == []
    shop, other = (next(t for t in things if t["metadata"]["name"] == name) for name in ("shop", "other"))
    assert [c["name"] for c in pods(other)["containers"]] == ["other"]
    containers = {c["name"]: c for c in pods(shop)["containers"]}
    assert set(containers) == {"nightshift", "shop"}
    volumes = {v["name"]: v for v in pods(shop)["volumes"]}
    config = only(things, "ConfigMap")
    assert volumes["nightshift-config"]["configMap"]["name"] == config["metadata"]["name"]
    assert {m["name"] for c in containers.values() for m in c["volumeMounts"]} == set(volumes)
    watched = {m["name"]: m for m in containers["nightshift"]["volumeMounts"]}["nightshift-logs"]
    assert watched["readOnly"] is True
    assert watched["mountPath"] in config["data"]["nightshift.yaml"]
