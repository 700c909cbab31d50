# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""Comparing a calculated tensor with a golden one, under tt-metal's name and with its results."""

import torch


def comp_pcc(golden: torch.Tensor, calculated: torch.Tensor, pcc: float = 0.99) -> tuple[bool, float]:
    """Pearson correlation of two tensors: (whether it reaches `pcc`, the correlation).

    It is blind to scale. A tensor of equal values passes, and an infinity or a NaN counts as zero unless all values are
    NaN. So whoever asserts it must assert finite values and a relative error too.
    """
    calculated = calculated.to(golden.dtype)
    all_nan = [bool(x.isnan().all()) for x in (golden, calculated)]
    if any(all_nan):
        return all(all_nan), float(all(all_nan))
    if golden.any() != calculated.any():  # one is all zero
        return False, 0.0
    first, second = (torch.where(x.isfinite(), x, 0).double().flatten() for x in (golden, calculated))
    if torch.equal(first, second):
        return True, 1.0
    measured = torch.corrcoef(torch.stack([first, second]))[0, 1].nan_to_num(1.0).item()
    return measured >= pcc, measured
