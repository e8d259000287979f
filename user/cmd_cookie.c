// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "fastopen.h"
#include "keytext.h"
#include "output.h"

struct arguments {
	struct output output;
	const char *address[2]; /* client, server */
	struct siphash_key keys[KEYTEXT_KEYS_MAX];
	int n_addresses, n_keys;
};

static const struct argp_option options[] = {
	{ "key", 'k', "KEY[,KEY]", 0,
	  "In the form of net.ipv4.tcp_fastopen_key; a test key, for it shows in "
	  "the list of processes",
	  1 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case 'k':
		a->n_keys = keytext_parse(arg, a->keys);
		if (a->n_keys < 0)
			argp_error(state, "the key is not of the form "
					  "00112233-44556677-8899aabb-ccddeeff");
		return 0;
	case ARGP_KEY_ARG:
		if (a->n_addresses == 2)
			argp_usage(state);
		a->address[a->n_addresses++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (a->n_addresses != 2)
			argp_error(state, "whose cookie? CLIENT and SERVER are "
					  "addresses");
		if (!a->n_keys)
			argp_error(state, "made with which key? --key");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "CLIENT SERVER",
	.doc = "Print the cookie that a server at SERVER makes for CLIENT, as the "
	       "16 hex digits that go on the wire; one line for each key.",
	.children = children,
};

/* Fills @path with saddr || daddr; returns its words, or 0. */
static unsigned int read_path(const char *const address[2],
			      struct tfo_path *path)
{
	unsigned char bytes[32];
	unsigned int words;

	if (inet_pton(AF_INET, address[0], bytes) == 1 &&
	    inet_pton(AF_INET, address[1], bytes + 4) == 1)
		words = TFO_PATH_WORDS_IPV4;
	else if (inet_pton(AF_INET6, address[0], bytes) == 1 &&
		 inet_pton(AF_INET6, address[1], bytes + 16) == 1)
		words = TFO_PATH_WORDS_IPV6;
	else
		return 0;
	for (unsigned int i = 0; i < words; i++) {
		__u64 word;

		memcpy(&word, bytes + i * sizeof(word), sizeof(word));
		path->words[i] = le64toh(word);
	}
	return words;
}

int cmd_cookie(int argc, char **argv)
{
	char text[KEYTEXT_KEYS_MAX][2 * TFO_COOKIE_LEN + 1];
	struct arguments a = { 0 };
	struct fault f = { 0 };
	struct tfo_path path;
	unsigned int words;
	json_t *list;

	output_parse(&argp, argc, argv, &a);
	words = read_path(a.address, &path);
	if (!words) {
		fault_tried(&f, "make a cookie for %s and %s", a.address[0],
			    a.address[1]);
		fault_advise(&f, "give two IPv4 or two IPv6 addresses");
		fault_fail(&f, EXIT_USAGE, 0,
			   "they are not two addresses of one family");
		return output_fault(&a.output, &f);
	}
	for (int i = 0; i < a.n_keys; i++) {
		__u64 wire = htole64(tfo_cookie(&a.keys[i], &path, words));

		for (int byte = 0; byte < TFO_COOKIE_LEN; byte++)
			snprintf(text[i] + 2 * byte, 3, "%02x",
				 ((unsigned char *)&wire)[byte]);
	}
	if (!a.output.json) {
		for (int i = 0; i < a.n_keys; i++)
			puts(text[i]);
		return EXIT_DONE;
	}
	list = json_array();
	for (int i = 0; i < a.n_keys; i++)
		json_array_append_new(list, json_string(text[i]));
	output_json(&a.output,
		    json_pack("{s:s,s:s,s:o}", "client", a.address[0], "server",
			      a.address[1], "cookies", list));
	return EXIT_DONE;
}
