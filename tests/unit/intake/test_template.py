"""The compiled template says what the specification says, or leaves it to that."""

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nightshift.daemon.intake.template import compiled, specified, template

fast = compiled()
needs_compiled = pytest.mark.skipif(fast is None, reason="the compiled template is not built")

LINES = [
    "Receiving block blk_-1608999687919862906 src: /10.250.19.102:54106 dest: /10.250.19.102:50010",
    "PacketResponder 1 for block blk_38865049064139660 terminating", "Failed password for invalid user webmaster from 10.0.0.7 port 38926 ssh2",
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=10.0.0.7",
    "input_userauth_request: invalid user admin [preauth]", "jk2_init() Found child 6725 in scoreboard slot 10",
    "[client 10.0.0.7] Directory index forbidden by rule: /var/www/html/", "Block broadcast_4 stored as values in memory (estimated size 93.0 KB, free 4.1 MB)",
    "[instance: b9000564-fe1a-409b-b8cc-1e88b294cd1d] Took 20.58 seconds to build instance.",
    '10.11.10.1 "GET /v2/54fadb412c4e40cdbaed9335e4c35a9e/servers/detail HTTP/1.1" status: 200 len: 1893 time: 0.2477829',
    "Established session 0x14f05578bd80006 with negotiated timeout 10000 for client /10.10.34.11:55013",
    "2026-01-01T00:00:00.123Z ERROR [worker-7] payment 17 refused for 'bob'", "[2026-01-01 00:00:00,123] (WARNING) | slow 12 ms",
    "2026-01-01 00:00:00+05:30 INFO fine", "2026-01-01 00:00:00+0530) NOTICE: x", "2026-01-01 00:00:00+05:3 x", "2026-01-01 ERROR no time",
    "ERROR: 2026-01-01 00:00:00 fatal: x1", "CRITICALITY is not a level", "warn warn warn", "(info)x", "accepted password for alice on tty at noon",
    "Zahlung für Café Zoë 12 € fehlgeschlagen — „Kunde“ 7", "ошибка 42 в модуле «заказ»", "支払い 12 が失敗しました",
]  # fmt: skip
PIECES = [
    *LINES, *(w for line in LINES for w in line.split(" ")), *" \t\n\r\v\x1c\x00'\"[](){}=:,;.+-|#_7", "user ", "for ", " from", " on", " at",
    " [", "  ", "user x [", "for x from y", "user é from", "éuser x at", "for x on\u0301", "NOT\u0131CE", "\u0130NFO", "\u017f", "\u212a",
    "\u0663", "\u0967", "\uff15", "\U0001d7d8", "\xa0", "\x85", "\u2028", "\u3000", "\u200b", "\ufeff", "\ufffd", "\u201c", "\U0001f525", "\xb2",
    "\ud800", "\udfff", "\udc80", "'" + "q" * 199, "'" + "é" * 200 + "'", '"' + "q" * 201 + '"', "w" * 240, "é" * 250, "3" * 240,
]  # fmt: skip
ANY = st.one_of(st.text(max_size=4), st.text(st.characters(categories=["Cs", "Nd", "Zs", "Zl", "Cc"]), max_size=3))


@needs_compiled
@settings(max_examples=1000, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), ANY), max_size=12), st.sampled_from(["", " "]))
@example(["2026-01-01 ", "ERROR"], "")
@example(["é" * 499, " user", " x"], "")
def test_the_compiled_template_is_the_specified_one(pieces, between):
    text = between.join(pieces)
    assert fast(text) in (None, specified(text))
    assert template(text) == specified(text)


@needs_compiled
@pytest.mark.parametrize("line", LINES)
def test_ordinary_lines_are_not_left_to_python(line):
    assert fast(line) == specified(line)


@needs_compiled
def test_every_character_counts_as_what_it_is():
    for code in (*range(0x3200), *range(0xA000, 0xB000), *range(0xD700, 0x11000), *range(0x1D700, 0x1D900)):
        text = f"ab{chr(code)}c {chr(code)}"
        assert fast(text) in (None, specified(text)), hex(code)


@needs_compiled
@pytest.mark.parametrize("length", [199, 200, 201, 499, 500, 501, 65_535, 65_537])
@pytest.mark.parametrize("form", ["{}", "'{}'", '"{}', "{} user x", " {} ", "user {} from x", "{}\n'x'", "[{}"])
@pytest.mark.parametrize("letter", ["a", "é", "文", "🔥", "7", " ", "'"])
def test_lengths_end_where_they_are_said_to_end(length, form, letter):
    text = form.format(letter * length)
    assert template(text) == specified(text)


@needs_compiled
def test_what_is_no_text_or_no_utf_8_is_left_to_python():
    assert [fast(odd) for odd in (b"x", None, 7, "\ud800", "x" * 70_000, "\u0663")] == [None] * 6
    assert template("\ud800 7") == "\ud800 #"
    with pytest.raises(AttributeError):
        template(7)


def test_without_the_compiled_one_everything_works(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTSHIFT_NO_KERNEL", "1")
    assert compiled() is None
    monkeypatch.delenv("NIGHTSHIFT_NO_KERNEL")
    monkeypatch.setitem(sys.modules, "nightshift.daemon.intake._template", None)
    assert compiled() is None
    assert specified(LINES[2]) == "Failed password for invalid user # from # port # ssh2".replace("ssh2", "#")
