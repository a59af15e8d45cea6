"""Events as SDKs of other languages build them, after their sources (registries of those languages were not at hand),
beside what real runtimes printed for the same crash (`recorded/`): both are one kind of incident."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.daemon.intake.fingerprint import fingerprint, places
from nightshift.monitors.sentry.event import signal_of

RECORDED = Path(__file__).parent / "recorded"
FIELDS = ("module", "function", "abs_path", "filename", "lineno")


def frames(*rows):
    return {"frames": [{name: value for name, value in zip(FIELDS, row, strict=True) if value} for row in rows]}


def java(method, line):
    return ("com.acme.shop.Shop", method, "", "Shop.java", line)


def go(module, function, line, path="/srv/shop/go/main.go"):
    return (module, function, path, path.rpartition("/")[2], line)


def file(function, line, path, module=""):
    return (module, function, path, path.rpartition("/")[2], line)


def rust(function, line, path="/srv/shop/./rust/main.rs"):
    return ("", function, path, "main.rs", line)


PHP, RUBY, NET = "/srv/shop/php/shop.php", "/srv/shop/ruby/shop.rb", "/src/Shop/Cart.cs"
NULL = 'Cannot invoke "java.lang.Integer.intValue()" because the return value of "java.util.Map.get(Object)" is null'
EVENTS = {
    "java_chained": ("java", [
        {"type": "NullPointerException", "module": "java.lang", "value": NULL, "stacktrace": frames(
            java("main", 15), java("twice", 8), java("chained", 7), java("price", 6))},
        {"type": "RuntimeException", "module": "java.lang", "value": "no price for A1", "stacktrace": frames(
            java("main", 15), java("twice", 8), java("chained", 7))},
        {"type": "IllegalArgumentException", "module": "java.lang", "value": "checkout failed:\n  cart 17\n  total unknown",
         "stacktrace": frames(java("main", 15), java("twice", 8))},
    ]),
    "go_index": ("go", [
        {"type": "runtime.boundsError", "value": "runtime error: index out of range [5] with length 1",
         "stacktrace": frames(go("main", "main", 35), go("main", "Handler.Serve", 18), go("main", "(*Shop).Price", 14))},
    ]),
    "go_nil": ("go", [
        {"type": "runtime.errorString", "value": "runtime error: invalid memory address or nil pointer dereference",
         "stacktrace": frames(go("main", "main", 33), go("main.Handler", "Serve", 18), go("main.(*Shop)", "Price", 14))},
    ]),
    "ruby_cause": ("ruby", [
        {"type": "KeyError", "module": "", "value": "key not found: 1 (KeyError)", "stacktrace": frames(
            file("<main>", 14, RUBY), file("checkout", 8, RUBY), file("total", 5, RUBY), file("map", 5, RUBY),
            file("block in total", 5, RUBY), file("price", 3, RUBY), file("fetch", 3, RUBY))},
        {"type": "OutOfStock", "module": "", "value": "sku 1 is gone (OutOfStock)", "stacktrace": frames(
            file("<main>", 14, RUBY), file("checkout", 7, RUBY), file("rescue in checkout", 10, RUBY))},
    ]),
    "documented_ruby_34": ("ruby", [
        {"type": "KeyError", "module": "", "value": "key not found: 1", "stacktrace": frames(
            file("<main>", 13, "shop.rb"), file("block in Cart#total", 5, "shop.rb"),
            file("price", 3, "shop.rb", "Cart"), file("fetch", 3, "shop.rb", "Hash"))},
    ]),
    "php_chained": ("php", [
        {"type": "Acme\\Shop\\OutOfStock", "value": "sku a is gone", "stacktrace": frames(
            file("", 11, PHP), file("Acme\\Shop\\checkout", 8, PHP), file("Acme\\Shop\\Cart::total", 6, PHP),
            file("array_map", 0, "[internal]"), file("Acme\\Shop\\Cart::Acme\\Shop\\{closure}", 6, PHP),
            file("Acme\\Shop\\Cart::price", 5, PHP))},
        {"type": "RuntimeException", "value": "checkout failed", "stacktrace": frames(
            file("", 11, PHP), file("Acme\\Shop\\checkout", 8, PHP))},
    ]),
    "rust_bt_index": ("native", [
        {"type": "panic", "value": "index out of bounds: the len is 0 but the index is 2",
         "stacktrace": frames(rust("main::main", 13))},
    ]),
    "documented_net_inner": ("csharp", [
        {"type": "System.Collections.Generic.KeyNotFoundException", "module": "System.Private.CoreLib, Version=8.0.0.0",
         "value": "The given key 'a' was not present in the dictionary.", "stacktrace": frames(
             file("decimal Acme.Shop.Cart.Price(string sku)", 14, NET),
             file("System.Collections.Generic.Dictionary`2.get_Item", 0, ""))},
        {"type": "System.InvalidOperationException", "module": "Acme.Shop, Version=1.0.0.0", "value": "checkout failed",
         "stacktrace": frames(("Acme.Shop.Program", "Main", "/src/Shop/Program.cs", "Program.cs", 7),
                              ("Acme.Shop.Cart", "Total", NET, "Cart.cs", 21))},
    ]),
}  # fmt: skip


def event(platform, values):
    return {"platform": platform, "level": "fatal", "exception": {"values": values}}


def told(found):
    return signal_of(found, project="1", service="shop", event_id="a" * 32, now_ms=1)


@pytest.mark.parametrize("name", EVENTS)
def test_a_report_and_a_log_of_one_crash_are_one_kind(name, crash_in):
    signal = told(event(*EVENTS[name]))
    log = crash_in((RECORDED / f"{name}.txt").read_text(encoding="utf-8").strip("\n") + "\n")
    assert signal.exception == log.exception
    assert signal.message.partition("\n")[0] == log.message.partition("\n")[0]
    assert places(signal.frames) == places(log.frames)
    assert fingerprint(signal) == fingerprint(log)


@pytest.mark.parametrize("name", EVENTS)
def test_the_sample_is_a_trace_that_reads_back(name, crash_in):
    signal = told(event(*EVENTS[name]))
    again = crash_in(f"{signal.sample}\n")
    assert (again.exception, again.message) == (signal.exception, signal.message)
    assert [(f.path, f.line, f.function) for f in again.frames] == [(f.path, f.line, f.function) for f in signal.frames]


TEXT = st.sampled_from(["", "?", "Object.?", "a.b", "[internal]", "x (y", "\n\tat q", "Caused by: X: y", "\ud800", "#0 {main}",
                        "goroutine 2 [x]:", "<lambda>", "panic", "::", "e" * 2000]) | st.text(max_size=12)  # fmt: skip
ANY = st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT, max_size=2)
FRAME = st.fixed_dictionaries(
    {}, optional={"module": TEXT, "function": TEXT, "abs_path": TEXT, "filename": TEXT, "lineno": ANY, "colno": ANY,
                  "context_line": ANY, "in_app": ANY, "vars": st.dictionaries(TEXT, ANY, max_size=3) | ANY},
)  # fmt: skip
NUMBER = st.integers(-1, 4)
VALUE = st.fixed_dictionaries(
    {}, optional={"type": TEXT, "module": TEXT, "value": TEXT, "stacktrace": st.fixed_dictionaries(
        {"frames": st.lists(FRAME | ANY, max_size=4) | ANY}) | ANY, "mechanism": st.fixed_dictionaries({}, optional={
            "type": st.sampled_from(["chained", "suppressed"]), "source": st.sampled_from(["cause", "errors[0]", []]),
            "exception_id": NUMBER | ANY, "parent_id": NUMBER | ANY, "is_exception_group": st.booleans()}) | ANY},
)  # fmt: skip
PLATFORMS = ["python", "java", "go", "node", "javascript", "csharp", "ruby", "php", "native", "perl", ""]


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(PLATFORMS), st.lists(VALUE | ANY, max_size=4), st.sampled_from(["error", "fatal"]))
def test_whatever_the_exceptions_are_they_become_a_bounded_signal_or_none(platform, values, level):
    signal = told({"platform": platform, "level": level, "exception": {"values": values}})
    if signal is not None:
        assert signal.kind == "crash" and len(signal.frames) <= 64 and fingerprint(signal)
        assert all(len(f.path) <= 600 and len(f.function) <= 300 and f.line >= 0 for f in signal.frames)
        assert all(len(value) <= 300 for value in signal.labels.values())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_exception_is_told_whatever_the_platform(platform):
    values = [{"type": "Broken", "value": "it is", "stacktrace": frames(("shop", "total", "/srv/a.x", "a.x", 7))}]
    signal = told(event(platform, values))
    assert signal.message.endswith("it is") and "it is" in signal.sample and signal.frames


def test_frames_keep_the_source_and_the_variables_only_an_event_knows():
    place = {"abs_path": "/srv/web/cart.js", "function": "total", "lineno": 7, "colno": 9, "context_line": " return x.y;",
             "vars": {"x": {"id": 7}}}  # fmt: skip
    foreign = {**place, "abs_path": "/srv/web/vendored.js", "in_app": False, "lineno": 1}
    values = [{"type": "TypeError", "value": "x", "stacktrace": {"frames": [foreign, place]}}]
    signal = told(event("node", values))
    assert (signal.frames[-1].code, signal.frames[-1].locals) == ("return x.y;", (("x", "{'id': 7}"),))
    assert signal.frames[0].locals == (), "the SDK says that frame is not the application's own"
    assert "    at total (/srv/web/cart.js:7:9)" in signal.sample.splitlines()


@pytest.mark.parametrize("folder", ["https://shop.example/static/", "webpack-internal:///./src/", "/srv/my shop (2)/"])
def test_places_no_log_reader_understands_are_kept(folder):
    def thrown(file, function):
        inside = {"abs_path": f"{folder}{file}", "function": function, "lineno": 1, "colno": 52_017, "in_app": True}
        return event("javascript", [
            {"type": "TypeError", "value": "x is undefined", "stacktrace": {"frames": [
                {"abs_path": "/srv/node_modules/next/run.js", "function": "run", "lineno": 3, "colno": 1}, inside]}},
            {"type": "Error", "value": "checkout failed", "stacktrace": {"frames": [inside]}},
        ])  # fmt: skip

    one, other = told(thrown("cart.js", "total")), told(thrown("till.js", "pay"))
    assert (one.exception, one.frames[-1].path, one.frames[-1].line) == ("TypeError", f"{folder}cart.js", 1)
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(told(thrown("cart.js", "total")))


def test_the_runtimes_own_frames_do_not_hide_a_panic():
    platform, [value] = EVENTS["go_index"]
    runtime = go("runtime", "goPanicIndex", 88, "/usr/lib/go-1.19/src/runtime/panic.go")
    more = {**value, "stacktrace": {"frames": [*value["stacktrace"]["frames"], *frames(runtime)["frames"]]}}
    assert fingerprint(told(event(platform, [more]))) == fingerprint(told(event(platform, [value])))


def test_what_was_suppressed_is_not_what_happened():
    boom, close = ({"type": name, "value": "", "stacktrace": frames(java("close", 4))} for name in ("Boom", "Close"))
    close["mechanism"] = {"type": "suppressed", "exception_id": 1, "parent_id": 0}
    assert told(event("java", [close, boom])).exception == told(event("java", [boom, close])).exception == "Boom"
