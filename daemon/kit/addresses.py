"""Addresses of repositories, as people write them: https, ssh, and the scp-like form."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"(?:[a-z+]+://[^/]+/|[^/:@]+@[^/:]+:)/*([^?#]+?/[^/?#]+?)(?:\.git)?/*\Z")


def repository_of(address: str) -> str:
    """`owner/name` of a repository's https or ssh address; '' for a folder."""
    found = _ADDRESS.match(address.strip())
    return found[1] if found else ""
