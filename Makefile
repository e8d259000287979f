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

BPF_OBJECTS := guard accept probe listeners
SKELETONS   := $(BPF_OBJECTS:%=$(BUILD)/bpf/%.skel.h)

# ---- the control plane ----------------------------------------------------
PACKAGES := libbpf libxdp jansson libsodium libmnl libpcap yaml-0.1 \
	libsystemd libmicrohttpd gnutls libcap libcrypt
USER_FOLDERS := user $(addprefix user/,keys settings host guard daemon)
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes \
	-fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fcf-protection \
	-ffile-prefix-map=$(CURDIR)=.
CPPFLAGS += -D_GNU_SOURCE -Iinclude $(USER_FOLDERS:%=-I%) \
	-I$(BUILD)/bpf -I$(BUILD)
LDFLAGS  += -pie -Wl,-z,relro,-z,now
LDLIBS    = $(shell pkg-config --libs $(PACKAGES)) -lm

USER_SOURCES := $(wildcard $(USER_FOLDERS:%=%/*.c))
USER_OBJECTS := $(USER_SOURCES:user/%.c=$(BUILD)/user/%.o)
# What tests link: all but main().
LIB_OBJECTS  := $(filter-out $(BUILD)/user/main.o $(BUILD)/user/cmd_%.o,$(USER_OBJECTS))

# The service of this network namespace, and of others by their names.
UNITS := $(BUILD)/systemd/tfoguard.service $(BUILD)/systemd/tfoguard@.service

all: $(BUILD)/tfoguard $(BUILD)/tfoguard.8 $(UNITS)

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

# ---- the manual -----------------------------------------------------------
$(BUILD)/tfoguard.8: user/man/tfoguard.8.scd.in include/verdict.h \
		user/settings/schema.h tools/verdict-table tools/setting-table
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)tools/verdict-table --scdoc >$@.verdicts
	$(Q)tools/setting-table --scdoc >$@.settings
	$(Q)sed -e '/@VERDICTS@/{r $@.verdicts' -e 'd}' \
		-e '/@SETTINGS@/{r $@.settings' -e 'd}' $< | scdoc >$@
	$(Q)rm $@.verdicts $@.settings

# ---- systemd --------------------------------------------------------------
# Units hold the prefix: made anew by each make, which may have another.
$(BUILD)/systemd/tfoguard.service: user/systemd/tfoguard.service.in FORCE
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|; s|@OF@||; s|@INSTANCE@||' \
		-e '/@NETNS@/d' $< >$@

$(BUILD)/systemd/tfoguard@.service: user/systemd/tfoguard.service.in FORCE
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|; s|@INSTANCE@|-%i|' \
		-e 's|@OF@| in network namespace %i|' \
		-e 's|@NETNS@|NetworkNamespacePath=/run/netns/%i|' $< >$@

FORCE:

# ---- tools and tests ------------------------------------------------------
TEST_CFLAGS := -Itests -Wno-missing-field-initializers

$(BUILD)/tests/%.o: tests/%.c | $(SKELETONS)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

# Pure headers and modules under the sanitizers, apart from the other objects.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))

UNIT_SOURCES := tests/frames.c user/keys/keytext.c user/settings/ports.c \
	user/settings/value.c user/settings/lists.c user/settings/configuration.c \
	user/fault.c user/keys/keys.c user/keys/ring.c user/keys/ringfile.c \
	user/keys/schedule.c user/exposition.c user/output.c \
	user/daemon/passwords.c user/daemon/webconfig.c
UNIT_OBJECTS := $(UNIT_SOURCES:%.c=$(BUILD)/unit/%.o)
SANITIZE     := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all

$(BUILD)/unit/%.o: %.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -Ibpf -std=gnu11 -Wall -Wextra -Werror \
		$(TEST_CFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/test_%: $(BUILD)/unit/tests/unit/test_%.o $(UNIT_OBJECTS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ -lcmocka -lsodium -ljansson -lyaml \
		-lcrypt -lm

# Fuzzers: one for each tests/fuzz/fuzz_*.c, with what the unit tests link.
FUZZERS      := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_OBJECTS := $(patsubst %.c,$(BUILD)/fuzz/%.o,tests/fuzz/file.c \
	user/capture.c $(UNIT_SOURCES))
FUZZ_PARTS   := $(FUZZERS) $(BUILD)/tests/fuzz/seeds \
	$(BUILD)/tests/fuzz/differential
FUZZ_LIBS    := -lsodium -ljansson -lyaml -lpcap -lcrypt -lm

$(BUILD)/fuzz/%.o: %.c
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) -Ibpf -std=gnu11 -Wall -Wextra -Werror \
		$(TEST_CFLAGS) $(SANITIZE) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(FUZZ_OBJECTS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(SANITIZE) -fsanitize=fuzzer -o $@ $^ $(FUZZ_LIBS)

$(BUILD)/tests/fuzz/seeds: $(BUILD)/unit/tests/fuzz/seeds.o $(UNIT_OBJECTS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(FUZZ_LIBS)

# Its own half under the sanitizers; the loader needs none here.
$(BUILD)/tests/fuzz/differential: $(BUILD)/unit/tests/fuzz/differential.o \
		$(BUILD)/unit/tests/frames.o $(LIB_OBJECTS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(LDLIBS)

KERNEL_TESTS := $(patsubst tests/kernel/%.c,$(BUILD)/tests/kernel/%,$(wildcard tests/kernel/test_*.c))

$(BUILD)/tests/kernel/test_%: $(BUILD)/tests/kernel/test_%.o $(BUILD)/tests/frames.o $(LIB_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# What the verifier walks is the compiler's work as well.
CLANG_MAJOR := $(firstword $(subst ., ,$(shell $(CLANG) -dumpversion)))
VERIFIER_BUDGET := tests/kernel/verifier-budget

$(BUILD)/tests/kernel/test_verifier.o: CPPFLAGS += -DCLANG_VERSION='"$(CLANG_MAJOR)"'

JUDGE_OBJECTS := $(patsubst tests/%.c,$(BUILD)/tests/%.o,$(wildcard tests/judge/*.c))

$(BUILD)/tests/judge-syns: $(JUDGE_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

# What a guest of tests/vm needs beside the program.
VM_PARTS := $(BUILD)/tests/vm/tfo-client $(BUILD)/tests/vm/tfo-server \
	$(BUILD)/tests/vm/counter.bpf.o $(UNITS)

$(BUILD)/tests/vm/tfo-%: $(BUILD)/tests/vm/tfo-%.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/tests/vm/%.bpf.o: tests/vm/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

tests: $(BUILD)/tfoguard $(BUILD)/tfoguard.8 $(UNIT_TESTS) $(KERNEL_TESTS) \
	$(BUILD)/flood $(BUILD)/tests/judge-syns $(VM_PARTS) $(FUZZ_PARTS)

# Installs what is missing first, since this is one of the README's commands.
# SUITE="unit program" runs only those.
test:
	$(Q)tools/install-deps test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) tests
	$(Q)BUILD=$(BUILD) tests/run $(SUITE)

# SECONDS= is for all of them together; the differential one needs root.
fuzz:
	$(Q)tools/install-deps test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(FUZZ_PARTS)
	$(Q)BUILD=$(BUILD) tests/fuzz/run $(SECONDS)

# For this kernel and those of SUITES=, as "bookworm trixie sid", and for each of
# COMPILERS="clang-14 clang-19"; the check holds them to the budget, which else
# is written: rows of other kernels and compilers stay.
verifier-check verifier-budget: export MAKE := $(MAKE)
verifier-check:
	$(Q)tools/install-deps test
	$(Q)BUILD=$(BUILD) tests/vm/verifier $(SUITES)

verifier-budget:
	$(Q)tools/install-deps test
	$(Q)mkdir -p $(BUILD)
	$(Q)BUILD=$(BUILD) tests/vm/verifier --list $(SUITES) >$(BUILD)/verifier-budget
	$(Q)awk 'NR == FNR { fresh[$$1, $$2]; next } !(($$1, $$2) in fresh)' \
		$(BUILD)/verifier-budget $(VERIFIER_BUDGET) >$(BUILD)/verifier-budget.kept
	$(Q)cat $(BUILD)/verifier-budget.kept $(BUILD)/verifier-budget >$(VERIFIER_BUDGET)

# As many random SYNs as are wanted, SYNS=20000 SEED=; some 20,000 a second.
judge:
	$(Q)tools/install-deps test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) tests
	$(Q)TFOGUARD=$(BUILD)/tfoguard JUDGE=$(BUILD)/tests/judge-syns \
		tests/isolate tests/judge/run $(SYNS) $(SEED)

# Other kernels, whole: TAP, a table, and the same table in the README.
test-kernels:
	$(Q)tools/install-deps test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) tests
	$(Q)(BUILD=$(BUILD) tests/vm/run bookworm trixie sid; \
		echo $$? >$(BUILD)/kernels.status) | tee $(BUILD)/kernels.tap
	$(Q)tools/kernel-table <$(BUILD)/kernels.tap | tee $(BUILD)/kernels.md
	$(Q)tools/kernel-table --readme <$(BUILD)/kernels.tap
	$(Q)exit $$(cat $(BUILD)/kernels.status)

demo:
	$(Q)tools/install-deps demo
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/tfoguard
	$(Q)TFOGUARD=$(BUILD)/tfoguard tests/isolate tools/demo

$(BUILD)/bpf/restore.bpf.o: tools/bench/restore.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tools/bench/%.o: tools/bench/%.c | $(BUILD)/bpf/restore.skel.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/bench-%: $(BUILD)/tools/bench/%.o $(BUILD)/tools/bench/rig.o \
		$(BUILD)/tools/bench/memory.o $(BUILD)/tests/frames.o $(LIB_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The keys that the bench's ring holds: the kernel's and the guard's in step.
BENCH_KEYS := 00112233-44556677-8899aabb-ccddeeff,a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4

# ROUNDS= and REPEAT= change how long these two take.
bench: TIMED := bench-paths
bench-scale: TIMED := bench-scale
bench bench-scale:
	$(Q)tools/install-deps test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/$(TIMED)
	$(Q)tests/isolate sh -c 'sysctl -qw net.ipv4.tcp_fastopen=3 \
		net.ipv4.tcp_fastopen_key=$(BENCH_KEYS) && \
		exec $(BUILD)/$(TIMED) $(ROUNDS) $(REPEAT)' >$(BUILD)/$@.json
	@echo "figures: $(BUILD)/$@.json"

# ROTATIONS= changes how long it takes.
bench-rotation:
	$(Q)tools/install-deps test
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/tfoguard $(BUILD)/tests/vm/tfo-server
	$(Q)TFOGUARD=$(BUILD)/tfoguard SERVER=$(BUILD)/tests/vm/tfo-server \
		tests/isolate tools/bench-rotation $(ROTATIONS) >$(BUILD)/bench-rotation.json
	@echo "figures: $(BUILD)/bench-rotation.json"

# ---- floods ---------------------------------------------------------------
$(BUILD)/bpf/flood.bpf.o: tools/flood/flood.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tools/flood/%.o: tools/flood/%.c | $(BUILD)/bpf/flood.skel.h
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/flood: $(patsubst %,$(BUILD)/tools/flood/%.o,flood templates port) $(LIB_OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/flood-%: $(BUILD)/tools/flood/%.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson

# What it takes is in tools/bench-flood; it isolates itself.
bench-flood:
	$(Q)tools/install-deps bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/tfoguard \
		$(BUILD)/flood $(BUILD)/flood-server $(BUILD)/flood-client
	$(Q)BUILD=$(BUILD) tools/bench-flood
	@echo "figures: $(BUILD)/bench-flood.json"

# What it takes is in tools/bench-all; the machine has to be idle otherwise.
bench-all:
	$(Q)tools/install-deps bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/tfoguard
	$(Q)BUILD=$(BUILD) MAKE="$(MAKE)" tools/bench-all

# ---- installing -----------------------------------------------------------
MAN_DIR        := $(DESTDIR)$(PREFIX)/share/man/man8
COMPLETION_DIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
UNIT_DIR       := $(DESTDIR)$(PREFIX)/lib/systemd/system
DOC_DIR        := $(DESTDIR)$(PREFIX)/share/doc/tfoguard
PROMETHEUS_DIR := $(DESTDIR)$(PREFIX)/share/tfoguard/prometheus

install: all
	install -D -m 755 $(BUILD)/tfoguard $(DESTDIR)$(PREFIX)/sbin/tfoguard
	install -D -m 644 -t $(MAN_DIR) $(BUILD)/tfoguard.8
	install -D -m 644 user/completion/tfoguard.bash $(COMPLETION_DIR)/tfoguard
	install -D -m 644 -t $(UNIT_DIR) $(UNITS) user/systemd/tfoguard.socket
	install -D -m 644 -t $(PROMETHEUS_DIR) tools/prometheus/alerts.yml \
		tools/prometheus/dashboard.json
	install -D -m 644 -t $(DOC_DIR) user/tfoguard.yaml.example

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/tfoguard $(MAN_DIR)/tfoguard.8 \
		$(COMPLETION_DIR)/tfoguard $(UNIT_DIR)/tfoguard.service \
		$(UNIT_DIR)/tfoguard@.service $(UNIT_DIR)/tfoguard.socket
	rm -rf $(DESTDIR)$(PREFIX)/share/tfoguard $(DOC_DIR)

clean:
	rm -rf $(BUILD)

help:
	@echo 'all (default)  $(BUILD)/tfoguard and its manual'
	@echo 'demo           Fast Open through the guard, with nginx and curl (root)'
	@echo 'test           every test; SUITE="unit program" for some (root)'
	@echo 'test-kernels   the guard on other kernels, in a table (root)'
	@echo 'judge          SYNS=20000 random ones, beside a bare kernel (root)'
	@echo 'fuzz           every fuzzer, SECONDS=60 in all (root)'
	@echo 'verifier-check what programs cost verifiers, SUITES="bookworm sid" (root)'
	@echo 'verifier-budget writes down what they may cost (root)'
	@echo 'bench          what each path costs (root)'
	@echo 'bench-scale    how that grows, and memory (root)'
	@echo 'bench-rotation rotations under load: lost 0-RTT, if any (root)'
	@echo 'bench-flood    what clients get under floods (root); see tools/bench-flood -h'
	@echo 'bench-all      all four, tables and plots (root); see tools/bench-all -h'
	@echo 'install        PREFIX=$(PREFIX) DESTDIR=; uninstall'
	@echo 'clean          remove $(BUILD)'
	@echo 'V=1 shows the commands.'

.PHONY: FORCE all tests test judge test-kernels fuzz demo \
	verifier-check verifier-budget \
	bench bench-scale bench-rotation bench-flood bench-all install \
	uninstall clean help
.SECONDARY:
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/*/*/*/*.d)
