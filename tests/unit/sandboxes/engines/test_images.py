"""The host image's layout: what is bound, what is linked, what stays out."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from nightshift.daemon.ports import WORKDIR, EnvironmentBroke
from nightshift.sandboxes.images import SHIMS, Layout, host_layout, interpreter

PYTHON = os.path.realpath(sys.executable)


def _venv(home: Path, *, names: tuple[str, ...] = ("python", "python3"), target: str = PYTHON) -> Path:
    """A virtual environment's skeleton: an interpreter link and pyvenv.cfg are what makes one."""
    (home / "bin").mkdir(parents=True)
    (home / "lib").mkdir()
    (home / "pyvenv.cfg").write_text(f"home = {os.path.dirname(PYTHON)}\n")
    for name in names:
        (home / "bin" / name).symlink_to(target)
    return home / "bin" / names[0]


def _seen(layout: Layout, path: str) -> bool:
    """Whether the path, or a directory above it, exists inside."""
    links = dict(layout.links)
    return path in links or any(path == bind or path.startswith(f"{bind}/") for bind in layout.binds)


def test_the_daemons_own_environment_is_bound_and_first_on_the_path() -> None:
    layout = host_layout()
    assert dict(layout.env)["PATH"].split(":")[0] == os.path.dirname(sys.executable)
    for prefix in (sys.prefix, sys.base_prefix):
        assert _seen(layout, prefix) or prefix.startswith("/usr")


def test_nothing_secret_is_bound() -> None:
    binds = host_layout().binds
    for path in ("/", "/etc", "/root", "/home", "/var", "/run", "/opt", "/etc/ssl", "/etc/shadow", "/proc"):
        assert path not in binds
    assert not [path for path in binds if path == WORKDIR or path.startswith(f"{WORKDIR}/")]


def test_merged_directories_are_links_and_others_are_binds() -> None:
    layout = host_layout()
    for path in ("/bin", "/lib", "/lib64"):
        if os.path.islink(path):
            assert dict(layout.links)[path] == os.readlink(path)
        elif os.path.isdir(path):
            assert path in layout.binds
    assert "/sbin" not in layout.binds
    assert "/sbin" not in dict(layout.links)


def test_sbin_is_a_real_directory_for_the_engines_init() -> None:
    with tarfile.open(fileobj=io.BytesIO(host_layout().tar())) as archive:
        assert archive.getmember("sbin").isdir()
        assert archive.getmember("tmp").mode == 0o1777
        assert "etc/shadow" not in archive.getnames()
        assert all(member.uid == 0 for member in archive)


def test_the_same_content_has_the_same_name_and_other_content_another() -> None:
    layout = host_layout()
    assert layout.tag() == host_layout().tag()
    assert replace(layout, dirs=(*layout.dirs, "elsewhere")).tag() != layout.tag()


def test_a_virtual_environment_keeps_its_own_path(tmp_path: Path) -> None:
    python = _venv(tmp_path / "env")
    layout = host_layout(str(python))
    assert str(tmp_path / "env") in layout.binds
    assert dict(layout.env)["PATH"].startswith(f"{tmp_path}/env/bin:")
    assert interpreter(str(python)).executable == str(python)


def test_every_hop_of_a_link_chain_exists_inside(tmp_path: Path) -> None:
    hop = tmp_path / "shims" / "python3"
    hop.parent.mkdir()
    hop.symlink_to(PYTHON)
    layout = host_layout(str(_venv(tmp_path / "env", target=str(hop))))
    assert dict(layout.links)[str(hop)] == PYTHON
    assert _seen(layout, PYTHON) or PYTHON.startswith("/usr")


def test_an_environment_reached_through_a_linked_directory(tmp_path: Path) -> None:
    _venv(tmp_path / "env-3.11")
    (tmp_path / "env").symlink_to("env-3.11")
    layout = host_layout(str(tmp_path / "env" / "bin" / "python"))
    assert str(tmp_path / "env-3.11") in layout.binds
    assert dict(layout.links)[str(tmp_path / "env")] == str(tmp_path / "env-3.11")


def test_a_missing_python_beside_the_interpreter_is_made_up_for(tmp_path: Path) -> None:
    layout = host_layout(str(_venv(tmp_path / "env", names=("python3",))))
    files = {name: text for name, _, text in layout.files}
    assert f"{SHIMS}/python".lstrip("/") in files
    assert f"{SHIMS}/python3".lstrip("/") not in files
    assert f"exec {tmp_path}/env/bin/python3" in files[f"{SHIMS}/python".lstrip("/")]
    assert SHIMS in dict(layout.env)["PATH"].split(":")


def test_what_is_no_python_is_told(tmp_path: Path) -> None:
    liar = tmp_path / "python"
    liar.write_text("#!/bin/sh\necho not json\n")
    liar.chmod(0o755)
    with pytest.raises(EnvironmentBroke, match="does not run as a Python"):
        host_layout(str(liar))
    with pytest.raises(EnvironmentBroke, match="no Python at"):
        host_layout(str(tmp_path / "nowhere"))


def test_an_environment_others_cannot_read_is_told(tmp_path: Path) -> None:
    python = _venv(tmp_path / "env")
    (tmp_path / "env").chmod(0o700)
    with pytest.raises(EnvironmentBroke, match=r"chmod -R o\+rX"):
        host_layout(str(python))
