"""The table of forges on servers: a `kind` in the configuration, and what makes its dialect. Loaded when named."""

from __future__ import annotations

ALL_FORGES: dict[str, str] = {
    "github": "nightshift.daemon.forges.github:dialect",
    "gitlab": "nightshift.daemon.forges.gitlab:dialect",
    "gitea": "nightshift.daemon.forges.gitea:dialect",
}
