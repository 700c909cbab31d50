# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Makes transformers' tokenizer of the vocabulary and the merges that a GGUF file has."""

from pathlib import Path
from typing import Any

from models.bitnet.tt.checks import shown
from models.bitnet.tt.weights.entry import CheckpointError
from models.bitnet.tt.weights.gguf_file import GGUFFile

# how Llama 3 cuts a text into words before it merges bytes
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# None is GPT-2's way, which `tokenizers` has. The published 2B-4T has Llama 3's vocabulary, and its file names no way.
_WORDS = {
    None: _LLAMA3,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "falcon3": _LLAMA3,
    "gpt-2": None,
}
_CONTROL, _USER_DEFINED = 3, 4  # types of tokens


def load_tokenizer(path: Path) -> Any:
    """A `PreTrainedTokenizerFast`, with the file's chat template if it has one. Raises CheckpointError."""
    metadata = GGUFFile(path).metadata
    try:
        return _tokenizer(metadata)
    except ValueError as error:
        raise CheckpointError(f"{path}: its tokenizer cannot be used: {error}") from error


def _tokenizer(metadata: dict[str, Any]) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    def value(key: str, default: Any = None) -> Any:
        return metadata.get(f"tokenizer.ggml.{key}", default)

    def texts(key: str) -> list[str]:
        found = value(key)
        if found is None:
            raise ValueError(f"tokenizer.ggml.{key} is missing")
        if type(found) is not list or not all(type(text) is str for text in found):
            raise ValueError(f"tokenizer.ggml.{key} is {shown(found)}, must be a list of texts")
        return found

    model, words = value("model"), value("pre")
    if model != "gpt2":
        raise ValueError(f"tokenizer.ggml.model is {model!r}, must be 'gpt2' (byte-level BPE)")
    if words not in _WORDS:
        raise ValueError(f"tokenizer.ggml.pre is {words!r}, must be one of {', '.join(filter(None, _WORDS))}")
    tokens, merges, types = texts("tokens"), texts("merges"), value("token_type", [])
    numbers = {token: number for number, token in enumerate(tokens)}
    if len(numbers) != len(tokens):
        raise ValueError("a token of tokenizer.ggml.tokens occurs twice")
    if type(types) is not list:
        raise ValueError(f"tokenizer.ggml.token_type is {shown(types)}, must be a list")
    pairs = [tuple(merge.split(" ")) for merge in merges]
    for merge, pair in zip(merges, pairs):
        if len(pair) != 2 or not {*pair, "".join(pair)} <= numbers.keys():
            raise ValueError(f"the merge {merge!r} is not one of two tokens to a token")
    split = _WORDS[words]
    # Llama 3 does not cut a word that is a token, even if no merges lead to it.
    tokenizer = Tokenizer(models.BPE(numbers, pairs, ignore_merges=split is not None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    if split is not None:
        cut = pre_tokenizers.Split(Regex(split), behavior="isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, tokenizer.pre_tokenizer])
    tokenizer.decoder = decoders.ByteLevel()
    for kind, special in ((_CONTROL, True), (_USER_DEFINED, False)):
        whole = [token for token, its_kind in zip(tokens, types) if its_kind == kind]
        tokenizer.add_tokens([AddedToken(token, special=special, normalized=False) for token in whole])

    def token(name: str) -> str | None:
        number = value(f"{name}_token_id")
        if number is None:
            return None
        if type(number) is not int or not 0 <= number < len(tokens):
            raise ValueError(f"tokenizer.ggml.{name}_token_id is {shown(number)}, must be a token")
        return tokens[number]

    bos = token("bos")
    if bos is not None and value("add_bos_token", True):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[bos, "$A"], pair=[bos, "$A", "$B"], special_tokens=[(bos, numbers[bos])]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=bos,
        eos_token=token("eos"),
        pad_token=token("padding"),
        chat_template=metadata.get("tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
    )
