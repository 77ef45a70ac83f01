# make help lists the targets. PYTHON=... chooses the interpreter, WORKERS=... how many tests run side by side,
# SECONDS=... how long make fuzz takes, COMMANDS=... how many commands make soak and make independence try, CARDS=... how
# many cards make soak issues while everything is killed.
VENV := .venv
WORKERS := 2
SECONDS := 30
COMMANDS := 10000000
CARDS := 100000
PYTHON ?=
export PYTHON

run := $(VENV)/bin/python -m

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test dev lint format docs soak powercuts fuzz independence mutants bench constraints clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: ## install into .venv and run the whole story, with real files in out/demo
	@scripts/setup-venv $(VENV) run
	@$(VENV)/bin/juki demo --out out/demo

test: dev lint docs ## install what is missing (system packages too), then every check and test
	$(run) pytest -n $(WORKERS)

dev: ## system packages and .venv for the targets below
	@scripts/system-packages $(VENV)
	@scripts/setup-venv $(VENV) dev

lint: dev ## style, types, layer contracts
	$(run) ruff check .
	$(run) ruff format --check .
	$(run) mypy
	$(VENV)/bin/lint-imports --no-logo

format: dev ## put the source into the one form that lint asks for
	$(run) ruff check --fix .
	$(run) ruff format .

docs: dev ## build the documentation into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(run) mkdocs build --strict
	$(VENV)/bin/python scripts/check_site.py site

soak: dev powercuts ## everything in full: examples, cuts, kills, flipped bits, hostile cards, millions of commands, a bureau, mutants
	$(run) pytest -n $(WORKERS) -rP --hypothesis-profile=soak --timeout=0 tests/property tests/unit/faces \
		tests/unit/cardfile/test_every_byte.py tests/e2e/test_kill_commands.py tests/e2e/test_killed_chip.py \
		tests/e2e/test_hostile_cards.py
	$(run) tests.fuzz --commands $(COMMANDS)
	$(run) tests.bureau --cards $(CARDS)
	$(run) tests.independence --commands 1000000
	$(run) tests.mutation --workers $(WORKERS)

powercuts: dev ## the power cut at every write of every command and flow, and again while the card recovers
	$(run) tests.powercuts

fuzz: dev ## fuzz the chip and the parsers on all cores, for SECONDS (30)
	$(run) tests.fuzz --seconds $(SECONDS)

independence: COMMANDS := 100000
independence: dev ## two cards that differ in what is secret get the same COMMANDS (100000) and must answer the same
	$(run) tests.independence --commands $(COMMANDS)

mutants: dev ## one fault at a time in what guards the card: does a test notice it?
	$(run) tests.mutation --workers $(WORKERS)

bench: dev ## the benchmarks, as a table and in out/bench.json
	$(run) benchmarks --out out/bench.json

constraints: ## pin the newest versions of all dependencies anew
	@scripts/make-constraints

clean: ## remove everything that the other targets made
	rm -rf $(VENV) out site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
