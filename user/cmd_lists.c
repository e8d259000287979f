// SPDX-License-Identifier: GPL-2.0
/* tfoguard allow, tfoguard block */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "listmaps.h"
#include "output.h"

enum act { ACT_NONE, ACT_ADD, ACT_DEL, ACT_LIST };

struct arguments {
	struct output output;
	enum list_entry entry;
	enum act act;
	char **prefix; /* texts */
	size_t n_prefixes;
	const char *file;
};

static const struct argp_option options[] = {
	{ "file", 'f', "FILE", 0,
	  "Prefixes from a file, a line each, # for comments; - is standard "
	  "input",
	  1 },
	{ 0 }
};

static enum act parse_act(const char *word)
{
	static const char *const acts[] = { [ACT_ADD] = "add",
					    [ACT_DEL] = "del",
					    [ACT_LIST] = "list" };

	for (int i = ACT_ADD; i <= ACT_LIST; i++)
		if (!strcmp(word, acts[i]))
			return (enum act)i;
	return ACT_NONE;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case 'f':
		a->file = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->act) {
			a->prefix[a->n_prefixes++] = arg;
			return 0;
		}
		a->act = parse_act(arg);
		if (!a->act)
			argp_error(state, "\"%s\" is not add, del or list", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->act)
			argp_error(state, "add, del or list?");
		if (a->act == ACT_LIST && (a->n_prefixes || a->file))
			argp_error(state, "list takes no prefixes");
		if (a->act != ACT_LIST && !a->n_prefixes && !a->file)
			argp_error(state, "which prefixes?");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "add|del|list [PREFIX...]",
	.doc = "Change or print the prefixes (IPv4 or IPv6, such as "
	       "192.0.2.0/24) that are allowed or blocked in this network "
	       "namespace, at once and for all of its guards. Allowed ones are "
	       "exempt from limits, and from blocks: an allow wins over every "
	       "block within it.",
	.children = children,
};

static int read_prefixes(const struct arguments *a, struct lists *lists,
			 struct fault *f)
{
	struct prefix prefix;
	int err = 0;

	for (size_t i = 0; !err && i < a->n_prefixes; i++) {
		err = prefix_parse(a->prefix[i], &prefix, f);
		if (err) {
			char why[256];

			snprintf(why, sizeof(why), "%.250s", f->why);
			return fault_fail(f, EXIT_FAILED, err, "%.64s: %s",
					  a->prefix[i], why);
		}
		err = lists_give(lists, &prefix, a->entry);
	}
	if (err)
		return fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
	if (a->file)
		err = lists_read(lists, a->file, a->entry, f);
	if (!err)
		lists_settle(lists);
	return err;
}

static json_t *row_json(const struct list_row *row, bool obeyed)
{
	char text[PREFIX_LEN];

	prefix_format(&row->prefix, text);
	return json_pack("{s:s,s:b}", "prefix", text, "obeyed", obeyed);
}

/* The text can be read back as a file. */
static void print_row(const struct list_row *row, bool obeyed)
{
	char text[PREFIX_LEN];

	prefix_format(&row->prefix, text);
	printf("%s%s\n", text, obeyed ? "" : " # not obeyed: an allow holds it");
}

static void print_lists(const struct arguments *a, const struct lists *lists)
{
	json_t *list = a->output.json ? json_array() : NULL;

	for (size_t i = 0; i < lists->n; i++) {
		const struct list_row *row = &lists->row[i];
		bool obeyed = row->value.entry == a->entry;

		if (!(row->value.given & 1 << a->entry))
			continue;
		if (list)
			json_array_append_new(list, row_json(row, obeyed));
		else
			print_row(row, obeyed);
	}
	if (list)
		output_json(&a->output, list);
}

static int act_on(const struct arguments *a, struct fault *f)
{
	struct lists lists = { 0 };
	int err;

	if (a->act == ACT_LIST) {
		err = listmaps_read(&lists, f);
		if (!err)
			print_lists(a, &lists);
	} else {
		err = read_prefixes(a, &lists, f);
		if (!err)
			err = a->act == ACT_ADD ?
				      listmaps_add(&lists, a->entry, f) :
				      listmaps_remove(&lists, a->entry, f);
	}
	lists_free(&lists);
	return err;
}

static int change_or_print(enum list_entry entry, const char *name, int argc,
			   char **argv)
{
	struct arguments a = { .entry = entry };
	struct fault f = { 0 };
	int exit = EXIT_DONE;

	a.prefix = calloc((size_t)argc, sizeof(*a.prefix));
	if (!a.prefix)
		return EXIT_FAILED;
	output_parse(&argp, argc, argv, &a);
	fault_tried(&f, "%s the %s list", a.act == ACT_LIST ? "print" : "change",
		    name);
	if (act_on(&a, &f))
		exit = output_fault(&a.output, &f);
	free(a.prefix);
	return exit;
}

int cmd_allow(int argc, char **argv)
{
	return change_or_print(LIST_ALLOW, "allow", argc, argv);
}

int cmd_block(int argc, char **argv)
{
	return change_or_print(LIST_BLOCK, "block", argc, argv);
}
