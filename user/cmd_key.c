// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "guard.h"
#include "kernel.h"
#include "keytext.h"
#include "output.h"

struct arguments {
	struct output output;
	bool show;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case ARGP_KEY_ARG:
		if (a->show || strcmp(arg, "show"))
			argp_error(state, "\"%s\" is not show", arg);
		a->show = true;
		return 0;
	case ARGP_KEY_END:
		if (!a->show)
			argp_error(state, "what about the keys? show");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.parser = parse_option,
	.args_doc = "show",
	.doc = "Print the keys of the guard and of the kernel in this network "
	       "namespace, by fingerprint: the keys themselves stay secret.",
	.children = children,
};

static const char *const slot_names[] = {
#define X(slot, meaning) #slot,
	KEY_SLOTS(X)
#undef X
};

static void print_text(const struct keyring *ring,
		       const struct kernel_pair *pair)
{
	static const char *const kernel_names[] = { "primary", "backup" };
	char id[KEYTEXT_ID_LEN + 1];

	for (int i = 0; i < KEY_SLOT_COUNT; i++) {
		keytext_id(&ring->slot[i].secret, id);
		printf("guard  %-9s %s\n", slot_names[i], id);
	}
	for (int i = 0; i < pair->n; i++) {
		keytext_id(&pair->key[i], id);
		printf("kernel %-9s %s\n", kernel_names[i], id);
	}
	if (!pair->n)
		puts("kernel           none: no listener has turned Fast Open on "
		     "yet, or the key is all zeros");
	if (!ring_covers(ring, pair))
		puts("The kernel has a key that the guard's map lacks; \"tfoguard "
		     "attach\" again adopts it.");
}

static json_t *to_json(const struct keyring *ring,
		       const struct kernel_pair *pair)
{
	json_t *guard = json_object(), *kernel = json_array();
	char id[KEYTEXT_ID_LEN + 1];

	for (int i = 0; i < KEY_SLOT_COUNT; i++) {
		keytext_id(&ring->slot[i].secret, id);
		json_object_set_new(guard, slot_names[i],
				    key_is_empty(&ring->slot[i].secret) ?
					    json_null() :
					    json_string(id));
	}
	for (int i = 0; i < pair->n; i++) {
		keytext_id(&pair->key[i], id);
		json_array_append_new(kernel, json_string(id));
	}
	return json_pack("{s:o,s:o,s:b}", "guard", guard, "kernel", kernel,
			 "in_step", ring_covers(ring, pair));
}

static int show(const struct output *out, struct keyring *ring,
		struct kernel_pair *keys, struct fault *f)
{
	int err = kernel_keys(keys);

	if (err) {
		if (err == -EACCES || err == -EPERM)
			fault_advise(f, "run it as root");
		return fault_fail(f, EXIT_FAILED, err,
				  "the kernel's key "
				  "(net.ipv4.tcp_fastopen_key) can't be read: %s",
				  strerror(-err));
	}
	err = guard_keyring(ring);
	if (err == -ENOENT) {
		fault_advise(f, "attach one: tfoguard attach IFACE");
		return fault_fail(f, EXIT_NOT_ATTACHED, err,
				  "no guard is attached in this network "
				  "namespace");
	}
	if (err) {
		if (err == -EPERM)
			fault_advise(f, "run it as root, with CAP_SYS_ADMIN");
		return fault_fail(f, EXIT_FAILED, err, "the guard's ring: %s",
				  strerror(-err));
	}
	if (out->json)
		output_json(out, to_json(ring, keys));
	else
		print_text(ring, keys);
	return 0;
}

int cmd_key(int argc, char **argv)
{
	struct kernel_pair keys;
	struct arguments a = { 0 };
	struct fault f = { 0 };
	struct keyring ring;
	int err;

	output_parse(&argp, argc, argv, &a);
	fault_tried(&f, "show the keys");
	err = show(&a.output, &ring, &keys, &f);
	explicit_bzero(&keys, sizeof(keys));
	explicit_bzero(&ring, sizeof(ring));
	return err ? output_fault(&a.output, &f) : EXIT_DONE;
}
