# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""A multi-head attention block on a Tenstorrent device: computed, checked against torch, traced and replayed.

Without a card or simulator it runs on the emulated device, which also tells what the block asked of the hardware.
"""

import argparse
import sys
import time

import torch

import ttnn_emulator

BATCH, SEQUENCE, HEADS, HEAD_SIZE = 1, 256, 8, 64
HIDDEN = HEADS * HEAD_SIZE


def make_weights() -> dict[str, torch.Tensor]:
    """Random weights; the projections are [in, out]."""
    shapes = {"qkv": (HIDDEN, 3 * HIDDEN), "qkv_bias": (1, 3 * HIDDEN), "out": (HIDDEN, HIDDEN), "norm": (1, HIDDEN)}
    return {name: torch.randn(shape) * shape[0] ** -0.5 for name, shape in shapes.items()}


def reference(x: torch.Tensor, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """The block in torch, float32: layer_norm(x + attention(x))."""
    query, key, value = (x @ weights["qkv"] + weights["qkv_bias"]).unflatten(-1, (3, HEADS, HEAD_SIZE)).unbind(-3)
    heads = torch.nn.functional.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), is_causal=True
    )
    joined = heads.transpose(1, 2).flatten(-2)
    return torch.nn.functional.layer_norm(x + joined @ weights["out"], (HIDDEN,), weights["norm"][0])


def attention_block(x, weights: dict, compute_config):
    """The same on the device: `x` and the result are [BATCH, SEQUENCE, HIDDEN] in tiles."""
    import ttnn

    qkv = ttnn.linear(x, weights["qkv"], bias=weights["qkv_bias"], compute_kernel_config=compute_config)
    query, key, value = ttnn.transformer.split_query_key_value_and_split_heads(
        qkv, num_heads=HEADS, transpose_key=False
    )
    ttnn.deallocate(qkv)
    heads = ttnn.transformer.scaled_dot_product_attention(query, key, value, is_causal=True)
    for tensor in (query, key, value):
        ttnn.deallocate(tensor)
    joined = ttnn.transformer.concatenate_heads(heads)
    projected = ttnn.linear(joined, weights["out"], compute_kernel_config=compute_config)
    return ttnn.layer_norm(ttnn.add(x, projected), weight=weights["norm"], epsilon=1e-5)


def correlation(expected: torch.Tensor, result: torch.Tensor) -> float:
    """Pearson's correlation, by which ttnn results are judged."""
    return float(torch.corrcoef(torch.stack([expected.flatten().double(), result.flatten().double()]))[0, 1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", help="the board to emulate (default: $TTNN_EMULATOR_BOARD, else n150)")
    board = parser.parse_args().board
    try:
        runs_on = ttnn_emulator.install(board)
    except ttnn_emulator.EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    import ttnn

    torch.manual_seed(0)
    device = ttnn.open_device(device_id=0, trace_region_size=1 << 20)
    emulated = ttnn_emulator.installed_board()
    grid = device.compute_with_storage_grid_size()
    print(f"Device: {runs_on} {emulated.name if emulated else ''} ({grid.x}x{grid.y} cores)")

    def on_host(value: torch.Tensor):
        return ttnn.from_torch(value, dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT)

    weights = make_weights()
    on_device = {name: ttnn.to_device(on_host(weight), device) for name, weight in weights.items()}
    fidelity = ttnn.init_device_compute_kernel_config(
        device.arch(), math_fidelity=ttnn.MathFidelity.HiFi2, fp32_dest_acc_en=True
    )

    first = torch.randn(BATCH, SEQUENCE, HIDDEN)
    x = ttnn.to_device(on_host(first), device)
    result = ttnn.to_torch(attention_block(x, on_device, fidelity)).float()
    worst = pcc = correlation(reference(first, weights), result)
    print(f"First run: correlation with torch float32 {pcc:.5f}")

    trace = ttnn.begin_trace_capture(device, cq_id=0)
    output = attention_block(x, on_device, fidelity)
    ttnn.end_trace_capture(device, trace, cq_id=0)
    for number in range(3):
        fresh = torch.randn(BATCH, SEQUENCE, HIDDEN)
        ttnn.copy_host_to_device_tensor(on_host(fresh), x)
        started = time.perf_counter()
        ttnn.execute_trace(device, trace, cq_id=0, blocking=True)
        took = time.perf_counter() - started
        pcc = correlation(reference(fresh, weights), ttnn.to_torch(output).float())
        worst = min(worst, pcc)
        where = "on this CPU, emulated" if emulated else "with the host's share"
        print(f"Trace replay {number} with a new input: correlation {pcc:.5f} ({took * 1e3:.0f} ms {where})")
    if emulated:
        with ttnn_emulator.record() as record:
            ttnn.copy_host_to_device_tensor(on_host(first), x)
            ttnn.execute_trace(device, trace, cq_id=0, blocking=True)
            ttnn.to_torch(output)
        print(f"\nWhat one replay asks of the device:\n{record.summary()}")
    ttnn.release_trace(device, trace)
    ttnn.close_device(device)

    passed = worst > 0.999
    print(f"\n{'PASSED' if passed else 'FAILED'}: the lowest correlation is {worst:.5f}, required are 0.999")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
