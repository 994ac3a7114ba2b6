# Two commands matter: `make demo` and `make test`. Each makes .venv first if it is not there.
PYTHON ?= python3
BIN := .venv/bin
RUN := OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python

.PHONY: help demo test test-slow test-refs test-gpu sanitize lint format bench bench-peers docs clean

help:       ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

demo: .venv/ready       ## train on real data, evaluate, simulate, write a report
	$(RUN) examples/demo.py

test: .venv/ready       ## every test that needs neither network, GPU nor other programs
	$(RUN) -m pytest -n 2 --dist worksteal -m "not refs and not slow and not gpu and not network"

test-slow: .venv/ready  ## physics that takes minutes
	$(RUN) -m pytest -m slow

test-refs: .venv/ready  ## against the reference numbers of other programs, in ATOMGRAPH_REFS
	$(RUN) -m pytest -m refs -rs

test-gpu: .venv/ready   ## the CPU's numbers on a CUDA device
	$(RUN) -m pytest -m gpu -rs

sanitize: .venv/ready   ## the kernels' tests under g++'s address and undefined-behaviour sanitizers
	LD_PRELOAD="$$(for library in asan ubsan stdc++; do g++ -print-file-name=lib$$library.so; done | tr '\n' ' ')" \
	ASAN_OPTIONS=detect_leaks=0 ATOMGRAPH_KERNEL_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -g1" CXX=g++ \
	$(RUN) -m pytest -m "not slow" tests/kernels tests/compiled tests/graph/test_neighbours.py tests/nn/equivariant/test_coupled_sums.py

lint: .venv/ready       ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready     ## what lint would ask for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/ready      ## speed against peers, one table each; peers that are not there are named
	@failed=; for script in benchmarks/*.py; do $(RUN) $$script || failed="$$failed $$script"; done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

bench-peers:            ## an environment in .venv-peers for each peer that benchmarks compare with (benchmarks/peers.txt)
	while IFS=: read -r name packages; do \
		$(PYTHON) -m venv .venv-peers/$$name && .venv-peers/$$name/bin/python -m pip install --quiet $$packages || exit 1; \
	done < benchmarks/peers.txt

docs: .venv/ready       ## build docs/_build/index.html
	$(BIN)/python -m sphinx -b html -W --keep-going docs docs/_build

.venv/ready: pyproject.toml constraints.txt
	@echo "installing atomgraph and PyTorch into .venv: some minutes, 1.6 GB"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,docs,tensorboard]"
	touch $@

clean:
	rm -rf .venv .venv-peers build dist *.egg-info docs/_build docs/generated runs
