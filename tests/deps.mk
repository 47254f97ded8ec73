# What a machine needs and how it gets it: Debian's packages, and a virtual environment of our own.

BUILD_PACKAGES := gcc make git pkg-config musl-tools python3 python3-venv libzmq3-dev libsodium-dev \
  libjansson-dev libuv1-dev libsqlite3-dev libyaml-dev libcurl4-openssl-dev libarchive-dev
TEST_PACKAGES := valgrind clang clang-tidy libclang-rt-dev libcmocka-dev chromium
ENGINE_PACKAGES := docker.io podman docker-registry apache2-utils debootstrap curl
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
PYTHON := $(VENV)/bin/python

deps: ## install what is missing: Debian's packages (with sudo when not root) and the virtual environment
	@tests/install-packages "$(SUDO)" $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory venv
deps-build: ## the same without what only tests need
	@tests/install-packages "$(SUDO)" $(BUILD_PACKAGES)
	@$(MAKE) --no-print-directory venv
.PHONY: deps deps-build

# Made again when the pinned versions change.
venv: $(VENV)/ready
$(VENV)/ready: tests/requirements.txt
	$(call say,VENV,$(VENV))
	$(Q)python3 -m venv --clear $(VENV)
	$(Q)$(PYTHON) -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	$(Q)touch $@
.PHONY: venv

check-tools:
	@command -v $(MUSL_CC) >/dev/null || { echo "missing: $(MUSL_CC) (run: make deps)" >&2; exit 1; }
	@for p in $(PKGS); do pkg-config --exists $$p || \
	  { echo "missing library: $$p (run: make deps)" >&2; exit 1; }; done
.PHONY: check-tools
