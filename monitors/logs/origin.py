"""What a path says about who wrote the log: container runtimes name namespace, pod and container in it."""

from __future__ import annotations

import re

_POD = re.compile(r"/pods/(?P<namespace>[^/_]+)_(?P<pod>[^/_]+)_(?P<uid>[^/_]+)/(?P<container>[^/]+)/[^/]+\Z")
_LINK = re.compile(
    r"/containers/(?P<pod>[^/_]+)_(?P<namespace>[^/_]+)_(?P<container>[^/]+)-(?P<container_id>[0-9a-f]{64})\.log\Z"
)
_DOCKER = re.compile(r"/(?P<container_id>[0-9a-f]{64})/(?P=container_id)-json\.log")


def origin(*paths: str) -> dict[str, str]:
    """Labels: `namespace`, `pod`, `container`, `container_id` as far as any of the paths of one file tells them."""
    found: dict[str, str] = {}
    for path in paths:
        for pattern in (_POD, _LINK, _DOCKER):
            if (match := pattern.search(path)) is not None:
                found = {**match.groupdict(), **found}
    found.pop("uid", None)
    return found
