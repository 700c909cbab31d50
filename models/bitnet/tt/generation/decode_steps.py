# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The programs of a decode step, launched one by one or replayed as a trace.

A step reads its inputs on the device. It leaves the next step's inputs there: tokens (if it chose some), positions and
random numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import ttnn
from models.bitnet.tt.generation.decode_inputs import DecodeInputs
from models.bitnet.tt.generation.likeliest import StepRows
from models.bitnet.tt.generation.penalties import Penaliser
from models.bitnet.tt.generation.sampling import Sampler, SamplingParams
from models.bitnet.tt.kv_cache import LayerCache
from models.bitnet.tt.model import BitNetModel


class StepEnd(Enum):
    """What a decode step ends with: logits for the host, or tokens that the device chose, with or without penalties."""

    LOGITS = "logits"
    GREEDY = "greedy"
    DRAWN = "drawn"
    PENALISED_GREEDY = "penalised greedy"
    PENALISED_DRAWN = "penalised drawn"

    @property
    def chooses(self) -> bool:
        return self is not StepEnd.LOGITS

    @property
    def draws(self) -> bool:
        return self in (StepEnd.DRAWN, StepEnd.PENALISED_DRAWN)

    @property
    def penalises(self) -> bool:
        return self in (StepEnd.PENALISED_GREEDY, StepEnd.PENALISED_DRAWN)

    @property
    def needs_logits(self) -> bool:
        """Whether the step needs all logits: the host wants them, or penalties change them."""
        return self is StepEnd.LOGITS or self.penalises

    @classmethod
    def choosing(cls, params: Sequence[SamplingParams]) -> "StepEnd":
        """Return the end of a step that chooses tokens with these parameters."""
        is_greedy = all(request.greedy for request in params)
        if any(request.penalised for request in params):
            return cls.PENALISED_GREEDY if is_greedy else cls.PENALISED_DRAWN
        return cls.GREEDY if is_greedy else cls.DRAWN


@dataclass(frozen=True)
class _Trace:
    number: ttnn.MeshTraceId
    output: ttnn.Tensor


class DecodeSteps:
    """Runs decode steps. It has one trace for each end of a step, captured at the first use.

    `sampler` chooses tokens from `StepRows`.
    """

    def __init__(
        self,
        model: BitNetModel,
        cache: list[LayerCache],
        inputs: DecodeInputs,
        penaliser: Penaliser,
        sampler: Sampler,
    ):
        self._model, self._cache, self._inputs = model, cache, inputs
        self._penaliser, self._sampler = penaliser, sampler
        self._device, self._chips = model.config.device, model.config.parallelism.chips
        self._traces: dict[StepEnd, _Trace] = {}

    def run(self, end: StepEnd, enable_trace: bool) -> ttnn.Tensor:
        """Run one step on the inputs that were set. Return tokens, or logits [1, 1, users, vocabulary]."""
        output = self._replay(end) if enable_trace else self._step(end)
        self._inputs.after_step(chose=end.chooses, drew=end.draws, counted=end.penalises)
        return output

    def warm_up(self, end: StepEnd, enable_trace: bool) -> None:
        """Build the programs (and with trace, capture them) with every row idle."""
        self._inputs.set_idle()
        if enable_trace:
            self._capture(end)
        else:
            self._try(end)
            self._inputs.forget()

    def count_programs(self, end: StepEnd) -> int:
        """How many programs a step is on a chip, from the library's graph of one with every row idle."""
        self._inputs.set_idle()
        graph_capture = ttnn._ttnn.graph  # ttnn.graph's own functions add a warning
        graph_capture.begin_graph_capture(graph_capture.RunMode.NORMAL)
        try:
            self._try(end)
        finally:
            graph = graph_capture.end_graph_capture()
        self._inputs.forget()
        return sum(node["node_type"] == "program_execution" for node in graph) // self._chips

    def close(self) -> None:
        """Release the traces."""
        for trace in self._traces.values():
            ttnn.release_trace(self._device, trace.number)
        self._traces = {}

    def _step(self, end: StepEnd) -> ttnn.Tensor:
        inputs = self._inputs
        x = self._model.forward_decode(inputs.tokens, inputs.positions, inputs.page_table, self._cache)
        logits = self._model.lm_head(x) if end.needs_logits else None
        if end.penalises:
            self._penaliser.count(inputs.tokens, inputs.penalties)
            logits = self._penaliser.penalise(logits, inputs.penalties)
        if end.draws:
            self._sampler.sample(StepRows(x, logits), inputs.sampling, inputs.tokens)
        elif end.chooses:
            self._sampler.greedy(StepRows(x, logits), inputs.tokens)
        ttnn.deallocate(x)
        ttnn.plus_one(inputs.positions, skip_negative_entries=True)
        return inputs.tokens if end.chooses else logits

    def _try(self, end: StepEnd) -> None:
        """Run a step only to build its programs."""
        output = self._step(end)
        if not end.chooses:
            ttnn.deallocate(output)

    def _replay(self, end: StepEnd) -> ttnn.Tensor:
        if end not in self._traces:
            held = self._inputs.held()
            self._inputs.set_idle()
            self._capture(end)
            self._inputs.restore(held)
        trace = self._traces[end]
        ttnn.execute_trace(self._device, trace.number, cq_id=0, blocking=False)
        return trace.output

    def _capture(self, end: StepEnd) -> None:
        """Compile and capture the step. Rows must be idle, so that nothing is written to the cache."""
        if end in self._traces:
            return
        self._try(end)
        number = ttnn.begin_trace_capture(self._device, cq_id=0)
        try:
            output = self._step(end)
        except BaseException:
            ttnn.end_trace_capture(self._device, number, cq_id=0)
            ttnn.release_trace(self._device, number)
            raise
        ttnn.end_trace_capture(self._device, number, cq_id=0)
        self._traces[end] = _Trace(number, output)
        self._inputs.forget()
