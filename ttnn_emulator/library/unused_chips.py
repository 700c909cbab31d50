# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that run on some chips of a mesh only.

When the library has enqueued one, it also writes a signal into the command queues of the chips that are left out. The
mock cluster has no queues, which the library minds everywhere but there: it writes to address 0. So the function that
does it is made to return at once, in this process's copy of the library; all else of the call stays the library's own.
"""

import ctypes
import mmap
import os
from pathlib import Path

from ttnn_emulator.errors import EmulatorError

# FDMeshCommandQueue::write_go_signal_sequences_to_unused_sub_grids
_SIGNAL = (
    "_ZN2tt8tt_metal11distributed18FDMeshCommandQueue45write_go_signal_sequences_to_unused_sub_gridsE"
    "RKSt13unordered_setIjSt4hashIjESt8equal_toIjESaIjEERKN4ttsl10StrongTypeIhNS0_14SubDeviceIdTagEEEjb"
    "RKNS0_16program_dispatch23ProgramDispatchMetadataE"
)
_RETURN = b"\xc3"  # on x86-64, which is all that there are wheels for
_READ_RUN = mmap.PROT_READ | mmap.PROT_EXEC


def leave_them_alone(wheel: Path) -> None:
    """Have the library send no signal to the chips that a program leaves out."""
    library = ctypes.CDLL(str(wheel / "build" / "lib" / "libtt_metal.so"))
    address = ctypes.cast(library[_SIGNAL], ctypes.c_void_p).value
    _allow(address, _READ_RUN | mmap.PROT_WRITE)
    ctypes.memmove(address, _RETURN, len(_RETURN))
    _allow(address, _READ_RUN)


def _allow(address: int, access: int) -> None:
    """Set the access rights of the page of memory that an address lies in."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address & -mmap.PAGESIZE), ctypes.c_size_t(mmap.PAGESIZE), access):
        reason = os.strerror(ctypes.get_errno())
        raise EmulatorError(
            f"a security policy refuses to change the library's code in memory ({reason}), which boards of several "
            "chips need; start the process without the policy, or choose a board of one chip"
        )
