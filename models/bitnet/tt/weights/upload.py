# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Loads weights onto the device. Each weight is converted once and cached on disk."""

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

    `cache` is a folder whose name is the checkpoint's content hash. If it is given, each converted matrix is stored in
    it, so that the next start skips the conversion. The name of the file has the tensor, its sharding, its data type
    and its layout. `on_load` is called with the name of every matrix.
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
        """A projection `weight` [out, in] -> [1, 1, in, out] in tiles, sharded over the chips.

        `memory` is the memory config of the shard of one chip.
        """

        def transposed() -> torch.Tensor:
            return weight.to(torch.bfloat16).T[None, None]

        host = self._converted(f"{name}{sharding.name}", dtype, ttnn.TILE_LAYOUT, transposed, sharding)
        self._on_load(name)
        return ttnn.to_device(host, self._device, memory)

    def load_ternary(self, matrices: Mapping[str, torch.Tensor], pages: TernaryPages) -> ttnn.Tensor:
        """Ternary matrices [out, in] of one matmul, by name -> [1, 1, pages, words] in DRAM."""
        # the page size is in the file's name too: boards with other pages may use the same cache folder
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
        """A look-up `table` [rows, width] -> the same in DRAM, in row-major layout."""
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
            except RuntimeError:  # ttnn found the file too short, or in another format
                warnings.warn(f"{path} is damaged and is written anew", stacklevel=2)
        self._cache.mkdir(parents=True, exist_ok=True)
        # a temporary folder has a name that no other process uses, even one with the same id in another container
        with tempfile.TemporaryDirectory(dir=self._cache) as folder:
            unfinished = Path(folder) / path.name
            ttnn.dump_tensor(str(unfinished), convert())
            unfinished.replace(path)
        return ttnn.load_tensor(str(path))
