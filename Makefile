# SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
# SPDX-License-Identifier: Apache-2.0
.DEFAULT_GOAL := help
.PHONY: help setup demo serve test test-port test-emulator test-all test-sim test-vllm card-report lint clean

PYTHON := .venv/bin/python
SOURCES := models bitnet_serving scripts ttnn_emulator card_report conftest.py
# a card or a simulator takes one process at a time; the emulated device has no limit
WORKERS ?= $(if $(or $(wildcard /dev/tenstorrent/*),$(TT_METAL_SIMULATOR)),0,2)
export OMP_NUM_THREADS ?= 1

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 20

setup: ## install all requirements into .venv
	@scripts/setup

demo: setup ## the shipped small BitNet writes a few lines, on the emulated device
	@$(PYTHON) models/bitnet/demo/demo.py

serve: ## an OpenAI server for the shipped model, by vLLM: make serve OPTIONS="--port 8000"
	@scripts/setup_serving
	@scripts/serve $(OPTIONS)

# a worker takes whole files, because the tests of a file use the same models
PYTEST := $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --benchmark-disable
# the tests that need several chips
MESH_TESTS = TTNN_EMULATOR_BOARD=4xp150 $(PYTEST) models/bitnet/tests/mesh

test: test-port test-emulator ## the tests: those of the port, then those of the emulated device

test-port: setup ## the port's tests: on an emulated n150, those marked "board" again on a p150, several chips on a 4xp150
	$(PYTEST) -m "not slow" models card_report scripts
	TTNN_EMULATOR_BOARD=p150 $(PYTEST) -m "board and not slow" models
	$(MESH_TESTS) -m "not slow"

test-emulator: setup ## the emulated device's tests
	$(PYTEST) -m "not slow" ttnn_emulator

test-all: setup ## the same, full-size cases included, kernels in 200 orders of events, and all deliberate faults
	TTNN_EMULATOR_SEEDS=200 $(PYTEST)
	TTNN_EMULATOR_SEEDS=200 TTNN_EMULATOR_BOARD=p150 $(PYTEST) models
	$(MESH_TESTS)
	scripts/faults

test-sim: setup ## the modules and the small model on a simulator of the real kernels: make test-sim SIM="<command prefix>"
	@scripts/test_sim $(SIM)

test-vllm: ## the tests of the server with vLLM; PLUGIN=<folder> adds the plugin's tests
	@scripts/setup_serving
	.venv-serve/bin/python -m pytest -p no:xdist bitnet_serving/tests

card-report: setup ## a report of correctness and speed on a card (a shorter one on a simulator or the emulated device)
	@$(PYTHON) -m card_report

lint: setup ## check the formatting
	@$(PYTHON) -m black --quiet --check $(SOURCES) || { $(PYTHON) -m black --check $(SOURCES); exit 1; }
	@$(PYTHON) -m isort --quiet --check $(SOURCES)
	@$(PYTHON) -m ruff check --quiet $(SOURCES)

clean: ## remove .venv and the files of the tools
	rm -rf .venv .venv-serve build generated .pytest_cache .hypothesis .benchmarks .ruff_cache *.egg-info ttnn_emulator/*.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
