# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The one RISC-V program that stands for every compiled kernel.

The library's loader insists on a well-formed executable (a text and a data segment whose load addresses follow each
other, a relocation section kept for the text), but on a mock cluster no kernel ever runs. So one file, written here
byte by byte, serves every processor of every architecture.
"""

import struct

_TEXT = struct.pack("<I", 0x00008067)  # `ret`
_DATA = struct.pack("<I", 0)
_TEXT_ADDRESS, _DATA_ADDRESS = 0x5000, 0x8000
_HEADER_SIZE, _SEGMENT_ENTRY, _SECTION_ENTRY, _SYMBOL_ENTRY, _RELOCATION_ENTRY = 52, 32, 40, 16, 12
_PROGBITS, _SYMTAB, _STRTAB, _RELA = 1, 2, 3, 4


def placeholder_elf() -> bytes:
    """Return a 32-bit little-endian RISC-V executable with one `ret`, one word of data and an empty `.rela.text`."""
    names = b"\0.text\0.data\0.rela.text\0.symtab\0.shstrtab\0"
    symbols = bytes(_SYMBOL_ENTRY)  # the null symbol
    text_at = _HEADER_SIZE + 2 * _SEGMENT_ENTRY
    data_at = text_at + len(_TEXT)
    symbols_at = data_at + len(_DATA)
    names_at = symbols_at + len(symbols)
    sections_at = names_at + len(names) + (-(names_at + len(names)) % 4)

    def section(name: bytes, kind: int, flags=0, address=0, at=0, size=0, link=0, info=0, entry=0) -> bytes:
        at_name = names.index(b"\0" + name + b"\0") + 1
        return struct.pack("<10I", at_name, kind, flags, address, at, size, link, info, 4, entry)

    sections = [
        bytes(_SECTION_ENTRY),
        section(b".text", _PROGBITS, flags=6, address=_TEXT_ADDRESS, at=text_at, size=len(_TEXT)),
        section(b".data", _PROGBITS, flags=3, address=_DATA_ADDRESS, at=data_at, size=len(_DATA)),
        section(b".rela.text", _RELA, at=symbols_at, link=4, info=1, entry=_RELOCATION_ENTRY),
        section(b".symtab", _SYMTAB, at=symbols_at, size=len(symbols), link=5, info=1, entry=_SYMBOL_ENTRY),
        section(b".shstrtab", _STRTAB, at=names_at, size=len(names)),
    ]
    identity = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    header = identity + struct.pack(
        "<2H5I6H",
        2,  # ET_EXEC
        243,  # EM_RISCV
        1,
        _TEXT_ADDRESS,
        _HEADER_SIZE,
        sections_at,
        0,
        _HEADER_SIZE,
        _SEGMENT_ENTRY,
        2,
        _SECTION_ENTRY,
        len(sections),
        len(sections) - 1,
    )
    # the data's load address follows the text's, as the loader packs both into one binary
    text_segment = (1, text_at, _TEXT_ADDRESS, _TEXT_ADDRESS, len(_TEXT), len(_TEXT), 5, 4)
    data_segment = (1, data_at, _DATA_ADDRESS, _TEXT_ADDRESS + len(_TEXT), len(_DATA), len(_DATA), 6, 4)
    body = header + struct.pack("<8I", *text_segment) + struct.pack("<8I", *data_segment)
    body += _TEXT + _DATA + symbols + names
    return body.ljust(sections_at, b"\0") + b"".join(sections)
