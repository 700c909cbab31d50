# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The fused programs give what they gave on simulated chips that execute their kernels, bit for bit.

`<prefix of a simulator> .venv/bin/python -m models.bitnet.tests.unit.test_simulated_programs [CASE...]` records what
its chip gives, for all cases or for these.
"""

import functools
import hashlib
import json
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import ttnn
from models.bitnet.perf.random_weights import spread
from models.bitnet.tests.common import TINY, to_integers
from models.bitnet.tests.ternary import (
    EPS,
    FACTOR,
    coded_rows,
    gamma_to_device,
    powers_of_two,
    random_values,
    to_device,
)
from models.bitnet.tests.unit import (
    test_decode_look_up,
    test_decode_product,
    test_head_product,
    test_prefill_programs,
    test_rotate_and_cache,
    test_second_pass,
)
from models.bitnet.tt.generation.sampling import CANDIDATES
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.kernels.head.best_tokens import NO_TOKEN, BestTokens, best_token, candidates
from models.bitnet.tt.kernels.prefill.prefill_codes import PrefillCodes
from models.bitnet.tt.layout import TILE, Chip

pytestmark = pytest.mark.board

RECORDS = Path(__file__).with_name("simulated_programs")
Tensors = Sequence[torch.Tensor]
CASES: dict[str, Callable[[ttnn.MeshDevice], tuple[Tensors, Tensors]]] = {}


def case(name: str, run: Callable[..., tuple[Tensors, Tensors]], *arguments: Any, **options: Any) -> None:
    """Add a case. `run` takes a device and these arguments, and returns its inputs and its results."""
    assert name not in CASES
    CASES[name] = lambda device: run(device, *arguments, **options)


# --- what the programs are given -------------------------------------------------------------------------------------


def look_up(device, precision, users):
    """One user has no best token of the step before."""
    it = test_decode_look_up.Case(device, TINY, precision, users)
    tokens, positions = torch.randint(0, TINY.vocab_size, (users,)), test_decode_look_up.edges_and_random(users)
    tokens[users // 2] = NO_TOKEN
    x, rotation = it.look_up(to_integers(tokens[None, None], device, ttnn.uint32), to_integers(positions, device))
    return [it.table, tokens, positions], [x, rotation.cos, rotation.sin]


def rotate_and_cache(device, users, heads, kv_heads, width, block_size, dtype):
    """The queries, and the rows that are new in the cache."""
    it = test_rotate_and_cache.Case(device, users, heads, kv_heads, width, dtype, block_size)
    positions, table = test_rotate_and_cache.own_places(it)
    queries, *pools = it.run(positions, table)
    places = torch.tensor(positions)
    blocks = table[torch.arange(users), places // block_size].long()
    new = [pool[blocks, :, places % block_size].bfloat16() for pool in pools]  # which holds every block float
    return [it.rows, *it.pools, table, places], [queries, *new]


def decode_product(device, shape, kind, **options):
    product = test_decode_product.Product(device, *shape, **options)
    x, gamma = values(kind, product.users, product.inner)
    width = product.program.stages[-1].columns.tiles * TILE
    added = torch.randn(product.users, width) * spread(product.users, width)
    residual = added if options.get("epilogue") is Epilogue.RESIDUAL else None
    heads = product.program.head_tiles
    rows = x.unflatten(-1, (-1, heads * TILE)) if heads else x
    constant = EPS if product.program.stages[-1].normed else FACTOR
    return [x, gamma, product.weight, added], [product(rows, gamma, residual, constant)]


def decode_stages(device, chain, **options):
    chain = test_decode_product.Chain(device, *chain, **options)
    x, residual = chain.values()
    entering = [x] if residual is None else [x, residual]
    return [*entering, *chain.gammas, *chain.weights], chain(x, residual)


def head_product(device, dtype, inner, sharded, held_as, width=416):
    """Rows of many magnitudes."""
    x = torch.randn(7, inner * TILE) * 10.0 ** torch.linspace(-6, 6, 7)[:, None]
    weight = torch.randn(inner * TILE, width)
    return [x, weight], [test_head_product.product(device, x, weight, dtype, sharded, held_as)]


def best_tokens(device, rows, dtype, width=4128):
    """Equal logits, minus infinity, and a row without a best token."""
    logits = torch.randn(rows, width) * 4
    logits[0] = torch.randint(-2, 3, (width,))
    logits[1] = -torch.inf
    logits[2, 77] = torch.nan
    on_device, grid = to_device(logits[None, None], device, dtype), Chip.of(device).grid
    tokens = to_integers(torch.zeros(1, 1, rows), device, ttnn.uint32)
    best_token(on_device, tokens, program=BestTokens.of(on_device, 1, grid))
    return [logits], [tokens, *candidates(on_device, program=BestTokens.of(on_device, CANDIDATES, grid))]


def shortlist(device, rows, count):
    """More candidates than a tile has columns. Their groups depend on the number of cores, which is the same on all
    chips."""
    logits = torch.randn(rows, 4128) * 4
    on_device = to_device(logits[None, None], device, ttnn.float32)
    return [logits], candidates(on_device, program=BestTokens.of(on_device, count, (8, 7)))


def second_pass(device, rows, inner, length):
    """One row has no best token."""
    it = test_second_pass.Case(device, rows, inner, length=length)
    it.shortlist[rows // 2] = NO_TOKEN
    best, likeliest, values = it.run()
    return [it.x, it.table, it.shortlist], [best.int(), likeliest.int(), values]


def prefill_codes(device, shape, kind, dtype=ttnn.float32, memory=ttnn.DRAM_MEMORY_CONFIG, **options):
    token_tiles, inner, _ = shape
    x, gamma = values(kind, token_tiles * TILE, inner * TILE)
    program = PrefillCodes(*shape, memory, **options)
    of_norm, constant = (gamma_to_device(gamma, device), EPS) if program.normed else (None, FACTOR)
    codes, steps = program(to_device(x[None, None], device, dtype), of_norm, constant=constant)
    return [x, gamma], [ttnn.to_torch(codes).to(torch.int8), ttnn.to_torch(steps)[..., :1]]


def prefill_product(device, shape, **options):
    product = test_prefill_programs.Product(device, *shape, **options)
    added = torch.randn(product.scaled.shape) * spread(*product.scaled.shape)
    residual = added if options.get("epilogue") is Epilogue.RESIDUAL else None
    return [product.codes, product.steps, product.weight, added], [product(residual)]


def values(kind: str, rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and the weights of their norm. The kind "codes" has known codes, the others are those of random values."""
    if kind == "codes":
        gamma = powers_of_two(width)
        return coded_rows(rows, width, gamma), gamma
    return random_values(kind, rows, width)


for precision, users in (("fused", 7), ("performance", 32)):
    case(f"decode look up/{precision}, {users} users", look_up, precision, users)

for name in ("one user", "2B-4T", "full batch", "widest heads", "three tiles a head"):
    for dtype in test_rotate_and_cache.DTYPES:
        sizes = *test_rotate_and_cache.SHAPES[name], dtype
        case(f"rotate and cache/{name}, {dtype.name.lower()}", rotate_and_cache, *sizes)

SHAPES = test_decode_product.SHAPES
for name, shape in SHAPES.items():
    case(f"decode product/{name}", decode_product, shape, "normal")
_KINDS = "codes", "twenty binades", "below the smallest peak", "around the smallest peak", "ties"
for kind in _KINDS:
    case(f"decode product/uneven, {kind}", decode_product, SHAPES["uneven"], kind)
case("decode product/residual", decode_product, SHAPES["uneven"], "normal", epilogue=Epilogue.RESIDUAL)
for name in ("uneven", "more parts than a tile has rows"):
    case(f"decode product/gated, {name}", decode_product, SHAPES[name], "normal", epilogue=Epilogue.RELU2_GATED)
    case(f"decode product/silu, {name}", decode_product, SHAPES[name], "normal", epilogue=Epilogue.SILU_GATED)
for kind in ("normal", *_KINDS):
    case(f"decode product/no norm, {kind}", decode_product, SHAPES["uneven"], kind, normed=False)
case("decode product/bfloat16", decode_product, SHAPES["uneven"], "normal", dtype=ttnn.bfloat16)
for users, heads, head_tiles in ((8, 20, 1), (17, 3, 2)):
    joined = users, heads * head_tiles, 2, 2
    case(f"decode product/{heads} heads", decode_product, joined, "normal", head_tiles=head_tiles)

for name, chain in test_decode_product.CHAINS.items():
    case(f"decode product/stages, {name}", decode_stages, chain)
chain, options = test_decode_product.TO_NEXT_LAYER, {"dtype": ttnn.bfloat16, "leaving": 2}
case("decode product/stages, to the next layer", decode_stages, chain, **options)
for users in (9, 32):
    chain = users, 0, *test_decode_product.IN_TURNS
    case(f"decode product/stages, little L1, {users} users", decode_stages, chain, l1_limit=0)

for dtype in test_head_product.DTYPES:
    for inner in (4, 80):
        name = f"head product/{dtype.name.lower()}, {inner} tiles"
        case(name, head_product, dtype, inner, sharded=True, held_as=ttnn.bfloat8_b)
for held_as in test_head_product.HEAD_WEIGHTS:
    name = f"head product/weights in {held_as.name.lower()}"
    case(name, head_product, ttnn.float32, 3, sharded=False, held_as=held_as)

case("head product/415 wide", head_product, ttnn.float32, 3, sharded=True, held_as=ttnn.bfloat8_b, width=415)

for dtype in test_head_product.DTYPES:
    case(f"best tokens/{dtype.name.lower()}, 4097 wide", best_tokens, 7, dtype, width=4097)
    for rows in (7, 32):
        case(f"best tokens/{dtype.name.lower()}, {rows} rows", best_tokens, rows, dtype)

for rows in (7, 32):
    case(f"best tokens/a shortlist of 128, {rows} rows", shortlist, rows, 128)
    case(f"second pass/{rows} rows", second_pass, rows, 3, 128)
case("second pass/2B-4T", second_pass, 1, 80, 32)

CODES, PRODUCTS = test_prefill_programs.CODES, test_prefill_programs.PRODUCTS
_SMALL = "one core", "uneven", "uneven teams", "more parts than a tile has rows"
for name in (*_SMALL, "a last part that does not divide the others"):
    case(f"prefill codes/{name}", prefill_codes, CODES[name], "normal")
for held_as in test_prefill_programs.CODES_HELD_AS:
    for kind in ("normal", *_KINDS):
        name = f"prefill codes/no norm, {kind}, in {held_as.name.lower()}"
        case(name, prefill_codes, CODES["uneven"], kind, normed=False, codes=held_as)
for kind in _KINDS:
    case(f"prefill codes/uneven, {kind}", prefill_codes, CODES["uneven"], kind)
case("prefill codes/bfloat16", prefill_codes, CODES["uneven"], "normal", dtype=ttnn.bfloat16)

case("prefill codes/in L1", prefill_codes, CODES["uneven teams"], "normal", memory=ttnn.L1_MEMORY_CONFIG)

for name, shape in PRODUCTS.items():
    case(f"prefill product/{name}", prefill_product, shape)
FEW = test_prefill_programs.FEW
case("prefill product/residual", prefill_product, FEW, epilogue=Epilogue.RESIDUAL)
case("prefill product/gated", prefill_product, FEW, epilogue=Epilogue.RELU2_GATED)
case("prefill product/silu", prefill_product, FEW, epilogue=Epilogue.SILU_GATED)
shape = PRODUCTS["five token tiles in passes of two"]
case("prefill product/codes in bfloat8_b", prefill_product, shape, held_as=ttnn.bfloat8_b)
case("prefill product/bfloat16", prefill_product, PRODUCTS["uneven rows"], dtype=ttnn.bfloat16)
case("prefill product/codes in L1", prefill_product, PRODUCTS["uneven rows"], memory=ttnn.L1_MEMORY_CONFIG)


# --- what they give --------------------------------------------------------------------------------------------------


def run(device: ttnn.MeshDevice, name: str) -> tuple[str, dict[str, torch.Tensor]]:
    """The digest of a case's inputs, and its results by "case#n"."""
    torch.manual_seed(zlib.crc32(name.encode()))
    inputs, results = CASES[name](device)
    digest = hashlib.sha256()
    for tensor in inputs:
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    host = [result if isinstance(result, torch.Tensor) else ttnn.to_torch(result) for result in results]
    kept = [tensor.long().to(torch.int32) if tensor.dtype == torch.uint32 else tensor for tensor in host]
    return digest.hexdigest()[:16], {f"{name}#{n}": tensor.contiguous() for n, tensor in enumerate(kept)}


def record_of(architecture: str) -> Path:
    return RECORDS / f"{architecture}.safetensors"


@functools.cache
def read(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """The digests of the inputs by case, and the results."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["inputs"]), {key: file.get_tensor(key) for key in file.keys()}


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view({1: torch.int8, 2: torch.int16, 4: torch.int32}[tensor.element_size()])


@pytest.mark.parametrize("name", CASES)
def test_every_bit_is_the_kernels(open_device, name):
    inputs, recorded = read(record_of(ttnn.get_arch_name()))
    digest, results = run(open_device, name)
    assert digest == inputs[name], "the inputs have changed: record them again"
    assert results.keys() == {key for key in recorded if key.split("#")[0] == name}
    for key, result in results.items():
        simulated = recorded[key]
        assert (result.dtype, result.shape) == (simulated.dtype, simulated.shape)
        wrong = (bits(result) != bits(simulated)).nonzero()
        if len(wrong):
            place = tuple(wrong[0].tolist())
            first = f"the first at {place} is {result[place]:.9g}, simulated {simulated[place]:.9g}"
            pytest.fail(f"{key}: {len(wrong)} of {result.numel()} values differ; {first}")


def record(names: Sequence[str]) -> None:
    """Write what these cases give on the device that is there. Other cases keep what they have."""
    path = record_of(ttnn.get_arch_name())
    inputs, results = read(path) if path.exists() else ({}, {})
    device = ttnn.open_device(device_id=0)
    for name in names:
        print(name, flush=True)
        digest, of_case = run(device, name)
        inputs = {key: value for key, value in inputs.items() if key in CASES} | {name: digest}
        results = {key: value for key, value in results.items() if key.split("#")[0] in inputs.keys() - {name}}
        results |= of_case
        save_file(dict(sorted(results.items())), path, {"inputs": json.dumps(inputs)})
    ttnn.close_device(device)


if __name__ == "__main__":
    RECORDS.mkdir(exist_ok=True)
    record(sys.argv[1:] or list(CASES))
