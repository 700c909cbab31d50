# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""`models/bitnet` fits into a tt-metal checkout: licences, names, imports, and tests that pass in a copy."""

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
TESTS_NEED = {"hypothesis", "gguf"}  # the packages to add to upstream's requirements for tests
# The modules that a part of the port may import besides the standard library. A name stands for all modules below it.
ALLOWED = {
    "reference": {"torch", "models.bitnet.reference"},
    "tt": {"ttnn", "torch", "safetensors", "tqdm", "loguru", "models.common", "models.bitnet.tt"},
    "tests": CHECKOUT | TESTS_NEED,
    "demo": CHECKOUT,
    "perf": CHECKOUT,
}
# The import layers of tt, lowest first. A module or folder imports only itself and those of lower layers.
LAYERS = (
    {"checks", "config", "precision"},
    {"layout"},
    {"kernels"},
    {"fused_programs", "tensor_parallel"},
    {"stock_programs"},
    {"model_config", "weights"},
    {"bit_linear", "kv_cache", "lm_head", "rms_norm", "rope", "two_pass_head"},
    {"embedding", "heads", "projection"},
    {"attention", "mlp"},
    {"decoder"},
    {"decode_layers"},
    {"model"},
    {"generation"},
    {"generator", "vllm"},
    {"engine", "generator_vllm"},
    {"bitnet"},
)
KERNEL_LAYERS = ({"common"}, {"decode", "prefill", "head"})
EXCEPTIONS = {
    BITNET / "demo" / "device.py": {"ttnn_emulator"},  # opens the emulated device where there is no card
    BITNET / "demo" / "lm_eval_adapter.py": {"lm_eval"},  # imported by whoever runs that harness
    BITNET / "tt" / "weights" / "checkpoint.py": {"transformers.AutoTokenizer"},  # text in, text out
    BITNET / "tt" / "weights" / "gguf_tokenizer.py": {"tokenizers", "transformers.PreTrainedTokenizerFast"},
    BITNET / "tt" / "weights" / "gguf.py": {"gguf"},  # used for embeddings that a GGUF file quantises
    BITNET / "tt" / "weights" / "gguf_file.py": {"gguf"},
    BITNET / "tt" / "weights" / "hub.py": {"huggingface_hub"},  # used for a name that is not a folder
}
OPENS_DEVICES = BITNET / "demo" / "device.py"
VLLMS_EDGE = BITNET / "tt" / "generator_vllm.py"  # its settings come from vLLM and from the environment


def part_of(path: Path) -> str:
    """The folder of the port that a file belongs to, or "" for files of models/common and files at the top."""
    inside = path.relative_to(MODELS).parts
    return inside[1] if inside[0] == "bitnet" and len(inside) > 2 else ""


def is_below(module: str, names: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def test_there_are_files():
    assert {part_of(path) for path in PYTHON} >= {"reference", "tt", "tests", "demo", "perf", ""}


@pytest.mark.parametrize("folder, layers", [("tt", LAYERS), ("tt/kernels", KERNEL_LAYERS)], ids=["tt", "kernels"])
def test_imports_lead_to_lower_layers(folder, layers):
    """Every module or folder belongs to a layer. Its imports lead to itself or to lower layers."""
    root = BITNET / folder
    package = ".".join(("models", "bitnet", *folder.split("/")))
    layer_of = {part: layer for layer, parts in enumerate(layers) for part in parts}
    for path in sorted(root.rglob("*.py")):
        part = path.relative_to(root).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        assert part in layer_of, f"{name_of(path)} belongs to no layer; add {part} to a layer"
        for module in imports(path):
            if is_below(module, {package}):
                other = module.removeprefix(package + ".").split(".")[0]
                below = other == part or layer_of[other] < layer_of[part]
                assert below, f"{name_of(path)} imports {module}, which is not in a lower layer"


def test_spdx_header():
    for path in PYTHON + SCRIPTS:
        lines = path.read_text(encoding="utf-8").splitlines()
        header = lines[1:3] if lines[:1] and lines[0].startswith("#!") else lines[:2]
        assert re.fullmatch(r"# SPDX-FileCopyrightText: © \d{4} .+", header[0]), name_of(path)
        assert header[1] == "# SPDX-License-Identifier: Apache-2.0", name_of(path)


def test_imports():
    """A file imports only packages of a tt-metal checkout and only modules that its part of the port may import."""
    for path in PYTHON:
        allowed = ALLOWED.get(part_of(path), {"torch", "ttnn", "numpy", "loguru"}) | EXCEPTIONS.get(path, set())
        foreign = [m for m in imports(path) if m.split(".")[0] not in STANDARD and not is_below(m, allowed)]
        assert not foreign, f"{name_of(path)} must not import {', '.join(foreign)}"
        models = [m for m in imports(path) if is_below(m, {"models"})]
        outside = [m for m in models if not is_below(m, {"models.bitnet", "models.common"})]
        assert not outside, f"{name_of(path)}: other models may change or go: {', '.join(outside)}"


def test_nothing_names_the_emulated_device():
    """No file names the emulated device, neither as a name nor in a string that could be imported or run."""
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
    """Folders of tests and modules are packages. Names are lower case, as upstream's are."""
    for path in PYTHON:
        if part_of(path) in ("", "reference", "tt", "tests") and path.is_relative_to(BITNET):
            assert (path.parent / "__init__.py").is_file(), name_of(path)
        assert re.fullmatch(r"[a-z0-9_]+\.py", path.name), name_of(path)


def test_every_reference_module_has_a_twin():
    """Every module of the reference has a module of the same name in tt, so that a reader can compare the two."""
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
    """Tests that open no device pass in a tree with only models/bitnet and models/common.

    The tree has fixtures with upstream's names. The tests import the modules of the copy.
    """
    for folder in ("bitnet", "common"):
        ignore = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(MODELS / folder, tmp_path / "models" / folder, ignore=ignore)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:ttnn_emulator.pytest_plugin"]
        + ["models/bitnet/tests/unit/test_scales.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0 and " passed" in run.stdout, run.stdout[-4000:] + run.stderr[-2000:]
