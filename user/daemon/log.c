// SPDX-License-Identifier: GPL-2.0
#include "log.h"

#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

/* By enum log_level: names, and what syslog(3) calls them. */
static const char *const names[] = {
#define X(level, meaning) #level,
	LOG_LEVELS(X)
#undef X
};
static const int numbers[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

static enum log_format format;
static enum log_level least;
static bool on_journal;

/* systemd.exec(5): whether standard error is still the one it gave us. */
static bool is_on_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

void log_open(enum log_format wanted, enum log_level least_wanted)
{
	format = wanted;
	least = least_wanted;
	on_journal = is_on_journal();
}

static void write_line(const char *line)
{
	/* Nobody is there to be told that the log can't be written. */
	dprintf(STDERR_FILENO, "%s\n", line);
}

static void log_json(enum log_level level, const char *ifname,
		     const char *message, const char *now)
{
	json_t *line = json_pack("{s:s,s:s,s:o}", "time", now, "level",
				 names[level], "message",
				 output_text(message));
	char *text;

	if (ifname)
		json_object_set_new(line, "interface", output_text(ifname));
	text = json_dumps(line, JSON_COMPACT);
	if (text)
		write_line(text);
	free(text);
	json_decref(line);
}

static void log_text(enum log_level level, const char *ifname, char *message,
		     const char *now)
{
	char line[1600];

	if (on_journal)
		snprintf(line, sizeof(line), "<%d>%s%s%s", numbers[level],
			 ifname ?: "", ifname ? ": " : "", message);
	else
		snprintf(line, sizeof(line), "%s %s %s%s%s", now,
			 names[level], ifname ?: "", ifname ? ": " : "",
			 message);
	/* One event, one line, whatever an interface is called. */
	for (char *c = line; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	write_line(line);
}

static void log_line(enum log_level level, const char *ifname, char *message)
{
	time_t seconds = time(NULL);
	char now[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (format == LOG_FORMAT_json)
		log_json(level, ifname, message, now);
	else
		log_text(level, ifname, message, now);
}

void log_event(enum log_level level, const char *ifname, const char *text, ...)
{
	char message[1024];
	va_list args;

	if (level > least)
		return;
	va_start(args, text);
	vsnprintf(message, sizeof(message), text, args);
	va_end(args);
	log_line(level, ifname, message);
}

void log_fault(enum log_level level, const char *ifname, const struct fault *f)
{
	log_event(level, ifname, "cannot %s: %s%s%s", f->tried, f->why,
		  f->advice[0] ? "; " : "", f->advice);
}
