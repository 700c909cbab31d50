# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`requirements_of.py PACKAGE REQUIREMENT...` prints the requirements of an installed package.

Each given REQUIREMENT replaces the package's requirement of the same name.
"""

import sys
from importlib.metadata import requires

from packaging.requirements import Requirement

instead = {Requirement(line).name: line for line in sys.argv[2:]}
for line in requires(sys.argv[1]) or []:
    requirement = Requirement(line)
    if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
        print(instead.get(requirement.name, line))
