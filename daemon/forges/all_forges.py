"""The table of forges: a name in the configuration, and where its class and `Settings` live. Loaded when named."""

from __future__ import annotations

ALL_FORGES: dict[str, str] = {
    "local": "nightshift.daemon.forges.local:LocalForge",
}
