"""Equal for one cause, different for two, whatever moves between releases, hosts and requests."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.intake.fingerprint import fingerprint, module_tail, places
from nightshift.daemon.intake.template import template
from nightshift.daemon.model import Frame, Signal


def frame(path, function="f", line=1):
    return Frame(path=path, line=line, function=function)


CRASH = Signal(
    key="k", source="logs:x", service="shop", title="KeyError: 'tea' in price", at_ms=1, exception="KeyError",
    message="'tea'", frames=(frame("/srv/shop/web.py", "handle", 40), frame("/srv/shop/cart.py", "price", 12)),
)  # fmt: skip
ALERT = Signal(key="a", source="prometheus", service="shop", title="Slow", at_ms=1, kind="alert", message="p95 is 2.1",
               labels={"alertname": "Slow", "instance": "10.0.0.1:80", "job": "shop"})  # fmt: skip


def test_lines_messages_titles_keys_times_and_locals_do_not_matter():
    moved = tuple(replace(f, line=f.line + 77, code="x", locals=(("a", "1"),)) for f in CRASH.frames)
    other = replace(
        CRASH, key="z", at_ms=9, title="KeyError: 'rum'", message="'rum'", frames=moved, labels={"pod": "x"}
    )
    assert fingerprint(other) == fingerprint(CRASH)


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=2), st.text(max_size=30), st.integers(0, 2**62))
def test_any_shift_of_lines_and_any_message_gives_the_same(lines, message, address):
    frames = tuple(replace(f, line=n) for f, n in zip(CRASH.frames, lines, strict=True))
    assert fingerprint(replace(CRASH, frames=frames, message=f"{message} at {address:#x}")) == fingerprint(CRASH)


@pytest.mark.parametrize("change", [
    {"exception": "IndexError"}, {"frames": CRASH.frames[:1]},
    {"frames": (CRASH.frames[0], replace(CRASH.frames[1], function="total"))},
    {"frames": (CRASH.frames[0], replace(CRASH.frames[1], path="/srv/shop/stock.py"))},
])  # fmt: skip
def test_another_type_function_or_module_is_another_cause(change):
    assert fingerprint(replace(CRASH, **change)) != fingerprint(CRASH)


def test_the_folder_of_a_release_and_the_module_that_exports_the_type_do_not_matter():
    frames = tuple(replace(f, path=f.path.replace("/srv/", "/srv/releases/20261120/")) for f in CRASH.frames)
    assert fingerprint(replace(CRASH, frames=frames, exception="shop.errors.KeyError")) == fingerprint(CRASH)
    assert module_tail("/srv/9f3c2d1a/app.py") == module_tail("/srv/v1.2.3/app.py") == module_tail("app.py") == "app.py"
    assert module_tail("C:\\shop\\cart.py") == module_tail("/x/shop/cart.py") == "shop/cart.py"


FOREIGN = ["/srv/.venv/lib/python3.11/site-packages/flask/app.py", "/usr/lib/python3.12/json/decoder.py",
           "/usr/lib/python3/dist-packages/x.py", "<frozen importlib._bootstrap>"]  # fmt: skip


@pytest.mark.parametrize("path", FOREIGN)
def test_frames_of_libraries_do_not_matter_unless_there_are_no_others(path):
    wrapped = (frame(path, "wsgi"), CRASH.frames[0], frame(path, "wrap"), CRASH.frames[1], frame(path, "deep"))
    assert fingerprint(replace(CRASH, frames=wrapped)) == fingerprint(CRASH)
    alone = replace(CRASH, frames=(frame(path, "deep"),))
    assert fingerprint(alone) != fingerprint(replace(CRASH, frames=(frame(path, "other"),)))


@pytest.mark.parametrize("depth", [1, 2, 50, 900])
def test_recursion_has_no_depth(depth):
    cycle = (frame("/srv/a.py", "even"), frame("/srv/a.py", "odd"))
    assert places(cycle * depth) == ["srv/a.py:odd", "srv/a.py:even"]


def test_a_crash_without_frames_goes_by_its_masked_message():
    bare = replace(CRASH, frames=(), message="no row 17 in 'orders'")
    assert fingerprint(bare) == fingerprint(replace(bare, message="no row 23 in 'carts'"))
    assert fingerprint(bare) != fingerprint(replace(bare, message="no column 23 in 'carts'"))


def test_alerts_go_by_labels_that_do_not_name_an_instance():
    for label, value in (
        ("instance", "10.0.0.2:80"),
        ("pod", "shop-7f-x"),
        ("generatorURL", "http://x"),
        ("node", "n"),
    ):
        assert fingerprint(replace(ALERT, labels={**ALERT.labels, label: value})) == fingerprint(ALERT)
    assert fingerprint(replace(ALERT, labels={**ALERT.labels, "job": "cart"})) != fingerprint(ALERT)
    assert fingerprint(replace(ALERT, title="Slow is over", resolved=True, message="")) == fingerprint(ALERT)
    assert fingerprint(replace(ALERT, kind="oom")) != fingerprint(ALERT)


def test_error_lines_go_by_their_template():
    one = replace(CRASH, kind="error", exception="", frames=(), title="2026-01-01T00:00:00Z ERROR payment 17 refused")
    two = replace(one, title="2027-11-11 10:00:00,123 ERROR payment 99 refused", labels={"level": "error", "n": "3"})
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one) != fingerprint(replace(one, title="ERROR order refused"))
    assert template("[2026-01-01 00:00:00] WARN: user=ab12 at 0x7ffe \"x y\" 'z'") == "user=# at # ? ?"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Invalid user alice from 10.0.0.1", "Invalid user bob from 10.9.0.1", True),
        ("Accepted password for alice from 10.0.0.1 port 22", "Accepted password for bob from 10.0.0.2 port 9", True),
        (
            "input_userauth_request: invalid user alice [preauth]",
            "input_userauth_request: invalid user x [preauth]",
            True,
        ),
        ("unknown user alice", "unknown user bob", True),
        ("user not found in table", "user was found in table", False),
        ("waiting for disk", "waiting for network", False),
        ("2026-01-01T00:00:00Z ERROR cannot reach db7", "ERROR: cannot reach db12", True),
        ("[2026-01-01 00:00:00,123] WARNING slow 12 ms", "slow 7 ms", True),
    ],
)
def test_who_it_was_does_not_tell_messages_apart(one, other, same):
    assert (template(one) == template(other)) is same
