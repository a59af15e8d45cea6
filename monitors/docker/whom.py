"""Is a container one of ours, and whose is it? Names and labels of containers, read without any request."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from nightshift.daemon.kit import labels
from nightshift.monitors.images import commit_of, release_of
from nightshift.monitors.shapes import rows, text, texts

if TYPE_CHECKING:
    from nightshift.monitors.docker.settings import Settings

_COMPOSE = "com.docker.compose.service"


class Whom:
    """Answers from the attributes of an event: the container's labels, its `name` and its `image`."""

    def __init__(self, settings: Settings, services: Mapping[str, object]) -> None:
        self._settings, self._services = settings, services

    def ours(self, attributes: Mapping[str, str]) -> bool:
        """Whether it is watched: a known service, chosen by the filters, and no sandbox of Nightshift."""
        sandbox = any(key.startswith(labels.SANDBOX) for key in attributes)
        return not sandbox and self._chosen(attributes) and bool(self.service(attributes))

    def _chosen(self, attributes: Mapping[str, str]) -> bool:
        name, names = attributes.get("name", ""), self._settings.names
        if names and not any(fnmatchcase(name, pattern) for pattern in names):
            return False
        wanted = (label.partition("=") for label in self._settings.labels)
        return all(key in attributes and (not equals or attributes[key] == value) for key, equals, value in wanted)

    def service(self, attributes: Mapping[str, str]) -> str:
        """The service a container belongs to; '' when it is none of ours."""
        name, compose = attributes.get("name", ""), attributes.get(_COMPOSE, "")
        told = attributes.get(labels.SERVICE) or self._settings.services.get(name)
        known = next((n for n in (compose, name) if n in self._services), "")
        return told or known or ((compose or name) if self._settings.every_container else "")

    def labels(self, attributes: Mapping[str, str]) -> dict[str, str]:
        """The labels of its signals."""
        image = attributes.get("image", "")
        found = {
            "container": attributes.get("name", ""), "image": image, "release": release_of(image),
            "commit": commit_of(attributes, self._settings.commit_labels),
        }  # fmt: skip
        return {key: value for key, value in found.items() if value}


def attributes_of(row: Mapping[str, Any]) -> dict[str, str]:
    """The same attributes from a row of the list of containers."""
    names = row.get("Names")
    name = text(names[0]).lstrip("/") if isinstance(names, list) and names else ""
    return {**texts(row.get("Labels")), "image": text(row.get("Image")), "name": name}


def listed(answer: object) -> dict[str, dict[str, str]]:
    """Container id → attributes, from a list of containers."""
    return {text(row.get("Id")): attributes_of(row) for row in rows(answer)}
