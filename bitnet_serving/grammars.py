# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A grammar that cannot be compiled ends its own request and no other.

An error while vLLM compiles a grammar would end the engine. Here a grammar that refuses every token takes the place of
the failed one, because vLLM's scheduler ends a request whose grammar refuses its token.
"""

import logging

import torch
from vllm.v1.request import Request
from vllm.v1.structured_output import StructuredOutputManager
from vllm.v1.structured_output.backend_types import StructuredOutputGrammar

logger = logging.getLogger(__name__)


class NoText(StructuredOutputGrammar):
    """A grammar that refuses every token, so that vLLM ends its request."""

    def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:
        return False

    def validate_tokens(self, tokens: list[int]) -> list[int]:
        return []

    def rollback(self, num_tokens: int) -> None:
        """There is nothing to roll back, because the grammar accepts no token."""

    def fill_bitmask(self, bitmask: torch.Tensor, batch_index: int) -> None:
        bitmask[batch_index].fill_(-1)  # allows any token; accept_tokens then refuses it

    def is_terminated(self) -> bool:
        return False

    def reset(self) -> None:
        """There is nothing to reset, because the grammar has no state."""


def end_only_the_request() -> None:
    """Patch vLLM so that a grammar that fails to compile becomes `NoText`."""
    make = StructuredOutputManager._create_grammar

    def create(self: StructuredOutputManager, request: Request) -> StructuredOutputGrammar:
        try:
            return make(self, request)
        except Exception:
            logger.exception("request %s ends, because its grammar cannot be compiled", request.request_id)
            return NoText()

    StructuredOutputManager._create_grammar = create
