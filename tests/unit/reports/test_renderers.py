"""The report in its forms: everything people need is there, nothing that log lines want is."""

import html.parser
import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from nightshift.daemon.reports.figures import duration
from nightshift.daemon.reports.files import FORMATS, safe_name, write_report, write_whole
from nightshift.daemon.reports.html import to_html
from nightshift.daemon.reports.markdown import code, fence, inline, to_markdown
from nightshift.daemon.reports.model import OUTCOMES, ReportData, ReportFix
from nightshift.daemon.reports.notice import report_notice
from nightshift.daemon.reports.terminal import print_report, to_text
from nightshift.daemon.reports.testing import HOSTILE, NIGHT_MS, a_night, healed, waiting
from nightshift.daemon.reports.texts import TABLES, Words

VOID = {"meta", "br", "img", "link", "input", "hr"}
EMPTY = ReportData(id="report-2026-01-02", from_ms=NIGHT_MS, to_ms=NIGHT_MS + 1, made_at_ms=NIGHT_MS)


class Page(html.parser.HTMLParser):
    """What a page holds; fails on tags that aren't closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *a) for a in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


RENDERERS = {**FORMATS, "txt": to_text}


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_form_says_what_matters(name, language):
    text = RENDERERS[name](a_night(language))
    text = Page(text).text if name == "html" else text
    flat = " ".join(text.split())
    for wanted in (
        "nightshift approve mis-abcdefghijkl", "git revert 0123abc", "off by one in the loop", "green 3 times of 3",
        "512 candidates, all rejected", "for i in range(len(items)):", "recovered: two clean reads", "IndexError",
        "test_race[9]" if name != "md" else "race",
        "p95 −12 %", "https://git.example.org/shop/12" if name != "html" else "#12",
    ):  # fmt: skip
        assert wanted in flat.replace("&#64;", "@"), wanted


@pytest.mark.parametrize("name", RENDERERS)
def test_no_form_carries_secrets_or_escape_sequences(name):
    text = RENDERERS[name](a_night())
    assert "hunter2" not in text and "\x1b" not in text and "\x07" not in text and "\x00" not in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_needs_nothing_and_runs_nothing(language):
    page = Page(to_html(a_night(language)))
    assert not {"script", "img", "iframe", "link", "object", "form"} & set(page.tags)
    assert HOSTILE.split("\x1b")[0] in page.text, "it is shown as text"
    links = [value for _, name, value in page.attributes if name in ("href", "src")]
    assert links == ["https://git.example.org/shop/12"], "javascript: became no link"
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in to_html(a_night()) and "@import" not in to_html(a_night())
    policy = next(v for t, n, v in page.attributes if t == "meta" and n == "content" and "default-src" in v)
    assert policy.startswith("default-src 'none'")
    assert ("html", "lang", "zh-Hans" if language == "zh" else "en") in page.attributes


def test_attributes_can_t_be_left():
    title = "\" onmouseover=\"alert(1)' x='"
    page = Page(to_html(ReportData(**{**vars(EMPTY), "incidents": (replace(healed(title), id=title),)})))
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]


def test_the_page_colours_the_diff():
    text = to_html(a_night())
    assert '<span class="del">-    for i in range(1, len(items)):</span>' in text
    assert '<span class="add">+    for i in range(len(items)):</span>' in text


def test_markdown_fences_hold():
    text = to_markdown(a_night())
    body = text[text.index("password=") - 60 : text.index("password=") + 40]
    assert "````" in body, "longer than the fence inside"
    outside = re.sub(r"(?ms)^(`{3,})[^\n]*\n.*?^\1$", "", text)
    assert "# a heading" not in outside and "<script" not in outside and "<img" not in outside


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*a* _b_ [x](y)", r"\*a\* \_b\_ \[x\](y)"),
        ("# no heading", "&#35; no heading"),
        ("- no item", "&#45; no item"),
        ("1. no item", "&#49;. no item"),
        ("a <b> & c", "a &lt;b> &amp; c"),
        ("two\nlines", "two lines"),
        ("hi @all", "hi &#64;all"),
    ],
)
def test_inline(text, shown):
    assert inline(text) == shown


def test_code_and_fence_outgrow_their_content():
    assert code("a `b` c") == "``a `b` c``" and code("`x`") == "`` `x` ``"
    assert fence("a\n````\nb", "py") == "`````py\na\n````\nb\n`````"


def test_the_terminal_shows_markup_as_text_and_colours_the_diff():
    out = io.StringIO()
    print_report(a_night(), Console(file=out, width=120, force_terminal=True, color_system="standard"))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert "[red]*bold*[/red]" in plain and "\x1b" not in plain
    assert "\x1b[32m+    for i in range(len(items)):" in out.getvalue()


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize(("language", "said"), [("en", "A quiet night"), ("zh", "平静的一夜")])
def test_a_quiet_night(name, language, said):
    text = RENDERERS[name](replace(EMPTY, language=language))
    assert said in text or name == "json"


def test_what_needs_people_comes_first():
    assert [i.outcome for i in a_night().ordered] == ["waiting", "escalated", "rolled_back", "healed"]
    assert [i.id for i in a_night().waiting] == ["inc-waiting"]


def test_both_languages_have_every_word_with_the_same_blanks():
    def blanks(text):
        return set(re.findall(r"{(\w+)}", text))

    assert TABLES["en"].keys() == TABLES["zh"].keys()
    assert {k: blanks(v) for k, v in TABLES["en"].items()} == {k: blanks(v) for k, v in TABLES["zh"].items()}
    assert all(f"{kind}_{name}" in TABLES["en"] for name in OUTCOMES for kind in ("part", "outcome"))
    assert Words("xx")("title") == "Night report" and Words("en")("stage_unheard_of") == "unheard of"


def test_times_are_in_the_zone():
    assert "2026-01-02 06:00" in to_text(a_night(zone="Asia/Shanghai"))
    assert "(UTC)" in to_text(a_night(zone="No/Such"))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (60, "1 min"), (200, "3 min 20 s"),
     (3600, "1 h"), (7500, "2 h 5 min")]
)  # fmt: skip
def test_durations(seconds, shown):
    assert duration(seconds) == shown


def test_an_unknown_outcome_or_stage_is_shown_not_fatal():
    odd = replace(healed(), outcome="sideways", fix=ReportFix(fixer="x"))
    for render in RENDERERS.values():
        assert "IndexError" in render(replace(EMPTY, incidents=(odd,)))


def test_files_are_written_whole_and_again(tmp_path):
    night = a_night()
    for _ in range(2):
        paths = write_report(night, tmp_path / "new" / "folder")
    assert sorted(p.name for p in (tmp_path / "new" / "folder").iterdir()) == [
        f"report-2026-01-02.{e}" for e in ("html", "json", "md")
    ]
    assert paths[0].read_text() == to_markdown(night)


def test_a_file_that_can_t_be_written_leaves_the_old_one_and_no_rubbish(tmp_path):
    path = tmp_path / "report.md"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["report.md"]


@pytest.mark.parametrize("key", ["../../etc/passwd", "/abs", ".hidden", "a\x00b", "", "x" * 500])
def test_keys_make_safe_names(key):
    name = safe_name(key)
    assert name and "/" not in name and not name.startswith(".") and "\x00" not in name and len(name) <= 100


def test_the_notice_of_a_report():
    notice = report_notice(a_night())
    assert notice.key == "report-2026-01-02" and notice.severity == "error"
    assert "nightshift approve mis-abcdefghijkl" in notice.text and "hunter2" not in str(notice)
    assert notice.data["report"]["totals"]["waiting"] == 1
    assert report_notice(replace(EMPTY, incidents=(healed(),))).severity == "info"
    assert report_notice(replace(EMPTY, incidents=(healed(), waiting()))).severity == "warning"
