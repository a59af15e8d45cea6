import json

import pytest

from nightshift.fixers.model.protocol import Prompt, ProviderFault
from nightshift.fixers.model.providers.scripted import Scripted


def ask(provider, user="user"):
    return provider.complete(Prompt(system="system", user=user), {}, max_tokens=9, timeout_s=9, seed=1).text


def test_answers_come_in_order_and_prompts_are_kept():
    provider = Scripted(["one", {"two": 2}])
    assert ask(provider, "first") == "one"
    assert json.loads(ask(provider, "second")) == {"two": 2}
    assert [p.user for p in provider.prompts] == ["first", "second"]
    with pytest.raises(ProviderFault, match="no more answers"):
        ask(provider)


def test_conditional_answers_play_whenever_they_fit():
    provider = Scripted(["else", {"when": "KeyError", "answer": {"fix": 1}}])
    assert [ask(provider, "a KeyError"), ask(provider, "KeyError again")] == ['{"fix": 1}'] * 2
    assert ask(provider, "other") == "else"


def test_a_script_is_read_from_a_file(tmp_path):
    (tmp_path / "script.json").write_text('["hello"]')
    assert ask(Scripted.from_file(tmp_path / "script.json")) == "hello"


@pytest.mark.parametrize("content", ["{}", "not json", None])
def test_a_bad_script_is_a_fault_of_the_provider(tmp_path, content):
    if content is not None:
        (tmp_path / "script.json").write_text(content)
    with pytest.raises(ProviderFault, match="script"):
        Scripted.from_file(tmp_path / "script.json")
