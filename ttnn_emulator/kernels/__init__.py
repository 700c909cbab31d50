# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This package runs the C++ kernels of `ttnn.generic_op` on this CPU.

`program` reads the description of a program, `compiler` compiles its kernels, `layout` places tensors in memory banks,
and `machine` runs all cores as fibers in one thread. `execution` puts these together. The folder `runner` has the C++
of `machine`, and `include` has the headers for kernels. docs/kernels.md is the guide.
"""
