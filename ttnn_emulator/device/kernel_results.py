# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Results of kernels in the emulated memory, and their comparison with a golden function."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ttnn_emulator.device.arguments import Arguments
from ttnn_emulator.device.data_types import round_to, storage_dtype
from ttnn_emulator.device.golden_products import GoldenProducts
from ttnn_emulator.device.memory import unwritten
from ttnn_emulator.device.registry import ValueFunction
from ttnn_emulator.device.semaphores import GlobalSemaphore
from ttnn_emulator.device.slot import Slot
from ttnn_emulator.device.step import Operand, Step
from ttnn_emulator.kernels import comparison, machine
from ttnn_emulator.kernels.execution import Execution
from ttnn_emulator.kernels.layout import Layout
from ttnn_emulator.kernels.machine import Image
from ttnn_emulator.library.programs import Program

_PRODUCTS = GoldenProducts()


class KernelRun(Step):
    """Changes the memory of its operands as the kernels of their chips do."""

    def __init__(
        self,
        name: str,
        arguments: Arguments,
        results: list[Slot],
        programs: list[Program],
        executions: Sequence[Execution],
        layouts: Sequence[Layout],
        semaphores: Sequence[GlobalSemaphore],
    ):
        row = ValueFunction(self._run_in_place, accepts=frozenset(), operands=True, in_place=True)
        super().__init__(name, row, arguments, results, programs)
        self._executions, self._layouts, self._semaphores = executions, layouts, semaphores

    def _run_in_place(self) -> None:
        for execution in self._executions:
            self._run_together(execution, self.chips if execution.fabric else execution.programs)

    def _run_together(self, execution: Execution, chips: Iterable[int]) -> None:
        """Run programs that may reach the memory of these chips."""
        operands = {chip: self._resolve(self.args[0], chip) for chip in chips if chip in self.chips}
        images = {
            chip: [
                *(self._image(*pair, execution.seeds > 0) for pair in zip(of_chip, self._layouts)),
                *(Image(*semaphore.image(chip, execution.chip), True) for semaphore in self._semaphores),
            ]
            for chip, of_chip in operands.items()
        }
        try:
            changed = execution.run(images) if images else {}
        except Exception:
            for operand in (operand for of_chip in operands.values() for operand in of_chip):
                operand.buffer.derived = {}  # what kernels left half done is no form of the value
            raise
        for chip, flags in changed.items():
            for operand, layout, image, is_changed in zip(operands[chip], self._layouts, images[chip], flags):
                if is_changed:
                    value = layout.value(image.data).to(storage_dtype(operand.dtype))
                    operand.buffer.write((chip,), [value], tuple(value.shape), operand.dtype)
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

        def move(tensor: torch.Tensor) -> torch.Tensor:
            return comparison.moved(tensor, rounds_products)

        return self._golden(_each(args, move), _each(kwargs, move))

    def _golden(self, args: list, kwargs: dict) -> list[torch.Tensor]:
        # a golden function may write to its arguments
        result = self.row.function(*_each(args, torch.clone), **_each(kwargs, torch.clone))
        return list(result) if isinstance(result, (list, tuple)) else [result]


def _each(argument: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return an argument, or a list or dict of arguments, with `change` applied to its tensors."""
    if isinstance(argument, torch.Tensor):
        return change(argument)
    if isinstance(argument, dict):
        return {key: _each(one, change) for key, one in argument.items()}
    return [_each(one, change) for one in argument] if isinstance(argument, list) else argument


class GoldenRun(Step):
    """Runs a golden function in the place of kernels.

    A tensor that the operation takes and also returns is the device's own memory, which the function may write to.
    """

    def _call(self, chip: int) -> Any:
        with _PRODUCTS.in_place():
            return super()._call(chip)

    def _resolve(self, argument: Any, chip: int) -> Any:
        value = super()._resolve(argument, chip)
        if not isinstance(argument, Slot) or all(argument.buffer is not slot.buffer for slot in self.results):
            return value
        shards = argument.buffer.own()
        shards[chip] = shards[chip].reshape(argument.shape)
        return shards[chip]

    def store(self, slot: Slot, shards: list[torch.Tensor]) -> None:
        held = slot.buffer.shards or []
        if len(shards) < len(held) or any(round_to(new, slot.dtype) is not old for new, old in zip(shards, held)):
            super().store(slot, shards)


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
