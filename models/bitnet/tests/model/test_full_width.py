# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A model as wide as the 2B-4T, from embedding to logits, with random weights, against the reference.

Layers are created, run on the device and in the reference, and freed one by one, so that memory holds only one layer.

The weights keep activations in the range of a trained model. 35 % of the ternary values are zero. The scale of a
projection is 1 / sqrt(0.65 * inputs), which keeps the variance of a normalised row. Queries, keys and scores therefore
have unit variance, so that softmax is neither saturated nor flat. The rows of the embedding have unit variance. The
scales of o_proj and down_proj are also multiplied by 1 / sqrt(2 * layers), the usual scaling of residual branches. The
updates of all layers together are then as large as the embedding.

A second reference rounds the tensors of attention to bfloat16, because the attention kernels read bfloat16 only.
Flipped int8 codes and relu squared enlarge this rounding in any BitNet. The device must add little to the error of the
second reference.
"""

import pytest
import torch

import ttnn
from models.bitnet.perf.random_weights import shape
from models.bitnet.reference.decoder import DecoderLayer as ReferenceLayer
from models.bitnet.reference.rms_norm import RMSNorm as ReferenceNorm
from models.bitnet.reference.rope import rope_tables
from models.bitnet.tests.common import (
    Pages,
    comp_relative,
    decode_rotation,
    empty_cache,
    to_decode,
    to_integers,
    to_prefill,
    to_rows,
)
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.decode_layers import decode_layers
from models.bitnet.tt.decoder import DecoderLayer
from models.bitnet.tt.layout import TILE
from models.bitnet.tt.lm_head import lm_head
from models.bitnet.tt.model_config import ModelConfig
from models.bitnet.tt.precision import ACCURACY, FUSED, PERFORMANCE, Precision
from models.bitnet.tt.rms_norm import RMSNorm
from models.bitnet.tt.rope import RotaryEmbedding
from models.bitnet.tt.weights.upload import DeviceWeights
from models.common.utility_functions import comp_pcc

ROWS = 64  # prefilled tokens; one decode step follows
ZEROS = 0.35


def gamma(width: int) -> torch.Tensor:
    return torch.rand(width) + 0.5


def random_layer(model: BitNetConfig, number: int) -> dict[str, torch.Tensor]:
    """The random state dict of one layer."""
    prefix, hidden, inner = f"model.layers.{number}", model.hidden_size, model.intermediate_size
    kv, branch = model.num_key_value_heads * model.head_dim, (2 * model.num_hidden_layers) ** -0.5
    state = {}
    for name, out, into, size in (
        ("self_attn.q_proj", hidden, hidden, 1.0),
        ("self_attn.k_proj", kv, hidden, 1.0),
        ("self_attn.v_proj", kv, hidden, 1.0),
        ("self_attn.o_proj", hidden, hidden, branch),
        ("mlp.gate_proj", inner, hidden, 1.0),
        ("mlp.up_proj", inner, hidden, 1.0),
        ("mlp.down_proj", hidden, inner, branch),
    ):
        uniform = torch.rand(out, into)
        nonzero = (uniform >= ZEROS).to(torch.int8)
        state[f"{prefix}.{name}.weight"] = torch.where(uniform < (1 + ZEROS) / 2, nonzero, -nonzero)
        state[f"{prefix}.{name}.weight_scale"] = torch.tensor(size * ((1 - ZEROS) * into) ** -0.5)
    for name in ("input_layernorm", "post_attention_layernorm", "self_attn.attn_sub_norm"):
        state[f"{prefix}.{name}.weight"] = gamma(hidden)
    state[f"{prefix}.mlp.ffn_sub_norm.weight"] = gamma(inner)
    return state


def round_attention(layer: ReferenceLayer) -> ReferenceLayer:
    """Make the layer round q, k, v and the output of attention to bfloat16. Returns the layer."""
    attention = layer.self_attn
    for name in ("q_proj", "k_proj", "v_proj"):
        project = getattr(attention, name)
        setattr(attention, name, lambda x, project=project: project(x).bfloat16().float())
    norm = attention.attn_sub_norm
    attention.attn_sub_norm = lambda y: norm(y.bfloat16().float())
    return layer


def run_stack(device, layers: int, vocab: int, precision: Precision) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The logits of the last 32 prefilled positions and of the decoded position.

    Returns those of the reference, of the device, and of the reference with bfloat16 attention.
    """
    model = shape(20, 5, 128, 6912, vocab=vocab, layers=layers)
    config = ModelConfig(model, device, precision, users=1, max_seq_len=2 * ROWS)
    rope, weights, pages = RotaryEmbedding(config), DeviceWeights(device), Pages(1, 2 * ROWS)
    page_table, chunk = pages.prefill_tables(0, 0, ROWS, device)
    tables, positions = to_integers(pages.table, device), to_integers(torch.tensor([ROWS]), device)
    stream = rounded = torch.randn(ROWS + 1, model.hidden_size).bfloat16().float()
    prompt, step = to_prefill(stream[:ROWS], config), to_decode(stream[ROWS:], config, config.residual_memory)
    angles = rope_tables(model, 0, ROWS + 1)

    for number in range(layers):
        state = random_layer(model, number)
        layer, cache = DecoderLayer(config, weights, state, number), empty_cache(config, pages)
        prompt = layer.forward_prefill(prompt, rope.forward_prefill(0, ROWS), cache, page_table, chunk, 0)
        step = decode_layers(config, [layer])(step, decode_rotation(rope, [ROWS]), [cache], tables, positions)
        reference = ReferenceLayer(model, state, f"model.layers.{number}")
        stream = reference(stream[None], *angles)[0][0]
        rounded = round_attention(reference)(rounded[None], *angles)[0][0]
        errors = [
            comp_relative(golden, calculated, 1)[1]
            for golden, calculated in (
                (stream[:ROWS], to_rows(prompt, ROWS)),
                (stream[ROWS:], to_rows(step, 1)),
                (stream, rounded),
            )
        ]
        print(
            f"layer {number}: rms {stream.square().mean().sqrt():.3f}, relative error of prefill {errors[0]:.3%}, "
            f"decode {errors[1]:.3%}, bfloat16 attention alone {errors[2]:.3%}"
        )
        assert 0.05 < stream.square().mean().sqrt() < 5, "activations died or exploded: the test is wrong"

    weight, head = gamma(model.hidden_size), torch.randn(vocab, model.hidden_size).bfloat16()
    norm = RMSNorm(config, weight, model.rms_norm_eps, config.residual_norm)
    head_module = lm_head(config, weights, head)
    tile = ttnn.slice(prompt, [0, 0, ROWS - TILE, 0], [1, 1, ROWS, model.hidden_size])
    calculated = [
        to_rows(head_module(norm.forward_prefill(tile)), TILE),
        to_rows(head_module(norm.forward_decode(step)), 1),
    ]
    final = ReferenceNorm(model, {"norm.weight": weight}, "norm")

    def reference_logits(rows: torch.Tensor) -> torch.Tensor:
        normed = final(rows[ROWS - TILE :])
        return torch.cat([normed @ part.float().T for part in head.split(16384)], dim=-1)

    return reference_logits(stream), torch.cat(calculated), reference_logits(rounded)


def check(golden: torch.Tensor, calculated: torch.Tensor, rounded: torch.Tensor, pcc: float, relative: float) -> None:
    """Check the logits of prefill and of decode separately."""
    _, floor = comp_relative(golden, rounded, relative)
    print(f"bfloat16 attention alone: logits PCC {comp_pcc(golden, rounded)[1]:.6f}, relative error {floor:.3%}")
    for name, rows in (("prefill", slice(TILE)), ("decode", slice(TILE, None))):
        correlated, measured = comp_pcc(golden[rows], calculated[rows], pcc)
        near, error = comp_relative(golden[rows], calculated[rows], relative)
        print(f"{name}: logits PCC {measured:.6f}, relative error {error:.3%}")
        assert correlated and near, name


# relative error = sqrt(2 * (1 - PCC)): the two bars are equivalent, except that PCC does not show a wrong scale
# the ordinary run has the default precision, and single layers of this width in all precisions: see test_decoder.py
@pytest.mark.parametrize(
    "precision",
    [*(pytest.param(stock, marks=pytest.mark.slow) for stock in (ACCURACY, PERFORMANCE)), FUSED],
    ids=lambda precision: precision.name,
)
def test_four_layers(device, reset_seeds, precision: Precision) -> None:
    pcc, relative = {"performance": (0.998, 0.0632)}.get(precision.name, (0.999, 0.0447))
    check(*run_stack(device, 4, 4096, precision), pcc, relative)


@pytest.mark.slow
def test_all_layers(device, reset_seeds) -> None:
    check(*run_stack(device, 30, 128256, ACCURACY), 0.999, 0.0447)
