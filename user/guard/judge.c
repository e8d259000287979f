// SPDX-License-Identifier: GPL-2.0
#include "judge.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include "guard.skel.h"

/* BPF_PROG_TEST_RUN refuses anything shorter (bpf_prog_test_run_xdp). */
#define TEST_RUN_MIN ETH_HLEN

#define MAX_IP_LEN 65535

struct judge {
	struct program program;
	struct shared shared;
	struct program_config config;
	struct counters before;
	int no_ethernet;
};

static const char *const verdict_names[] = {
	[UNDECIDED] = "undecided",
#define X(name, action, meaning) [V_##name] = #name,
	VERDICTS(X)
#undef X
};

static const char *const action_names[] = {
#define X(action, meaning) [ACTION_##action] = #action,
	ACTIONS(X)
#undef X
};

const char *judge_verdict_name(enum verdict v)
{
	return v < VERDICT_COUNT ? verdict_names[v] : "unknown";
}

const char *judge_action_name(enum action a)
{
	return a < ACTION_COUNT ? action_names[a] : "unknown";
}

int judge_set_keyring(struct judge *judge, const struct keyring *ring)
{
	int fd = bpf_map__fd(judge->program.skel->maps.keyring);

	return program_set_keyring(fd, ring);
}

int judge_set_tuning(struct judge *judge, const struct tuning *tuning)
{
	int fd = judge->shared.fd[SHARED_tuning];
	__u32 zero = 0;

	return bpf_map_update_elem(fd, &zero, tuning, BPF_ANY) ? -errno : 0;
}

int judge_set_time(struct judge *judge, __u64 ns)
{
	int fd = bpf_map__fd(judge->program.skel->maps.frozen_time);
	__u32 zero = 0;

	return bpf_map_update_elem(fd, &zero, &ns, BPF_ANY) ? -errno : 0;
}

int judge_open(struct judge **out, const struct program_config *config,
	       const struct keyring *ring, struct fault *f)
{
	struct judge *judge = calloc(1, sizeof(*judge));
	struct program_maps none = { -1, -1, -1, -1, NULL };
	int err;

	if (!judge)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	judge->shared = SHARED_NONE;
	none.shared = &judge->shared;
	judge->no_ethernet = config->settings.no_ethernet;
	program_catch_complaints();
	judge->config = *config;
	judge->config.settings.may_resize = !config->chained;
	err = program_open(&judge->program, &judge->config, &none, f) ?:
	      program_load(&judge->program, f);
	if (!err) {
		err = judge_set_keyring(judge, ring);
		if (err)
			fault_fail(f, EXIT_FAILED, err, "no map for the keys: %s",
				   strerror(-err));
	}
	if (err) {
		judge_close(judge);
		return err;
	}
	*out = judge;
	return 0;
}

void judge_close(struct judge *judge)
{
	if (!judge)
		return;
	program_close(&judge->program);
	shared_close(&judge->shared);
	free(judge);
}

/* The one counter that the last run raised. */
static int find_count(struct judge *judge, struct judgement *result)
{
	int fd = bpf_map__fd(judge->program.skel->maps.counters);
	struct counters after;
	int err = program_read_counters(fd, &after), found = 0;

	if (err)
		return err;
	for (int v = 1; v < VERDICT_COUNT; v++) {
		int slot = judge->program.skel->rodata->counter_slot[v];

		for (int family = 0; family < FAMILY_COUNT; family++) {
			if (after.slot[slot][family].packets ==
			    judge->before.slot[slot][family].packets)
				continue;
			result->verdict = (enum verdict)v;
			result->family = (enum family)family;
			found++;
		}
	}
	judge->before = after;
	return found == 1 ? 0 : -EPROTO;
}

int judge_packet(struct judge *judge, const void *frame, __u32 len, void *out,
		 struct judgement *result)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = len, .data_out = out,
		    .data_size_out = JUDGE_FRAME_MAX, .repeat = 1);
	int err;

	memset(result, 0, sizeof(*result));
	if (len > JUDGE_FRAME_MAX)
		return -EMSGSIZE;
	if (len < TEST_RUN_MIN) {
		/* The kernel won't run it; parse_link and parse_ipv4 say: */
		result->verdict = judge->no_ethernet && len ? V_unparsed_ip :
							      V_unparsed_link;
		result->action = ACTION_pass;
		result->xdp_action = XDP_PASS;
		result->out_len = len;
		memcpy(out, frame, len);
		return 0;
	}
	/* More than the fragments of one packet hold is -ENOMEM. */
	if (bpf_prog_test_run_opts(judge->program.fd, &opts))
		return errno == ENOMEM && len > MAX_IP_LEN ? -EMSGSIZE : -errno;
	err = find_count(judge, result);
	result->action = verdict_action(result->verdict);
	result->xdp_action = opts.retval;
	result->out_len = opts.data_size_out;
	return err;
}

int judge_program_fd(const struct judge *judge)
{
	return judge->program.fd;
}

int judge_map_fd(const struct judge *judge, const char *name)
{
	return bpf_object__find_map_fd_by_name(judge->program.skel->obj, name);
}
