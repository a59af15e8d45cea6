"""Failing pipelines by webhook: who may tell, which runs count, and that a pass ends what a failure began."""

import contextlib
import hmac
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.intake import kinship
from nightshift.daemon.intake.fingerprint import fingerprint
from nightshift.daemon.kit.clock import ManualClock
from nightshift.daemon.model import Service
from nightshift.daemon.ports import Call, Receipt, Refused
from nightshift.monitors import ci

SECRET = "a-webhook-secret"
RUN = {
    "id": 71, "name": "tests", "head_branch": "trunk", "head_sha": "4f2a91c0" * 5, "conclusion": "failure",
    "run_attempt": 1, "html_url": "https://forge.example/acme/shop/actions/runs/71", "display_title": "simpler",
    "updated_at": "2023-11-14T22:00:00Z", "head_repository": {"full_name": "acme/shop", "fork": False},
}  # fmt: skip
PIPELINE = {
    "object_kind": "pipeline", "project": {"path_with_namespace": "acme/shop", "web_url": "https://gl.example/acme/shop"},
    "object_attributes": {"id": 5, "ref": "trunk", "sha": "4f2a91c0" * 5, "status": "failed", "url": "https://gl/5"},
    "builds": [{"name": "lint", "status": "success"}, {"name": "unit", "status": "failed"}],
}  # fmt: skip


def github(run=RUN, event="workflow_run", action="completed", repository="acme/shop"):
    told = {"full_name": repository, "html_url": f"https://forge.example/{repository}"}
    return {"action": action, event: run, "repository": told}, {"x-github-event": event}


def made(repo="/r", **more):
    services = {"shop": Service(name="shop", repo=repo, branch="trunk")}
    given = ci.Settings(secret=SECRET, **{"repositories": {"Acme/Shop": "shop"}, **more})
    return ci.receiver(given, services, ManualClock())


def gitlab(body, event="Pipeline Hook"):
    headers = {"x-gitlab-event": event, "x-gitlab-token": SECRET}
    return Call(method="POST", path="/webhooks/ci", headers=headers, query={}, body=json.dumps(body).encode())


def signed(body, headers, name="x-hub-signature-256", prefix="sha256="):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    shown = prefix + hmac.new(SECRET.encode(), content, "sha256").hexdigest()
    return Call(method="POST", path="/webhooks/ci", headers={**headers, name: shown}, query={}, body=content)


def test_a_failing_workflow_is_a_signal():
    [signal] = made().read(signed(*github())).signals
    assert (signal.service, signal.kind, signal.title) == ("shop", "ci", "tests fails on trunk")
    assert signal.message == "tests failed at 4f2a91c04f2a: simpler" and not signal.resolved
    assert signal.at_ms == 1_699_999_200_000 and signal.labels["run_url"].endswith("/71")
    assert signal.labels["commit_link"] == "https://forge.example/acme/shop/commit/" + RUN["head_sha"]


def test_a_pass_ends_it_and_a_second_delivery_counts_once():
    receiver = made()
    [failed] = receiver.read(signed(*github())).signals
    [again] = receiver.read(signed(*github())).signals
    [passed] = receiver.read(signed(*github({**RUN, "id": 72, "head_sha": "e" * 40, "conclusion": "success"}))).signals
    assert failed.key == again.key and passed.resolved
    mark = fingerprint(failed)
    assert fingerprint(passed) == mark
    assert kinship.instance(failed, mark) == kinship.instance(passed, mark)


def test_a_failing_check_is_one_too():
    run = {"id": 9, "name": "lint", "head_sha": "a" * 40, "conclusion": "timed_out", "output": {"title": "2 errors"},
           "check_suite": {"head_branch": "trunk"}}  # fmt: skip
    [signal] = made().read(signed(*github(run, "check_run"))).signals
    assert signal.title == "lint fails on trunk" and signal.message.endswith("2 errors")


def test_a_suite_that_runs_again_is_heard_again():
    suite = {"id": 4, "head_sha": "a" * 40, "head_branch": "trunk", "conclusion": "failure", "app": {"name": "Actions"},
             "updated_at": "2023-11-14T22:00:00Z"}  # fmt: skip
    [first] = made().read(signed(*github(suite, "check_suite"))).signals
    [again] = made().read(signed(*github({**suite, "updated_at": "2023-11-14T22:05:00Z"}, "check_suite"))).signals
    assert first.title == "Actions fails on trunk" and first.key != again.key
    forked = made().read(signed(*github({**suite, "head_branch": None}, "check_suite")))
    assert "fork" in forked.body["ignored"]


def test_a_fork_that_is_gone_is_still_a_fork():
    receipt = made().read(signed(*github({**RUN, "head_repository": None})))
    assert not receipt.signals and "fork" in receipt.body["ignored"]


@pytest.mark.parametrize(
    "repo",
    ["https://forge.example/Acme/shop.git", "git@forge.example:acme/shop.git", "ssh://git@forge.example/acme/shop"],
)
def test_a_service_is_found_by_the_address_of_its_repository(repo):
    assert made(repo, repositories={}).read(signed(*github())).signals[0].service == "shop"


def test_a_repository_of_two_services_has_to_be_named():
    services = {name: Service(name=name, repo="https://f.example/acme/shop", branch="trunk") for name in ("a", "b")}
    receipt = ci.receiver(ci.Settings(secret=SECRET), services, ManualClock()).read(signed(*github()))
    assert not receipt.signals and "monitors.ci.repositories" in receipt.body["ignored"]


def test_a_folder_is_no_address():
    assert not made("/srv/acme/shop", repositories={}).read(signed(*github())).signals


@pytest.mark.parametrize("header", ["x-gitea-event", "x-forgejo-event"])
def test_gitea_and_forgejo_sign_without_a_prefix(header):
    body, _ = github()
    name = header.replace("event", "signature")
    assert made().read(signed(body, {header: "workflow_run"}, name=name, prefix="")).signals


def test_gitlab_shows_its_token():
    [signal] = made().read(gitlab(PIPELINE)).signals
    assert signal.title == "pipeline fails on trunk" and signal.message.endswith("failed: unit")
    assert signal.labels["commit_link"] == "https://gl.example/acme/shop/-/commit/" + "4f2a91c0" * 5
    call = gitlab(PIPELINE)
    with pytest.raises(Refused):
        made().read(replace(call, headers={**call.headers, "x-gitlab-token": "x"}))


def test_a_pipeline_that_is_tried_again_is_heard_again():
    def run(ended, status="failed"):
        pipeline = {**PIPELINE["object_attributes"], "finished_at": f"2023-11-14 {ended} UTC", "status": status}
        [signal] = made().read(gitlab({**PIPELINE, "object_attributes": pipeline})).signals
        return signal

    first, passed, again = run("21:00:00"), run("21:05:00", "success"), run("21:10:00")
    assert first.key == run("21:00:00").key != again.key and passed.resolved
    assert first.at_ms == 1_699_995_600_000 and first.at_ms < passed.at_ms < again.at_ms


def test_a_job_of_gitlab_that_may_not_fail():
    job = {"object_kind": "build", "ref": "trunk", "sha": "b" * 40, "build_id": 12, "build_name": "unit",
           "build_status": "failed", "build_failure_reason": "script_failure", "build_allow_failure": False,
           "build_finished_at": "2023-11-14 21:00:00 UTC", "project": PIPELINE["project"]}  # fmt: skip
    [signal] = made().read(gitlab(job, "Job Hook")).signals
    assert signal.title == "unit fails on trunk" and signal.message.endswith("script_failure")
    assert signal.labels["run_url"] == "https://gl.example/acme/shop/-/jobs/12"
    allowed = made().read(gitlab({**job, "build_allow_failure": True}, "Job Hook"))
    assert not allowed.signals and "neither" in allowed.body["ignored"]


def test_a_merge_request_of_a_fork_is_not_heard():
    forked = {**PIPELINE, "merge_request": {"source_project_id": 2, "target_project_id": 1}}
    assert "fork" in made().read(gitlab(forked)).body["ignored"]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (github(action="requested"), "no finished run"),
        (github(event="push"), "no finished run"),
        (github(repository="other/shop"), "no one service"),
        (github({**RUN, "head_branch": "feature"}), "branch feature"),
        (github({**RUN, "head_repository": {"full_name": "mallory/shop"}}), "fork"),
        (github({**RUN, "conclusion": "cancelled"}), "neither"),
    ],
)
def test_what_does_not_count_is_told(call, why):
    receipt = made().read(signed(*call))
    assert not receipt.signals and why in receipt.body["ignored"]


def test_branches_and_pipelines_can_be_named():
    assert made(branches=["feature"]).read(signed(*github({**RUN, "head_branch": "feature"}))).signals
    assert not made(pipelines=["nightly"]).read(signed(*github())).signals


@pytest.mark.parametrize("shown", ["", "sha256=", "sha256=" + "0" * 64, "nonsense\xff"])
def test_what_is_not_signed_is_refused(shown):
    body, headers = github()
    call = Call(method="POST", path="", headers={**headers, "x-hub-signature-256": shown}, query={},
                body=json.dumps(body).encode())  # fmt: skip
    with pytest.raises(Refused, match="signature"):
        made().read(call)


@pytest.mark.parametrize(
    ("body", "headers"), [(b"{", {"x-github-event": "x"}), (b"[]", {"x-github-event": "x"}), (b"{}", {})]
)
def test_what_is_not_understood_is_refused(body, headers):
    with pytest.raises(ValueError, match=r"body|header"):
        made().read(signed(body, headers))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.sampled_from(
        ["action", "workflow_run", "check_run", "repository", "full_name", "head_repository", "conclusion", "id",
         "object_attributes", "project", "builds", "status", "merge_request", "check_suite", "output"]), c, max_size=6),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(JSON, st.sampled_from(["workflow_run", "check_run", "check_suite", "Pipeline Hook", "Job Hook"]))
def test_any_delivery_is_read_or_refused(thing, event):
    headers = {"x-gitlab-event": event, "x-gitlab-token": SECRET} if "Hook" in event else {"x-github-event": event}
    with contextlib.suppress(ValueError):
        assert isinstance(made().read(signed(thing, headers)), Receipt)
