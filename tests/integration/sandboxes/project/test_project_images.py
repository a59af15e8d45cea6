"""Project images for real: what is inside, where it came from, and what never happens."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from nightshift.daemon.model import Case
from nightshift.daemon.ports import EnvironmentBroke, Sandbox, Sandboxes, SandboxSpec
from nightshift.sandboxes.lab import Lab

VERSIONS = "import importlib.metadata as m; print({d.metadata['Name']: d.version for d in m.distributions()})"


def _said(box: Sandbox, code: str) -> str:
    done = box.run(["python", "-c", code], timeout_s=60)
    assert done.code == 0, done.stderr
    return done.stdout.decode().strip()


def _open(engine: Sandboxes, case: Case) -> Sandbox:
    return Lab(engine, timeout_s=60, name="t").open(case, case.base, {})


def test_what_the_lock_names_is_installed_and_the_tree_looks_installed(make, index, served, committed) -> None:
    url, asked = served
    index.add("leaf", "1.0")
    index.add("leaf", "2.0")
    index.add("stem", "1.0", requires=("leaf",))
    index.add("tool", "1.0")
    case = committed({
        "requirements.txt": "stem\n", "requirements-dev.txt": "tool\n",
        "pyproject.toml": "[project]\nname='shop'\nversion='7.1'\n[project.scripts]\nshopkeeper='shop:main'\n"
                          "[project.entry-points.shelf]\none='shop:main'\n",
        "pylock.toml": f"[[packages]]\nname='leaf'\nversion='1.0'\nwheels=[{{hashes={{sha256="
                       f"'{index.digests['leaf-1.0-py3-none-any.whl']}'}}}}]\n",
        "src/shop/__init__.py": "import leaf\ndef main(): print(leaf.version)\n",
    })  # fmt: skip
    engine = make(index=(url,))
    with _open(engine, case) as box:
        found = eval(_said(box, VERSIONS))
        assert (found["leaf"], found["stem"], found["tool"], found["shop"]) == ("1.0", "1.0", "1.0", "7.1")
        assert "pytest" in found
        assert box.run(["shopkeeper"], timeout_s=30).stdout == b"1.0\n"
        assert _said(box, "import importlib.metadata as m; print(len(m.entry_points(group='shelf')))") == "1"
        held = json.dumps(found)
        assert not {"docker", "nightshift", "httpx"}.intersection(found), held
    first = len(asked)
    assert first
    with _open(engine, case) as box:
        assert _said(box, "import stem; print(stem.version)") == "1.0"
        assert box.run(["sh", "-c", "touch /opt/nightshift/project/x"], timeout_s=20).code != 0
    assert len(asked) == first


def test_files_that_the_lock_does_not_allow_are_not_even_offered(make, index, committed) -> None:
    index.add("leaf", "1.0", "evil = 1\n")
    case = committed({"requirements.txt": f"leaf==1.0 --hash=sha256:{'a' * 64}\n"})
    with pytest.raises(EnvironmentBroke, match="No matching distribution found for leaf"):
        _open(make(index=(index.url,)), case)


def test_what_cannot_be_had_with_the_rest_is_left_out_when_only_tests_want_it(make, index, committed) -> None:
    index.add("leaf", "1.0")
    case = committed({"requirements.txt": "leaf\n", "requirements-dev.txt": "nowhere-to-be-had\n"})
    with _open(make(index=(index.url,)), case) as box:
        assert _said(box, "import leaf; print(leaf.version)") == "1.0"


def test_a_package_that_is_not_there_says_so(make, index, committed) -> None:
    with pytest.raises(EnvironmentBroke, match=r"nowhere.*sandbox\.project\.sdists"):
        _open(make(index=(index.url,)), committed({"requirements.txt": "nowhere\n"}))


def _sdist(name: str) -> bytes:
    """A source package that is built by the distribution `hostile`."""
    system = "[build-system]\nrequires = ['hostile']\nbuild-backend = 'hostile'\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in {
            "pyproject.toml": system,
            "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        }.items():
            info = tarfile.TarInfo(f"{name}-1.0/{path}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_source_packages_are_taken_only_when_allowed(make, index, committed) -> None:
    index.put("raw", "raw-1.0.tar.gz", _sdist("raw"))
    with pytest.raises(EnvironmentBroke, match="No matching distribution found for raw"):
        _open(make(index=(index.url,)), committed({"requirements.txt": "raw\n"}))


HOSTILE = {
    "TCP out": "s = socket.socket(); s.settimeout(3); s.connect(('1.1.1.1', 443))",
    "the host's loopback": "socket.create_connection(('127.0.0.1', {port}), 3)",
    "names": "socket.getaddrinfo('example.org', 80)",
    "another path of the mirror": "urllib.request.urlopen(INDEX + '../files/999/x.whl')",
    "a file of the host": "urllib.request.urlopen(INDEX + '..%2f..%2f..%2fetc/passwd/')",
    "an upload": "urllib.request.urlopen(INDEX + 'leaf/', data=b'secret')",
    "a query": "urllib.request.urlopen(INDEX + 'leaf/?secret')",
    "an address as a proxy": "c = __import__('http.client').client.HTTPConnection(INDEX.split('/')[2]); "
                             "c.request('GET', 'http://1.1.1.1/'); assert c.getresponse().status == 200",
    "a tunnel as a proxy": "c = __import__('http.client').client.HTTPConnection(INDEX.split('/')[2]); "
                           "c.set_tunnel('1.1.1.1', 443); c.request('GET', '/')",
    "programs of the machine": "open('/usr/bin/nightshift-was-here', 'w')",
    "becoming root": "os.setuid(0)",
}  # fmt: skip


def test_build_code_of_a_package_is_sealed(make, index, served, committed) -> None:
    """A source package whose build tries everything; what works would be said in the error."""
    url, asked = served
    index.add("leaf", "1.0")
    port = url.split(":")[2].split("/")[0]
    tries = {name: code.replace("{port}", port) for name, code in HOSTILE.items()}
    index.add(
        "hostile",
        "1.0",
        f"""
import os, socket, sys, urllib.request
def build_wheel(*args, **more):
    told = [open(f"/proc/{{pid}}/cmdline").read() for pid in os.listdir("/proc") if pid.isdigit()]
    INDEX = next(line.split("--index-url\\0")[1].split("\\0")[0] for line in told if "--index-url\\0" in line)
    urllib.request.urlopen(INDEX + "leaf/").read()
    worked = []
    for name, code in {tries!r}.items():
        try: exec(code, dict(globals(), INDEX=INDEX))
        except Exception: continue
        worked.append(name)
    sys.stdout.write(f"ERROR: the probes ran, worked: {{worked}}\\n"); sys.stdout.flush()
    raise SystemExit(9)
""",
    )
    index.put("raw", "raw-1.0.tar.gz", _sdist("raw"))
    with pytest.raises(EnvironmentBroke) as told:
        _open(make(index=(url,), sdists=True), committed({"requirements.txt": "raw\n"}))
    assert "the probes ran, worked: []" in str(told.value), told.value
    assert not any("passwd" in path or "secret" in path for path in asked)


def test_an_index_that_fails_is_a_broken_environment_and_leaves_no_image(make, committed, tmp_path: Path) -> None:
    engine = make(index=("http://127.0.0.1:9/simple",))
    case = committed({"requirements.txt": "leaf\n"})
    with pytest.raises(EnvironmentBroke, match=r"the package index at 127\.0\.0\.1 does not answer"):
        _open(engine, case)
    with pytest.raises(EnvironmentBroke, match=r"the package index at 127\.0\.0\.1 does not answer"):
        _open(engine, case)
    cache = tmp_path / "cache"
    assert not [each for each in (cache.iterdir() if cache.is_dir() else ()) if each.is_dir()]


def test_each_commit_runs_in_the_image_of_its_own_lock(make, index, committed) -> None:
    for version in ("1.0", "2.0"):
        index.add("leaf", version)
    old, new = (committed({"requirements.txt": f"leaf=={version}\n"}) for version in ("1.0", "2.0"))
    lab = Lab(make(index=(index.url,)), timeout_s=60, name="t")
    for commit, version in ((new.base, "2.0"), (old.base, "1.0"), (new.base, "2.0")):
        with lab.open(new, commit, {}) as box:
            assert _said(box, "import leaf; print(leaf.version)") == version


def test_a_repository_that_asks_for_nothing_has_pytest(make, index, committed) -> None:
    with _open(make(index=(index.url,)), committed({"a.py": "x = 1\n"})) as box:
        assert _said(box, "import pytest, a; print(a.x)") == "1"


def test_the_recipe_is_needed(make) -> None:
    with pytest.raises(EnvironmentBroke, match="needs a recipe"):
        make().open(SandboxSpec(image="project", recipe="{}"))
