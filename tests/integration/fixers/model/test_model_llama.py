"""llama.cpp in this process, with a model of random weights made on the spot: only the grammar makes it write JSON."""

import importlib.util
import json
import time

import pytest

from nightshift.daemon.ports import Budget
from nightshift.fixers.model.answer import SCHEMA, Unusable, parse
from nightshift.fixers.model.fixer import ModelFixer, Settings
from nightshift.fixers.model.protocol import Prompt, ProviderFault
from nightshift.fixers.model.providers.llama import Llama

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="llama-cpp-python is not installed"),
]
WIDTH, HIDDEN, HEADS, CONTEXT = 64, 128, 4, 8192
SMALL = {
    "type": "object",
    "additionalProperties": False,
    "required": ["word", "number", "truth"],
    "properties": {
        "word": {"type": "string", "maxLength": 12},
        "number": {"type": "integer"},
        "truth": {"type": "boolean"},
    },
}


def tiny_model(path, seed=7):
    """A llama of one layer with a vocabulary of bytes: a few hundred kB, knows nothing."""
    import gguf
    import numpy as np

    kinds = gguf.TokenType
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"<0x{n:02X}>".encode() for n in range(256)), "\u2581".encode()]
    types = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256, kinds.NORMAL]
    letters = [bytes([n]) for n in range(33, 127)]
    tokens, types = tokens + letters, types + [kinds.NORMAL] * len(letters)
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    def tensor(name, *shape):
        writer.add_tensor(name, random.normal(0, 0.05, shape).astype(np.float32))

    tensor("token_embd.weight", len(tokens), WIDTH)
    tensor("output.weight", len(tokens), WIDTH)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        tensor(f"blk.0.{name}.weight", WIDTH, WIDTH)
    tensor("blk.0.ffn_gate.weight", HIDDEN, WIDTH)
    tensor("blk.0.ffn_up.weight", HIDDEN, WIDTH)
    tensor("blk.0.ffn_down.weight", WIDTH, HIDDEN)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tiny_model(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    assert path.stat().st_size < 1 << 20
    return str(path)


@pytest.fixture(scope="module")
def llama(model_path):
    made = Llama(model_path, context_tokens=2048, threads=2, temperature=1.0)
    yield made
    made.close()


def ask(llama, schema=SMALL, max_tokens=120, timeout_s=60.0, seed=1, user="Say something."):
    prompt = Prompt(system="You answer in JSON.", user=user)
    return llama.complete(prompt, schema, max_tokens=max_tokens, timeout_s=timeout_s, seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_the_grammar_makes_even_noise_fit_the_schema(llama, seed):
    done = ask(llama, seed=seed)
    answer = json.loads(done.text)
    assert set(answer) == {"word", "number", "truth"}
    assert len(answer["word"]) <= 12
    assert isinstance(answer["number"], int)
    assert done.tokens_in > 10
    assert done.tokens_out > 10


def test_a_seed_makes_it_repeatable_another_makes_another(llama):
    first, again, other = (ask(llama, seed=s).text for s in (3, 3, 4))
    assert first == again != other


def test_the_fixer_s_own_schema_is_a_grammar_too(llama):
    text = ask(llama, SCHEMA, max_tokens=200).text
    assert text.lstrip().startswith("{")
    with pytest.raises(Unusable, match="JSON"):
        parse(text)


def test_a_prompt_that_does_not_fit_is_refused_before_it_is_read(llama):
    with pytest.raises(ProviderFault, match="context of 2048"):
        ask(llama, user="word " * 3000)


def test_the_time_out_cuts_the_answer_short(llama):
    endless = {"type": "array", "minItems": 1000, "items": {"type": "integer"}}
    assert ask(llama, endless, max_tokens=1500, timeout_s=0.05).tokens_out < 1500


@pytest.mark.parametrize("content", [None, b"GGUF but not really"])
def test_no_model_or_a_broken_one(tmp_path, content):
    path = tmp_path / "broken.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProviderFault, match="model file"):
        ask(Llama(str(path), context_tokens=512))


def test_the_fixer_with_a_model_that_knows_nothing_drafts_nothing_and_says_so(case, model_path):
    settings = Settings(
        provider="llama", model_path=model_path, context_tokens=CONTEXT, max_tokens=48, max_calls=2, temperature=1.0
    )
    notes = []
    fixer = ModelFixer(settings)
    assert list(fixer.draft(case, None, Budget(deadline=time.monotonic() + 300), notes.append)) == []
    assert len(notes) == 2
    assert all("is of no use" in note for note in notes)
