# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The configs of the stock operations of a model: projections, concatenation of heads, and lm_head.

`FusedPrograms` is the counterpart of `StockPrograms` for fused programs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ttnn
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.layout import (
    TILE,
    WIDE,
    Chip,
    Columns,
    Scattered,
    columns,
    dram_sharded,
    dram_sharded_matmul,
    first_cores,
    head_matmul,
    prefill_matmul,
    sharded_norm,
    tile_on_each,
    users_columns,
    users_memory_config,
)
from models.bitnet.tt.precision import StockPrecision
from models.bitnet.tt.tensor_parallel import Parallelism


@dataclass(frozen=True, eq=False)
class MatmulConfig:
    """The configs of one matmul in decode and in prefill."""

    inner: int
    width: int
    weight_dtype: ttnn.DataType
    weight_memory: ttnn.MemoryConfig
    compute: Any
    decode_program: Any
    decode_memory: ttnn.MemoryConfig
    chip: Chip

    def prefill_program(self, rows: int) -> ttnn.MatmulMultiCoreReuseMultiCastProgramConfig:
        return prefill_matmul(rows, self.inner, self.width, self.chip)


@dataclass(frozen=True)
class NormConfig:
    """The configs of a norm over sharded rows in decode. Prefill uses ttnn's defaults."""

    program: ttnn.LayerNormShardedMultiCoreProgramConfig
    memory: ttnn.MemoryConfig
    compute: Any

    @classmethod
    def over(cls, where: Columns, device: ttnn.MeshDevice) -> "NormConfig":
        """The configs of a norm over rows that are sharded on a rectangle of cores."""
        return cls(sharded_norm(where.rectangle, where.tiles), where.memory_config(), norm_compute(device))


@dataclass(frozen=True)
class ResultMemory:
    """The memory of a projection's results.

    `sharded` is the memory of the matmul's output, which is a device's columns. `whole` is the memory after
    `all_gather`, when every device has whole rows.
    """

    sharded: ttnn.MemoryConfig
    whole: ttnn.MemoryConfig
    all_gather: Callable[[ttnn.Tensor, ttnn.MemoryConfig], ttnn.Tensor]


@dataclass(frozen=True)
class ProjectionConfig:
    """The configs of a projection with stock operations: a norm, the matmuls that read its output, and the epilogue."""

    norm: NormConfig
    matmuls: tuple[MatmulConfig, ...]
    epilogue: Epilogue
    dtype: ttnn.DataType  # the dtype of the results
    prefill: ResultMemory
    decode: ResultMemory


class StockPrograms:
    """The configs of every stock operation of a model, built once.

    `heads` and `kv_heads` are the numbers of heads on one chip. `projections` maps the name of a projection to its
    config. `hidden_memory` is the memory of the hidden rows, which gate_up writes and down reads. In decode,
    `angles_memory` is the memory of the cosines and of the sines, and `pairs_memory` that of the matrix that swaps
    neighbours.
    """

    def __init__(
        self,
        model: BitNetConfig,
        device: ttnn.MeshDevice,
        precision: StockPrecision,
        users: int,
        parallelism: Parallelism,
        heads: int,
        kv_heads: int,
    ):
        self._model, self._device, self._precision, self._parallelism = model, device, precision, parallelism
        self._chip = chip = Chip.of(device)
        width = model.head_dim
        residual, hidden = columns(model.hidden_size, chip), columns(model.intermediate_size, chip)
        self.hidden_memory = hidden.memory_config()
        self.hidden_norm = NormConfig.over(hidden, device)
        # concatenating the heads puts one head on each core, row by row over the whole width of the chip
        all_heads = model.num_attention_heads
        head_rows = (min(all_heads, chip.grid[0]), -(-all_heads // chip.grid[0]))
        self.heads_norm = NormConfig(
            sharded_norm(head_rows, width // TILE),
            users_columns(all_heads * width, first_cores(all_heads, chip), width),
            norm_compute(device),
        )

        # one matmul for q, k and v gives each core one whole head, so that heads are split without a copy
        qkv_heads = heads + 2 * kv_heads
        sharded_heads = Scattered(qkv_heads * width, qkv_heads, chip)
        sharded_residual = parallelism.columns(model.hidden_size, chip)
        sharded_hidden = parallelism.columns(model.intermediate_size, chip)
        self.qkv = self._matmul("qkv", residual.tiles, sharded_heads)
        self.o = self._matmul("o", width // TILE, sharded_residual)
        self.gate = self._matmul("gate", residual.tiles, sharded_hidden)
        self.up = self._matmul("up", residual.tiles, sharded_hidden)
        self.down = self._matmul("down", hidden.tiles, sharded_residual)
        residual_norm, residual_memory = NormConfig.over(residual, device), residual.memory_config()
        kept = precision.activations
        self.projections = {
            # the attention kernels read bfloat16, whatever the dtype of the other activations is
            "qkv": self._projection(
                residual_norm, (self.qkv,), Epilogue.SCALE, ttnn.bfloat16, sharded_heads.memory_config()
            ),
            "o": self._projection(self.heads_norm, (self.o,), Epilogue.RESIDUAL, kept, residual_memory),
            "gate_up": self._projection(
                residual_norm, (self.gate, self.up), Epilogue.gated_by(model.hidden_act), kept, self.hidden_memory
            ),
            "down": self._projection(self.hidden_norm, (self.down,), Epilogue.RESIDUAL, kept, residual_memory),
        }

        # decode attention: one user on each core, queries and keys on neighbouring ranges of cores
        if 2 * users > chip.cores:
            raise ValueError(f"batch {users}: queries and keys need {2 * users} cores, there are {chip.cores}")
        query_key_cores = first_cores(2 * users, chip)
        self.head_memory = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, ttnn.BufferType.L1)
        self.angles_memory = (users_memory_config(2 * users, width, query_key_cores),) * 2
        self.pairs_memory = tile_on_each(query_key_cores)

        # concatenating heads
        self.attention_memory = users_memory_config(users, width, first_cores(users, chip, wide=WIDE))
        # if the users' cores are not a rectangle, the concatenation must be told which cores may hold the result: all
        rectangular = users < WIDE or users % WIDE == 0
        self.joining_cores = None if rectangular else first_cores(chip.cores, chip)

        self.head_compute = self._compute_of("lm_head")
        self._residual_tiles = residual.tiles

    def head_program(self, width: int) -> ttnn.MatmulMultiCoreReuseMultiCast1DProgramConfig:
        return head_matmul(self._residual_tiles, width, self._chip)

    def _compute_of(self, matmul: str) -> Any:
        choice = self._precision.matmuls[matmul]
        return compute_config(self._device, choice.fidelity, choice.fp32_accumulation)

    def _projection(
        self,
        norm: NormConfig,
        matmuls: tuple[MatmulConfig, ...],
        epilogue: Epilogue,
        dtype: ttnn.DataType,
        whole: ttnn.MemoryConfig,
    ) -> ProjectionConfig:
        all_gather, dram = self._parallelism.all_gather, ttnn.DRAM_MEMORY_CONFIG
        decode = ResultMemory(matmuls[0].decode_memory, whole, all_gather)
        return ProjectionConfig(norm, matmuls, epilogue, dtype, ResultMemory(dram, dram, all_gather), decode)

    def _matmul(self, name: str, inner_tiles: int, outputs: Columns | Scattered) -> MatmulConfig:
        inner = {"down": self._model.intermediate_size}.get(name, self._model.hidden_size)
        return MatmulConfig(
            inner=inner,
            width=outputs.width,
            weight_dtype=self._precision.matmuls[name].weight,
            weight_memory=dram_sharded(inner, outputs.width, self._chip),
            compute=self._compute_of(name),
            decode_program=dram_sharded_matmul(inner_tiles, outputs.tiles),
            decode_memory=outputs.memory_config(),
            chip=self._chip,
        )


def compute_config(device: ttnn.MeshDevice, fidelity: ttnn.MathFidelity, fp32_accumulation: bool = True) -> Any:
    """The compute config of an operation on `device`."""
    return ttnn.init_device_compute_kernel_config(
        device.arch(),
        math_fidelity=fidelity,
        math_approx_mode=False,
        fp32_dest_acc_en=fp32_accumulation,
        packer_l1_acc=True,
    )


def norm_compute(device: ttnn.MeshDevice) -> Any:
    """The compute config of every norm."""
    return compute_config(device, ttnn.MathFidelity.HiFi4)
