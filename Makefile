# What one can do here: `make` prints it. Everything but `help` and `clean` first makes .venv where it is missing.

PYTHON ?= python3
BIN := .venv/bin
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
endif

# .venv's own Python checks the environment fastest; -I -S keeps that at some 50 ms.
READY = if [ -x $(BIN)/python ]; then $(BIN)/python -I -S grader/bootstrap.py --quiet; \
	else $(PYTHON) grader/bootstrap.py --quiet; fi

.PHONY: help setup check visualize grade test test-long bank audit lint format translations stubs release collect autograde train lock bench clean ready
.DEFAULT_GOAL := help

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

# $${A:+...}: make hands the variables on to the shell, which keeps spaces in paths together.
export A SUBMISSION SUBMISSIONS OUT DATA EXACT JSON HTML LIMIT SEED RESUME ARGS COURSE DB EXCHANGE FORCE ZIP

check: ready ## grade: A=vgg16 (default: what is started) SUBMISSION=folder DATA=path EXACT=1 JSON=file
	@$(BIN)/grader check $(A) $${SUBMISSION:+--submission "$$SUBMISSION"} $${DATA:+--data "$$DATA"} \
		$${EXACT:+--exact} $${JSON:+--json} $(if $(filter-out 1,$(JSON)),"$$JSON")

visualize: ready ## draw a network and what it sees: A=vgg16 SUBMISSION=folder DATA=path OUT=pictures
	@[ -n "$$A" ] || { echo "Which one? make visualize A=vgg16" >&2; exit 2; }
	@$(BIN)/grader visualize "$$A" $${SUBMISSION:+--submission "$$SUBMISSION"} $${DATA:+--data "$$DATA"} \
		$${OUT:+--out "$$OUT"}

grade: ready ## grade a class: SUBMISSIONS=folder-or-zip A=resnet50 OUT=grades DATA=path EXACT=1
	@[ -n "$$SUBMISSIONS" ] && [ -n "$$A" ] || { echo "Which? make grade SUBMISSIONS=folder A=resnet50" >&2; exit 2; }
	@$(BIN)/grader grade "$$SUBMISSIONS" --assignment "$$A" --out "$${OUT:-grades-$$A}" $${DATA:+--data "$$DATA"} \
		$${EXACT:+--exact}

setup: ## make the environment .venv, or bring it up to date
	@$(subst --quiet,,$(READY))

PYTEST = $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: ready ## run the project's own tests, but for the long ones: ARGS="-k protocol -x" goes to pytest
	@$(PYTEST) -m "not long" $(ARGS)

test-long: ready ## run the others: whole classes and courses, a browser, a part of the bank, what docs/ says
	@$(PYTEST) -m long $(ARGS)

bank: ready ## grade every wrong and every unusual right submission in solutions/; all verdicts and diagnoses must be right
	@WHOLE_BANK=1 DIAGNOSES=all $(BIN)/python -m pytest -s tests/test_bank.py tests/test_diagnosis_bank.py $(ARGS)

audit: ready ## measure the checks with edits of the solutions, and the bank: A=vgg16 LIMIT=50 SEED=1 JSON=file HTML=file
	@$(BIN)/grader audit $(A) $${LIMIT:+--limit "$$LIMIT"} $${SEED:+--seed "$$SEED"} $${HTML:+--html "$$HTML"} \
		$${JSON:+--json} $(if $(filter-out 1,$(JSON)),"$$JSON") $(ARGS)

# ruff leaves out what assignments/NAME/ holds, but for what it is given by name.
LINTED = . assignments/*/checks/*.py

lint: ready ## ruff (rules and format) and mypy
	@$(BIN)/python -m ruff check $(LINTED)
	@$(BIN)/python -m ruff format --check $(LINTED)
	@$(BIN)/python -m mypy

format: ready ## let ruff mend and format the code
	@$(BIN)/python -m ruff check --fix $(LINTED)
	@$(BIN)/python -m ruff format $(LINTED)

translations: ready ## collect the sentences that students meet, and compile their translations (*/locale/)
	@$(BIN)/python -m grader.translations

stubs: ready ## cut the students' stubs from the solutions
	@$(BIN)/grader stubs

release: ready ## hand out through nbgrader: A=resnet50 COURSE=folder DB=url EXCHANGE=folder FORCE=1
	@[ -n "$$A" ] || { echo "Which one? make release A=resnet50" >&2; exit 2; }
	@$(BIN)/grader release "$$A" --course "$${COURSE:-course}" --db "$$DB" $${EXCHANGE:+--exchange "$$EXCHANGE"} \
		$${FORCE:+--force}

collect: ready ## collect what was handed in: A=resnet50 COURSE=folder DB=url ZIP=1 FORCE=1
	@[ -n "$$A" ] || { echo "Which one? make collect A=resnet50" >&2; exit 2; }
	@$(BIN)/grader collect "$$A" --course "$${COURSE:-course}" --db "$$DB" $${ZIP:+--zip} $${FORCE:+--force}

autograde: ready ## grade into nbgrader's gradebook: A=resnet50 COURSE=folder DB=url
	@[ -n "$$A" ] || { echo "Which one? make autograde A=resnet50" >&2; exit 2; }
	@$(BIN)/grader autograde "$$A" --course "$${COURSE:-course}" --db "$$DB"

train: ready ## train a reference checkpoint: A=vgg16 DATA=path RESUME=1
	@[ -n "$$A" ] || { echo "Which one? make train A=vgg16" >&2; exit 2; }
	@$(BIN)/grader train "$$A" $${DATA:+--data "$$DATA"} $${RESUME:+--resume}

lock: ready ## renew requirements.txt: the newest versions that pyproject.toml allows, for every platform, with hashes
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes \
		--python-version 3.11 --extra dev --extra cluster --extra nbgrader --output-file requirements.txt pyproject.toml

bench: ready ## run the benchmarks
	@for script in benchmarks/*.py; do $(BIN)/python "$$script" || exit; done

clean: ## remove caches; .venv, checkpoints and training states stay
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	@find assignments benchmarks grader solutions tests -name __pycache__ -type d -prune -exec rm -rf {} +

ready:
	@$(READY)
