"""The endpoint client against a real server on a real socket, with every fault a model can have."""

import logging

import pytest
from pydantic import SecretStr

from nightshift.daemon.kit.clock import SystemClock
from nightshift.daemon.kit.redact import redact
from nightshift.fixers.model.answer import SCHEMA
from nightshift.fixers.model.protocol import Prompt, ProviderFault
from nightshift.fixers.model.providers.openai import MAX_BODY, OpenAI

from .conftest import chat, drip, flood, slow, status, truncated

PROMPT = Prompt(system="system words", user="user words")
KEY = "key-of-the-endpoint-12345"


class Naps(SystemClock):
    """Real time, but back-off is noted rather than slept."""

    def __init__(self):
        self.naps = []

    def sleep(self, seconds):
        self.naps.append(seconds)


@pytest.fixture
def clock():
    return Naps()


@pytest.fixture
def model(endpoint, clock):
    def make(**options):
        return OpenAI(endpoint.base_url, "tiny", SecretStr(KEY), clock=clock, jitter=lambda: 0.5, **options)

    return make


def ask(model, timeout_s=20.0):
    return model.complete(PROMPT, SCHEMA, max_tokens=77, timeout_s=timeout_s, seed=5)


def test_the_question_and_the_answer(endpoint, model):
    endpoint.script = [chat("the answer", {"prompt_tokens": 11, "completion_tokens": 3})]
    done = ask(model(temperature=0.1))
    assert (done.text, done.tokens_in, done.tokens_out) == ("the answer", 11, 3)
    path, headers, body = endpoint.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert [m["content"] for m in body["messages"]] == ["system words", "user words"]
    assert (body["model"], body["max_tokens"], body["seed"], body["temperature"]) == ("tiny", 77, 5, 0.1)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize("usage", [None, "free", {"prompt_tokens": -5, "completion_tokens": "many"}])
def test_tokens_are_estimated_when_the_endpoint_tells_none_or_nonsense(endpoint, model, usage):
    endpoint.script = [chat("a" * 30, usage)]
    done = ask(model())
    assert done.tokens_in >= 7
    assert done.tokens_out == 11


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_a_passing_fault_is_tried_again_with_growing_pauses(endpoint, model, clock, code):
    endpoint.script = [status(code), status(code), chat("at last")]
    assert ask(model()).text == "at last"
    assert clock.naps == [0.5, 1.0]


def test_the_pause_the_endpoint_asks_for_is_kept_if_it_is_short(endpoint, model, clock):
    endpoint.script = [status(429, Retry_After="3"), chat("ok")]
    assert ask(model()).text == "ok"
    assert clock.naps == [3.0]


def test_a_long_pause_is_not_waited_for(endpoint, model, clock):
    endpoint.script = [status(429, Retry_After="3600")]
    with pytest.raises(ProviderFault, match=r"answered 429 \(tried 1 times\)"):
        ask(model())
    assert clock.naps == []


@pytest.mark.parametrize(
    ("fault", "words"), [(status(500), "answered 500"), (status(429), "answered 429"), (truncated, "broke off")]
)
def test_a_lasting_fault_is_given_up_after_two_retries(endpoint, model, fault, words):
    endpoint.script = [fault]
    with pytest.raises(ProviderFault, match=words):
        ask(model())
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize("fault", [slow, drip])
def test_a_slow_endpoint_is_left_alone(endpoint, model, fault):
    endpoint.script = [fault]
    with pytest.raises(ProviderFault, match=r"in time \(tried 3 times\)"):
        ask(model(attempt_timeout_s=0.15))


def test_the_whole_call_has_a_deadline_too(endpoint, model):
    endpoint.script = [slow]
    with pytest.raises(ProviderFault, match="tried 1 times"):
        ask(model(), timeout_s=0.3)


def test_an_endless_answer_is_cut_short(endpoint, model):
    endpoint.script = [flood]
    with pytest.raises(ProviderFault, match=f"larger than {MAX_BODY} bytes"):
        ask(model())
    assert len(endpoint.requests) == 1
    assert endpoint.sent < 64 << 20


def test_a_compressed_answer_is_refused_as_it_may_be_a_bomb(endpoint, model):
    endpoint.script = [status(200, b"\x1f\x8b", Content_Encoding="gzip")]
    with pytest.raises(ProviderFault, match="compresses"):
        ask(model())


def test_redirects_are_not_followed(endpoint, model):
    endpoint.script = [status(307, b"", Location=f"{endpoint.base_url}/elsewhere"), chat("stolen")]
    with pytest.raises(ProviderFault, match="redirects"):
        ask(model())
    assert len(endpoint.requests) == 1


def test_an_endpoint_without_schemas_is_asked_for_json_then_plainly_and_remembered(endpoint, model):
    endpoint.script = [status(400), status(400), chat("plain"), chat("plain again")]
    tiny = model()
    assert [ask(tiny).text, ask(tiny).text] == ["plain", "plain again"]
    formats = [body.get("response_format", {}).get("type") for *_, body in endpoint.requests]
    assert formats == ["json_schema", "json_object", None, None]


def test_a_request_that_is_wrong_in_itself_ends_with_the_endpoint_s_words_and_is_not_remembered(endpoint, model):
    endpoint.script = [status(400, b'{"error": "context too long, token=abcdefgh"}')] * 3 + [chat("fine")]
    tiny = model()
    with pytest.raises(ProviderFault, match="context too long") as fault:
        ask(tiny)
    assert "abcdefgh" not in str(fault.value)
    ask(tiny)
    assert endpoint.requests[-1][2]["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"\xff\xfe\x00", b"[]", b"{}", b'{"choices": []}', b'{"choices": {"0": 1}}', b"[" * 50_000,
        b'{"choices": [{"message": {"content": null}}]}', b'{"choices": [{"message": {"content": [1]}}]}',
        b"1" * 9999,
    ],
    ids=range(11),
)  # fmt: skip
def test_garbage_is_a_fault_of_the_provider(endpoint, model, body):
    endpoint.script = [body]
    with pytest.raises(ProviderFault, match="answer"):
        ask(model())


def test_nobody_there(clock):
    with pytest.raises(ProviderFault, match="can't be reached"):
        ask(OpenAI("http://127.0.0.1:9/v1", "tiny", clock=clock))
    assert len(clock.naps) == 2


@pytest.mark.parametrize("address", ["http://[::bad/v1", "ftp://127.0.0.1/v1", "http://\u202e/v1"])
def test_an_impossible_address(clock, address):
    with pytest.raises(ProviderFault, match="endpoint can't be"):
        ask(OpenAI(address, "tiny", clock=clock))


def test_the_key_is_in_no_repr_no_log_no_error(endpoint, model, caplog):
    caplog.set_level(logging.DEBUG)
    endpoint.script = [status(401, f'{{"error": "bad key {KEY}"}}'.encode())]
    tiny = model()
    with pytest.raises(ProviderFault, match="answered 401") as fault:
        ask(tiny)
    for text in (repr(tiny), str(vars(tiny)), str(fault.value), caplog.text):
        assert KEY not in text
    assert KEY not in redact(f"somebody printed {KEY}")
