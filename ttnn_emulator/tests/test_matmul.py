# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Products against torch in double precision: shapes, dtypes, transposes, biases, and every program config."""

import contextlib
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ttnn
from ttnn_emulator.operations.matmul import product_config
from ttnn_emulator.tests.tensors import get, put, random

DRAM, L1 = ttnn.DRAM_MEMORY_CONFIG, ttnn.L1_MEMORY_CONFIG
LIBRARY = settings(max_examples=30)


@pytest.fixture(scope="module")
def device():
    opened = ttnn.open_device(device_id=0)
    yield opened
    ttnn.close_device(opened)


@pytest.fixture
def exact(device):
    """Nothing cut off, sums in float32."""
    return ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=True
    )


def upload(device, value, dtype=ttnn.bfloat16, memory=DRAM):
    return ttnn.from_torch(value, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device, memory_config=memory)


def on_device(value, dtype):
    """What a tensor of this dtype holds, by the library's own host conversion."""
    return ttnn.to_torch(ttnn.from_torch(value, dtype=dtype, layout=ttnn.TILE_LAYOUT)).double()


def assert_near(result, expected, tolerance=0.005, usual=None):
    """The error's norm is a share of that of `usual`, which is what is expected if nothing else is given."""
    result, expected = ttnn.to_torch(result).double(), expected.double()
    assert result.shape == expected.shape
    size = float((expected if usual is None else usual).norm())
    assert float((result - expected).norm()) <= tolerance * size + 1e-6


@given(
    batch=st.lists(st.integers(1, 3), max_size=2),
    m=st.integers(1, 70),
    k=st.integers(1, 100),
    n=st.integers(1, 70),
    dtypes=st.lists(st.sampled_from([ttnn.bfloat16, ttnn.float32, ttnn.bfloat8_b]), min_size=2, max_size=2),
    shared=st.booleans(),
)
@LIBRARY
def test_any_shape_and_dtype(device, batch, m, k, n, dtypes, shared):
    a = torch.randn(*batch, m, k)
    b = torch.randn(*([1] * len(batch) if shared else batch), k, n)
    compute = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.HiFi4, fp32_dest_acc_en=True
    )
    result = ttnn.matmul(
        upload(device, a, dtypes[0]), upload(device, b, dtypes[1]), dtype=ttnn.bfloat16, compute_kernel_config=compute
    )
    a, b = on_device(a, dtypes[0]), on_device(b, dtypes[1])
    # products may cancel: what a sum of as many with random signs comes to, not the sum, is what errors are a share of
    assert_near(result, a @ b, usual=((a * a) @ (b * b)).sqrt())


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_transposes(device, exact, transpose_a, transpose_b, batch):
    a, b = torch.randn(*batch, 64, 96).to(torch.bfloat16), torch.randn(*batch, 96, 32).to(torch.bfloat16)
    first = a.mT.contiguous() if transpose_a else a
    second = b.mT.contiguous() if transpose_b else b
    result = ttnn.matmul(
        upload(device, first),
        upload(device, second),
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        compute_kernel_config=exact,
    )
    assert_near(result, a.double() @ b.double())


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize(
    "activation, function",
    [
        (None, lambda x: x),
        ("relu", torch.relu),
        ("silu", torch.nn.functional.silu),
        ("gelu", torch.nn.functional.gelu),
    ],
)
def test_linear_with_bias_and_activation(device, exact, rows, activation, function):
    x, w, bias = (torch.randn(*shape).to(torch.bfloat16) for shape in ((rows, 64), (64, 96), (1, 96)))
    result = ttnn.linear(
        upload(device, x),
        upload(device, w),
        bias=upload(device, bias),
        activation=activation,
        compute_kernel_config=exact,
    )
    assert_near(result, function(x.double() @ w.double() + bias.double()), 0.02)


def test_the_bias_is_not_optional_in_the_sum(device, exact):
    x, w = torch.zeros(32, 64), torch.zeros(64, 32)
    result = ttnn.linear(
        upload(device, x), upload(device, w), bias=upload(device, torch.full((1, 32), 3.0)), compute_kernel_config=exact
    )
    assert ttnn.to_torch(result).eq(3).all()


def test_operator_and_output_tensor(device):
    a, b = torch.eye(64).to(torch.bfloat16) * 2, torch.randn(64, 64).to(torch.bfloat16)
    first, second = upload(device, a), upload(device, b)
    assert torch.equal(ttnn.to_torch(first @ second), b * 2)
    target = upload(device, torch.zeros(64, 64))
    ttnn.matmul(first, second, optional_output_tensor=target)
    assert torch.equal(ttnn.to_torch(target), b * 2)


def sharded(grid, shape, strategy):
    return ttnn.create_sharded_memory_config(
        shape, core_grid=grid, strategy=strategy, use_height_and_width_as_shard_shape=True
    )


def reuse(m, k, n):
    return ttnn.MatmulMultiCoreReuseProgramConfig(
        compute_with_storage_grid_size=(4, 2), in0_block_w=k // 32, out_subblock_h=1, out_subblock_w=1,
        per_core_M=m // 32, per_core_N=n // 32,
    )  # fmt: skip


def mcast_2d(activation=None):
    return ttnn.MatmulMultiCoreReuseMultiCastProgramConfig(
        compute_with_storage_grid_size=(4, 2), in0_block_w=2, out_subblock_h=1, out_subblock_w=1,
        per_core_M=2, per_core_N=2, transpose_mcast=False, fused_activation=activation,
    )  # fmt: skip


def mcast_1d(activation=None, along_n=True):
    return ttnn.MatmulMultiCoreReuseMultiCast1DProgramConfig(
        compute_with_storage_grid_size=(8, 1), in0_block_w=2, out_subblock_h=1, out_subblock_w=1,
        per_core_M=4 if along_n else 1, per_core_N=1 if along_n else 8, fuse_batch=True,
        fused_activation=activation, mcast_in0=along_n,
    )  # fmt: skip


SILU = ttnn.UnaryWithParam(ttnn.UnaryOpType.SILU)


@pytest.mark.parametrize("along_n", [True, False], ids=["over_n", "over_m"])
@pytest.mark.parametrize("activation", [None, SILU], ids=["plain", "silu"])
def test_1d_multicast(device, exact, along_n, activation):
    a, b = torch.randn(1, 1, 128, 256).to(torch.bfloat16), torch.randn(256, 256).to(torch.bfloat16)
    config = mcast_1d(activation, along_n)
    result = ttnn.linear(upload(device, a), upload(device, b), program_config=config, compute_kernel_config=exact)
    product = a.double() @ b.double()
    assert_near(result, torch.nn.functional.silu(product) if activation else product, 0.02)


@pytest.mark.parametrize("activation", [None, SILU], ids=["plain", "silu"])
def test_2d_multicast(device, exact, activation):
    a, b = torch.randn(1, 1, 128, 256).to(torch.bfloat16), torch.randn(256, 256).to(torch.bfloat16)
    result = ttnn.linear(
        upload(device, a), upload(device, b), program_config=mcast_2d(activation), compute_kernel_config=exact
    )
    product = a.double() @ b.double()
    assert_near(result, torch.nn.functional.silu(product) if activation else product, 0.02)


def test_2d_multicast_on_block_shards(device, exact):
    a, b = torch.randn(1, 1, 128, 256).to(torch.bfloat16), torch.randn(256, 256).to(torch.bfloat16)
    shards = sharded(ttnn.CoreGrid(y=2, x=4), (64, 64), ttnn.ShardStrategy.BLOCK)
    result = ttnn.linear(
        upload(device, a, memory=shards), upload(device, b), program_config=mcast_2d(), memory_config=shards,
        compute_kernel_config=exact,
    )  # fmt: skip
    assert result.memory_config().is_sharded()
    assert_near(result, a.double() @ b.double())


def test_1d_multicast_on_width_shards(device, exact):
    a, b = torch.randn(1, 1, 32, 512).to(torch.bfloat16), torch.randn(512, 256).to(torch.bfloat16)
    grid = ttnn.CoreGrid(y=1, x=8)
    config = ttnn.MatmulMultiCoreReuseMultiCast1DProgramConfig(
        compute_with_storage_grid_size=(8, 1), in0_block_w=2, out_subblock_h=1, out_subblock_w=1,
        per_core_M=1, per_core_N=1, fuse_batch=True, fused_activation=None, mcast_in0=True,
    )  # fmt: skip
    result = ttnn.linear(
        upload(device, a, memory=sharded(grid, (32, 64), ttnn.ShardStrategy.WIDTH)),
        upload(device, b),
        program_config=config,
        memory_config=sharded(grid, (32, 32), ttnn.ShardStrategy.WIDTH),
        compute_kernel_config=exact,
    )
    assert_near(result, a.double() @ b.double())


def test_batched_reuse(device, exact):
    a, b = torch.randn(2, 4, 64, 96).to(torch.bfloat16), torch.randn(2, 4, 96, 64).to(torch.bfloat16)
    result = ttnn.matmul(
        upload(device, a), upload(device, b), program_config=reuse(64, 96, 64), compute_kernel_config=exact
    )
    assert_near(result, a.double() @ b.double())


@pytest.mark.parametrize("weights", [ttnn.bfloat16, ttnn.bfloat8_b, ttnn.bfloat4_b])
def test_dram_sharded(device, exact, weights):
    k, n, cores = 512, 768, 8
    # weights of bfloat16 lose nothing more where the library rounds twice, on their way to shards
    a, b = (torch.randn(1, 1, *shape).to(torch.bfloat16) for shape in ((32, k), (k, n)))
    banks = device.dram_grid_size().x
    width = -(-n // (32 * banks)) * 32
    grid = ttnn.CoreRangeSet({ttnn.CoreRange(ttnn.CoreCoord(0, 0), ttnn.CoreCoord(banks - 1, 0))})
    spec = ttnn.ShardSpec(grid, (k, width), ttnn.ShardOrientation.ROW_MAJOR)
    in_banks = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.WIDTH_SHARDED, ttnn.BufferType.DRAM, spec)
    row = ttnn.CoreGrid(y=1, x=cores)
    config = ttnn.MatmulMultiCoreReuseMultiCastDRAMShardedProgramConfig(
        in0_block_w=k // cores // 32, per_core_M=1, per_core_N=n // cores // 32, fused_activation=None
    )
    result = ttnn.linear(
        upload(device, a, memory=sharded(row, (32, k // cores), ttnn.ShardStrategy.WIDTH)),
        upload(device, b.float(), weights, in_banks),
        program_config=config,
        memory_config=ttnn.L1_WIDTH_SHARDED_MEMORY_CONFIG,
        compute_kernel_config=exact,
    )
    assert_near(result, a.double() @ on_device(b.float(), weights))


def test_core_grid(device, exact):
    a, b = torch.randn(128, 128).to(torch.bfloat16), torch.randn(128, 128).to(torch.bfloat16)
    result = ttnn.matmul(
        upload(device, a), upload(device, b), core_grid=ttnn.CoreGrid(y=4, x=4), compute_kernel_config=exact
    )
    assert_near(result, a.double() @ b.double())


def test_a_wrong_shape_is_the_librarys_own_error(device):
    with pytest.raises(RuntimeError, match="TT_FATAL|width"):
        ttnn.matmul(upload(device, torch.ones(32, 64)), upload(device, torch.ones(32, 64)))


def test_a_weight_that_is_written_again_is_multiplied_anew(device, exact):
    """Forms of a weight are kept between products; a write must drop them."""
    a, b = torch.eye(32), torch.randint(-1, 2, (32, 32)).float()
    first, second = upload(device, a), upload(device, b)
    assert torch.equal(ttnn.to_torch(ttnn.matmul(first, second, compute_kernel_config=exact)).float(), b)
    host = ttnn.from_torch(b * 3, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT)
    ttnn.copy_host_to_device_tensor(host, second)
    assert torch.equal(ttnn.to_torch(ttnn.matmul(first, second, compute_kernel_config=exact)).float(), b * 3)


@pytest.mark.parametrize("largest", [1, 3], ids=["ternary", "not ternary"])
@pytest.mark.parametrize("weights", [ttnn.bfloat16, ttnn.bfloat4_b])
def test_integers_and_fractions_take_different_ways_to_the_same_value(device, exact, weights, largest):
    """Whole numbers are added in any order, others in the unit's: with one fraction among them nothing else changes."""
    a, b = torch.randint(-100, 100, (32, 256)).float(), torch.randint(-largest, largest + 1, (256, 32)).float()
    fraction = a.clone()
    fraction[0, 0] = 0.5
    whole = ttnn.matmul(upload(device, a), upload(device, b, weights), dtype=ttnn.float32, compute_kernel_config=exact)
    mixed = ttnn.matmul(
        upload(device, fraction), upload(device, b, weights), dtype=ttnn.float32, compute_kernel_config=exact
    )
    assert torch.equal(ttnn.to_torch(whole)[1:], ttnn.to_torch(mixed)[1:])
    assert torch.equal(ttnn.to_torch(mixed)[0], (fraction.double() @ b.double())[0].float())


@pytest.mark.parametrize("wide", [True, False])
def test_a_large_matrix_is_summed_as_a_small_one(device, wide):
    """A matrix of more than 2**20 weights gives the sums of some columns alone, and of its transposed upload."""
    a, b = torch.randn(2, 1056), torch.randn(1056, 1024)
    compute = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.LoFi, fp32_dest_acc_en=wide
    )

    def multiply(weight, **options):
        product = ttnn.matmul(
            upload(device, a), upload(device, weight), dtype=ttnn.float32, compute_kernel_config=compute, **options
        )
        return ttnn.to_torch(product)

    whole = multiply(b)
    assert torch.equal(whole[:, 96:160], multiply(b[:, 96:160].contiguous()))
    assert torch.equal(whole, multiply(b.mT.contiguous(), transpose_b=True))
    assert not torch.equal(whole, (a.bfloat16().float() @ b.bfloat16().float()))


@pytest.mark.parametrize("grid", [None, ttnn.CoreGrid(x=2, y=2)])
def test_the_settings_without_a_configuration_are_the_librarys(device, grid):
    for first, second, result in itertools.product((ttnn.float32, ttnn.bfloat16, ttnn.bfloat8_b), repeat=3):
        a, b = (put(random((1, 1, 64, 64), 1), device, dtype)[0] for dtype in (first, second))
        ran: list = []
        with captured(ran):
            ttnn.matmul(a, b, dtype=result, core_grid=grid)
        config = product_config(None, result, first, second, grid is not None)
        expected = f"math_fidelity={config.fidelity},math_approx_mode=0,fp32_dest_acc_en={int(config.wide)},"
        assert expected in ran[0]


@contextlib.contextmanager
def captured(attributes: list):
    """Adds the attributes of the products that the library runs."""
    ttnn.graph.begin_graph_capture(ttnn.graph.RunMode.NORMAL)
    try:
        yield
    finally:
        graph = ttnn.graph.end_graph_capture()
    starts = [node for node in graph if node["node_type"] == "function_start"]
    attributes += [node["arguments"][0] for node in starts if node["params"]["name"].startswith("Matmul")]


@pytest.mark.parametrize("biased", [False, True])
def test_the_packer_adds_the_blocks_that_the_library_chose(device, biased):
    """32 blocks of 64: each but the first adds up to 3, and a sum of 512 keeps every fourth number. The packer makes 4
    of 3, where a step of the matrix unit, 16 terms, is too small to be seen. The last block goes on in the register,
    unless a bias follows."""
    a = torch.full((32, 2048), 3 / 64)
    a[:, 0] = 512
    first, second = put(a, device)[0], put(torch.ones(2048, 512), device)[0]
    if biased:
        result = ttnn.linear(first, second, bias=put(torch.zeros(1, 512), device)[0])
    else:
        result = ttnn.matmul(first, second)
    assert (get(result) == 512 + 4 * (31 if biased else 30)).all()


def test_an_activation_may_be_a_pair(device):
    (rows, a), (matrix, b) = put(random((1, 1, 64, 64), 1), device), put(random((64, 96), 2, -0.1, 0.1), device)
    result = ttnn.experimental.minimal_matmul(rows, matrix, fused_activation=(ttnn.UnaryOpType.GELU, False))
    product = a @ b
    expected = product * (1 + torch.erf(product / 2**0.5)) / 2
    assert (get(result) - expected).abs().max() <= 2**-5 * expected.abs().max()
