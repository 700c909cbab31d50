# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the C++ kernels of `ttnn.generic_op` on this CPU.

`program` reads a program's description, `compiler` compiles its kernels, `layout` places tensors in memory banks, and
`machine` runs all cores as fibers in one thread (the C++ beside it: `runner/`; what kernels include: `include/`).
`execution` puts these together. docs/kernels.md is the guide.
"""
