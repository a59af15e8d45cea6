"""Mission control: what people see, and what hostile text can't do to it."""

import re
from html.parser import HTMLParser

import pytest


class Reader(HTMLParser):
    """Collects text, buttons and scripts, and notices tags that are never closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.buttons, self.scripts, self.words = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)
        if tag == "button" and "data-verb" in values:
            self.buttons.append((values["data-verb"], values["data-mission"]))
        if tag == "script":
            self.scripts.append(values)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("path", ["/", "/missions/mis-wait", "/missions/mis-runs", "/missions/mis-hard"])
def test_pages_are_well_formed_and_only_our_script_may_run(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    read = Reader(answer.text)
    assert read.open == []
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", answer.headers["content-security-policy"]))
    assert read.scripts == [{"nonce": nonce}]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert client.get(path).headers["content-security-policy"] != answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/missions/mis-wait", "/missions/mis-runs"])
def test_text_of_strangers_is_text(client, path):
    text = client.get(path).text
    assert "<script>alert" not in text
    assert "<b>1</b>" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "hunter22" not in text


def test_what_waits_for_people_comes_first_and_can_be_answered(client):
    read = Reader(client.get("/").text)
    assert read.buttons == [
        ("approve", "mis-wait"), ("reject", "mis-wait"), ("pause", "mis-runs"), ("reject", "mis-runs"),
    ]  # fmt: skip
    words = " ".join(read.words)
    assert words.index("waiting") < words.index("blocked") < words.index("verifying")


def test_without_a_token_there_are_no_buttons(api, client_of):
    api.token = None
    text = client_of(api).get("/").text
    assert Reader(text).buttons == []
    assert "this page only shows" in text


def test_a_mission_shows_timeline_gates_and_diff(client):
    words = " ".join(Reader(client.get("/missions/mis-wait").text).words)
    for part in ("shop/cart.py:7", "3 of 3", "+x = 2", "revert drafted 2 patch(es)"):
        assert part in words


def test_a_mission_that_is_not_there_is_404(client):
    assert client.get("/missions/nope").status_code == 404
