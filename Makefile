# SPDX-License-Identifier: GPL-2.0
# Builds in build/, needs neither network nor root. `make help` lists targets.

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=

CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
V       ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
endif

# ---- the data plane -------------------------------------------------------
# Apart from CFLAGS: hardening flags are errors for -target bpf. The prefix
# maps keep the checkout's path out of the objects, which are reproducible.
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -std=gnu11 -Wall -Wextra -Werror \
	-Iinclude -Ibpf -idirafter /usr/include/$(shell gcc -print-multiarch) \
	-ffile-prefix-map=$(CURDIR)=. -fdebug-compilation-dir=.

BPF_OBJECTS := guard probe listeners
SKELETONS   := $(BPF_OBJECTS:%=$(BUILD)/bpf/%.skel.h)

# ---- the control plane ----------------------------------------------------
PACKAGES := libbpf libxdp jansson libsodium libmnl libpcap
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes \
	-fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fcf-protection \
	-ffile-prefix-map=$(CURDIR)=.
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Iuser -I$(BUILD)/bpf -I$(BUILD)
LDFLAGS  += -pie -Wl,-z,relro,-z,now
LDLIBS    = $(shell pkg-config --libs $(PACKAGES))

USER_SOURCES := $(wildcard user/*.c)
USER_OBJECTS := $(USER_SOURCES:user/%.c=$(BUILD)/user/%.o)
# What tests link: all but main().
LIB_OBJECTS  := $(filter-out $(BUILD)/user/main.o $(BUILD)/user/cmd_%.o,$(USER_OBJECTS))

all: $(BUILD)/tfoguard

$(BUILD)/tfoguard: $(USER_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/user/%.o: user/%.c $(BUILD)/version.h | $(SKELETONS)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@.tmp
	$(Q)mv $@.tmp $@

$(BUILD)/version.h: Makefile
	$(Q)mkdir -p $(@D)
	$(Q)printf '#define VERSION "%s"\n' '$(VERSION)' >$@

# ---- tools and tests ------------------------------------------------------
$(BUILD)/bpf/bench.bpf.o: tools/bench.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%.o: tests/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -Wno-missing-field-initializers -MMD -MP -c -o $@ $<

$(BUILD)/tools/bench.o: tools/bench.c | $(BUILD)/bpf/bench.skel.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -Wno-missing-field-initializers -MMD -MP -c -o $@ $<

$(BUILD)/bench: $(BUILD)/tools/bench.o $(BUILD)/tests/frames.o $(LIB_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))

# Pure headers and modules under the sanitizers, apart from the other objects.
$(BUILD)/tests/unit/test_%: tests/unit/test_%.c tests/frames.c user/keytext.c user/ports.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Ibpf -Itests -std=gnu11 -g -O1 -Wall -Wextra -Werror \
		-Wno-missing-field-initializers -fsanitize=address,undefined \
		-fno-sanitize-recover=all -MMD -MP -o $@ $(filter %.c,$^) \
		-lcmocka -lsodium

KERNEL_TESTS := $(patsubst tests/kernel/%.c,$(BUILD)/tests/kernel/%,$(wildcard tests/kernel/test_*.c))

$(BUILD)/tests/kernel/test_%: $(BUILD)/tests/kernel/test_%.o $(BUILD)/tests/frames.o $(LIB_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

clean:
	rm -rf $(BUILD)

.PHONY: all clean
.SECONDARY:
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/tests/*/*.d)
