# Tests. `make test` is the quick loop; `make check` is everything, from a fresh machine on.
#
# What is tested is built in build/test with the failure points compiled in (base/failpoint.h), and once
# more with sanitizers; build/default is what users get.

ASAN := address,undefined
FUZZ_SECONDS ?=
BUILT_FOR_TESTS := FAILPOINTS=1 WERROR=1
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

CMOCKA = $(call pkg,--libs,cmocka)
UNIT_SRC := $(sort $(wildcard tests/unit/*/*.c))
INTEGRATION_SRC := $(sort $(wildcard tests/integration/test_*.c))
ENGINE_SRC := $(sort $(wildcard tests/engine/test_*.c))
FRONTEND_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/frontend*.c)))
OKS = $(patsubst %.c,$(BUILD)/%.ok,$(1))

test: ## the quick loop: units, integration, layers
	@$(MAKE) --no-print-directory CONFIG=test $(BUILT_FOR_TESTS) units integration layers
	@tests/summary build/test

check: ## everything, with all set-up; the last line counts
	@rm -rf build/results && mkdir -p build/results
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory format-check lint all
	@$(MAKE) --no-print-directory CONFIG=test $(BUILT_FOR_TESTS) units integration layers
	@$(MAKE) --no-print-directory clients
	@$(MAKE) --no-print-directory browser
	@$(MAKE) --no-print-directory engines
	@$(MAKE) --no-print-directory CONFIG=sanitized SANITIZE=$(ASAN) $(BUILT_FOR_TESTS) units integration
	@$(MAKE) --no-print-directory CONFIG=test $(BUILT_FOR_TESTS) valgrind
	@$(MAKE) --no-print-directory fuzz-short
	@tests/summary build/test build/sanitized build/results
.PHONY: test check

units: $(call OKS,$(UNIT_SRC))
integration: $(call OKS,$(INTEGRATION_SRC))
.PHONY: units integration

# A unit test sees its layer and what that layer may use, no more.
define unit_layer
$(BUILD)/tests/unit/$(1)/%: $(BUILD)/tests/unit/$(1)/%.o $(libs_$(1))
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(BASIC_LDFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(CMOCKA) $$(call pkg,--libs,$$(PKGS_$(1))) -lm
test-unit-$(1): $$(call OKS,$$(wildcard tests/unit/$(1)/*.c))
.PHONY: test-unit-$(1)
endef
$(foreach l,$(LAYERS),$(eval $(call unit_layer,$(l))))

$(BUILD)/tests/integration/%: $(BUILD)/tests/integration/%.o $(FRONTEND_OBJ) $(ALL_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASIC_LDFLAGS) $(LDFLAGS) -o $@ $^ $(CMOCKA) $(call pkg,--libs,$(PKGS)) -lm

# Against a real Docker Engine and a private registry with a password, started for the test and stopped
# after. The containers of C tests hold one static program, those of Python's a Debian with Python.
engines: venv ## runs in containers, against a real Docker Engine and a private registry (needs root)
	@tests/install-packages "$(SUDO)" $(ENGINE_PACKAGES)
	@$(MAKE) --no-print-directory CONFIG=test $(BUILT_FOR_TESTS) engine-units
	$(Q)tests/engine/base-image build/engine/base.tar
	$(call say,PYTEST,tests/engine)
	$(Q)mkdir -p build/results; SKIFF_BUILD=build/test tests/engine/with-registry tests/engine/with-docker \
	  $(PYTHON) -m pytest -q tests/engine --junitxml build/results/docker.xml -o junit_family=xunit2 -p no:cacheprovider
	$(call say,PYTEST,tests/engine with Podman)
	$(Q)SKIFF_BUILD=build/test tests/engine/with-registry tests/engine/with-podman \
	  $(PYTHON) -m pytest -q tests/engine -m "not docker" --junitxml build/results/podman.xml -o junit_family=xunit2 \
	  -p no:cacheprovider
engine-units: $(call OKS,$(ENGINE_SRC))
$(call OKS,$(ENGINE_SRC)): TESTWRAP += tests/engine/with-docker tests/engine/with-registry
$(call OKS,$(ENGINE_SRC)): $(BUILD)/tests/engine/tiny $(PROGRAMS)
$(BUILD)/tests/engine/tiny: tests/engine/tiny.c | $(BUILD)/flags
	$(call say,TINY,$@)
	$(Q)mkdir -p $(@D) && $(MUSL_CC) $(RUNNER_CFLAGS) -s -o $@ $<
$(BUILD)/tests/engine/%: $(BUILD)/tests/engine/%.o $(ALL_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASIC_LDFLAGS) $(LDFLAGS) -o $@ $^ $(CMOCKA) $(call pkg,--libs,$(PKGS)) -lm
.PHONY: engines engine-units

# A test that passed is stamped; one that failed shows its log and stops make.
$(BUILD)/tests/%.ok: $(BUILD)/tests/%
	$(call say,TEST,$*)
	$(Q)SKIFF_BUILD=$(abspath $(BUILD)) SKIFF_RUNNER=$(abspath $(BUILD))/skiff-runner $(TESTWRAP) \
	  $< >$<.log 2>&1 && touch $@ || { cat $<.log; echo "FAILED: $<"; exit 1; }
$(call OKS,$(INTEGRATION_SRC)) $(call OKS,$(wildcard tests/unit/submission/*.c)): $(PROGRAMS)
.SECONDARY:

# Each archive links whole with what its folder may use, each header compiles alone, each library's
# header stays in its place.
layers: $(ALL_LIBS)
	@$(foreach l,$(LAYERS),tests/check-layer "$(CC)" $(l) "$(libs_$(l))" \
	  "$(call pkg,--libs,$(PKGS_$(l))) -lm $(if $(SANITIZE),-fsanitize=$(SANITIZE))" &&) \
	  tests/check-includes "$(CC) $(filter-out -MMD -MP,$(BASIC_CFLAGS)) $(PKG_CFLAGS)"
.PHONY: layers

clients: venv ## the real clients: jupyter_kernel_test, nbclient, nbconvert, papermill
	@$(MAKE) --no-print-directory CONFIG=test $(BUILT_FOR_TESTS) programs
	$(call say,PYTEST,tests/clients)
	$(Q)mkdir -p build/results; SKIFF_BUILD=build/test $(PYTHON) -m pytest -q tests/clients -n 4 --dist worksteal \
	  --junitxml build/results/clients.xml -o junit_family=xunit2 -p no:cacheprovider
browser: venv ## JupyterLab and Notebook 7 in Chromium; pictures in build/browser
	@$(MAKE) --no-print-directory CONFIG=test $(BUILT_FOR_TESTS) programs
	$(call say,PYTEST,tests/browser)
	$(Q)mkdir -p build/results; SKIFF_BUILD=build/test $(PYTHON) -m pytest -q tests/browser \
	  --junitxml build/results/browser.xml -o junit_family=xunit2 -p no:cacheprovider
programs: $(PROGRAMS)
.PHONY: clients browser programs

VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
  --child-silent-after-fork=yes
# What moves much data, fills disks or is killed half-way is left to the sanitizers: minutes under valgrind.
VALGRIND_SRC := $(filter-out %/test_backlog.c %/test_channels.c %/test_ignore_git.c %/test_metrics.c \
  %/test_registry_auth.c %/test_snapshot_crash.c %/test_snapshot_store.c,$(UNIT_SRC))
valgrind: $(patsubst %.c,$(BUILD)/%.valgrind,$(VALGRIND_SRC))
$(BUILD)/tests/%.valgrind: $(BUILD)/tests/% $(PROGRAMS)
	$(call say,VALGRIND,$*)
	$(Q)SKIFF_BUILD=$(abspath $(BUILD)) SKIFF_RUNNER=$(abspath $(BUILD))/skiff-runner $(VALGRIND) $< \
	  >$<.valgrind.log 2>&1 && touch $@ || { cat $<.valgrind.log; echo "FAILED under valgrind: $<"; exit 1; }
.PHONY: valgrind

# --- fuzzing (clang's libFuzzer): every corpus is replayed, then fuzzed for a while ------------------
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(ALL_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=fuzzer,$(ASAN) -o $@ $^ $(call pkg,--libs,$(PKGS)) -lm
fuzzers: $(FUZZERS:%=$(BUILD)/tests/fuzz/fuzz_%)

fuzz fuzz-short: ; $(fuzz)
fuzz: SECONDS_EACH = 600
fuzz-short: SECONDS_EACH = 10
define fuzz
+@$(MAKE) --no-print-directory CONFIG=fuzz CC=clang SANITIZE=fuzzer-no-link,$(ASAN) fuzzers
@for f in $(FUZZERS); do tests/run-fuzzer build/fuzz/tests/fuzz/fuzz_$$f tests/fuzz/corpus/$$f \
  $(or $(FUZZ_SECONDS),$(SECONDS_EACH)) || exit 1; done
endef
fuzz: ## replay the corpora, then fuzz each target for FUZZ_SECONDS (600)
.PHONY: fuzzers fuzz-short fuzz

# --- style ------------------------------------------------------------------------------------------
SOURCES = $(sort $(wildcard *.c */*.[ch] */backends/*.[ch] tests/unit/*/*.[ch] tests/*/*.[ch]))
format: venv ## lay the sources out by .clang-format
	$(Q)$(VENV)/bin/clang-format -i $(SOURCES)
format-check: venv
	$(call say,FORMAT,)
	$(Q)$(VENV)/bin/clang-format --dry-run -Werror $(SOURCES)
lint: ## clang-tidy with the checks of .clang-tidy, each of which says why
	$(call say,LINT,)
	$(Q)mkdir -p build; printf '%s\n' $(filter-out -MMD -MP,$(BASIC_CFLAGS)) $(PKG_CFLAGS) | \
	  sed 's|^-I\.$$|-I$(CURDIR)|' >build/compile_flags.txt
	$(Q)printf '%s\n' $(filter-out tests/% bench/%,$(filter %.c,$(SOURCES))) | \
	  xargs -P $(shell nproc) -n 6 clang-tidy --quiet -p build
.PHONY: format format-check lint

# --- the demo and the benches --------------------------------------------------------------------------
demo: ## install what is needed, build, and train the example; prints the page's path
	@$(MAKE) --no-print-directory deps-build
	@$(MAKE) --no-print-directory all
	@mkdir -p build/demo
	@build/skiff install --prefix $(VENV)
	@cd notebooks && SKIFF_HOME=$(abspath build/demo/home) $(abspath $(VENV))/bin/jupyter nbconvert --to html \
	  --execute train-digits.ipynb --output-dir $(abspath build/demo)
	@echo "The result: $(abspath build/demo)/train-digits.html"
build/bare_loop: bench/bare_loop.c
	$(Q)$(CC) -O2 -o $@ $< $(call pkg,--libs,libzmq jansson libsodium)
build/bench_snapshot: build/default/bench/bench_snapshot.o $(call LIB,submission) $(call LIB,base)
	$(Q)$(CC) $(BASIC_LDFLAGS) -o $@ $^ $(call pkg,--libs,$(PKGS_submission)) -lm
bench: all venv build/bare_loop build/bench_snapshot ## measure, side by side with the peers and the floor
	$(Q)$(PYTHON) bench/bench.py build
	@tests/install-packages "$(SUDO)" $(ENGINE_PACKAGES)
	$(Q)tests/engine/base-image build/engine/base.tar
	$(Q)tests/engine/with-docker $(PYTHON) bench/bench.py build containers
.PHONY: demo bench
