# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Stores the outputs of the reference on a text in a small file, so that the reference need not run again.

For each position the file has the five likeliest tokens, their log-probabilities, and the log-probability of the text's
token. These suffice for top-1, top-5 and perplexity.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.bitnet.demo.evaluation import Case, Windows
from models.bitnet.tt.weights.checkpoint import content_hash

LIKELIEST = 5


@dataclass(frozen=True)
class ReferenceOutputs:
    """The stored outputs of the reference.

    The ids and log-probabilities of the likeliest tokens are [windows, positions, 5], likeliest first. The
    log-probabilities of the text's tokens are [windows, positions].
    """

    windows: Windows
    ids: Tensor
    log_probabilities: Tensor
    target_log_probabilities: Tensor
    content_hash: str  # the content hash of the reference's checkpoint


def write(path: Path, case: Case, logits: Tensor) -> None:
    """Write the outputs of the reference to `path`. logits: [windows, positions, vocabulary], of the reference."""
    log_probabilities = logits.log_softmax(-1)
    best = log_probabilities.topk(LIKELIEST)
    tensors = {
        "tokens": case.windows.tokens.to(torch.int32),
        "ids": best.indices.to(torch.int32),
        "log_probabilities": best.values,
        "target_log_probabilities": log_probabilities.gather(-1, case.windows.targets[..., None])[..., 0],
    }
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, path, {"prefill": str(case.windows.prefill), "content_hash": content_hash(case.folder)})


def read(path: Path) -> ReferenceOutputs:
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        return ReferenceOutputs(
            Windows(file.get_tensor("tokens").long(), int(about["prefill"])),
            file.get_tensor("ids").long(),
            file.get_tensor("log_probabilities"),
            file.get_tensor("target_log_probabilities"),
            about["content_hash"],
        )
