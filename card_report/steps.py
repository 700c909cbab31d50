# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of a run, their order and their time limits, on a card, on a simulator and on the emulated device."""

from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from card_report.running import Step

LEDGER_FILE = "ledger.safetensors"  # a file in the report's folder
CHECKPOINT_2B = "microsoft/bitnet-b1.58-2B-4T"
_EVALUATE = "models/bitnet/demo/evaluate.py"
_UNIT = "models/bitnet/tests/unit"
_MODULES = ("embedding", "rms_norm", "rope", "kv_cache", "lm_head", "bit_linear", "mlp", "attention", "decoder")


def steps(kind: str, folder: Path) -> list[Step]:
    """The steps for `kind`: "card", "simulator" or "emulated". The steps write their files to `folder`."""
    return {"card": _card, "simulator": _simulator, "emulated": _emulated}[kind](folder)


def _card(folder: Path) -> list[Step]:
    """The steps on a card. They take at most 20 minutes. The figures that PERF.md lacks come first."""
    return [
        _device(30),
        _demo(40, "--max-new-tokens", "80"),
        _speed("shipped", 65, "--batches", "1", "32", "--prompts", "128", "256"),
        _speed("2b", 270, "--batches", "1", "32", "--prompts", "128", "1024"),
        _profiler(100),
        _accuracy("fused", 50),
        _accuracy("performance", 50),
        _accuracy("accuracy", 50),
        *_accuracy_2b(90),
        _pcc("(2b and not badly_scaled) or kv_cache", _MODULES, 190),
        _ledger(folder, 190),
    ]


def _simulator(folder: Path) -> list[Step]:
    """The steps on a simulator, which takes seconds to compile a kernel and seconds to run it, and has no traces."""
    return [
        _device(120),
        _demo(900, "--no-trace", "--max-new-tokens", "2"),
        _speed("shipped", 900, "--no-trace", "--steps", "1", "--precisions", "performance", "--prompts", "32"),
        _profiler(120),
        _accuracy("performance", 900, "--no-trace", "--windows", "1", "--positions", "16"),
        _pcc("tiny and performance", ("rms_norm", "bit_linear"), 600),
        _ledger(folder, 900, "broadcast", "scalar"),
    ]


def _emulated(folder: Path) -> list[Step]:
    """The steps on the emulated device: a rehearsal of two minutes on a small machine, whose times mean nothing."""
    return [
        _device(60),
        _demo(120, "--max-new-tokens", "24"),
        _speed("shipped", 120, "--steps", "3", "--prompts", "128"),
        _profiler(60),
        *(_accuracy(name, 120, "--windows", "1", "--positions", "32") for name in ("fused", "performance", "accuracy")),
        _pcc("tiny and not badly_scaled", ("rms_norm", "bit_linear", "mlp"), 180),
        _ledger(folder, 240, "binary", "broadcast", "scalar", "norm"),
    ]


def _device(limit_s: int) -> Step:
    return Step("device", "open the device", ("-m", "card_report.about"), limit_s)


def _demo(limit_s: int, *options: str) -> Step:
    return Step(
        "demo",
        "the shipped model writes",
        ("models/bitnet/demo/demo.py", "--precision", "fused", "--json", *options),
        limit_s,
    )


def _speed(model: str, limit_s: int, *options: str) -> Step:
    what = {"shipped": "speed of the shipped model", "2b": "speed of the 2B-4T, random weights"}[model]
    return Step(f"speed_{model}", what, ("-m", "card_report.speed", model, *options), limit_s)


def _profiler(limit_s: int) -> Step:
    return Step(
        "profiler", "a decode step of the 2B-4T, profiled on the device", ("-m", "card_report.profiler"), limit_s
    )


def _accuracy(precision: str, limit_s: int, *options: str) -> Step:
    what = f"the shipped model against the reference, {precision}"
    return Step(f"accuracy_{precision}", what, (_EVALUATE, "--json", "--precision", precision, *options), limit_s)


def _accuracy_2b(limit_s: int) -> list[Step]:
    """The accuracy of the real 2B-4T, if this machine already has its checkpoint. Nothing is downloaded."""
    found = [try_to_load_from_cache(CHECKPOINT_2B, name) for name in ("config.json", "model.safetensors")]
    if not all(isinstance(path, str) for path in found):
        return []
    size = ("--windows", "1", "--positions", "128")
    command = (_EVALUATE, "--json", "--precision", "fused", "--model", str(Path(found[0]).parent), *size)
    return [Step("accuracy_2b", "the 2B-4T against the reference", command, limit_s)]


def _pcc(selection: str, modules: tuple[str, ...], limit_s: int) -> Step:
    files = [f"{_UNIT}/test_{module}.py" for module in modules]
    # pytest prints each test and its measurements when the test ends, so that a stopped step loses no results
    pytest = ("-m", "pytest", "-o", "addopts=", "-v", "-s", "-p", "no:xdist", "-p", "no:cacheprovider", "--tb=short")
    command = (*pytest, "--benchmark-disable", "-m", "not slow", "-k", selection, *files)
    return Step("pcc", "the modules' PCC tests", command, limit_s)


def _ledger(folder: Path, limit_s: int, *groups: str) -> Step:
    only = ("--only", *groups) if groups else ()
    command = ("-m", "ttnn_emulator.ledger", "record", str(folder / LEDGER_FILE), *only)
    return Step("ledger", "the ledger of operations", command, limit_s)
