# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0

"""The shipped model is complete and consistent, transformers reads it, and it has learned its book."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers.integrations.bitnet import replace_with_bitnet_linear
from transformers.utils.quantization_config import BitNetQuantConfig as HfQuantization

from models.bitnet.demo import tiny_data, tiny_export
from models.bitnet.demo.ngram import ByteNGram
from models.bitnet.demo.tiny_model import TinyBitNet
from models.bitnet.reference.model import Model
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.weights.packing import unpack_ternary
from models.bitnet.tt.weights.state_dict import load_state_dict, projection_names

DEMO = Path(tiny_data.__file__).parent
FOLDER = DEMO / "tiny"
FILES = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "README.md",
    "tokenizer.json",
    "tokenizer_config.json",
}
MAX_BYTES = 16 * 2**20


@pytest.fixture(scope="module")
def config() -> BitNetConfig:
    return BitNetConfig.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return load_state_dict(FOLDER)


@pytest.fixture(scope="module")
def reference(config: BitNetConfig, state: dict[str, torch.Tensor]) -> Model:
    return Model(config, state)


@pytest.fixture(scope="module")
def tokenizer() -> transformers.PreTrainedTokenizerFast:
    return transformers.AutoTokenizer.from_pretrained(FOLDER)


def check_logits(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Assert that logits are equal to float32 accuracy up to flipped int8 codes.

    Noise may move an activation over a rounding boundary, by one of its 127 steps. That token and all tokens that
    attend to it are then slightly off.
    """
    assert actual.shape == expected.shape and actual.isfinite().all()
    errors = ((actual - expected).norm(dim=-1) / expected.norm(dim=-1)).flatten()
    print(f"relative errors: first token {errors[0]:.1e}, median {errors.median():.1e}, worst {errors.max():.1e}")
    assert errors[0] < 1e-6 and errors.median() < 1e-2 and errors.max() < 5e-2
    assert (actual.argmax(dim=-1) == expected.argmax(dim=-1)).float().mean() > 0.98


def test_the_folder_is_complete_and_small() -> None:
    assert {path.name for path in FOLDER.iterdir()} == FILES
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MAX_BYTES


def test_the_shape_exercises_tiles_grouped_heads_and_paging(config: BitNetConfig) -> None:
    for name in ("hidden_size", "intermediate_size", "head_dim", "vocab_size", "max_position_embeddings"):
        assert getattr(config, name) % 32 == 0, name
    assert 1 < config.num_key_value_heads < config.num_attention_heads
    assert config.num_hidden_layers >= 4
    assert config.max_position_embeddings >= 8 * 32
    assert config.linear_class == "autobitlinear"


def test_stored_tensors(config: BitNetConfig) -> None:
    stored = load_file(FOLDER / "model.safetensors")
    for name in projection_names(config):
        weight, scale = stored.pop(f"{name}.weight"), stored.pop(f"{name}.weight_scale")
        assert weight.dtype == torch.uint8 and scale.dtype == torch.float32
        assert scale.shape == (1,) and scale > 0
        values = unpack_ternary(weight)  # raises for the code that is not a ternary value
        shares = [(values == v).float().mean().item() for v in (-1, 0, 1)]
        assert min(shares) > 0.1, f"{name}: shares of -1, 0, +1 are {shares}"
    assert all(tensor.dtype == torch.bfloat16 for tensor in stored.values())
    assert stored["model.embed_tokens.weight"].shape == (config.vocab_size, config.hidden_size)


@pytest.mark.parametrize(
    "text",
    [
        "And the evening and the morning were the first day.",
        "  spaces,\ttabs\nand  lines \n\n",
        "Größe, naïveté, 北京, ελληνικά and 🙂👍🏽",
        "{'code': [1, 2.5e-3], \"x\": None}",
    ],
)
def test_tokenizer_gives_any_text_back(tokenizer: transformers.PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids[1:]) == text


def test_special_tokens_agree_everywhere(tokenizer: transformers.PreTrainedTokenizerFast, config: BitNetConfig) -> None:
    bos, eos, eot = (tokenizer.convert_tokens_to_ids(t) for t in (tiny_data.BOS, tiny_data.EOS, tiny_data.EOT))
    generation = json.loads((FOLDER / "generation_config.json").read_text(encoding="utf-8"))
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (bos, eos)
    assert config.bos_token_id == generation["bos_token_id"] == bos
    assert config.eos_token_ids == (eos, eot) and generation["eos_token_id"] == [eos, eot]
    assert len(tokenizer) <= config.vocab_size
    assert tokenizer.model_max_length == config.max_position_embeddings


def test_chat_template(tokenizer: transformers.PreTrainedTokenizerFast) -> None:
    messages = [
        {"role": "user", "content": "Who was Moses? "},
        {"role": "assistant", "content": "A man."},
        {"role": "user", "content": "And Aaron?"},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    turns = "User: Who was Moses?<|eot_id|>Assistant: A man.<|eot_id|>User: And Aaron?<|eot_id|>"
    assert text == f"<|begin_of_text|>{turns}Assistant: "
    assert tokenizer.apply_chat_template(messages, tokenize=False) == f"<|begin_of_text|>{turns}"


def test_prompts(tokenizer: transformers.PreTrainedTokenizerFast, config: BitNetConfig) -> None:
    for count in (1, 32):
        prompts = json.loads((DEMO / "prompts" / f"prompts_{count}.json").read_text(encoding="utf-8"))
        assert len(prompts) == count
        for prompt in prompts:
            assert set(prompt) == {"prompt"}
            assert 1 < len(tokenizer(prompt["prompt"])["input_ids"]) < config.max_position_embeddings // 4


def test_the_model_knows_its_book(reference: Model) -> None:
    """English text in the style of the book needs few bits per byte, and French text needs many.

    A model that has learned nothing would not tell the two apart.
    """
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))

    def bits_per_byte(text: str) -> float:
        ids = tokenizer.encode(text).ids
        return tiny_export.bits(lambda t: reference.prefill(t)[0], [(ids, len(ids) - 1)]) / len(text.encode())

    own = bits_per_byte(
        "And the king said unto his servants, Go ye up into the city, and bring me the men of the house."
    )
    other = bits_per_byte(
        "Le roi dit alors à ses serviteurs de monter en ville et de lui amener les gens de la maison."
    )
    print(f"{own:.2f} bits per byte of its own kind of text, {other:.2f} of French")
    assert own < 1.3
    assert other > 3.0


def test_greedy_text_is_made_of_words(reference: Model, config: BitNetConfig) -> None:
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    common = {"and", "the", "of", "that", "to", "in", "he", "his", "unto", "him", "they", "them", "lord", "said", "a"}
    for prompt in ("And it came to pass, when the king heard", "Then the people"):
        ids = tiny_export.greedy(reference, tokenizer.encode(prompt).ids, 64, config.eos_token_ids)
        text = tokenizer.decode(ids)
        print(prompt + text)
        words = re.findall(r"[A-Za-z]+", text.lower())
        assert len(words) >= 30
        assert 0.25 < sum(word in common for word in words) / len(words) < 0.9
        assert len(set(words)) >= 12, "it repeats itself"


def test_transformers_computes_the_same(
    reference: Model,
    config: BitNetConfig,
    state: dict[str, torch.Tensor],
    tokenizer: transformers.PreTrainedTokenizerFast,
) -> None:
    """transformers' ternary layers in float32 give the same logits.

    The weights are set here, because transformers' loader of packed weights needs `accelerate`.
    """
    quantization = HfQuantization(linear_class="autobitlinear", quantization_mode="offline")
    settings = {key: value for key, value in config.to_hf().items() if key != "quantization_config"}
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        model = transformers.BitNetForCausalLM(transformers.BitNetConfig(**settings)).eval()
        replace_with_bitnet_linear(model, ["lm_head"], quantization)
        floats = {name: t.float().reshape(1) if name.endswith("_scale") else t.float() for name, t in state.items()}
        missing, unexpected = model.load_state_dict(floats, strict=False, assign=True)
        assert not unexpected and set(missing) <= {"lm_head.weight"}
        model.tie_weights()
        prompts = json.loads((DEMO / "prompts" / "prompts_32.json").read_text(encoding="utf-8"))
        tokens = torch.tensor([tokenizer("\n".join(p["prompt"] for p in prompts))["input_ids"]])
        expected, (actual, _) = model(tokens).logits, reference.prefill(tokens)
    check_logits(actual, expected)


def test_the_training_model_exports_what_it_computes(tmp_path: Path) -> None:
    """A model of tiny_model, exported and loaded into the reference, gives the same logits."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 512}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64}
    model = TinyBitNet(sizes | heads | {"rope_theta": 10000.0, "rms_norm_eps": 1e-5})
    with torch.no_grad():  # the embedding is stored in bfloat16
        model.model.embed_tokens.weight.copy_(model.model.embed_tokens.weight.bfloat16())
    tokenizer = tiny_data.train_tokenizer([["And the evening and the morning were the first day."]], 512)
    config = tiny_export.export(model, tokenizer, tmp_path)
    tokens = torch.randint(0, 512, (2, 40))
    with torch.enable_grad():
        expected = model(tokens)
        expected.square().mean().backward()
    actual, _ = Model(config, load_state_dict(tmp_path)).prefill(tokens)
    check_logits(actual, expected)
    # the straight-through estimator gives every parameter a gradient
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_ngram_by_hand() -> None:
    """Probabilities of a model with one byte of context, trained on "abac", computed by hand.

    Without context, a occurs 2 times of 4, and there are three kinds of byte. After a, b and c occur once each.
    """
    ngram = ByteNGram(b"abac", order=1)
    uniform = 1 / 256
    alone = {b: (count + 3 * uniform) / (4 + 3) for b, count in ((b"a", 2), (b"b", 1), (b"c", 1), (b"z", 0))}
    expected = [
        alone[b"a"],  # the first byte has no context
        (1 + 2 * alone[b"b"]) / (2 + 2),  # after a: two in all, two kinds
        (1 + 1 * alone[b"a"]) / (1 + 1),  # after b: a once
        (0 + 2 * alone[b"z"]) / (2 + 2),  # after a, unseen
        alone[b"c"],  # z was never seen as a context
    ]
    assert ngram.probabilities(b"abazc") == pytest.approx(expected)
    assert ngram.bits_per_byte(b"abazc") == pytest.approx(-sum(math.log2(p) for p in expected) / 5)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_ngram_probabilities_sum_to_one(order: int) -> None:
    ngram = ByteNGram(b"And God said, Let there be light: and there was light.", order)
    for context in (b"ther", b"And ", b"zzzz"):
        assert sum(ngram.probabilities(context + bytes([b]))[-1] for b in range(256)) == pytest.approx(1.0)


def test_ngram_refuses_orders_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="order"):
        ByteNGram(b"abc", 8)


def test_book_is_cut_into_chapters_and_split() -> None:
    old = "The Old Part\n\n\n1:1 First\nverse. 1:2 Second.\n\n2:1 Third."
    text = f"[A book]\n\n{old}\n\n\n\nThe New Part\n\n\n1:1 Fourth.\n\nFifth."
    chapters = tiny_data.split_chapters(text)
    assert chapters == [["First verse.", "Second."], ["Third."], ["Fourth. Fifth."]]
    assert tiny_data.plain(chapters) == "First verse.\nSecond.\n\nThird.\n\nFourth. Fifth."
    assert tiny_data.split_held_out(chapters) == (chapters[:2], chapters[2:])


def test_held_out_rows_score_every_token_once() -> None:
    tokenizer = tiny_data.train_tokenizer([["And the evening and the morning were the first day."]], 512)
    chapter = ["And there was evening. " * 9, "And there was morning."]
    whole = [0, *tiny_data.encode(tokenizer, "\n".join(chapter)), 1]
    rows = tiny_data.held_out_rows([chapter], tokenizer, length=32)
    assert len(rows) > 2 and all(len(ids) <= 32 for ids, _ in rows)
    assert [token for ids, scored in rows for token in ids[-scored:]] == whole[1:]
