PYTHON ?= python3
VENV := .venv
QBE := $(VENV)/demo/bin/qbe
BIN := $(VENV)/test/bin

PREFIX ?= /usr/local

# The tests start thousands of commands, each in half of the time where Python keeps what it has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-engines docs install clean

# Install qbe without torch, index the sounds in tests/data/library, and look for one that is not among them.
demo: $(VENV)/demo/installed
	$(QBE) embed tests/data/library | $(QBE) index -o demo.idx
	@$(QBE) info demo.idx
	$(QBE) search demo.idx tests/data/queries/stream.ogg tests/data/queries/snare.mp3 -k 4

# Lint, types and all tests, with everything that development and training need.
test: $(VENV)/test/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	# A core a worker: threads that wait for each other would take longer than one alone.
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

# The tests of libraries on a server, with a real one that is started here, and killed: those of its own, or what
# ENGINES names. All that a store promises takes a while there: make test-engines ENGINES='tests/unit/test_store.py -k milvus'
ENGINES ?= tests/engines
test-engines: $(VENV)/test/installed $(VENV)/engines/installed
	QBE_MILVUS_SERVER="$(CURDIR)/$(VENV)/engines/bin/milvus-server" QBE_MILVUS_TOKEN=root:Milvus \
		PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/pytest -rs $(ENGINES)

# Write what in the manual and the completions comes from the command-line parser.
docs: $(VENV)/test/installed
	$(BIN)/python man/generate.py
	$(BIN)/python completions/generate.py

# Put the manual and the completions where man and the shells look. The program itself: pip install .
install:
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -D -m 644 completions/qbe.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/qbe
	install -D -m 644 completions/_qbe $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_qbe
	install -D -m 644 completions/qbe.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/qbe.fish

$(VENV)/demo/installed: pyproject.toml models/default.onnx $(shell find qbe -name '*.py')
	$(PYTHON) -m venv --clear $(VENV)/demo
	$(VENV)/demo/bin/pip install --quiet .
	@touch $@

# This torch is the CPU build; a looser request brings gigabytes of GPU libraries.
$(VENV)/test/installed: pyproject.toml models/default.onnx
	$(PYTHON) -m venv --clear $(VENV)/test
	$(VENV)/test/bin/pip install --quiet torch==2.13.0
	$(VENV)/test/bin/pip install --quiet --editable '.[dev,milvus,train]'
	@touch $@

$(VENV)/engines/installed:
	$(PYTHON) -m venv --clear $(VENV)/engines
	$(VENV)/engines/bin/pip install --quiet milvus==2.3.5
	@touch $@

clean:
	rm -rf $(VENV) demo.idx
