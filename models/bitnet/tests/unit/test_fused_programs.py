# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Properties of all fused programs: two-bit weights, no effect on later programs, and refusals."""

import pytest
import torch

import ttnn
from models.bitnet.perf.random_weights import OTHER_MODELS, random_ternary, shape
from models.bitnet.tests.ternary import EPS, gamma_to_device, rows_to_device, to_device
from models.bitnet.tt.fused_programs import TO_NEXT_LAYER, FusedPrograms, FusedProgramsDoNotFit
from models.bitnet.tt.kernels.common import golden
from models.bitnet.tt.kernels.common.core_assignment import CoreAssignment
from models.bitnet.tt.kernels.common.describe import Role
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.kernels.decode.decode_product import DecodeProduct
from models.bitnet.tt.kernels.decode.stages import Stage
from models.bitnet.tt.kernels.prefill.prefill_codes import PrefillCodes
from models.bitnet.tt.kernels.prefill.prefill_product import PrefillProduct
from models.bitnet.tt.layout import TILE, Chip
from models.bitnet.tt.weights.upload import DeviceWeights

INNER, WIDTH, GROUP = 4, 4, 2  # in tiles
PAGES = TernaryPages.of(INNER, WIDTH, GROUP)


@pytest.mark.parametrize("inner, width, group, matrices", [(1, 1, 1, 1), (6, 4, 2, 1), (34, 8, 4, 1), (3, 8, 4, 2)])
def test_every_weight_has_its_place(reset_seeds, inner, width, group, matrices):
    """Page, tile, face, row, byte and bits of each weight, counted out. `unpack` is the inverse of `pack`."""
    pages = TernaryPages.of(inner, width, group, matrices)
    weight = random_ternary(inner * TILE, width * TILE)
    data = pages.pack(weight).view(torch.uint8)
    k, n = torch.meshgrid(torch.arange(inner * TILE), torch.arange(width * TILE), indexing="ij")
    each, of_matrix = group // matrices, width // matrices  # columns of tiles: of a matrix in a group, of a matrix
    column = n // TILE
    in_group = column // of_matrix * each + column % of_matrix % each
    page = column % of_matrix // each * pages.pages_of_a_group + k // TILE // pages.block
    face = k % TILE // 16 * 2 + n % TILE // 16
    in_tile = face * 256 + k % 16 * 16 + n % 16
    byte = (k // TILE % pages.block * group + in_group) * 256 + in_tile // 4
    bits = data[page, byte] >> in_tile % 4 * 2 & 3
    assert torch.equal(bits, torch.tensor([3, 0, 1], dtype=torch.uint8)[weight.long() + 1])
    assert torch.equal(pages.unpack(pages.pack(weight)), weight)


def test_an_unpacked_matrix_is_kept_until_its_words_change(reset_seeds):
    one, other = random_ternary(INNER * TILE, WIDTH * TILE), random_ternary(INNER * TILE, WIDTH * TILE)
    words = PAGES.pack(one).long()
    kept = golden.unpacked(words, PAGES)
    assert torch.equal(kept, one.to(torch.int8)) and golden.unpacked(words, PAGES) is kept
    words.copy_(PAGES.pack(other))
    assert torch.equal(golden.unpacked(words, PAGES), other.to(torch.int8))


# --- nothing leaks ---------------------------------------------------------------------------------------------------


def stock_operations(device):
    """The results of stock operations on the same values every time."""
    torch.manual_seed(0)
    a, b = torch.randn(1, 1, 64, 128), torch.randn(1, 1, 128, 96)
    wide = to_device(a, device)
    for dtype, fidelity in (
        (ttnn.bfloat16, ttnn.MathFidelity.HiFi4),
        (ttnn.bfloat8_b, ttnn.MathFidelity.HiFi2),
        (ttnn.bfloat4_b, ttnn.MathFidelity.LoFi),
    ):
        weight = to_device(b, device, dtype)
        compute = ttnn.init_device_compute_kernel_config(device.arch(), math_fidelity=fidelity, fp32_dest_acc_en=True)
        yield ttnn.matmul(to_device(a, device, ttnn.bfloat16), weight, compute_kernel_config=compute)
        yield ttnn.typecast(weight, ttnn.float32)
    yield ttnn.add(wide, wide)
    yield ttnn.exp(to_device(a, device, ttnn.bfloat16))
    yield ttnn.rms_norm(wide, epsilon=EPS)
    yield ttnn.sum(wide, dim=-1)


def decode(device, x, gamma, weights):
    stage = Stage(CoreAssignment(INNER, 1), CoreAssignment(WIDTH, GROUP), PAGES, Epilogue.SCALE)
    program = DecodeProduct(x.shape[2], (stage,), ttnn.float32, ttnn.DRAM_MEMORY_CONFIG)
    return program(x, [gamma], [weights], constants=[EPS])


def prefill(device, x, gamma, weights):
    quantised = PrefillCodes(1, INNER, (2, 2), ttnn.L1_MEMORY_CONFIG)(x, gamma, constant=EPS)
    return [*quantised, PrefillProduct(1, PAGES, Epilogue.SCALE, ttnn.float32, (2, 1), L1)(*quantised, weights)]


@pytest.mark.parametrize("run, rows", [(decode, 7), (prefill, 32)])
def test_nothing_leaks(device, reset_seeds, run, rows):
    """Stock operations give the same bits before and after fused programs, and so do the fused programs."""
    operands = (
        to_device(torch.randn(1, 1, rows, INNER * TILE), device),
        gamma_to_device(torch.rand(INNER * TILE), device),
        rows_to_device(PAGES.pack(random_ternary(INNER * TILE, WIDTH * TILE))[None, None], device, ttnn.uint32),
    )

    def results(tensors):
        return [ttnn.to_torch(tensor).contiguous().view(torch.uint8) for tensor in tensors]

    before, fused = results(stock_operations(device)), results(run(device, *operands))
    after, again = results(stock_operations(device)), results(run(device, *operands))
    assert all(map(torch.equal, before, after)) and all(map(torch.equal, fused, again))


# --- what is refused -------------------------------------------------------------------------------------------------

L1, BF16 = 1_499_136, ttnn.bfloat16


@pytest.mark.parametrize(
    "model, users, l1_bytes, cache, message",
    [
        (shape(33, 1, 32, 224), 1, L1, BF16, "fused joins up to 32 heads, the model has 33; use precision accuracy"),
        (
            shape(4, 2, 32, 32 * 1200),
            32,
            L1,
            BF16,
            "fused: decode's program of o, gate_up, down, qkv, 38400 wide, needs 1...... bytes of a core's",
        ),
        (shape(4, 2, 32, 32 * 950), 1, L1, BF16, "fused: prefill's program of down, 30400 wide, needs 1...... bytes"),
        (shape(32, 1, 256, 224), 1, 1_140_000, BF16, "fused: the head's program, 8192 wide, needs 1...... bytes of"),
        (shape(2, 1, 288, 224), 1, L1, BF16, "fused rotates heads up to 256 wide, the model's are 288 wide; use"),
        (
            shape(4, 2, 32, 224),
            1,
            L1,
            ttnn.bfloat4_b,
            "fused writes a KV cache of bfloat16 or bfloat8_b, not bfloat4_b; use precision accuracy",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_refused(model, users, l1_bytes, cache, message):
    with pytest.raises(FusedProgramsDoNotFit, match=message) as refusal:
        FusedPrograms(model, Chip((8, 8), 12), users, l1_bytes, ttnn.bfloat8_b, cache)
    assert "\n" not in str(refusal.value) and "use precision accuracy" in str(refusal.value)


@pytest.mark.parametrize("tiles", [850, 900])
def test_prefill_of_every_length_is_checked(tiles):
    """A program for one tile of tokens is smaller than one for many. With 850 tiles only the former fits."""
    message = f"^fused: prefill's program of down, {tiles * TILE} wide, needs 1...... bytes of a core's L1, there are"
    with pytest.raises(FusedProgramsDoNotFit, match=message):
        FusedPrograms(shape(4, 2, 32, tiles * TILE), Chip((8, 8), 12), 1, 1_393_312, ttnn.bfloat8_b, ttnn.bfloat16)


# --- wide models -----------------------------------------------------------------------------------------------------

DEMOS_L1 = 1_341_088  # bytes that the demo's device leaves
CHIPS = {"n150": Chip((8, 8), 12), "p150": Chip((11, 10), 8)}


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
@pytest.mark.parametrize("name", OTHER_MODELS)
def test_the_programs_of_other_models_fit(name, chip):
    """The widest keep few weights and codes in bfloat8_b in L1. All others keep what the 2B-4T keeps."""
    programs = FusedPrograms(OTHER_MODELS[name], chip, 32, DEMOS_L1, ttnn.bfloat8_b, ttnn.bfloat16)
    decode = programs.decode(*TO_NEXT_LAYER)
    assert decode.l1_bytes < DEMOS_L1
    weights, codes = (decode._buffers[role] for role in (Role.WEIGHTS, Role.CODES))
    in_turns = weights.tiles < sum(stage.weight_tiles for stage in decode.stages)
    assert in_turns == (name in ("Falcon3-3B", "Falcon3-7B", "Falcon3-10B", "Llama3-8B-1.58"))
    assert (codes.dtype == ttnn.bfloat8_b) == (name in ("Falcon3-7B", "Falcon3-10B"))
    of_prefill = {which: programs.prefill(which, 1)[0].codes for which in programs.stages}
    assert (of_prefill["down"] == ttnn.bfloat8_b) == (name in ("Falcon3-7B", "Falcon3-10B", "Llama3-8B-1.58"))
    assert {of_prefill[which] for which in ("qkv", "o", "gate_up")} == {ttnn.bfloat16}


@pytest.mark.parametrize("value", [2, -2, 0.5, float("nan")])
def test_a_matrix_that_is_not_ternary_is_refused(device, value):
    matrices = {name: random_ternary(64, 128).float() for name in ("gate_proj", "up_proj")}
    matrices["up_proj"][3, 5] = value
    with pytest.raises(ValueError, match="^up_proj: values other than -1, 0 and .1 .*; use precision accuracy$"):
        DeviceWeights(device).load_ternary(matrices, TernaryPages.of(4, 4, 2, 2))
