# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module leads calls of a bound class, such as `ttnn.Tensor(values, device=device)`, through Python.

The binding library gives a class a shortcut to its C++ constructor, which a call takes without looking up `__init__`.
Without the shortcut Python looks it up.
"""

import ctypes
from collections.abc import Callable

_VECTORCALL_OFFSET = 56  # of `tp_vectorcall_offset` in a type object, in every 64-bit CPython


def replace_constructor(bound_class: type, initialize: Callable[..., None]) -> Callable[[], None]:
    """Have `bound_class(...)` call `initialize(instance, ...)`. Return a function that undoes this."""
    offset = ctypes.c_ssize_t.from_address(id(type(bound_class)) + _VECTORCALL_OFFSET).value
    shortcut = ctypes.c_void_p.from_address(id(bound_class) + offset)
    own_initialize, own_shortcut = bound_class.__init__, shortcut.value

    def put_back() -> None:
        bound_class.__init__ = own_initialize
        shortcut.value = own_shortcut

    bound_class.__init__ = initialize
    shortcut.value = None
    return put_back
