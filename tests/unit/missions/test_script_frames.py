"""Frames of JavaScript engines and bundlers become places in the repository."""

import base64
import json

import pytest

from nightshift.daemon.missions.gather import diagnose
from nightshift.daemon.missions.script_frames import original, told
from nightshift.daemon.model import Frame, Signal

# What the TypeScript compiler wrote for two functions: dist/cart.js of src/cart.ts.
MAP = {
    "version": 3, "file": "cart.js", "sourceRoot": "", "sources": ["../src/cart.ts"], "names": [],
    "mappings": "AAIA,MAAM,UAAU,KAAK,CAAC,IAAU;IAC9B,OAAO,IAAI,CAAC,KAAK,CAAC,CAAC,CAAC,CAAC,EAAE,CAAC;AAC1B,CAAC",
}  # fmt: skip
TREE = ["src/cart.ts", "src/lib/user.ts", "src/web.js", "app/page.tsx", "dist/cart.js", "dist/cart.js.map"]


def signal(*frames, **more):
    return Signal(key="k", source="s", service="x", title="t", at_ms=0, frames=frames, **more)


def frame(path, line=0, function="f"):
    return Frame(path=path, line=line, function=function)


def places(found):
    return [(f.path, f.line, f.function) for f in found]


@pytest.mark.parametrize(
    ("function", "place"),
    [
        ("loadUser (webpack-internal:///(rsc)/./src/lib/user.ts:14:22)", ("src/lib/user.ts", 14, "loadUser")),
        ("async Page (webpack://shop/./app/page.tsx?4f21:8:16)", ("app/page.tsx", 8, "Page")),
        ("webpack:///./src/web.js:3:1", ("src/web.js", 3, "")),
        ("inner (eval at run (/srv/shop/src/web.js:7:35), <anonymous>:1:20)", ("src/web.js", 7, "run")),
    ],
)
def test_addresses_of_bundlers_and_eval_name_their_place(function, place):
    found = diagnose(signal(frame("", 0, function)), TREE)
    assert places(found.frames) == [place]


@pytest.mark.parametrize("path", ["node:internal/timers", "/srv/node_modules/x/src/cart.ts", "webpack/bootstrap"])
def test_foreign_frames_are_dropped(path):
    assert diagnose(signal(frame(path, 3)), TREE).frames == ()


def test_file_urls_are_paths():
    assert places(diagnose(signal(frame("file:///srv/a%20b/src/web.js", 3)), TREE).frames) == [("src/web.js", 3, "f")]


def test_a_syntax_error_is_where_its_header_says():
    found = told(
        signal(
            frame("node:vm", 1),
            exception="SyntaxError",
            sample="/srv/shop/src/web.js:9\nfunction x( {\n  ^\n\nSyntaxError: no",
        )
    )
    assert places(found)[-1] == ("/srv/shop/src/web.js", 9, "")


def test_a_source_map_beside_the_built_file_leads_back():
    files = {"dist/cart.js.map": json.dumps(MAP).encode(), "dist/cart.js": b"x\n//# sourceMappingURL=cart.js.map"}
    found = diagnose(signal(frame("/srv/shop/dist/cart.js", 2, "first")), TREE, files.get)
    assert places(found.frames) == [("src/cart.ts", 6, "first")]


def test_a_source_map_in_the_built_file_leads_back():
    inline = b"//# sourceMappingURL=data:application/json;base64," + base64.b64encode(json.dumps(MAP).encode())
    found = original(frame("dist/cart.js", 1), TREE, {"dist/cart.js": b"x\n" + inline}.get)
    assert (found.path, found.line) == ("src/cart.ts", 5)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"sources": 3}', b'{"sources": ["a"], "mappings": "!!"}', b'{"sources": []}']
)
def test_a_broken_source_map_changes_nothing(text):
    found = diagnose(signal(frame("/srv/dist/cart.js", 2)), TREE, {"dist/cart.js.map": text, "dist/cart.js": b""}.get)
    assert places(found.frames) == [("dist/cart.js", 2, "f")]


def test_a_built_file_that_is_not_in_the_tree_is_found_by_its_name():
    text = b"export interface A {}\n\nexport class Cart {\n  total(): number {\n    return 1;\n  }\n}\n"
    found = diagnose(signal(frame("/app/dist/lib/cart.js", 40, "Cart.total")), ["src/lib/cart.ts"], lambda _: text)
    assert places(found.frames) == [("src/lib/cart.ts", 4, "Cart.total")]
