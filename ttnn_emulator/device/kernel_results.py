# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Results of kernels in the emulated memory, and their comparison with a golden function."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ttnn_emulator.device.arguments import Arguments
from ttnn_emulator.device.data_types import storage_dtype
from ttnn_emulator.device.memory import unwritten
from ttnn_emulator.device.step import Operand, Step
from ttnn_emulator.kernels import comparison, machine
from ttnn_emulator.kernels.execution import Execution
from ttnn_emulator.kernels.layout import Layout
from ttnn_emulator.kernels.machine import Image


class KernelRun:
    """A value function that changes the memory of its operands as the kernels of their chip do."""

    def __init__(self, executions: Mapping[int, Execution], layouts: Sequence[Layout]):
        self._executions, self._layouts = executions, layouts

    def __call__(self, operands: list[Operand]) -> None:
        execution = self._executions.get(operands[0].chip)
        if execution is None:
            return
        images = [self._image(operand, layout, execution.seeds > 0) for operand, layout in zip(operands, self._layouts)]
        try:
            changed = execution.run(images)
        except Exception:
            for operand in operands:  # what kernels left half done is no form of the value
                operand.buffer.derived = {}
            raise
        for operand, layout, image, is_changed in zip(operands, self._layouts, images, changed):
            if is_changed:
                value = layout.value(image.data).to(storage_dtype(operand.dtype))
                operand.buffer.write((operand.chip,), [value], tuple(value.shape), operand.dtype)
                replace(operand, value=value).derive(("image", layout.key), lambda _, kept=image.data: kept)

    @staticmethod
    def _image(operand: Operand, layout: Layout, sanitized: bool) -> Image:
        data = operand.derive(("image", layout.key), lambda value: layout.image(value, operand.buffer.padding))
        return Image(layout, data, not sanitized or not _is_unwritten(operand))


def _is_unwritten(operand: Operand) -> bool:
    nothing = unwritten(operand.dtype, ())
    return bool(((operand.value == nothing) | operand.value.isnan()).all())


class Expectation(Step):
    """Runs a golden function before the kernels, which may change its arguments, and keeps what it gives."""

    def run(self) -> None:
        machine.rounds_products()  # from here on
        for slot in self.inputs:
            slot.buffer.shared = True  # the arguments are needed again
        self.arguments = [
            (
                [self._resolve(argument, chip) for argument in self.args],
                {key: self._resolve(argument, chip) for key, argument in self.kwargs.items()},
            )
            for chip in self.chips
        ]
        self.values = [self._golden(*arguments) for arguments in self.arguments]

    def golden_of_moved(self, index: int, rounds_products: bool) -> list[torch.Tensor]:
        args, kwargs = self.arguments[index]
        return self._golden(_moved(args, rounds_products), _moved(kwargs, rounds_products))

    def _golden(self, args: list, kwargs: dict) -> list[torch.Tensor]:
        result = self.row.function(*args, **kwargs)
        return list(result) if isinstance(result, (list, tuple)) else [result]


def _moved(argument: Any, rounds_products: bool) -> Any:
    if isinstance(argument, torch.Tensor):
        return comparison.moved(argument, rounds_products)
    if isinstance(argument, dict):
        return {key: _moved(one, rounds_products) for key, one in argument.items()}
    return [_moved(one, rounds_products) for one in argument] if isinstance(argument, list) else argument


class Comparison(Step):
    """Compares what the kernels have written to `inputs` with what a golden function gave."""

    def __init__(self, expectation: Expectation, written: Arguments):
        super().__init__(expectation.name, expectation.row, written, [], [])
        self._expectation = expectation

    def run(self) -> None:
        rounds_products = machine.rounds_products()
        for index, chip in enumerate(self.chips):
            comparison.check(
                self.name,
                [slot.buffer.read(chip, slot.shape) for slot in self.inputs],
                [slot.dtype for slot in self.inputs],
                self._expectation.values[index],
                lambda index=index: self._expectation.golden_of_moved(index, rounds_products),
            )
        self._expectation.arguments = self._expectation.values = ()
