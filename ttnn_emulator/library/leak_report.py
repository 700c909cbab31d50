# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""This module switches off the report of leaks that nanobind, which binds ttnn to Python, prints at exit.

The report names every object that is alive when Python ends, such as a tensor in a global variable or in a traceback.
The switch is a C++ function that ttnn does not export. Its address is in the symbol table of ttnn's file.
"""

import ctypes
import mmap
from pathlib import Path

import numpy as np

_SWITCH = b"_ZN8nanobind6detail17set_leak_warningsEb"
_EXPORTED = b"PyInit__ttnn"  # a function whose address in memory the dynamic linker tells
_SYMBOL_TABLE = 2  # the kind of the section that has the symbols
# parts of a 64-bit ELF file
_HEADER = np.dtype({"names": ["sections", "count"], "formats": ["<u8", "<u2"], "offsets": [40, 60], "itemsize": 64})
_SECTION = np.dtype(
    {
        "names": ["kind", "offset", "size", "link"],
        "formats": ["<u4", "<u8", "<u8", "<u4"],
        "offsets": [4, 24, 32, 40],
        "itemsize": 64,
    }
)
_SYMBOL = np.dtype({"names": ["name", "value"], "formats": ["<u4", "<u8"], "offsets": [0, 8], "itemsize": 24})


def switch_off(bindings: Path) -> None:
    """Switch off the report in the loaded library `bindings`. If the library has no symbol table, the report stays."""
    values = symbol_values(bindings)
    if _SWITCH not in values:
        return
    loaded = ctypes.cast(ctypes.CDLL(str(bindings))[_EXPORTED.decode()], ctypes.c_void_p).value
    ctypes.CFUNCTYPE(None, ctypes.c_bool)(loaded - values[_EXPORTED] + values[_SWITCH])(False)


def symbol_values(library: Path) -> dict[bytes, int]:
    """Return the values of the two symbols that `switch_off` needs, as far as the library's symbol table has them."""
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header = np.frombuffer(data, _HEADER, 1).copy()[0]
        sections = np.frombuffer(data, _SECTION, int(header["count"]), int(header["sections"])).copy()
        found = {}
        for table in sections[sections["kind"] == _SYMBOL_TABLE]:
            symbols = np.frombuffer(data, _SYMBOL, int(table["size"]) // _SYMBOL.itemsize, int(table["offset"])).copy()
            names = int(sections[table["link"]]["offset"])
            for name in (_SWITCH, _EXPORTED):
                place = data.find(b"\0" + name + b"\0", names) + 1 - names
                for value in symbols["value"][symbols["name"] == place]:
                    found[name] = int(value)
    return found
