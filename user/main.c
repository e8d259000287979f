// SPDX-License-Identifier: GPL-2.0
/* tfoguard: the table of subcommands is dispatcher and help. */
#include <argp.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "fault.h"
#include "output.h"

static const struct command {
	const char *name, *arguments, *meaning;
	int (*run)(int argc, char **argv);
} commands[] = {
#define X(name, arguments, meaning) { #name, arguments, meaning, cmd_##name },
	COMMANDS(X)
#undef X
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static void print_help(FILE *to)
{
	fputs("Usage: tfoguard COMMAND [OPTION...]\n"
	      "Guards TCP Fast Open at the network driver.\n\n",
	      to);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-8s %-14s %s\n", commands[i].name,
			commands[i].arguments, commands[i].meaning);
	fputs("\n\"tfoguard COMMAND --help\" tells a command's options; "
	      "tfoguard(8) tells all.\n",
	      to);
}

static int unknown_command(char **argv)
{
	struct output out = output_asked(NULL, argv);
	struct fault f = { 0 };

	fault_tried(&f, "run \"tfoguard %s\"", argv[1]);
	fault_advise(&f, "see \"tfoguard --help\"");
	fault_fail(&f, EXIT_USAGE, 0, "there is no such command");
	return output_fault(&out, &f);
}

int main(int argc, char **argv)
{
	char name[64];

	argp_err_exit_status = EXIT_USAGE;
	output_check_at_exit(argv);
	if (sodium_init() < 0) {
		fputs("tfoguard: libsodium can't be initialised\n", stderr);
		return EXIT_FAILED;
	}
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		print_help(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		argv[1] = "version";
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		/* argp calls the program by its first argument. */
		snprintf(name, sizeof(name), "tfoguard %s", argv[1]);
		argv[1] = name;
		return commands[i].run(argc - 1, argv + 1);
	}
	return unknown_command(argv);
}
