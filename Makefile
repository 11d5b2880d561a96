# The two commands for a start: `make run` and `make test`. Everything they need they install by
# themselves, into virtual environments of this folder; see scripts/with.
#
# PYTHON=python3.13 make test    another interpreter
# make test ARGS="-k timers"     arguments for pytest, and for the benchmarks

ARGS =
# The tests wait more than they compute. A process that has no test left takes those of another.
PARALLEL = --numprocesses 4 --dist worksteal
# What `make asan` and `make debug` run without ARGS: the tests of what is compiled.
COMPILED_TESTS = tests/core tests/transports tests/http tests/fuzz tests/conformance
STUBS = $(shell find ngxloop -name '*.pyi')
STUBBED_MODULES = $(subst /,.,$(STUBS:.pyi=))

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help run test simulate asan debug test-packages lint format types docs bench bench-report bench-smoke sdist clean \
	remove-made

help: ## show this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'PYTHON=python3.13 make ... takes another interpreter than python3.'

run: ## serve examples/asgi_app.py with 4 workers on http://127.0.0.1:8000
	@scripts/with run true
	@echo 'Open http://127.0.0.1:8000 - Ctrl-C ends it.'
	@exec scripts/with run ngxloop-serve --app-dir examples asgi_app:app --workers 4 --bind 127.0.0.1:8000

test: ## run the whole test suite, in four processes
	@scripts/with test python -m pytest $(PARALLEL) $(ARGS)

simulate: ## run a million random events through the machine of the master (ARGS: how many)
	@scripts/with test python -m tests.serving.fleet.simulation $(ARGS)

asan: ## run tests with AddressSanitizer and UBSan (ARGS: which, as for test; in build/asan)
	@scripts/with asan python -m tests.sanitizers.check
	@scripts/with asan python -m pytest --capture=sys $(or $(ARGS),$(COMPILED_TESTS))

debug: ## run tests with unoptimised modules and all checks (ARGS: which; in build/debug)
	@scripts/with debug python -m pytest $(or $(ARGS),$(COMPILED_TESTS))

test-packages: ## try other packages on ngxloop: exchanges with real servers, and their own tests
	@NGXLOOP_NEED_PACKAGES=1 scripts/with packages python -m pytest -p no:hypothesispytest -p no:looptime_plugin tests/packages
	@scripts/with packages python -m tests.packages.own_tests

lint: ## check style: ruff, ruff format, cython-lint
	@scripts/with lint ruff check .
	@scripts/with lint ruff format --check .
	@scripts/with lint cython-lint ngxloop tests

format: ## let ruff fix and format what it can
	@scripts/with lint ruff check --fix .
	@scripts/with lint ruff format .

types: ## check types: mypy and pyright on the package and users' programs, stubtest on the stubs
	@scripts/with lint mypy
	@scripts/with lint mypy tests/typing
	@scripts/with lint python -m mypy.stubtest $(STUBBED_MODULES) \
		--mypy-config-file pyproject.toml --allowlist tests/typing/stubtest-allowlist.txt
	@PYTHONPATH=. scripts/with lint pyright --verifytypes ngxloop --ignoreexternal >.pyright.log \
		|| { cat .pyright.log; exit 1; }
	@PYTHONPATH=. scripts/with lint pyright --level warning tests/typing

docs: ## write docs/configuration.md and docs/states.md anew, from the tables of options and states
	@scripts/with test python -m ngxloop.serving.config.reference >docs/configuration.md.new \
		|| { rm -f docs/configuration.md.new; exit 1; }
	@mv docs/configuration.md.new docs/configuration.md
	@scripts/with test python -m ngxloop.serving.fleet.diagrams >docs/states.md.new \
		|| { rm -f docs/states.md.new; exit 1; }
	@mv docs/states.md.new docs/states.md

bench: ## compare event loops: asyncio, ngxloop and all others that can be installed
	@scripts/with bench python -m benchmarks $(ARGS)

bench-report: ## write docs/benchmarks.md with its plots from the newest raw figures (ARGS: from those files)
	@scripts/with bench python -m benchmarks.report --output docs/benchmarks.md $(ARGS)

bench-smoke: ## run each benchmark for a moment, to see that it works
	@scripts/with test python -m benchmarks --smoke

sdist: ## build the source distribution into dist/
	@scripts/with test python setup.py --quiet sdist

clean: ## remove everything that was made here, environments too
	@flock .build.lock $(MAKE) --no-print-directory remove-made

# .build.lock stays: a new file would be another lock.
remove-made:
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .mypy_cache .pyright.log .ruff_cache .hypothesis
	find ngxloop tests -name '*.so' -delete
	find . -name __pycache__ -prune -exec rm -rf {} +
