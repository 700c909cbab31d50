# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Weights on their way to the device: converted once, kept on disk, shown on a progress bar."""

import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

import ttnn
from models.bitnet.tt.kernels.common.ternary_tiles import TernaryPages
from models.bitnet.tt.tensor_parallel import REPLICATED, WeightSharding
from models.bitnet.tt.weights.packing import is_ternary


class DeviceWeights:
    """Loads matrices onto `device`.

    With a `cache` folder (named by the checkpoint's content hash) each converted matrix is kept there, in a file named
    by the tensor, its sharding, its data type and its layout, so that the next start skips the conversion. `on_load` is
    told the name of every matrix.
    """

    def __init__(
        self, device: ttnn.MeshDevice, cache: Path | None = None, on_load: Callable[[str], None] = lambda name: None
    ):
        self._device, self._cache, self._on_load = device, cache, on_load

    def load(
        self,
        name: str,
        weight: torch.Tensor,
        dtype: ttnn.DataType,
        memory: ttnn.MemoryConfig,
        sharding: WeightSharding = REPLICATED,
    ) -> ttnn.Tensor:
        """A projection `weight` [out, in] -> [1, 1, in, out] in tiles, of which each chip gets its part; `memory` is of
        that."""

        def transposed() -> torch.Tensor:
            return weight.to(torch.bfloat16).T[None, None]

        host = self._converted(f"{name}{sharding.name}", dtype, ttnn.TILE_LAYOUT, transposed, sharding)
        self._on_load(name)
        return ttnn.to_device(host, self._device, memory)

    def load_ternary(self, matrices: Mapping[str, torch.Tensor], pages: TernaryPages) -> ttnn.Tensor:
        """Ternary matrices [out, in] that are multiplied together, by name -> [1, 1, pages, words] in DRAM."""
        # how the pages are cut is in the name too: boards cut differently, and may share a folder of weights
        cut = f"{pages.group}x{pages.block}"
        name = "+".join(matrices)

        def packed() -> torch.Tensor:
            for matrix_name, matrix in matrices.items():
                if not is_ternary(matrix):
                    raise ValueError(
                        f"{matrix_name}: values other than -1, 0 and +1 have no two-bit code; use precision accuracy"
                    )
            return pages.pack(torch.cat([matrix.T for matrix in matrices.values()], dim=1))[None, None]

        host = self._converted(f"{name}.ternary{cut}", ttnn.uint32, ttnn.ROW_MAJOR_LAYOUT, packed)
        for matrix in matrices:
            self._on_load(matrix)
        return ttnn.to_device(host, self._device, ttnn.DRAM_MEMORY_CONFIG)

    def load_table(self, name: str, table: torch.Tensor, dtype: ttnn.DataType) -> ttnn.Tensor:
        """A look-up `table` [rows, width], one row after the other in DRAM."""
        host = self._converted(name, dtype, ttnn.ROW_MAJOR_LAYOUT, lambda: table)
        self._on_load(name)
        return ttnn.to_device(host, self._device, ttnn.DRAM_MEMORY_CONFIG)

    def _converted(
        self,
        name: str,
        dtype: ttnn.DataType,
        layout: ttnn.Layout,
        value: Callable[[], torch.Tensor],
        sharding: WeightSharding = REPLICATED,
    ) -> ttnn.Tensor:
        def convert() -> ttnn.Tensor:
            return ttnn.from_torch(value(), dtype=dtype, layout=layout, mesh_mapper=sharding.mapper)

        if self._cache is None:
            return convert()
        path = self._cache / f"{name}.{dtype.name.lower()}.{layout.name.lower()}.tensorbin"
        if path.exists():
            try:
                return ttnn.load_tensor(str(path))
            except RuntimeError:  # the library found it too short, or not its own
                warnings.warn(f"{path} is damaged and is written anew", stacklevel=2)
        self._cache.mkdir(parents=True, exist_ok=True)
        # a name that no other process has, nor one in another container that has this process's number
        with tempfile.TemporaryDirectory(dir=self._cache) as folder:
            unfinished = Path(folder) / path.name
            ttnn.dump_tensor(str(unfinished), convert())
            unfinished.replace(path)
        return ttnn.load_tensor(str(path))
