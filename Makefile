# `make demo` and `make test` set everything up by themselves; python3 (3.11 or newer, with venv) is all they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test bench floods postgresql two-processes national wire faults soak lint look clean

demo: $(VENV)/.runtime
	@$(BIN)/ringi demo $(ARGS)

# hundreds of processes load the program: none of them compiles it again, whatever the environment says
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.development
	@$(BIN)/pytest -n auto --dist worksteal $(ARGS)

# what the desk costs, beside something real: 20 minutes on two quiet cores; make bench ARGS=--quick: one
bench: $(VENV)/.development
	@$(BIN)/ringi bench $(ARGS)

# 10,000 mails of one sender and one of another, and the memory that takes beside 1,000: some ten minutes
floods: $(VENV)/.development
	@for mails in 1000 10000; do RINGI_FLOOD=$$mails $(BIN)/pytest -q -s tests/journeys/test_floods.py $(ARGS) || exit 1; done

# IMAP and SMTP cut after every n bytes, both ways, on real servers; what is tried: make wire ARGS=--help
wire: $(VENV)/.development
	@$(BIN)/python -m tests.faults.wire $(ARGS)

# every fault at every writing system call of every journey, and what the trials must find: an hour or more
faults: $(VENV)/.development
	@$(BIN)/python -m tests.faults $(ARGS)

# the handlers' tests and the hostile mails on a real PostgreSQL: two minutes. Left out: one plays on copied SQLite files, one asks for SQLite's plans
postgresql: $(VENV)/.development
	@$(BIN)/pytest -q -n auto -p tests.on_postgresql tests/handlers --ignore tests/handlers/test_interleavings.py --deselect tests/handlers/test_digest.py::test_no_table_that_grows_is_read_from_end_to_end tests/corpus/test_cost.py $(ARGS)

# two processes on one PostgreSQL, hundreds of mails, kills at random moments
two-processes: $(VENV)/.development
	@RINGI_TWO_MAILS=$${RINGI_TWO_MAILS:-300} RINGI_TWO_KILLS=$${RINGI_TWO_KILLS:-20} $(BIN)/pytest -q -s tests/journeys/test_two_processes.py $(ARGS)

# a minute of a nation's busiest hour on two desks, with real servers: four minutes
national: $(VENV)/.development
	@$(BIN)/python -m tests.national $(ARGS)

# thousands of mixed mails with kills at random moments
soak: $(VENV)/.development
	@$(BIN)/python -m tests.faults.soak $(ARGS)

lint: $(VENV)/.development
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# the mails as people see them: HTML, and pictures where Chromium is; LOOK says into which folder, ARGS which mails
LOOK ?= build/look
look: $(VENV)/.development
	@$(BIN)/python -m tests.look $(LOOK) $(ARGS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Ringi needs Python 3.11 or newer; say which: make PYTHON=python3.12'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo 'Python has no venv here; on Debian and Ubuntu: apt-get install python3-venv'; rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo 'Setting up .venv (once, about half a minute) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.development: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo 'Setting up .venv with the test tools (once, about a minute) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
