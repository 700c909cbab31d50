# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Options that choose how the units compute: each changes the values as it does in the kernel, or is refused.

A product of two numbers from 1 to 2 shows how many bits of each the matrix unit saw: of its first operand SrcA keeps 5
bits in LoFi, and of its second SrcB keeps 7 bits in LoFi and HiFi2.
"""

import pytest
import torch

import ttnn
from ttnn_emulator import UnsupportedOperation
from ttnn_emulator.device.registry import VALUES
from ttnn_emulator.tests.tensors import assert_close, assert_same, get, put, random

EVERY = 1 + torch.arange(128) / 128  # every significand that bfloat16 has
CUTS = [("LoFi", 5, 7), ("HiFi2", 8, 7), ("HiFi4", 8, 8)]  # the bits of SrcA and of SrcB


def compute(device, fidelity: str = "HiFi4", wide: bool = True) -> ttnn.DeviceComputeKernelConfig:
    return ttnn.init_device_compute_kernel_config(
        device.arch(),
        math_fidelity=getattr(ttnn.MathFidelity, fidelity),
        math_approx_mode=False,
        fp32_dest_acc_en=wide,
    )


def cut(x: torch.Tensor, bits: int) -> torch.Tensor:
    """The leading bits of numbers from 1 to 2."""
    return (x.double() * 2 ** (bits - 1)).floor() / 2 ** (bits - 1)


def packed(x: torch.Tensor) -> torch.Tensor:
    """Positive numbers with 8 significant bits, ties away from zero."""
    mantissa, exponent = torch.frexp(x.double())
    return torch.ldexp((mantissa * 256 + 0.5).floor(), exponent - 8)


def pair_matrix() -> torch.Tensor:
    """x @ matrix maps each pair (a, b) to (-b, a)."""
    matrix, even = torch.zeros(1, 1, 32, 32), torch.arange(0, 32, 2)
    matrix[..., even, even + 1], matrix[..., even + 1, even] = 1, -1
    return matrix


@pytest.mark.parametrize("rotation", ["rotary_embedding_llama", "rotary_embedding", "rotary_embedding_hf"])
@pytest.mark.parametrize("fidelity,bits_a,bits_b", CUTS)
def test_rotations(device, rotation, fidelity, bits_a, bits_b):
    def rotate(x, cos, sin):
        operands = [put(row.expand(1, 1, 32, 128).contiguous(), device)[0] for row in (x, cos, sin)]
        matrix = [put(pair_matrix(), device)[0]] if rotation.endswith("llama") else []
        call = getattr(ttnn.experimental, rotation)
        return get(call(*operands, *matrix, compute_kernel_config=compute(device, fidelity, False)))[0, 0, 0]

    one, zero = torch.ones(128), torch.zeros(128)
    assert torch.equal(rotate(EVERY, one, zero), cut(EVERY, bits_a))
    assert torch.equal(rotate(one, EVERY, zero), cut(EVERY, bits_b))
    assert torch.equal(rotate(one, zero, EVERY).abs(), cut(EVERY, bits_b))
    # the turned heads are SrcB of the product with the matrix, and SrcA of the product with the sines
    turned = cut(EVERY, min(bits_a, bits_b) if rotation.endswith("llama") else bits_a)
    assert torch.equal(rotate(EVERY, zero, one).abs().sort().values, turned.sort().values)


def test_rotations_with_float32_sums_round_a_product_once(device):
    x, cos = EVERY.flip(0), EVERY
    operands = [put(row.expand(1, 1, 32, 128).contiguous(), device)[0] for row in (x, cos, torch.zeros(128))]
    matrix = put(pair_matrix(), device)[0]
    results = [
        get(
            ttnn.experimental.rotary_embedding_llama(
                *operands, matrix, compute_kernel_config=compute(device, "HiFi4", wide)
            )
        )[0, 0, 0]
        for wide in (True, False)
    ]
    assert torch.equal(results[0], packed(x * cos))
    assert not torch.equal(results[1], results[0])  # it rounds after each of four passes


@pytest.mark.parametrize("name,factor", [("sum", 1.0), ("mean", 1 / 128)])
@pytest.mark.parametrize("fidelity,bits_a,bits_b", CUTS)
def test_sums_of_rows_and_columns(device, name, factor, fidelity, bits_a, bits_b):
    """The numbers are SrcB where a row is summed, SrcA where a column is."""
    one_a_row, _ = put(torch.diag(EVERY)[None, None], device)
    call = getattr(ttnn, name)
    rows, columns = (call(one_a_row, dim=dim, compute_kernel_config=compute(device, fidelity)) for dim in (-1, -2))
    assert torch.equal(get(rows).flatten(), cut(EVERY, bits_b) * factor)
    assert torch.equal(get(columns).flatten(), cut(EVERY, bits_a) * factor)


@pytest.mark.parametrize("dim", [-1, -2, 0])
def test_sums_in_16_bits_lose_what_is_small(device, dim):
    """A step of the matrix unit adds 16 numbers: 1 here, a quarter of what 512 keeps in 8 bits."""
    x = torch.full((64, 64, 64), 1 / 16)
    x.select(dim, 0).fill_(512)
    a, _ = put(x, device)
    wide, narrow = (get(ttnn.sum(a, dim=dim, compute_kernel_config=compute(device, wide=w))) for w in (True, False))
    assert (wide == 516).all() and (narrow == 512).all()


def test_float32_is_summed_by_another_unit_unless_asked_otherwise(device):
    x = torch.zeros(32, 64)
    x[:, 5] = 1 + torch.arange(32) / 2**12
    a, held = put(x, device, ttnn.float32)
    for call in (ttnn.sum, ttnn.max):
        assert torch.equal(get(call(a, dim=-1)).flatten(), held[:, 5])
        assert torch.equal(get(call(a, dim=-1, fast_and_approximate_mode=True)).flatten(), cut(held[:, 5], 11))
        narrow = call(a, dim=-1, compute_kernel_config=compute(device, wide=False))
        assert torch.equal(get(narrow).flatten(), cut(held[:, 5], 8))


def test_a_mean_multiplies_by_a_bfloat16(device):
    """One third of three ones is 0.333 in 8 significant bits, cut: 0.33203125."""
    a, _ = put(torch.ones(32, 3), device)
    assert (get(ttnn.mean(a, dim=-1)) == packed(torch.tensor(3 * 0.33203125))).all()


def test_a_sum_over_unwritten_memory_shows_it(device):
    empty = ttnn.empty((1, 1, 32, 32), ttnn.bfloat16, ttnn.TILE_LAYOUT, device, ttnn.DRAM_MEMORY_CONFIG)
    assert get(ttnn.sum(empty, dim=-1)).isnan().all() and get(ttnn.mean(empty, dim=-2)).isnan().all()


def test_a_reduction_of_batches_by_its_sums(device):
    x = torch.full((9, 1, 32, 32), 0.5)
    x[0] = 256
    a, _ = put(x, device)

    def reduce(**options):
        return get(ttnn.experimental.fast_reduce_nc(a, dims=[0], **options))

    assert (reduce() == 256).all()  # the library's choice is 16 bits: 256.5 is 256, each time
    assert (reduce(compute_kernel_config=compute(device, wide=False)) == 256).all()
    assert (reduce(compute_kernel_config=compute(device)) == 260).all()


@pytest.mark.parametrize("fidelity,bits_a,bits_b", CUTS)
def test_statistics_of_a_norm_over_chips(device, fidelity, bits_a, bits_b):
    a, _ = put(torch.diag(EVERY)[None, None], device)
    config = compute(device, fidelity)
    statistics = get(ttnn.layer_norm_pre_all_gather(a, dtype=ttnn.float32, compute_kernel_config=config))[0, 0]
    squares = packed(cut(EVERY, bits_a) * cut(EVERY, bits_b))  # they lie in bfloat16
    scale = torch.where(squares >= 2, 2, 1)
    assert torch.equal(statistics[:, 0], cut(squares / scale, bits_b) * scale)
    assert torch.equal(statistics[:, 32], cut(EVERY, bits_b))


@pytest.mark.parametrize("fidelity,bits_a,bits_b", CUTS)
def test_norms_over_chips(device, fidelity, bits_a, bits_b):
    """A deviation of 1/2 doubles what is left of the input's bits."""
    a, _ = put(EVERY.expand(1, 1, 32, 128).contiguous(), device)
    statistics = torch.zeros(1, 1, 32, 32)
    statistics[..., 0] = 32  # a quarter of 128
    config = compute(device, fidelity)
    result = get(
        ttnn.rms_norm_post_all_gather(a, put(statistics, device)[0], epsilon=0.0, compute_kernel_config=config)
    )
    assert torch.equal(result[0, 0, 0], 2 * cut(EVERY, bits_a))


def test_the_statistics_by_welford_are_refused(device):
    a, _ = put(torch.ones(1, 1, 32, 64), device)
    program = ttnn.LayerNormDefaultProgramConfig(use_welford=True)
    recip = ttnn.create_layer_norm_reciprocals(
        device, ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(7, 6))]), 64
    )
    with pytest.raises(UnsupportedOperation, match="Welford"):
        ttnn.layer_norm_pre_all_gather(a, program_config=program, recip_tensor=recip)


@pytest.mark.parametrize("fidelity,bits_a,bits_b", CUTS)
def test_dot(device, fidelity, bits_a, bits_b):
    for first, second, bits in ((1 + 127 / 128, 1.0, bits_a), (1.0, 1 + 127 / 128, bits_b)):
        a, b = torch.zeros(1, 1, 1, 64), torch.zeros(1, 1, 1, 64)
        a[..., 3], b[..., 3] = first, second
        operands = [put(value, device)[0] for value in (a, b)]
        result = ttnn.moreh_dot(*operands, compute_kernel_config=compute(device, fidelity))
        seen = min(bits, bits_b)  # the sum's first operand is SrcB
        assert get(result).item() == cut(torch.tensor(max(first, second)), seen).item()


@pytest.mark.parametrize("wide,expected", [(False, 1.0), (True, 1 + 1 / 128)])
def test_float32_on_its_way_to_bfloat16(device, wide, expected):
    """It is cut to 8 bits for a register of 16, and to 11 before it is rounded else."""
    value = 1 + 1 / 256 + 1 / 512
    config = compute(device, wide=wide)
    rows, _ = put(torch.full((1, 1, 32, 32), value), device, ttnn.float32)
    assert (get(ttnn.clone(rows, dtype=ttnn.bfloat16, compute_kernel_config=config)) == expected).all()
    cache, _ = put(torch.zeros(1, 1, 64, 32), device)
    ttnn.update_cache(cache, rows, 40, compute_kernel_config=config)
    assert (get(cache)[0, 0, 40] == expected).all()


def settings_of(device, queries: int = 32) -> dict:
    program = ttnn.SDPAProgramConfig(
        compute_with_storage_grid_size=(8, 7), q_chunk_size=queries, k_chunk_size=64, exp_approx_mode=False
    )
    return {"program_config": program, "compute_kernel_config": compute(device)}


def test_latent_attention_is_attention_with_the_same_settings(device):
    (q, _), (k, keys) = put(random((1, 4, 64, 64), 1, -1, 1), device), put(random((1, 1, 64, 64), 2, -1, 1), device)
    v, _ = put(keys[..., :32].float(), device)
    wide = settings_of(device)
    latent = ttnn.transformer.flash_mla_prefill(q, k, 32, is_causal=True, **wide)
    assert_same(latent, get(ttnn.transformer.scaled_dot_product_attention(q, k, k, is_causal=True, **wide))[..., :32])
    assert not torch.equal(get(latent), get(ttnn.transformer.flash_mla_prefill(q, k, v, is_causal=True)))


def test_latent_attention_of_a_new_token_is_attention_with_the_same_settings(device):
    (q, _), (k, _) = put(random((1, 1, 32, 64), 1, -1, 1), device), put(random((1, 1, 128, 64), 2, -1, 1), device)
    wide, at = settings_of(device, 0), {"cur_pos": [100]}
    latent = ttnn.transformer.flash_multi_latent_attention_decode(q, k, head_dim_v=32, **at, **wide)
    plain = ttnn.transformer.scaled_dot_product_attention_decode(q, k, k, **at, **wide)
    assert_same(latent, get(plain)[..., :32])
    wide["compute_kernel_config"] = compute(device, wide=False)
    narrow = ttnn.transformer.flash_multi_latent_attention_decode(q, k, head_dim_v=32, **at, **wide)
    assert not torch.equal(get(latent), get(narrow))


def test_joint_attention_is_attention_over_both_with_the_same_settings(device):
    """Attend where the first keys fill whole chunks. Others fill up a chunk with keys that have no weight."""
    for length in (64, 32):
        first = [put(random((1, 2, length, 64), seed, -1, 1), device) for seed in (1, 2, 3)]
        second = [put(random((1, 2, 64, 64), seed, -1, 1), device) for seed in (4, 5, 6)]
        both = [put(torch.cat([a[1], b[1]], 2).float(), device)[0] for a, b in zip(first, second)]
        wide = settings_of(device)
        results = ttnn.transformer.joint_scaled_dot_product_attention(
            *(tensor for tensor, _ in (*first, *second)), joint_strategy="rear", **wide
        )
        whole = get(ttnn.transformer.scaled_dot_product_attention(*both, is_causal=False, **wide))
        for result, part in zip(results, whole.split([length, 64], 2)):
            if length == 64:
                assert_same(result, part)
            assert (get(result) - part).abs().max() < 2**-6


def test_joint_attention_in_another_form_is_refused(device):
    tensors = [put(random((1, 1, 32, 32), seed), device)[0] for seed in range(6)]
    options = {**settings_of(device), "compute_kernel_config": compute(device, "LoFi", False)}
    with pytest.raises(UnsupportedOperation, match="LoFi with 16-bit sums"):
        ttnn.transformer.joint_scaled_dot_product_attention(*tensors, joint_strategy="rear", **options)


def test_chips_that_gather_and_add_pairs_in_a_register():
    function = VALUES["ttnn.experimental.all_reduce_async"].function
    chips = [torch.full((1, 1, 32, 32), value).bfloat16() for value in (256.0, 0.0, 0.5, 0.25, 0.25, 0.5)]
    for wide, expected in ((True, 257.5), (False, 256.0)):
        results = function(chips, chips, 1, fp32_dest_acc=wide, mesh_shape=(1, 6))
        assert all((result == expected).all() for result in results)
    with pytest.raises(UnsupportedOperation, match="3 chips make no pairs"):
        function(chips[:3], chips[:3], 1, mesh_shape=(1, 3))


def test_16_bit_sums_of_float32_tensors_of_several_chips_are_refused(device):
    function = VALUES["ttnn.reduce_scatter"].function
    chips = [torch.ones(1, 1, 32, 64), torch.ones(1, 1, 32, 64)]
    with pytest.raises(UnsupportedOperation, match="16-bit sums"):
        function(chips, 3, compute_kernel_config=compute(device, wide=False), mesh_shape=(1, 2))
    for result in function(chips, 3, compute_kernel_config=compute(device, "LoFi"), mesh_shape=(1, 2)):
        assert torch.equal(result, torch.full((1, 1, 32, 32), 2.0))


def test_sums_that_are_not_to_be_fast_are_the_vector_units(device):
    """It rounds ties to even, where the matrix unit rounds them away from zero."""
    a, _ = put(torch.full((1, 1, 32, 32), 256.0), device)
    b, _ = put(torch.full((1, 1, 32, 32), 1.0), device)
    for call, expected in ((ttnn.add, 256), (ttnn.subtract, 255), (ttnn.rsub, -255)):
        assert (get(call(a, b, fast_and_approximate_mode=False)) == expected).all()
    assert (get(ttnn.add(a, b)) == 258).all() and (get(ttnn.add(a, b, fast_and_approximate_mode=True)) == 258).all()


def test_settings_that_are_not_computed_are_refused(device):
    a, x = put(random((1, 1, 32, 32), 1, 0.5, 1), device)
    for name in ("exp", "log", "sqrt", "rsqrt", "tanh", "gelu", "erf", "mish", "sigmoid_accurate"):
        with pytest.raises(UnsupportedOperation, match="fast_and_approximate_mode=True"):
            getattr(ttnn, name)(a, fast_and_approximate_mode=True)
    with pytest.raises(UnsupportedOperation, match="fast_and_approximate_mode=True"):
        ttnn.divide(a, a, fast_and_approximate_mode=True)
    assert_close(ttnn.sqrt(a, fast_and_approximate_mode=False), x.sqrt())
    assert_close(ttnn.log1p(a, fast_and_approximate_mode=True), x.log1p(), 1e-2)  # its kernel knows no other form
    with pytest.raises(UnsupportedOperation, match="compute_kernel_config"):
        ttnn.std(a, dim=-1, compute_kernel_config=compute(device, wide=False))
    assert_close(ttnn.std(a, dim=-1, compute_kernel_config=compute(device, "LoFi")), x.std(-1))  # in the vector unit
    grid = ttnn.CoreGrid(x=1, y=1)
    mask = put(torch.ones(1, 1, 32, 32), device)[0]
    with pytest.raises(UnsupportedOperation, match="compute_kernel_config"):
        ttnn.group_norm(
            a,
            num_groups=1,
            core_grid=grid,
            inplace=False,
            input_mask=mask,
            compute_kernel_config=compute(device, "LoFi"),
        )
