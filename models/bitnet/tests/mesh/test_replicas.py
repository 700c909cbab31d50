# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Both at once: two rows of chips (2 x 2 of a 4xp150, 2 x 4 of a t3k), each with a model shared out among them, behind
one front."""

from contextlib import ExitStack

import ttnn
from models.bitnet.tests import shipped
from models.bitnet.tests.mesh.rows import TRACES, row_of
from models.bitnet.tt.engine.replicas import Replicas
from models.bitnet.tt.engine.request import Request


def test_two_rows_of_chips():
    requests = [Request(tuple(prompt), 3) for prompt in shipped.prompts(3)]
    chips = ttnn.get_num_devices() // 2
    with row_of(chips, rows=2) as mesh, ExitStack() as stack:
        models = [
            stack.enter_context(shipped.load_short(row, max_batch=2, max_seq_len=64, enable_trace=TRACES))
            for row in mesh.create_submeshes(ttnn.MeshShape(1, chips))
        ]
        for model in models:
            model.warm_up()
        front = stack.enter_context(Replicas([model.engine for model in models]))
        numbers, done = [front.add(request) for request in requests], {}
        while front.busy:
            done |= {event.id: event.completion for event in front.step() if event.completion is not None}
        assert all(engine.metrics.finished >= 1 for engine in front.engines)
    with row_of(1) as device, shipped.load_short(device, max_batch=2, max_seq_len=64, enable_trace=TRACES) as model:
        alone = model.generate([request.prompt for request in requests], 3)
    assert [done[number].tokens for number in numbers] == [completion.tokens for completion in alone]
