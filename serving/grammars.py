# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Grammars that cannot be followed end their request and no other. vLLM's scheduler ends a request whose grammar
refuses its token; an error while a grammar is made would end the engine."""

import logging

import torch
from vllm.v1.request import Request
from vllm.v1.structured_output import StructuredOutputManager
from vllm.v1.structured_output.backend_types import StructuredOutputGrammar

logger = logging.getLogger(__name__)


class NoText(StructuredOutputGrammar):
    """The grammar of a request that is to end: it refuses every token."""

    def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:
        return False

    def validate_tokens(self, tokens: list[int]) -> list[int]:
        return []

    def rollback(self, num_tokens: int) -> None:
        """Nothing was accepted."""

    def fill_bitmask(self, bitmask: torch.Tensor, batch_index: int) -> None:
        bitmask[batch_index].fill_(-1)  # any token, which is then refused

    def is_terminated(self) -> bool:
        return False

    def reset(self) -> None:
        """It has no state."""


def end_only_the_request() -> None:
    """Make `NoText` of a grammar that the front let through and that cannot be made."""
    make = StructuredOutputManager._create_grammar

    def create(self: StructuredOutputManager, request: Request) -> StructuredOutputGrammar:
        try:
            return make(self, request)
        except Exception:
            logger.exception("request %s ends, because its grammar cannot be made", request.request_id)
            return NoText()

    StructuredOutputManager._create_grammar = create
