"""The vendors' own descriptions of their APIs, fetched once through npm into a cache outside the tree.

GitHub: `@octokit/openapi` carries the OpenAPI document. Gitea: `gitea-js` is generated from Gitea's Swagger document, its
type declarations hold every path, parameter and schema of it. GitLab publishes its document only inside its own
repository, so its part is written by hand here, only the endpoints in use, from the published one (`gitlab_described`).
"""

from __future__ import annotations

import functools
import os
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from nightshift.daemon.kit.run import run

CACHE = Path(os.environ.get("NIGHTSHIFT_SPECS", Path.home() / ".cache" / "nightshift-specs"))
OCTOKIT, GITEA = ("@octokit/openapi", "23.0.2"), ("gitea-js", "1.23.0")


class Unpublished(Exception):
    """The description can't be had here."""


def _package_file(package: tuple[str, str], member: str) -> bytes:
    kept = CACHE / f"{package[0].replace('/', '_')}-{package[1]}" / Path(member).name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        argv = ["npm", "pack", "--silent", "--pack-destination", str(kept.parent), "@".join(package)]
        try:
            done = run(argv, timeout_s=300, cwd=str(kept.parent))
        except FileNotFoundError:
            raise Unpublished("npm is not installed") from None
        if not done.ok:
            raise Unpublished(f"npm can't fetch {package[0]}: {done.why()}")
        archive = kept.parent / done.text().strip().splitlines()[-1]
        with tarfile.open(archive) as tar:
            data = tar.extractfile(f"package/{member}").read()
        part = kept.with_suffix(f".{os.getpid()}")
        part.write_bytes(data)
        part.rename(kept)
        archive.unlink(missing_ok=True)
    return kept.read_bytes()


class Described:
    """An API as OpenAPI 3 says it: `paths` and `components`. `nulls`: answers hold null where nothing is known, though the
    description (Swagger 2) can't say so."""

    def __init__(self, paths: Mapping[str, Any], components: Mapping[str, Any], *, nulls: bool = False) -> None:
        self._paths, self._components, self._nulls = paths, components, nulls
        self._routes = [(_template(path), path) for path in sorted(paths, key=_specific)]
        self._validators: dict[tuple[str, ...], Any] = {}

    def wrong_request(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> list[str]:
        """What the description does not allow in a request."""
        found = self._operation(method, path)
        if found is None:
            return [f"{method} {path}: there is no such operation"]
        name, operation = found
        return [
            f"{method} {name}: {text}"
            for text in (*self._wrong_query(operation, query), *self._wrong_body(name, method, operation, body))
        ]

    def wrong_answer(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """What an answer of the test's own server has that the real one's would not. Fields may be missing."""
        found = self._operation(method, path)
        if found is None or status >= 400:
            return []
        name, operation = found
        answers = {code: self._deref(answer) for code, answer in operation["responses"].items()}
        if answers and str(status) not in answers:
            return [f"{method} {name}: never answers {status}, only {sorted(answers)}"]
        schema = _json(answers.get(str(status), {}))
        if schema is None or body is None:
            return []
        validator = self._validator((method, name, str(status)), schema, lax=True)
        return [f"{method} {name} answered {status}: {_said(error)}" for error in validator.iter_errors(body)]

    def _operation(self, method: str, path: str) -> tuple[str, Mapping[str, Any]] | None:
        for pattern, name in self._routes:
            if pattern.fullmatch(path) and method.lower() in self._paths[name]:
                return name, self._paths[name][method.lower()]
        return None

    def _wrong_query(self, operation: Mapping[str, Any], query: Mapping[str, list[str]]) -> list[str]:
        known = {p["name"]: p for p in map(self._deref, operation.get("parameters", ())) if p["in"] == "query"}
        wrong = [f"no query parameter {name!r}" for name in query if name.removesuffix("[]") not in known]
        wrong += [f"needs query parameter {n!r}" for n, p in known.items() if p.get("required") and n not in query]
        for name, values in query.items():
            schema = self._deref(known.get(name.removesuffix("[]"), {}).get("schema", {}))
            schema = self._deref(schema.get("items", {})) if schema.get("type") == "array" else schema
            wrong += [f"{name}={value!r} is no {schema}" for value in values if not _fits(value, schema)]
        return wrong

    def _wrong_body(self, name: str, method: str, operation: Mapping[str, Any], body: Any) -> list[str]:
        asked = self._deref(operation.get("requestBody", {}))
        schema = _json(asked)
        if body is None:
            return ["needs a body"] if asked.get("required") else []
        if schema is None:
            return ["takes no body"]
        known = self._deref(schema).get("properties")
        wrong = (
            [f"no field {field!r}" for field in body if known is not None and field not in known]
            if isinstance(body, dict)
            else []
        )
        return wrong + [_said(error) for error in self._validator((method, name), schema).iter_errors(body)]

    def _validator(self, key: tuple[str, ...], schema: Any, *, lax: bool = False) -> Any:
        if key not in self._validators:
            needed: dict[str, Any] = {}
            root = self._converted(schema, needed, lax)
            self._validators[key] = jsonschema_rs.Draft7Validator({**root, "definitions": needed})
        return self._validators[key]

    def _converted(self, node: Any, needed: dict[str, Any], lax: bool, part: bool = False) -> Any:
        """OpenAPI 3.0 as JSON Schema: `nullable`, references; lax: nothing is required, but unknown names are told,
        except in a part of an `allOf`, whose other parts may know them."""
        if isinstance(node, list):
            return [self._converted(one, needed, lax, part) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            name = node["$ref"].rpartition("/")[2] + ("-part" if part else "")
            if name not in needed:
                needed[name] = {}
                needed[name].update(self._converted(self._deref(node), needed, lax, part))
            return {"$ref": f"#/definitions/{name}"}
        kept = {
            k: v
            for k, v in node.items()
            if k not in ("example", "examples", "description", "format", "nullable", "x-multi-segment", "discriminator")
        }
        out = {k: self._converted(v, needed, lax, k == "allOf") for k, v in kept.items() if k != "properties"}
        if "properties" in kept:
            out["properties"] = {k: self._converted(v, needed, lax) for k, v in kept["properties"].items()}
        if lax:
            if "oneOf" in out:  # with nothing required several may fit
                out["anyOf"] = out.pop("oneOf")
            out.pop("required", None) if isinstance(out.get("required"), list) else None
            if (
                not part
                and "properties" in out
                and "additionalProperties" not in out
                and not {"allOf", "anyOf", "oneOf"} & set(out)
            ):
                out["additionalProperties"] = False
        return (
            {"anyOf": [{"type": "null"}, out]}
            if node.get("nullable") or (lax and self._nulls and "type" in out)
            else out
        )

    def _deref(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            found: Any = self._components
            for part in node["$ref"].removeprefix("#/components/").split("/"):
                found = found[part]
            node = found
        return node


def _json(holder: Mapping[str, Any]) -> Any:
    return holder.get("content", {}).get("application/json", {}).get("schema")


def _said(error: Any) -> str:
    return f"{'/'.join(map(str, error.instance_path)) or 'body'}: {error.message[:300]}"


def _fits(value: str, schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return value.lstrip("-").isdigit()
    if kind == "boolean":
        return value in ("true", "false")
    return value in schema["enum"] if "enum" in schema else True


def _template(path: str) -> re.Pattern[str]:
    """Gitea's route ends in a wildcard where its description says `{head}`: branches may have slashes."""
    pattern = re.sub(r"\\\{[^/]+?\\\}", r"[^/]+", re.escape(path))
    return re.compile(pattern.removesuffix("[^/]+") + ".+" if path.endswith("/pulls/{base}/{head}") else pattern)


def _specific(path: str) -> tuple[int, str]:
    return path.count("{"), path


@functools.cache
def github() -> Described:
    """GitHub's REST API."""
    document = orjson.loads(_package_file(OCTOKIT, "generated/api.github.com.json"))
    return Described(document["paths"], document["components"])


_INTERFACE = re.compile(r"^interface (\w+) \{\n(.*?)^\}", re.M | re.S)
_ALIAS = re.compile(r"^type (\w+) = ([^;{]+);", re.M)
_FIELD = re.compile(r"^    (\w+|'[^']+')(\?)?: ([^;]+);$", re.M)
_METHOD = re.compile(
    r"@request (GET|POST|PUT|PATCH|DELETE):(\S+)\n.*?\*/\s+\w+: \((.*?)\) => Promise<HttpResponse<([^;]+?), [^;]+?>>;",
    re.S,
)
_QUERY = re.compile(r"query\??: \{(.*?)\n        \}", re.S)
_QUERY_FIELD = re.compile(r"^            (\w+)(\?)?: ([^;]+);$", re.M)


@functools.cache
def gitea() -> Described:
    """Gitea's REST API, read out of the declarations that were generated from its Swagger document."""
    text = _package_file(GITEA, "dist/index.d.ts").decode()
    schemas = {name: _interface(body) for name, body in _INTERFACE.findall(text)}
    schemas |= {name: _typed(spelled) for name, spelled in _ALIAS.findall(text)}
    paths: dict[str, Any] = {}
    for verb, path, arguments, answer in _METHOD.findall(text):
        paths.setdefault(path, {})[verb.lower()] = _declared(arguments, answer)
    return Described(paths, {"schemas": schemas}, nulls=True)


def _interface(body: str) -> dict[str, Any]:
    fields = _FIELD.findall(body)
    return {"type": "object", "properties": {name.strip("'"): _typed(spelled) for name, _, spelled in fields},
            "required": [name.strip("'") for name, optional, _ in fields if not optional]}  # fmt: skip


def _declared(arguments: str, answer: str) -> dict[str, Any]:
    query = _QUERY.search(arguments)
    fields = _QUERY_FIELD.findall(query[1]) if query else []
    body = re.search(r"\bbody(\?)?: ([^,]+)", arguments)
    operation: dict[str, Any] = {
        "parameters": [
            {"name": n, "in": "query", "required": not optional, "schema": _typed(t)} for n, optional, t in fields
        ],
        "responses": {str(code): {"content": {"application/json": {"schema": _typed(answer)}}} for code in (200, 201)}
        | {"204": {}},
    }
    if body:
        operation["requestBody"] = {
            "content": {"application/json": {"schema": _typed(body[2])}},
            "required": not body[1],
        }
    return operation


def _typed(spelled: str) -> dict[str, Any]:
    spelled = spelled.strip()
    if spelled.endswith("[]"):
        return {"type": "array", "items": _typed(spelled[:-2]), "nullable": True}
    if spelled in ("string", "number", "boolean"):
        return {"type": spelled}
    if spelled.startswith("'"):
        return {"type": "string", "enum": [word.strip().strip("'") for word in spelled.split("|")]}
    if re.fullmatch(r"[A-Z]\w*", spelled):
        return {"$ref": f"#/components/schemas/{spelled}", "nullable": True}
    return {}
