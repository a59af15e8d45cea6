"""Complaints, defaults, near misses and entries put into files: each read from texts as they really look."""

from __future__ import annotations

import json
import tomllib

import pytest
import yaml

from nightshift.daemon.model import Case, Diagnosis
from nightshift.fixers.environment.complaints import Complaint, complaints, within
from nightshift.fixers.environment.defaults import defaults, is_secret
from nightshift.fixers.environment.entries import inserted, tables_of
from nightshift.fixers.environment.paths import near_misses, rewritten
from nightshift.fixers.environment.variables import subscripts, with_default


@pytest.mark.parametrize(("text", "kind", "name"), [
    ("KeyError: 'SHOP_URL'", "key", "SHOP_URL"),
    ("E       KeyError: 'db.host'", "key", "db.host"),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/sandbox/data/x.txt'", "path", "/sandbox/data/x.txt"),
    ("Error: ENOENT: no such file or directory, open 'conf/a.json'", "path", "conf/a.json"),
    ("PermissionError: [Errno 13] Permission denied: './bin/run'", "permission", "./bin/run"),
    ("sh: 1: ./bin/run: Permission denied", "permission", "./bin/run"),
    ("run.sh: 3: PORT: parameter not set", "key", "PORT"),
])  # fmt: skip
def test_what_is_missing_is_read_from_the_text(text, kind, name) -> None:
    case = Case(id="c", repo="r", base="0" * 40, diagnosis=Diagnosis(sample=text))
    assert Complaint(kind=kind, name=name) in complaints(case)


@pytest.mark.parametrize(("path", "text"), [
    ("app/other.py", "import os\nurl = os.environ.get('URL', 'http://a')\n"),
    ("app/other.py", "import os\n\nurl = os.getenv(\"URL\", \"http://a\")\n"),
    (".env.example", "# where\nURL=http://a\n"),
    ("env.sample", "export URL='http://a'\n"),
    ("compose.yaml", "services:\n  a:\n    environment:\n      URL: http://a  # x\n"),
    ("docker-compose.yml", "services:\n  a:\n    environment:\n      - URL=http://a\n"),
    ("compose.yaml", "services:\n  a:\n    environment:\n      OTHER: ${URL:-http://a}\n"),
    ("deploy/app.yaml", "spec:\n  env:\n    - name: URL\n      value: \"http://a\"\n"),
    ("README.md", "Set `URL`, the address (default: `http://a`).\n"),
    ("Dockerfile", "FROM x\nENV URL=http://a\n"),
    ("run.sh", ": \"${URL:=http://a}\"\nexport URL=http://a\n"),
    ("web/app.js", "const url = process.env.URL || 'http://a';\n"),
])  # fmt: skip
def test_defaults_are_found_where_repositories_keep_them(path, text) -> None:
    found = defaults("URL", {path: text})
    assert [d.value for d in found] == ["http://a"]
    line = int(found[0].where.rpartition(":")[2])
    assert "URL" in text.split("\n")[line - 1]


def test_placeholders_and_references_are_no_values_and_code_weighs_most() -> None:
    files = {".env.example": "URL=changeme\nURL=\nURL=<address>\n", "a.yaml": "URL: $OTHER\n",
             "compose.yaml": "URL: http://dev\n", "b.py": "import os\nos.getenv('URL', 'http://own')\n"}  # fmt: skip
    assert [d.value for d in defaults("URL", files)] == ["http://own", "http://dev"]
    assert is_secret("DB_PASSWORD") and is_secret("STRIPE_API_KEY") and not is_secret("MONKEY_PORT")


def test_reads_of_the_environment_are_rewritten_in_place() -> None:
    text = "import os\nfrom os import environ\n# ümlaut\na = 'ü', os.environ['URL']  # keep\nb = environ[\"URL\"] + os.environ['X']\n"
    made = with_default(text, "URL", 'http://"a"')
    assert 'a = \'ü\', os.environ.get("URL", "http://\\"a\\"")  # keep\n' in made
    assert 'b = environ.get("URL", "http://\\"a\\"") + os.environ[\'X\']\n' in made
    assert subscripts("os.environ['URL'] = 1\n", "URL") == [] and subscripts("def (", "URL") == []


TREE = frozenset({"data/templates/mail.txt", "data/rates.csv", "src/shop/Config.json", "README.md"})


@pytest.mark.parametrize(("wanted", "meant"), [
    ("data/tempaltes/mail.txt", "data/templates/mail.txt"), ("data/Rates.csv", "data/rates.csv"),
    ("rates.csv", "data/rates.csv"), ("src/shop/config.json", "src/shop/Config.json"),
    ("data/template", "data/templates"),
])  # fmt: skip
def test_near_misses(wanted, meant) -> None:
    assert near_misses(wanted, TREE)[0] == meant
    assert near_misses("data/rates.csv", TREE) == [] == near_misses("elsewhere/none.bin", TREE)
    assert within("/srv/releases/9/data/rates.csv", TREE) == "data/rates.csv" == within("/sandbox/data/rates.csv", TREE)


def test_the_written_part_of_a_path_is_replaced_and_nothing_like_it() -> None:
    code = 'A = open(ROOT / "tempaltes/mail.txt")  # tempaltes/mail.txts\nB = "xtempaltes/mail.txt"\n'
    made = dict(rewritten("data/tempaltes/mail.txt", "data/templates/mail.txt", {"a.py": code}))
    assert made["a.py"] == code.replace('"tempaltes/mail.txt"', '"templates/mail.txt"')
    folder = {"a.py": 'P = os.path.join("data/tempaltes", name)\n'}
    assert dict(rewritten("data/tempaltes/mail.txt", "data/templates/mail.txt", folder)) == {
        "a.py": 'P = os.path.join("data/templates", name)\n'
    }


@pytest.mark.parametrize(("suffix", "there", "here", "expected", "load"), [
    (".yaml", "# prod\ndb:\n    host: h  # x\n    # how long\n    timeout: 5\n    pool: 2\ntop: 1\n",
     "# dev\ndb:\n  host: local   # mine\n\n  pool: 1\n# end\ntop: 2\n",
     "# dev\ndb:\n  host: local   # mine\n  timeout: 5\n\n  pool: 1\n# end\ntop: 2\n", yaml.safe_load),
    (".toml", "[db]\nhost = 'h'\ntimeout = 5\n", "# dev\n[db]\nhost = 'l'  # mine\n\n[web]\nport = 1\n",
     "# dev\n[db]\nhost = 'l'  # mine\ntimeout = 5\n\n[web]\nport = 1\n", tomllib.loads),
    (".ini", "[db]\nhost: h\ntimeout = 5\n", "[db]\nhost = l\n; end\n[web]\nport = 1\n",
     "[db]\nhost = l\ntimeout = 5\n; end\n[web]\nport = 1\n", None),
    (".json", '{\n  "db": {\n    "host": "h",\n    "timeout": 5\n  }\n}\n', '{\n    "db": {\n        "host": "l"\n    },\n    "x": 1\n}\n',
     '{\n    "db": {\n        "host": "l",\n        "timeout": 5\n    },\n    "x": 1\n}\n', json.loads),
])  # fmt: skip
def test_an_entry_of_another_environment_is_put_in_as_text(suffix, there, here, expected, load) -> None:
    theirs, mine = tables_of(f"prod{suffix}", there)[("db",)], tables_of(f"dev{suffix}", here)[("db",)]
    made = inserted(here, mine, "timeout", theirs.entries["timeout"], theirs.indent, theirs.entries)
    assert made == expected
    if load:
        assert load(made)["db"]["timeout"] == 5


@pytest.mark.parametrize(("path", "text"), [
    ("a.yaml", "a: [1"), ("a.yaml", "- 1\n- 2\n"), ("a.yaml", "a: {b: 1}\n"), ("a.json", '{"a": '), ("a.json", "[]"),
    ("a.toml", ""), ("a.bin", "a: 1"), ("a.yaml", "&a [*a]"), ("a.yaml", "\x00"),
])  # fmt: skip
def test_files_that_can_t_be_read_have_no_inner_tables(path, text) -> None:
    assert all(where == () for where in tables_of(path, text))
