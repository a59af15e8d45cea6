"""What log text may not bring into a report."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.daemon.reports.as_json import from_dict, to_dict, to_json
from nightshift.daemon.reports.clean import (
    LONG_LIMIT,
    REPORT_LIMIT,
    clean,
    clean_json,
    clean_report,
    clean_text,
    one_line,
)
from nightshift.daemon.reports.testing import a_night


@pytest.mark.parametrize(
    ("dirty", "fine"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bcreset", "reset"),
        ("a\x00b\x08c\x9bd", "abcd"),
        ("over\rwritten", "over\nwritten"),
        ("windows\r\nline", "windows\nline"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("tabs\tstay\nlines stay", "tabs\tstay\nlines stay"),
        ("undecodable \udcff", "undecodable �"),
        ("中文 émoji 🌙", "中文 émoji 🌙"),
        ("password=hunter2hunter2", "password=[redacted]"),
        ("tok\x00en=abcdefgh", "token=[redacted]"),
    ],
)
def test_clean_text(dirty, fine):
    assert clean_text(dirty) == fine


def test_long_texts_say_what_is_missing():
    assert clean_text("x" * 100, 60) == "x" * 20 + "\n… 80 more characters"
    long = clean(replace(a_night().incidents[0], evidence="e" * (LONG_LIMIT + 9)))
    assert long.evidence.endswith("… 49 more characters") and len(long.evidence) <= LONG_LIMIT


@pytest.mark.parametrize("size", [0, 1, 3_999, 4_000, 4_001, 50_000])
def test_cleaning_again_changes_nothing(size):
    once = clean_text("é" * size)
    assert clean_text(once) == once


@pytest.mark.parametrize("before", range(0, 60, 3))
def test_a_secret_cut_in_half_where_reading_ends_is_not_shown(before):
    secrets = " ".join("ghp_" + "a1b2c3d4e5" * 8 for _ in range(100))  # masked, they shrink to less than the limit
    assert "ghp_" not in clean_text("x" * before + " " + secrets, 1000)


def test_a_storm_stays_readable():
    one = replace(a_night().incidents[0], evidence="e" * LONG_LIMIT)
    storm = replace(a_night(), incidents=tuple(replace(one, id=str(n)) for n in range(150)))
    shown = clean_report(storm)
    assert sum(len(i.evidence) for i in shown.incidents) <= REPORT_LIMIT
    assert "more characters" in shown.incidents[0].evidence and clean_report(shown) == shown


@given(st.text())
def test_no_control_character_is_left_and_it_is_always_utf8(text):
    cleaned = clean_text(text)
    cleaned.encode("utf-8")
    assert not [c for c in cleaned if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0]


def test_clean_reaches_every_text_and_keeps_the_types():
    shown = clean(a_night())
    assert type(shown) is type(a_night()) and shown.incidents[1] == a_night().incidents[1]
    assert "\x1b" not in repr(shown) and "hunter2" not in repr(shown)


def test_json_is_redacted_before_it_is_encoded():
    nasty = 'password=abc\\" and "token": "s3cr3tvalue" ghp_abcdefghijklmnopqrstuvwxyz'
    encoded = json.dumps(clean_json({"text": nasty, "list": [nasty, 7, None], "lone": "\udc80"}))
    assert "ghp_" not in encoded and json.loads(encoded)["list"][1:] == [7, None]


def test_json_reads_back():
    shown = clean(a_night("zh", "Asia/Shanghai"))
    raw = json.loads(to_json(a_night("zh", "Asia/Shanghai")))
    assert from_dict(raw) == shown
    assert raw["version"] == 1 and raw["totals"]["incidents"] == 4 and raw["totals"]["healed"] == 1
    assert raw["totals"]["cost"]["candidates"] == 925 and raw["totals"]["signals"] == 23


def test_json_of_something_else_is_refused():
    with pytest.raises(ValueError, match="incidents"):
        from_dict({**to_dict(a_night()), "incidents": [{"title": 1}]})


def test_one_line():
    assert one_line(" a\n\tb  c ") == "a b c"
