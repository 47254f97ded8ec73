# Tests. `make test` is the quick loop, `make check` everything, from a fresh machine on.

TEST_CFLAGS = $(ALL_CFLAGS)
CMOCKA = $(call pkg,--libs,cmocka)
UNIT_SRC := $(sort $(wildcard tests/unit/*/*.c))
UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
INTEGRATION_SRC := $(sort $(wildcard tests/integration/test_*.c))
INTEGRATION_BIN := $(patsubst %.c,$(BUILD)/%,$(INTEGRATION_SRC))
FRONTEND_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/frontend*.c))

# A unit test sees its layer and what that layer may use, no more.
define unit_layer
$(BUILD)/tests/unit/$(1)/%: $(BUILD)/tests/unit/$(1)/%.o $(libs_$(1))
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(BASIC_LDFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(CMOCKA) $$(call pkg,--libs,$$(PKGS_$(1))) -lm
test-unit-$(1): $(patsubst %.c,$(BUILD)/%.ok,$(wildcard tests/unit/$(1)/*.c))
.PHONY: test-unit-$(1)
endef
$(foreach l,$(LAYERS),$(eval $(call unit_layer,$(l))))

$(BUILD)/tests/integration/%: $(BUILD)/tests/integration/%.o $(FRONTEND_OBJ) $(ALL_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASIC_LDFLAGS) $(LDFLAGS) -o $@ $^ $(CMOCKA) $(call pkg,--libs,$(PKGS)) -lm

# A test that passed is stamped; one that failed shows its log and stops make.
$(BUILD)/tests/%.ok: $(BUILD)/tests/%
	$(call say,TEST,$*)
	$(Q)SKIFF_BUILD=$(abspath $(BUILD)) $(TESTWRAP) $< >$<.log 2>&1 && touch $@ || { cat $<.log; exit 1; }
$(BUILD)/tests/unit/runner/%.ok $(BUILD)/tests/integration/%.ok: $(PROGRAMS)
.SECONDARY:
