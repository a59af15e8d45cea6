"""From a file and the environment to a Config, or to one line per mistake."""

from pathlib import Path

import pytest

from nightshift.daemon.config import UNSET, ConfigError, find_config, load_config
from nightshift.daemon.kit.redact import MASK, redact


@pytest.fixture
def write(tmp_path):
    def _write(text: str) -> Path:
        path = tmp_path / "nightshift.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    (tmp_path / "shop").mkdir()
    return _write


def told(path, **environ):
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ=environ)
    return [line.replace(f"{path}:", "n:", 1) for line in caught.value.lines]


SERVICE = "services:\n  - name: shop\n    repo: shop\n"


def test_defaults_are_safe(write):
    config = load_config(write(""), environ={})
    assert config.http.host == "127.0.0.1"
    assert config.http.token is None
    assert config.services == ()
    assert config.runbooks.commands == ()
    assert config.monitors.docker is None


def test_a_service_becomes_the_noun(write, tmp_path):
    text = SERVICE + (
        "    check: python -m pytest -q\n    deploy: sh deploy.sh 'a b'\n    probe: [curl, -f, x]\n"
        "    logs: [logs/*.log, /var/log/x.log]\n    autonomy: merge\n    python: .venv/bin/python\n"
    )
    config = load_config(write(text), environ={})
    service = config.services_model()["shop"]
    assert service.repo == str(tmp_path / "shop")
    assert service.deploy == ("sh", "deploy.sh", "a b")
    assert service.probe == ("curl", "-f", "x")
    assert service.python == str(tmp_path / ".venv/bin/python")
    assert service.autonomy == "merge"
    assert config.services[0].logs == (tmp_path / "logs/*.log", Path("/var/log/x.log"))
    assert config.store_path == tmp_path / ".nightshift/nightshift.db"


def test_log_files_of_services_and_of_the_monitor_are_read_together(write, tmp_path):
    text = SERVICE + "    logs: [a.log]\nmonitors: {logs: {files: [{path: 'b/*.log', service: x}], line_bytes: 5000}}\n"
    logs = load_config(write(text), environ={}).logs_settings()
    assert [(f.service, f.path) for f in logs.files] == [("x", f"{tmp_path}/b/*.log"), ("shop", f"{tmp_path}/a.log")]
    assert logs.line_bytes == 5000


def test_a_service_without_autonomy_only_proposes(write):
    assert load_config(write(SERVICE), environ={}).services_model()["shop"].autonomy == "propose"


def test_the_policy_caps_every_service(write):
    config = load_config(write(SERVICE + "    autonomy: merge\npolicy: {autonomy: observe}\n"), environ={})
    assert config.services_model()["shop"].autonomy == "observe"


def test_a_repository_may_be_remote(write):
    config = load_config(write("services: [{name: a, repo: 'https://git.example/a.git'}]\n"), environ={})
    assert config.services_model()["a"].repo == "https://git.example/a.git"


def test_every_mistake_is_told_with_line_place_and_nearest_name(write, tmp_path):
    path = write(
        "state_dir: state\nservices:\n  - name: shop\n    repo: shp\n    chek: pytest -q\n    watch_window_s: soon\n"
        "    autonomy: mrege\n  - nam: x\nhttp:\n  port: 99999\nreprots: {}\n"
        "reports: {timezone: Europe/Berln, cron: daily}\n"
    )
    assert told(path) == [
        f"n:4: services[0].repo: no such folder: {tmp_path}/shp; did you mean 'shop'?",
        "n:5: services[0].chek: unknown key; did you mean 'check'?",
        "n:6: services[0].watch_window_s: must be a number, not 'soon'",
        "n:7: services[0].autonomy: 'mrege' is not known here; did you mean 'merge'?",
        "n:8: services[1].nam: unknown key; did you mean 'name'?",
        "n:8: services[1].name: missing; it is needed here",
        "n:8: services[1].repo: missing; it is needed here",
        "n:10: http.port: should be less than or equal to 65535",
        "n:11: reprots: unknown key; did you mean 'reports'?",
        "n:12: reports.cron: needs five fields: minute, hour, day of month, month, day of week",
        "n:12: reports.timezone: no such time zone: 'Europe/Berln'; did you mean 'Europe/Berlin'?",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("services: shop\n", "n:1: services: must be a list, not 'shop'"),
        ("http: 3\n", "n:1: http: must be a mapping of keys to values, not '3'"),
        ("http: {port: [1]}\n", "n:1: http.port: must be a whole number, not a list"),
        ("services:\n  - name: a b\n    repo: shop\n", "n:2: services[0].name: "),
        (SERVICE + SERVICE[10:], "n:1: services: two services are called 'shop'"),
        (SERVICE + "    deploy: 'sh \"x'\n", "n:4: services[0].deploy: can't be split into words"),
        ("monitors: {prometheus: {rules: [{name: a, expr: up, threshold: 1, severty: error}]}}\n",
         "n:1: monitors.prometheus.rules[0].severty: unknown key; did you mean 'severity'?"),
        ("monitors: {prometheus: {rules: [{name: a, expr: up, threshold: 1, severity: eror}]}}\n",
         "n:1: monitors.prometheus.rules[0].severity: 'eror' is not known here; did you mean 'error'?"),
    ],
)  # fmt: skip
def test_wrong_values(write, text, line):
    (said,) = told(write(text))
    assert said.startswith(line)


def test_sections_with_every_key_commented_out_are_defaults(write):
    config = load_config(write("http:\n#  port: 1\nmonitors:\n  docker:\n"), environ={})
    assert config.http.port == 8700
    assert config.monitors.docker is not None


def test_the_environment_overrides_the_file(write):
    environ = {
        "NIGHTSHIFT_HTTP__PORT": "9000",
        "NIGHTSHIFT_FIXERS__ORDER": '["templates"]',
        "NIGHTSHIFT_STATE_DIR": "s",
    }
    path = write("http: {port: 1, host: 127.0.0.2}\n")
    config = load_config(path, environ=environ)
    assert (config.http.port, config.http.host) == (9000, "127.0.0.2")
    assert config.fixers.order == ("templates",)
    assert config.state_dir == path.parent / "s"


def test_mistakes_in_the_environment_name_the_variable(write):
    lines = told(write(""), NIGHTSHIFT_HTTP__PORT="x", NIGHTSHIFT_POLICY__MAX_FILS="3")
    assert lines == [
        "environment: NIGHTSHIFT_HTTP__PORT: http.port: must be a whole number, not 'x'",
        "environment: NIGHTSHIFT_POLICY__MAX_FILS: policy.max_fils: unknown key; did you mean 'max_files'?",
    ]
    assert told(write(""), NIGHTSHIFT_SERVICES="{oops") == [
        "environment: NIGHTSHIFT_SERVICES…: a list or section is given as JSON"
    ]


def test_what_a_cluster_injects_is_left_alone(write):
    environ = {"NIGHTSHIFT_SERVICE_HOST": "10.0.0.1", "NIGHTSHIFT_PORT": "tcp://10.0.0.1:80", "NIGHTSHIFT_DEBUG": "1"}
    assert load_config(write(""), environ=environ).http.port == 8700


def test_a_literal_secret_is_refused_and_not_repeated(write):
    (line,) = told(write("http:\n  token: hunter2hunter2\n"))
    assert line == (
        "n:2: http.token: a secret is never written in clear: use env:NAME (an environment variable) or file:PATH"
    )


def test_secrets_come_from_the_environment_and_are_masked_from_then_on(write):
    config = load_config(write("http: {token: 'env:MY_TOKEN'}\n"), environ={"MY_TOKEN": "correct horse battery"})
    assert config.http.token.get_secret_value() == "correct horse battery"
    assert "horse" not in repr(config)
    assert redact("it is correct horse battery!") == f"it is {MASK}!"


def test_secrets_come_from_files_next_to_the_configuration(write, tmp_path):
    (tmp_path / "token").write_text("from-a-file-1\n")
    config = load_config(write("http: {token: 'file:token'}\n"), environ={})
    assert config.http.token.get_secret_value() == "from-a-file-1"


def test_secrets_that_can_not_be_read(write, tmp_path):
    (tmp_path / "empty").write_text("\n")
    assert told(write("http: {token: 'env:MY_TOKN'}\n"), MY_TOKEN="x") == [
        "n:1: http.token: the environment variable MY_TOKN is not set; did you mean 'MY_TOKEN'?"
    ]
    assert told(write("http: {token: 'env:E'}\n"), E="") == ["n:1: http.token: the environment variable E is empty"]
    assert told(write("http: {token: 'file:empty'}\n")) == [
        f"n:1: http.token: the secret's file {tmp_path}/empty is empty"
    ]
    assert told(write("http: {token: 'file:nowhere'}\n")) == [
        f"n:1: http.token: can't read the secret's file {tmp_path}/nowhere: No such file or directory"
    ]


def test_commands_that_only_read_do_not_need_secrets(write):
    config = load_config(write("http: {token: 'env:NOWHERE'}\n"), environ={}, demand_secrets=False)
    assert config.http.token.get_secret_value() == UNSET


def test_files_that_are_no_configuration(tmp_path, write):
    write("")
    with pytest.raises(ConfigError, match=r"no such file; did you mean 'nightshift.yaml'\?"):
        load_config(tmp_path / "nightshft.yaml")
    with pytest.raises(ConfigError, match="can't read it: Is a directory"):
        load_config(tmp_path / "shop")
    (tmp_path / "b.yaml").write_bytes(b"a: 1\nb: \xff\xfe\n")
    with pytest.raises(ConfigError, match=r"b.yaml:2: not UTF-8 text"):
        load_config(tmp_path / "b.yaml")


def test_a_named_configuration_is_taken_as_it_is():
    assert find_config(Path("x.yaml")) == Path("x.yaml")
