"""`nightshift check` on runbooks: they load, and what they may touch is there."""

import json

from nightshift.daemon.config import load_config
from nightshift.daemon.doctor import runbooks

BOOK = "name: mine\ndescription: d\nautonomy: act\nsteps: [{name: s, action: notify, with: {title: x}}]\n"


def rows(folder, **keys):
    path = folder / "nightshift.yaml"
    path.write_text(json.dumps({"runbooks": keys}))
    found = list(runbooks.checks(load_config(path, environ={"SECRET": "a-secret-of-tests"})))
    assert all(row.fix for row in found if not row.ok)
    return {row.what: row for row in found}


def test_books_that_load_and_act_alone_are_named(tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "mine.yaml").write_text(BOOK)
    found = rows(tmp_path, dirs=["books"], limits={"roots": [str(tmp_path)]}, commands=["sh -c true"])
    assert list(found) == ["runbooks"]
    assert "without a person: mine, tell-people" in found["runbooks"].detail
    (tmp_path / "books" / "mine.yaml").write_text(BOOK.replace("notify", "notfy"))
    found = rows(tmp_path, dirs=["books"])["runbooks"]
    assert (found.ok, "mine.yaml:4" in found.detail) == (False, True)


def test_what_is_allowed_and_missing_is_red(tmp_path):
    found = rows(tmp_path, limits={"roots": [str(tmp_path / "none")]}, commands=["no-such-program x"],
                 kubeconfig="none.yaml", slack={"signing_secret": "env:SECRET"})  # fmt: skip
    red = {what for what, row in found.items() if not row.ok}
    assert red == {f"folder {tmp_path}/none", "command no-such-program", f"cluster {tmp_path}/none.yaml",
                   "runbooks from Slack"}  # fmt: skip
