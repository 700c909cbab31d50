# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`models/bitnet` drops into a tt-metal checkout: licences, names, who imports whom, and the proof by copying it."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.bitnet.tests.sources import BITNET, MODELS, imports, name_of, python_files

PYTHON = python_files()
SCRIPTS = sorted(path for pattern in ("*.sh", "*.yaml", "*.toml", "*.cfg") for path in BITNET.rglob(pattern))

STANDARD = frozenset(sys.stdlib_module_names)
# what tt-metal's own environment installs; tokenizers and huggingface_hub come with transformers
CHECKOUT = {"torch", "ttnn", "transformers", "safetensors", "tqdm", "pytest", "loguru", "numpy", "matplotlib", "models"}
CHECKOUT |= {"tokenizers", "huggingface_hub"}
TESTS_NEED = {"hypothesis"}  # the one package to add to upstream's requirements for tests
# which modules a part of the port may import, beside Python's own; each name stands for all below it
ALLOWED = {
    "reference": {"torch", "models.bitnet.reference"},
    "tt": {"ttnn", "torch", "safetensors", "tqdm", "models.common", "models.bitnet.tt"},
    "tests": CHECKOUT | TESTS_NEED,
    "demo": CHECKOUT,
    "perf": CHECKOUT,
}
# The rooms of tt, from the ground up. A room imports rooms of lower floors only.
FLOORS = (
    {"config", "layout", "precision", "kernels"},
    {"fused_programs", "tensor_parallel"},
    {"model_config", "weights"},
    {"bit_linear", "heads", "kv_cache", "lm_head", "rms_norm", "rope"},
    {"embedding", "projection"},
    {"attention", "mlp"},
    {"decoder"},
    {"model"},
    {"generation"},
    {"generator", "vllm"},
    {"engine", "generator_vllm"},
    {"bitnet"},
)
KERNEL_ROOMS = ({"common"}, {"decode", "prefill", "head"})
EXCEPTIONS = {
    BITNET / "demo" / "device.py": {"ttnn_emulator"},  # opens the emulated device where there is no card
    BITNET / "demo" / "lm_eval_adapter.py": {"lm_eval"},  # imported by whoever runs that harness
    BITNET / "tt" / "bitnet.py": {"transformers.AutoTokenizer"},  # text in, text out
    BITNET / "tt" / "weights" / "hub.py": {"huggingface_hub"},  # asked for what is no folder
}
OPENS_DEVICES = BITNET / "demo" / "device.py"
VLLMS_EDGE = BITNET / "tt" / "generator_vllm.py"  # what it is told comes from vLLM and, for the rest, the environment


def part_of(path: Path) -> str:
    """The folder of the port that a file belongs to; files of models/common and those at the top: none."""
    inside = path.relative_to(MODELS).parts
    return inside[1] if inside[0] == "bitnet" and len(inside) > 2 else ""


def is_below(module: str, names: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def test_there_are_files():
    assert {part_of(path) for path in PYTHON} >= {"reference", "tt", "tests", "demo", "perf", ""}


@pytest.mark.parametrize("folder, floors", [("tt", FLOORS), ("tt/kernels", KERNEL_ROOMS)], ids=["tt", "kernels"])
def test_no_room_imports_one_on_its_own_floor_or_above(folder, floors):
    """Every file of the folder belongs to a room, and its imports lead to the same room or to lower floors."""
    root = BITNET / folder
    package = ".".join(("models", "bitnet", *folder.split("/")))
    floor_of = {room: floor for floor, rooms in enumerate(floors) for room in rooms}
    for path in sorted(root.rglob("*.py")):
        room = path.relative_to(root).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        assert room in floor_of, f"{name_of(path)} belongs to no room: add it to the floors"
        for module in imports(path):
            if is_below(module, {package}):
                other = module.removeprefix(package + ".").split(".")[0]
                below = other == room or floor_of[other] < floor_of[room]
                assert below, f"{name_of(path)} imports {module}, which is not on a lower floor"


def test_spdx_header():
    for path in PYTHON + SCRIPTS:
        lines = path.read_text(encoding="utf-8").splitlines()
        header = lines[1:3] if lines[:1] and lines[0].startswith("#!") else lines[:2]
        assert re.fullmatch(r"# SPDX-FileCopyrightText: © \d{4} .+", header[0]), name_of(path)
        assert header[1] == "# SPDX-License-Identifier: Apache-2.0", name_of(path)


def test_imports():
    """Nothing that a tt-metal checkout lacks, and only what the file's part of the port may know."""
    for path in PYTHON:
        allowed = ALLOWED.get(part_of(path), {"torch", "ttnn", "numpy", "loguru"}) | EXCEPTIONS.get(path, set())
        foreign = [m for m in imports(path) if m.split(".")[0] not in STANDARD and not is_below(m, allowed)]
        assert not foreign, f"{name_of(path)} must not import {', '.join(foreign)}"
        models = [m for m in imports(path) if is_below(m, {"models"})]
        outside = [m for m in models if not is_below(m, {"models.bitnet", "models.common"})]
        assert not outside, f"{name_of(path)}: other models may change or go: {', '.join(outside)}"


def test_nothing_names_the_emulated_device():
    """Neither as a name nor in a string that could be imported or run."""
    for path in set(PYTHON) - {OPENS_DEVICES, Path(__file__).resolve()}:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        assert not any("ttnn_emulator" in text.lower() for text in names | strings), name_of(path)


def test_the_environment_is_read_at_the_edge_only():
    for path in PYTHON:
        if part_of(path) in ("reference", "tt") and path != VLLMS_EDGE:
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            assert not names & {"environ", "getenv", "putenv"}, name_of(path)


def test_packages_and_names():
    """Folders that tests and modules are imported from are packages; names are lower case, as upstream's."""
    for path in PYTHON:
        if part_of(path) in ("", "reference", "tt", "tests") and path.is_relative_to(BITNET):
            assert (path.parent / "__init__.py").is_file(), name_of(path)
        assert re.fullmatch(r"[a-z0-9_]+\.py", path.name), name_of(path)


def test_every_reference_module_has_a_twin():
    """A reader can lay the two files of one equation side by side."""
    for path in (BITNET / "reference").glob("*.py"):
        assert (BITNET / "tt" / path.name).is_file(), f"tt has no {path.name}"


CONFTEST = """
import sys
import pytest
import torch
import models.bitnet.tt.model

@pytest.fixture
def reset_seeds():
    torch.manual_seed(213919)

def pytest_sessionfinish():
    ours = {name: module for name, module in sys.modules.items() if name.startswith("models.")}
    outside = [name for name, module in ours.items() if module.__file__ and not module.__file__.startswith(sys.path[0])]
    assert ours and not outside and "ttnn_emulator" not in sys.modules, outside
"""


def test_a_copy_in_another_checkout_passes(tmp_path):
    """models/bitnet and models/common alone in an empty tree, with fixtures of upstream's names: tests that open no
    device pass there, on modules of the copy."""
    for folder in ("bitnet", "common"):
        ignore = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(MODELS / folder, tmp_path / "models" / folder, ignore=ignore)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "models/bitnet/tests/unit/test_scales.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0 and " passed" in run.stdout, run.stdout[-4000:] + run.stderr[-2000:]
