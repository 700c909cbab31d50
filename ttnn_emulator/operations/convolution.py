# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Convolutions: products of the patches of images with a matrix of weights.

The library runs them as one of two programs. A kernel of one pixel is a matmul. Any other convolution gathers patches,
packs them in the result's dtype, and multiplies them block by block: a block has the terms of one kernel row, or of all
rows, of some channels, and is filled up to whole tiles. The attributes of the program show its blocks and its compute
configuration. The weights have the form of `device/prepared.py`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

import ttnn
from ttnn_emulator.arithmetic.compute_config import ComputeConfig
from ttnn_emulator.arithmetic.formats import Format, pack_precisely, round_to
from ttnn_emulator.arithmetic.sums import Spill, products, sum_of_products
from ttnn_emulator.arithmetic.units import matrix_add
from ttnn_emulator.device.data_types import format_of
from ttnn_emulator.device.prepared import Prepared, are_taps, bias_row, filters, spread, transposed_filters
from ttnn_emulator.device.registry import value
from ttnn_emulator.device.step import Operand, Output
from ttnn_emulator.errors import UnsupportedOperation
from ttnn_emulator.library.programs import Program
from ttnn_emulator.operations.activations import activate
from ttnn_emulator.operations.images import as_rows, pixels, sides
from ttnn_emulator.operations.support import config_of, loaded, on_blackhole

_TILE = 32
_MOST_TERMS = 1 << 24  # of the patches that are made at a time
_CORES = re.compile(r"Conv2dParallelizationConfig\(<xy_pair>, \d+, (\d+),")
_CHANNELS = re.compile(r"DataType::\w+, array\(\d+, \d+, \d+, (\d+)\)")  # of the images
_BLOCK = re.compile(r"Conv2dBlockConfig\(\d+, (\d+),")
Tensor = Operand | torch.Tensor  # on the device or on the host


@value("conv2d", prepares=True)
def conv2d(
    *,
    input_tensor: Tensor,
    weight_tensor: Tensor,
    in_channels: int,
    out_channels: int,
    batch_size: int,
    input_height: int,
    input_width: int,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    dtype: ttnn.DataType | None = None,
    bias_tensor: Tensor | None = None,
    conv_config: ttnn.Conv2dConfig | None = None,
    compute_config: Any = None,  # the attributes of the program have it
    slice_config: Any = None,  # says how many programs compute parts of the result
    return_output_dim: bool = False,
    return_weights_and_bias: bool = False,
    outputs: list[Output],
    programs: list[Program],
) -> list[torch.Tensor | Prepared]:
    config = conv_config or ttnn.Conv2dConfig()
    taps = are_taps(in_channels, out_channels, groups, input_height, kernel_size[0], bias_tensor is not None)
    weights = _form(
        weight_tensor, config, kernel_size, in_channels, out_channels, lambda w, d: filters(w, groups, d, taps)
    )
    images = _images(input_tensor, batch_size, input_height, input_width, in_channels)
    mode = "replicate" if config.padding_mode == ttnn.PaddingMode.Replicate else "constant"
    images = functional.pad(images.permute(0, 3, 1, 2), sides(padding), mode=mode).permute(0, 2, 3, 1)
    bias = _bias(bias_tensor, config, weight_tensor, out_channels)
    program = _ConvolutionProgram.of(programs, tuple(kernel_size), groups, outputs[0])
    result = program.run(images, weights, bias, stride, dilation, config.activation)
    return _results(as_rows(result, outputs[0]), weights, bias, outputs)


@value("conv1d", prepares=True)
def conv1d(
    *,
    input_tensor: Tensor,
    weight_tensor: Tensor,
    in_channels: int,
    out_channels: int,
    batch_size: int,
    input_length: int,
    kernel_size: int,
    stride: int = 1,
    padding: int | Sequence[int] = 0,
    dilation: int = 1,
    groups: int = 1,
    dtype: ttnn.DataType | None = None,
    bias_tensor: Tensor | None = None,
    conv_config: ttnn.Conv2dConfig | None = None,
    compute_config: Any = None,
    slice_config: Any = None,
    return_output_dim: bool = False,
    return_weights_and_bias: bool = False,
    outputs: list[Output],
    programs: list[Program],
) -> list[torch.Tensor | Prepared]:
    """Convolve images that are one pixel high."""
    left, right = (padding, padding) if isinstance(padding, int) else padding
    return conv2d(
        input_tensor=input_tensor,
        weight_tensor=weight_tensor,
        in_channels=in_channels,
        out_channels=out_channels,
        batch_size=batch_size,
        input_height=1,
        input_width=input_length,
        kernel_size=(1, kernel_size),
        stride=(1, stride),
        padding=(0, 0, left, right),
        dilation=(1, dilation),
        groups=groups,
        bias_tensor=bias_tensor,
        conv_config=conv_config,
        outputs=outputs,
        programs=programs,
    )


@value("conv_transpose2d", prepares=True)
def conv_transpose2d(
    *,
    input_tensor: Tensor,
    weight_tensor: Tensor,
    in_channels: int,
    out_channels: int,
    batch_size: int,
    input_height: int,
    input_width: int,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    output_padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    dtype: ttnn.DataType | None = None,
    bias_tensor: Tensor | None = None,
    conv_config: ttnn.Conv2dConfig | None = None,
    compute_config: Any = None,
    dram_slice_config: Any = None,
    mirror_kernel: bool = True,
    return_output_dim: bool = False,
    return_weights_and_bias: bool = False,
    outputs: list[Output],
    programs: list[Program],
) -> list[torch.Tensor | Prepared]:
    """Convolve images with zeros between their pixels, by the mirrored kernel."""
    config = conv_config or ttnn.Conv2dConfig()
    weights = _form(
        weight_tensor,
        config,
        kernel_size,
        in_channels,
        out_channels,
        lambda w, d: transposed_filters(w, groups, d, mirror_kernel),
    )
    images = _images(input_tensor, batch_size, input_height, input_width, in_channels)
    spaced = images.new_zeros(
        batch_size, (input_height - 1) * stride[0] + 1, (input_width - 1) * stride[1] + 1, in_channels
    )
    spaced[:, :: stride[0], :: stride[1]] = images
    (down, across), (left, right, top, bottom) = (d * (k - 1) for d, k in zip(dilation, kernel_size)), sides(padding)
    around = (across - left, across - right + output_padding[1], down - top, down - bottom + output_padding[0])
    bias = _bias(bias_tensor, config, weight_tensor, out_channels)
    program = _ConvolutionProgram.of(programs, tuple(kernel_size), groups, outputs[0])
    result = program.run(functional.pad(spaced, (0, 0, *around)), weights, bias, (1, 1), dilation, config.activation)
    return _results(as_rows(result, outputs[0]), weights, bias, outputs)


@dataclass(frozen=True)
class _Blocks:
    """The terms that a program multiplies at a time: so many channels of all or of one of the kernel's rows."""

    channels: int
    rows: int
    terms: int  # with the zeros that fill up tiles
    are_taps: bool = False  # of one pixel of the kernel, and the program multiplies number by number

    @classmethod
    def of(cls, program: Program, kernel: tuple[int, int], groups: int) -> "_Blocks":
        height, width = kernel
        tiles = int(_BLOCK.search(program.attributes)[1])
        if "WIDTH_SHARDED" in program.attributes:
            return cls(tiles * _TILE // (height * width), height, tiles * _TILE)
        channels = program.inputs[0].shape[-1] // int(_CORES.search(program.attributes)[1])
        if height == 1 < width and _tiles(channels) == tiles and groups == int(_CHANNELS.search(program.attributes)[1]):
            return cls(channels, 1, tiles * _TILE, are_taps=True)
        rows = height if _tiles(height * width * channels) == tiles else 1
        if _tiles(rows * width * channels) != tiles:
            raise UnsupportedOperation(
                f"ttnn.conv2d: a program that takes {tiles} tiles of {channels} channels at a time is not emulated"
            )
        return cls(channels, rows, tiles * _TILE)

    def arrange(self, terms: torch.Tensor) -> torch.Tensor:
        """Return [M, K] of [M, kernel height, kernel width, C], in the order of the program."""
        terms = functional.pad(terms, (0, -terms.shape[-1] % self.channels))
        blocks = terms.unflatten(-1, (-1, self.channels)).unflatten(1, (-1, self.rows))
        blocks = blocks.permute(0, 1, 4, 2, 3, 5).flatten(3)
        return functional.pad(blocks, (0, self.terms - blocks.shape[-1])).flatten(1)


@dataclass(frozen=True)
class _ConvolutionProgram:
    """How the program that the library ran multiplies and adds. A matmul has no `blocks`."""

    compute: ComputeConfig
    adds: bool  # the packer adds the sums of blocks in memory
    blocks: _Blocks | None
    kernel: tuple[int, int]
    groups: int
    output: Format

    @classmethod
    def of(cls, programs: list[Program], kernel: tuple[int, int], groups: int, output: Output) -> "_ConvolutionProgram":
        program = next(p for p in programs if p.name.startswith(("Conv2d", "Matmul")))
        return cls(
            compute=config_of(program),
            adds="packer_l1_acc=1" in program.attributes,
            blocks=_Blocks.of(program, kernel, groups) if program.name.startswith("Conv2d") else None,
            kernel=kernel,
            groups=groups,
            output=format_of(output.dtype),
        )

    def run(
        self,
        images: torch.Tensor,
        weights: torch.Tensor,
        bias: torch.Tensor | None,
        stride: Sequence[int],
        dilation: Sequence[int],
        activation: Any,
    ) -> torch.Tensor:
        """Return the convolution of padded images [N, H, W, C] in float32, by weights in their form."""
        if self.blocks is not None and self.blocks.are_taps:
            return self._by_taps(images, weights[0, :, 0], stride, dilation)
        matrix = self._arrange(spread(weights, self.groups).permute(3, 0, 1, 2)).mT.contiguous()
        parts = []
        for patches in self._patches(images, stride, dilation):
            rows = self._arrange(patches.flatten(0, 2))
            if self.blocks is not None:
                rows = self._pack(rows)
            parts.append(self._sum(rows, matrix, bias is not None).unflatten(0, patches.shape[:3]))
        result = torch.cat(parts, 1 if len(images) == 1 else 0)
        if bias is not None:
            if self.blocks is not None:
                result = round_to(result, self._partial(len(matrix) // self.blocks.terms, True)).float()
            result = matrix_add(result, bias.float().expand(result.shape), self.compute.wide)
        return result if activation is None else activate(result, activation, self.compute.wide)

    def _by_taps(
        self, images: torch.Tensor, taps: torch.Tensor, stride: Sequence[int], dilation: Sequence[int]
    ) -> torch.Tensor:
        """Return the convolution of each channel by its own taps. The sums are packed after each tap."""
        patches = torch.cat(list(self._patches(images, stride, dilation)), 1 if len(images) == 1 else 0)
        total = None
        for column, tap in zip(patches[..., 0, :, :].unbind(-2), taps):
            column = self._pack(column.contiguous()).float()
            product = products(column, tap.float().expand(column.shape).contiguous(), self.compute)
            total = product if total is None else matrix_add(product, total, self.compute.wide)
            total = round_to(total, self.output).float()
        return total

    def _patches(self, images: torch.Tensor, stride: Sequence[int], dilation: Sequence[int]) -> Iterator[torch.Tensor]:
        """Yield patches [N, H', W', kernel height, kernel width, C]: some rows of one image, or some images."""
        high, wide = ((size - 1) * apart + 1 for size, apart in zip(self.kernel, dilation))
        windows = images.unfold(1, high, stride[0]).unfold(2, wide, stride[1])[..., :: dilation[0], :: dilation[1]]
        windows = windows.permute(0, 1, 2, 4, 5, 3)
        axis = 1 if len(images) == 1 else 0
        count = max(1, _MOST_TERMS * windows.shape[axis] // max(1, windows.numel()))
        yield from windows.split(count, axis)

    def _pack(self, patches: torch.Tensor) -> torch.Tensor:
        """Return patches in the result's dtype. A Blackhole's tilizing packer rounds bfloat8_b only once."""
        if self.output == Format.BFLOAT8_B and on_blackhole():
            return pack_precisely(patches.float())
        return round_to(patches, self.output)

    def _arrange(self, terms: torch.Tensor) -> torch.Tensor:
        return terms.flatten(1) if self.blocks is None else self.blocks.arrange(terms)

    def _partial(self, count: int, biased: bool) -> Format:
        """Return the format in which the sums of `count` blocks wait in memory for the next block or for the bias."""
        if not self._is_adding(count, biased):
            return self.output
        return Format.FLOAT32 if self.compute.wide else Format.BFLOAT16

    def _is_adding(self, count: int, biased: bool) -> bool:
        return self.adds and count > (1 if biased else 2)

    def _sum(self, rows: torch.Tensor, matrix: torch.Tensor, biased: bool) -> torch.Tensor:
        """Return rows @ matrix. The packer adds all blocks, or all but the last where no bias follows.

        Other sums go back to the register, which keeps 11 bits of a float32.
        """
        count = 1 if self.blocks is None else len(matrix) // self.blocks.terms
        if count == 1:
            return sum_of_products(rows, matrix, self.compute)
        terms, partial = self.blocks.terms, self._partial(count, biased)
        added = count - (not biased) if self._is_adding(count, biased) else 0
        if partial != Format.FLOAT32:
            return sum_of_products(rows, matrix, self.compute, spill=Spill(terms, partial, added))
        held = max(added, 1) * terms
        total = sum_of_products(rows[:, :held], matrix[:held], self.compute, spill=Spill(terms, partial, added))
        for first in range(held, len(matrix), terms):
            block = slice(first, first + terms)
            total = sum_of_products(rows[:, block], matrix[block], self.compute, loaded(total, self.compute.wide))
        return total


def _tiles(terms: int) -> int:
    return -(-terms // _TILE)


def _images(tensor: Tensor, batch: int, height: int, width: int, channels: int) -> torch.Tensor:
    held = tensor.value if isinstance(tensor, Operand) else tensor
    return pixels(held, batch, height, width, channels)


def _dtype(tensor: Tensor, config: ttnn.Conv2dConfig) -> ttnn.DataType:
    if config.weights_dtype is not None:
        return config.weights_dtype
    if isinstance(tensor, Operand):
        return tensor.dtype
    return ttnn.float32 if tensor.dtype == torch.float32 else ttnn.bfloat16


def _form(
    tensor: Tensor,
    config: ttnn.Conv2dConfig,
    kernel: Sequence[int],
    inputs: int,
    outputs: int,
    prepare: Callable[[torch.Tensor, ttnn.DataType], torch.Tensor],
) -> torch.Tensor:
    """Return weights in their form. On the device they may be prepared, or as the host has them."""
    if not isinstance(tensor, Operand):
        return prepare(tensor, _dtype(tensor, config))
    if tensor.prepared:
        return tensor.value
    if tensor.value.shape[:2] != (1, 1):
        return prepare(tensor.value, _dtype(tensor, config))
    if tuple(kernel) == (1, 1):  # nothing is reordered
        return tensor.value[..., :inputs, :outputs]
    raise UnsupportedOperation(
        f"ttnn.conv2d: the order of the weights {list(tensor.value.shape)} is not emulated unless this "
        "process prepared them; give the host's tensor, or prepare it with ttnn.prepare_conv_weights"
    )


def _bias(bias: Tensor | None, config: ttnn.Conv2dConfig, weight: Tensor, outputs: int) -> torch.Tensor | None:
    if bias is None:
        return None
    if isinstance(bias, Operand):
        return bias.value if bias.prepared else bias.value.reshape(-1, bias.value.shape[-1])[0, :outputs]
    return bias_row(bias, _dtype(weight, config))


def _results(
    result: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor | None, outputs: list[Output]
) -> list[torch.Tensor | Prepared]:
    """Return the result, and the weights and the bias where the call returns them."""
    returned = [Prepared(held) for held in (weights, bias) if held is not None]
    return [result, *returned[: len(outputs) - 1]]
