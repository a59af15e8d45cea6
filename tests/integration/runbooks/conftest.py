"""A Docker engine and an image for the tests of this folder: empty, as nothing can be pulled; the host's shell is bound
in."""

import io
import tarfile
import uuid

import pytest

LABEL = "nightshift-test-runbooks"


@pytest.fixture(scope="module")
def engine():
    docker = pytest.importorskip("docker")
    client = docker.from_env(timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(engine):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("sbin", "bin", "usr", "lib", "lib64"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
    tag = f"{LABEL}:{uuid.uuid4().hex[:8]}"
    name, _, version = tag.partition(":")
    engine.api.import_image_from_data(buffer.getvalue(), repository=name, tag=version)
    yield tag
    engine.images.remove(tag, force=True)
