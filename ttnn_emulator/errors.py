# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""What the emulated device raises. Every message is one line: what is wrong, and what to do."""


class EmulatorError(RuntimeError):
    """A program did what a card would not do, or what the emulated device cannot."""


class UnsupportedOperation(EmulatorError, NotImplementedError):
    """The operation (or one of its options) has no value function, so its result cannot be computed."""


class MemoryFault(EmulatorError):
    """A read of device memory that no longer, or not yet, holds the tensor's value."""


class TraceError(EmulatorError):
    """A trace was captured, replayed or released in a way that breaks on a card."""


class IgnoredOption(UserWarning):
    """A program asks for what the kernel that serves it leaves out, on a card as well."""


class KernelDoesNotCompile(EmulatorError):
    """A kernel does not compile. The compiler's messages follow the first line."""


class KernelFault(EmulatorError):
    """A program's kernels did what a card punishes: what, and in which file and line. Each fault has a line."""


class KernelMismatch(EmulatorError):
    """The kernels of an operation and its golden function give different results."""
