# Skiff: one Makefile, no recursion. `make help` lists the targets.
# User settings: CC CFLAGS LDFLAGS PREFIX DESTDIR SANITIZE=address,undefined WERROR=1 V=1 TESTWRAP

VERSION := 0.1.0
PREFIX ?= /usr/local
bindir = $(PREFIX)/bin
libexecdir = $(PREFIX)/libexec/skiff
jupyterdir = $(PREFIX)/share/jupyter/kernels/skiff

comma := ,
SANITIZE ?=
FAILPOINTS ?=
CONFIG ?= $(if $(SANITIZE),$(subst $(comma),-,$(SANITIZE)),default)
BUILD ?= build/$(CONFIG)
VENV ?= build/venv
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
MUSL_CC ?= musl-gcc
CFLAGS ?= -O2 -g
WERROR ?=
V ?=
TESTWRAP ?=
Q := $(if $(V),,@)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif

# --- what each folder is made of, and what it may link with (tests/check-layers proves it) --------
LAYERS := base protocol kernel submission kernelspec magics
USES_base :=
USES_protocol := base
USES_kernel := kernelspec protocol base
USES_submission := base
USES_kernelspec := base
USES_magics := kernel kernelspec submission protocol base
PKGS_base := jansson
PKGS_protocol := $(PKGS_base) libzmq libsodium libuv
PKGS_kernel := $(PKGS_protocol) sqlite3
PKGS_submission := $(PKGS_base) libuv sqlite3 yaml-0.1 libsodium
PKGS_kernelspec := $(PKGS_base)
PKGS_magics := $(PKGS_kernel) $(PKGS_submission)
PKGS := $(sort $(foreach l,$(LAYERS),$(PKGS_$(l))))

# --- flags --------------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
  -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wundef -Wvla \
  -Wformat=2 -Wno-format-nonliteral -Wcast-qual -Wimplicit-fallthrough $(if $(WERROR),-Werror)
BASIC_CFLAGS := -std=c17 -D_GNU_SOURCE -DSKIFF_VERSION='"$(VERSION)"' -I. -MMD -MP $(WARNINGS) \
  $(if $(FAILPOINTS),-DSKIFF_FAILPOINTS) \
  -fno-common -fstack-protector-strong \
  $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
BASIC_LDFLAGS := -Wl,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE))
pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)
PKG_CFLAGS := $(call pkg,--cflags,$(PKGS))
ALL_CFLAGS = $(BASIC_CFLAGS) $(PKG_CFLAGS) $(CFLAGS)
RUNNER_CFLAGS := -std=c17 -D_GNU_SOURCE -I. -Os -static $(WARNINGS)
say = @printf '  %-8s %s\n' '$(1)' '$(2)'

SRC = $(sort $(wildcard $(1)/*.c $(1)/backends/*.c))
OBJ = $(patsubst %.c,$(BUILD)/%.o,$(call SRC,$(1)))
LIB = $(BUILD)/lib$(1).a
RUNNER_SRC := $(sort $(wildcard runner/*.c))
PROGRAMS := $(BUILD)/skiff $(BUILD)/skiff-runner

all: build/skiff build/skiff-runner ## build the kernel and the runner (the default)
.PHONY: all
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# The default configuration's programs, under the names the documents use.
build/skiff build/skiff-runner: build/%: build/default/%
	$(Q)ln -f $< $@

define layer
$(call LIB,$(1)): $(call OBJ,$(1))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^
libs_$(1) := $(foreach l,$(1) $(USES_$(1)),$(call LIB,$(l)))
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$(l))))

ALL_LIBS := $(foreach l,magics kernel kernelspec submission protocol base,$(call LIB,$(l)))
$(BUILD)/skiff: $(BUILD)/main.o $(ALL_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASIC_LDFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg,--libs,$(PKGS)) -lm

# The runner needs nothing from where it runs: musl, static, no library of ours.
$(BUILD)/skiff-runner: $(RUNNER_SRC) $(wildcard runner/*.h) | $(BUILD)/flags
	$(call say,RUNNER,$@)
	$(Q)mkdir -p $(@D) && $(MUSL_CC) $(RUNNER_CFLAGS) -s -o $@ $(RUNNER_SRC)

$(BUILD)/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -c -o $@ $<

# Rewritten only when the flags change; every object depends on it.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(subst ','\'',$(ALL_CFLAGS) $(LDFLAGS))' | cmp -s - $@ || \
	  { $(MAKE) --no-print-directory -s check-tools && \
	    echo '$(CC) $(subst ','\'',$(ALL_CFLAGS) $(LDFLAGS))' > $@; }
FORCE:

$(BUILD)/kernel/companion.o: kernel/companion_prelude.py
$(BUILD)/magics/python_module.o: magics/python_module.py
$(BUILD)/kernelspec/logos.o: $(wildcard kernelspec/logos/*)

include tests/tests.mk
include tests/deps.mk

# --- install ------------------------------------------------------------------------------------
install: all ## install into PREFIX (DESTDIR is honoured), with the kernelspec
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(libexecdir) $(DESTDIR)$(jupyterdir)
	install -m 755 $(BUILD)/skiff $(DESTDIR)$(bindir)/skiff
	install -m 755 $(BUILD)/skiff-runner $(DESTDIR)$(libexecdir)/skiff-runner
	sed 's|@SKIFF@|$(bindir)/skiff|' kernelspec/kernel.json.in > $(DESTDIR)$(jupyterdir)/kernel.json
	install -m 644 kernelspec/logos/logo-* $(DESTDIR)$(jupyterdir)

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(bindir)/skiff $(DESTDIR)$(libexecdir)/skiff-runner
	rm -rf $(DESTDIR)$(jupyterdir)
	-rmdir $(DESTDIR)$(libexecdir) 2>/dev/null
.PHONY: install uninstall

clean: ## remove what was built (the virtual environment stays)
	rm -rf $(filter-out $(VENV),$(wildcard build/*))
.PHONY: clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile tests/*.mk | sort | \
	  while IFS='|' read -r t h; do printf '  %-18s %s\n' "$$t" "$$h"; done
.PHONY: help

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
