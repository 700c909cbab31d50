# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Every memory, program and compute config of a model on a device, resolved once before the first forward."""

from loguru import logger

import ttnn
from models.bitnet.tt.config import BitNetConfig
from models.bitnet.tt.fused_programs import FusedPrograms, FusedProgramsDoNotFit
from models.bitnet.tt.layout import PREFILL_CHUNK, TILE, WIDE, Chip, columns, free_l1_bytes
from models.bitnet.tt.precision import ACCURACY, FUSED, FusedPrecision, Precision, find_precision
from models.bitnet.tt.stock_programs import NormConfig, StockPrograms, compute_config
from models.bitnet.tt.tensor_parallel import parallelism_of

MAX_USERS = TILE  # decode puts one user on each row of a tile


class ModelConfig:
    """The config that a model's modules are built with.

    `users` is the size of the decode batch. `max_seq_len` is the largest context of a user. `cache_dtype` is the data
    type of the KV cache (default: the cache dtype of the precision). `programs` are the programs of the projections and
    of lm_head: stock operations for a `StockPrecision`, fused programs for a `FusedPrecision`.
    """

    def __init__(
        self,
        model: BitNetConfig,
        device: ttnn.MeshDevice,
        precision: str | Precision,
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
        # heads of each chip; groups of zeros pad the last chips
        self.kv_heads = -(-model.num_key_value_heads // self.parallelism.chips)
        self.heads = self.kv_heads * (model.num_attention_heads // model.num_key_value_heads)
        self._check()

        self.activations = self.precision.activations
        self.prefill_chunk = PREFILL_CHUNK
        self.attention_compute = compute_config(device, self.precision.attention_fidelity)

        # decode: the memory of the residual stream between programs
        residual = columns(model.hidden_size, self.chip)
        self.residual_memory = residual.memory_config()
        self.residual_norm = NormConfig.over(residual, device)

        self.programs: StockPrograms | FusedPrograms
        if isinstance(self.precision, FusedPrecision):
            l1_bytes, head_weight = free_l1_bytes(device), self.precision.head_weight
            self.programs = FusedPrograms(model, self.chip, users, l1_bytes, head_weight, self.cache_dtype)
        else:
            self.programs = StockPrograms(
                model, device, self.precision, users, self.parallelism, self.heads, self.kv_heads
            )

        self.decode_attention = ttnn.SDPAProgramConfig(
            compute_with_storage_grid_size=self.chip.grid, q_chunk_size=0, k_chunk_size=0, exp_approx_mode=False
        )

    @property
    def has_two_pass_head(self) -> bool:
        return isinstance(self.precision, FusedPrecision) and self.precision.head == "two-pass"

    def prefill_attention(self, rows: int, block_size: int) -> ttnn.SDPAProgramConfig:
        """The program config of prefill attention over `rows` queries.

        The kernel processes queries and keys in chunks. The chunk is a cache block or the largest power of two that
        divides `rows`, whichever is smaller, and 256 at most. The kernel rounds between two chunks. `Prefill.passes`
        therefore cuts prompts so that a position always gets the same chunk.
        """
        block = min(rows & -rows, block_size, 256)
        return ttnn.SDPAProgramConfig(
            compute_with_storage_grid_size=self.chip.grid, q_chunk_size=block, k_chunk_size=block, exp_approx_mode=False
        )

    def _check(self) -> None:
        """Raise ValueError, with the reason, if the layouts cannot hold this model, batch or context."""
        model = self.model
        head_cores = min(WIDE, self.chip.grid[0]) * self.chip.grid[1]
        if not 1 <= self.users <= MAX_USERS:
            raise ValueError(f"batch {self.users}: decode takes 1 to {MAX_USERS} users, one in each row of a tile")
        if self.max_seq_len > model.max_position_embeddings:
            raise ValueError(
                f"max_seq_len {self.max_seq_len} is past the model's context of {model.max_position_embeddings}"
            )
        chips = self.parallelism.chips
        if chips > 1 and isinstance(self.precision, FusedPrecision):
            raise FusedProgramsDoNotFit(f"fused runs on one chip, there are {chips}")
        if model.vocab_size < TILE:
            raise ValueError(f"vocab_size is {model.vocab_size}, must be at least the {TILE} candidates of a draw")
        for name in ("hidden_size", "intermediate_size", "vocab_size") if chips > 1 else ():
            if getattr(model, name) % (TILE * chips):
                raise ValueError(f"{name} {getattr(model, name)} does not divide into whole tiles on {chips} chips")
        total = max(self.heads + 2 * self.kv_heads, model.num_attention_heads)
        if total > head_cores:
            raise ValueError(f"{total} query, key and value heads do not fit {head_cores} cores with one head a core")


def default_precision(
    model: BitNetConfig, device: ttnn.MeshDevice, users: int, cache_dtype: ttnn.DataType | None = None
) -> Precision:
    """The precision for a caller who names none: `FUSED` if the fused programs fit, `ACCURACY` otherwise.

    The log names the chosen precision. If the choice is `ACCURACY`, the log also gives the reason.
    """
    try:
        ModelConfig(model, device, FUSED, users, cache_dtype=cache_dtype)
    except FusedProgramsDoNotFit as refusal:
        logger.info(f"precision accuracy: {refusal.reason}")
        return ACCURACY
    logger.info("precision fused")
    return FUSED
