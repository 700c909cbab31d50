# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Attention whose values are the first columns of its keys, against float64 loops over heads."""

import pytest
import torch

import ttnn
from ttnn_emulator.tests.tensors import get, put, random
from ttnn_emulator.tests.test_attention import attend
from ttnn_emulator.tests.test_kv_cache import integers, shuffled_pages

HEADS, WIDTH, VALUES, LENGTH = 4, 64, 32, 64


def program(queries: int = 32) -> ttnn.SDPAProgramConfig:
    return ttnn.SDPAProgramConfig(
        compute_with_storage_grid_size=(8, 7), q_chunk_size=queries, k_chunk_size=32, exp_approx_mode=False
    )


def close(result: torch.Tensor, expected: torch.Tensor, error: float) -> None:
    assert result.shape == expected.shape
    assert float((result - expected).abs().max()) < error


@pytest.mark.parametrize("own", [False, True])
def test_prompt(device, own):
    """The keys' first columns, or values of their own."""
    q, query = put(random((1, HEADS, LENGTH, WIDTH), 1, -1, 1), device)
    k, keys = put(random((1, 1, LENGTH, WIDTH), 2, -1, 1), device)
    values = keys[..., :VALUES]
    given = VALUES
    if own:
        given, values = put(random((1, 1, LENGTH, VALUES), 3, -1, 1), device)
    result = get(ttnn.transformer.flash_mla_prefill(q, k, given, is_causal=True, program_config=program()))
    expected = [
        attend(query[0, h], keys[0, 0], values[0, 0], visible=lambda row, key: key <= row) for h in range(HEADS)
    ]
    close(result, torch.stack(expected)[None], 0.04)  # with 16-bit sums the kernel's exponential errs by 4 %


def test_new_token(device):
    users, positions = 2, [40, 63]
    q, query = put(random((1, users, HEADS, WIDTH), 4, -1, 1), device)
    k, keys = put(random((users, 1, LENGTH, WIDTH), 5, -1, 1), device)
    result = ttnn.transformer.flash_multi_latent_attention_decode(
        q, k, head_dim_v=VALUES, cur_pos=positions, program_config=program()
    )
    expected = [
        attend(query[0, user], keys[user, 0, : last + 1], keys[user, 0, : last + 1, :VALUES])
        for user, last in enumerate(positions)
    ]
    close(get(result)[:, :, :HEADS], torch.stack(expected)[None], 0.04)


def test_new_token_over_pages(device):
    users, block = 2, 32
    q, query = put(random((1, users, HEADS, WIDTH), 6, -1, 1), device)
    cache, held = put(random((users * LENGTH // block, 1, block, WIDTH), 7, -1, 1), device)
    pages = shuffled_pages(users, LENGTH // block, spare=0)
    result = ttnn.transformer.paged_flash_multi_latent_attention_decode(
        q,
        cache,
        head_dim_v=VALUES,
        page_table_tensor=integers(device, pages),
        cur_pos_tensor=integers(device, torch.tensor([20, 50])),
        program_config=program(),
    )
    expected = []
    for user, last in enumerate([20, 50]):
        keys = torch.cat([held[page, 0] for page in pages[user].tolist()])[: last + 1]
        expected.append(attend(query[0, user], keys, keys[:, :VALUES]))
    close(get(result)[:, :, :HEADS], torch.stack(expected)[None], 0.04)


def test_piece_of_a_prompt_over_pages(device):
    block, start = 32, 32
    q, query = put(random((1, HEADS, 32, WIDTH), 8, -1, 1), device)
    cache, held = put(random((4, 1, block, WIDTH), 9, -1, 1), device)
    pages = torch.tensor([[3, 1]])
    result = ttnn.transformer.chunked_flash_mla_prefill(
        q, cache, VALUES, integers(device, pages), start, program_config=program()
    )
    keys = torch.cat([held[page, 0] for page in pages[0].tolist()])
    expected = [
        attend(query[0, h], keys, keys[:, :VALUES], visible=lambda row, key: key <= row + start) for h in range(HEADS)
    ]
    close(get(result), torch.stack(expected)[None], 0.01)
