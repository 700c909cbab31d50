# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Every memory, program and compute config of a model on a device, resolved once before the first forward."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ttnn
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.fused_programs import FusedPrograms
from models.bitnet.tt.kernels.common.epilogue import Epilogue
from models.bitnet.tt.layout import (
    TILE,
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
    users_columns,
    users_memory_config,
)
from models.bitnet.tt.precision import Precision, find_precision
from models.bitnet.tt.tensor_parallel import parallelism_of

MAX_USERS = TILE  # decode puts one user on each row of a tile
_PREFILL_CHUNK = 1024  # tokens that one pass of prefill takes
_HEADS_WIDE = 8  # columns of cores over which decode lays the heads: what every supported chip has


@dataclass(frozen=True, eq=False)
class MatmulConfig:
    """One matrix product in decode and in prefill."""

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
    """A norm over sharded rows in decode; in prefill the library's default serves."""

    program: ttnn.LayerNormShardedMultiCoreProgramConfig
    memory: ttnn.MemoryConfig
    compute: Any


@dataclass(frozen=True)
class ResultMemory:
    """Where a projection's results lie: `sharded`, as its matmuls leave them (a device's columns), and `whole`, after
    `all_gather` has made whole rows of them."""

    sharded: ttnn.MemoryConfig
    whole: ttnn.MemoryConfig
    all_gather: Callable[[ttnn.Tensor, ttnn.MemoryConfig], ttnn.Tensor]


@dataclass(frozen=True)
class ProjectionConfig:
    """A norm, the products that share its rows, and what becomes of them, with stock operations."""

    norm: NormConfig
    matmuls: tuple[MatmulConfig, ...]
    epilogue: Epilogue
    dtype: ttnn.DataType  # of the results
    prefill: ResultMemory
    decode: ResultMemory


class ModelConfig:
    """What a model's modules are built with.

    `users` is the number of decode rows, `max_seq_len` the context that positions may reach, `cache_dtype` (default:
    the precision's) the KV cache's data type.
    """

    def __init__(
        self,
        model: BitNetConfig,
        device: ttnn.MeshDevice,
        precision: str | Precision = "accuracy",
        users: int = MAX_USERS,
        max_seq_len: int | None = None,
        cache_dtype: ttnn.DataType | None = None,
    ):
        self.model = model
        self.device = device
        self.precision = find_precision(precision)
        self.users = users
        self.max_seq_len = max_seq_len or model.max_position_embeddings
        self.cache_dtype = cache_dtype or self.precision.cache
        self.chip = Chip.of(device)
        self.parallelism = parallelism_of(device)
        # of each chip; groups that fill up the last ones are of zeros
        self.kv_heads = -(-model.num_key_value_heads // self.parallelism.chips)
        self.heads = self.kv_heads * (model.num_attention_heads // model.num_key_value_heads)
        self._check()

        self.activations = self.precision.activations
        self.prefill_chunk = _PREFILL_CHUNK
        self.norm_compute = self._compute(ttnn.MathFidelity.HiFi4)
        self.attention_compute = self._compute(self.precision.attention_fidelity)

        # decode: where activations lie between programs
        heads, width = model.num_attention_heads, model.head_dim
        residual, hidden = columns(model.hidden_size, self.chip), columns(model.intermediate_size, self.chip)
        joined = heads * width
        # the heads' joining places one head on each core, row by row over the whole width of the chip
        head_rows = (min(heads, self.chip.grid[0]), -(-heads // self.chip.grid[0]))
        self.residual_tiles = residual.tiles
        self.residual_memory = residual.memory_config()
        self.hidden_memory = hidden.memory_config()
        self.residual_norm = self._norm(residual)
        self.hidden_norm = self._norm(hidden)
        self.heads_norm = NormConfig(
            sharded_norm(head_rows, width // TILE),
            users_columns(joined, first_cores(heads, self.chip), width),
            self.norm_compute,
        )

        # matrix products; fused q, k and v give each core one whole head, so that heads are split without a copy
        heads_in_all = self.heads + 2 * self.kv_heads
        sharded_heads = Scattered(heads_in_all * width, heads_in_all, self.chip)
        sharded_residual = self.parallelism.columns(model.hidden_size, self.chip)
        sharded_hidden = self.parallelism.columns(model.intermediate_size, self.chip)
        self.qkv = self._matmul("qkv", residual.tiles, sharded_heads)
        self.o = self._matmul("o", width // TILE, sharded_residual)
        self.gate = self._matmul("gate", residual.tiles, sharded_hidden)
        self.up = self._matmul("up", residual.tiles, sharded_hidden)
        self.down = self._matmul("down", hidden.tiles, sharded_residual)
        kept = self.activations
        self.projections = {
            # attention's kernels take bfloat16, whatever travels between the other operations
            "qkv": self._projection(
                self.residual_norm, (self.qkv,), Epilogue.SCALE, ttnn.bfloat16, sharded_heads.memory_config()
            ),
            "o": self._projection(self.heads_norm, (self.o,), Epilogue.RESIDUAL, kept, self.residual_memory),
            "gate_up": self._projection(
                self.residual_norm, (self.gate, self.up), Epilogue.GATED, kept, self.hidden_memory
            ),
            "down": self._projection(self.hidden_norm, (self.down,), Epilogue.RESIDUAL, kept, self.residual_memory),
        }
        self.fused_programs = (
            FusedPrograms(model, self.chip, users, ttnn.get_max_worker_l1_unreserved_size())
            if self.precision.fused_programs
            else None
        )

        # attention: one user on each core, queries and keys on neighbouring ranges of cores
        self.head_memory = ttnn.MemoryConfig(ttnn.TensorMemoryLayout.HEIGHT_SHARDED, ttnn.BufferType.L1)
        self.query_key_cores = first_cores(2 * users, self.chip)
        self.rope_memory = users_memory_config(2 * users, width, self.query_key_cores)
        self.rotation_memory = users_memory_config(2 * users, TILE, self.query_key_cores)
        self.attention_memory = users_memory_config(users, width, first_cores(users, self.chip, wide=8))
        # joining heads from cores that are no rectangle wants to be told where the result may lie: anywhere
        rectangular = users < 8 or users % 8 == 0
        self.joining_cores = None if rectangular else first_cores(self.chip.cores, self.chip)
        self.decode_attention = ttnn.SDPAProgramConfig(
            compute_with_storage_grid_size=self.chip.grid, q_chunk_size=0, k_chunk_size=0, exp_approx_mode=False
        )

    def prefill_attention(self, rows: int, block_size: int) -> ttnn.SDPAProgramConfig:
        """Attention of `rows` queries: queries and keys are taken a cache block at a time, or the largest power of two
        that divides the rows, 256 at most. `Prefill.passes` cuts prompts so that a position always gets the same one:
        the kernel rounds between two of them."""
        block = min(rows & -rows, block_size, 256)
        return ttnn.SDPAProgramConfig(
            compute_with_storage_grid_size=self.chip.grid, q_chunk_size=block, k_chunk_size=block, exp_approx_mode=False
        )

    def head_program(self, width: int) -> ttnn.MatmulMultiCoreReuseMultiCast1DProgramConfig:
        return head_matmul(self.residual_tiles, width, self.chip)

    def compute_of(self, name: str) -> Any:
        """The compute config of a matmul by name."""
        matmul = self.precision.matmuls[name]
        return self._compute(matmul.fidelity, matmul.fp32_accumulation)

    def _compute(self, fidelity: ttnn.MathFidelity, fp32_accumulation: bool = True) -> Any:
        return ttnn.init_device_compute_kernel_config(
            self.device.arch(),
            math_fidelity=fidelity,
            math_approx_mode=False,
            fp32_dest_acc_en=fp32_accumulation,
            packer_l1_acc=True,
        )

    def _norm(self, where: Columns) -> NormConfig:
        return NormConfig(sharded_norm(where.rectangle, where.tiles), where.memory_config(), self.norm_compute)

    def _projection(
        self,
        norm: NormConfig,
        matmuls: tuple[MatmulConfig, ...],
        epilogue: Epilogue,
        dtype: ttnn.DataType,
        whole: ttnn.MemoryConfig,
    ) -> ProjectionConfig:
        all_gather, dram = self.parallelism.all_gather, ttnn.DRAM_MEMORY_CONFIG
        decode = ResultMemory(matmuls[0].decode_memory, whole, all_gather)
        return ProjectionConfig(norm, matmuls, epilogue, dtype, ResultMemory(dram, dram, all_gather), decode)

    def _matmul(self, name: str, inner_tiles: int, own: Columns | Scattered) -> MatmulConfig:
        inner = {"down": self.model.intermediate_size}.get(name, self.model.hidden_size)
        return MatmulConfig(
            inner=inner,
            width=own.width,
            weight_dtype=self.precision.matmuls[name].weight,
            weight_memory=dram_sharded(inner, own.width, self.chip),
            compute=self.compute_of(name),
            decode_program=dram_sharded_matmul(inner_tiles, own.tiles),
            decode_memory=own.memory_config(),
            chip=self.chip,
        )

    def _check(self) -> None:
        """Refuse what the layouts cannot hold, with the reason."""
        model, cores = self.model, self.chip.cores
        head_cores = min(_HEADS_WIDE, self.chip.grid[0]) * self.chip.grid[1]
        if not 1 <= self.users <= MAX_USERS:
            raise ValueError(f"batch {self.users}: decode takes 1 to {MAX_USERS} users, a row of one tile each")
        if self.max_seq_len > model.max_position_embeddings:
            raise ValueError(
                f"max_seq_len {self.max_seq_len} is past the model's context of {model.max_position_embeddings}"
            )
        chips = self.parallelism.chips
        if chips > 1 and self.precision.fused_programs:
            raise ValueError(
                f"precision {self.precision.name} runs on one chip; on {chips} use accuracy or performance"
            )
        for name in ("hidden_size", "intermediate_size", "vocab_size"):
            if getattr(model, name) // TILE % chips:
                raise ValueError(f"{name} {getattr(model, name)} does not divide into whole tiles on {chips} chips")
        total = max(self.heads + 2 * self.kv_heads, model.num_attention_heads)
        if total > head_cores:
            raise ValueError(f"{total} query, key and value heads do not fit {head_cores} cores, one on each")
        if 2 * self.users > cores:
            raise ValueError(f"batch {self.users}: queries and keys need {2 * self.users} cores, there are {cores}")
