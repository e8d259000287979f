// SPDX-License-Identifier: GPL-2.0
#include "configuration.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "schema.h"
#include "value.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define PATH_LEN 64 /* of a setting's path, with the NUL */
#define TEXT_LEN_MAX 4095
#define WORD_LEN_MAX 127 /* of an interface's names, the longest */
#define LIST_LEN_MAX 65536 /* of what is given in a list */

/* ---- the schema ----------------------------------------------------------- */

enum setting_kind {
	SETTING_VALUE,
	SETTING_WORD,
	SETTING_LINES,
	SETTING_PATH,
	SETTING_PATHS,
	SETTING_GROUP,
};

struct setting {
	const char *path;
	enum setting_kind kind;
	struct value_form form;
	bool needed;
	size_t offset, size; /* of what it sets, in its struct */
	const char *initial;
};

#define NUMBER(from, to) .form = { VALUE_NUMBER, .min = from, .max = to }
#define TIME(from, to) .form = { VALUE_TIME, .min = from, .max = to }
#define SHARE(all, from, to)                                                   \
	.form = { VALUE_SHARE, .min = from, .max = to, .whole = all }
#define CHOICE(LIST) .form = { VALUE_CHOICE, .names = VALUE_NAMES(LIST) }
#define WORD .kind = SETTING_WORD
#define LINES .kind = SETTING_LINES
#define PATH .kind = SETTING_PATH
#define PATHS .kind = SETTING_PATHS
#define NEEDED(how) how, .needed = true

#define GROUP(where, meaning) { .path = where, .kind = SETTING_GROUP },
#define X(where, how, owner, member, initially, meaning)                       \
	{ .path = where,                                                       \
	  how,                                                                 \
	  .offset = offsetof(struct owner, member),                            \
	  .size = sizeof(((struct owner *)0)->member),                         \
	  .initial = initially },
static const struct setting settings[] = { SETTINGS(GROUP, X) };
#undef X
#undef GROUP

#define N_SETTINGS (sizeof(settings) / sizeof(*settings))
_Static_assert(N_SETTINGS <= 64, "a bit for each in a mask");

/* What is given in lists of groups. */
static const struct series {
	const char *path;
	const char *identity; /* no two entries have the same */
	size_t at, count_at; /* in struct config */
	size_t element;
	size_t max;
} all_series[] = {
	{ "interfaces[]", "interfaces[].name", offsetof(struct config, interfaces),
	  offsetof(struct config, n_interfaces),
	  sizeof(struct config_interface), 4096 },
	{ "ports[]", "ports[].port", offsetof(struct config, ports),
	  offsetof(struct config, n_ports), sizeof(struct config_port),
	  PORT_COUNT },
};

#define N_SERIES (sizeof(all_series) / sizeof(*all_series))
/* Where they are in it. */
enum series_id { SERIES_INTERFACES, SERIES_PORTS };

static const struct series *find_series(const char *path)
{
	for (size_t i = 0; i < N_SERIES; i++)
		if (!strcmp(path, all_series[i].path))
			return &all_series[i];
	return NULL;
}

/* A list is found by its path with or without "[]". */
static const struct setting *find_setting(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < N_SETTINGS; i++)
		if (!strncmp(settings[i].path, path, n) &&
		    (!settings[i].path[n] || !strcmp(settings[i].path + n, "[]")))
			return &settings[i];
	return NULL;
}

/* What @path is called within the group @prefix; NULL where it isn't there. */
static const char *name_within(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(path, prefix, n) || (n && path[n] != '.'))
		return NULL;
	path += n ? n + 1 : 0;
	return strchr(path, '.') ? NULL : path;
}

/* ---- reading -------------------------------------------------------------- */

struct place {
	size_t line, column; /* from 1; line 0: nowhere */
};

/* Of what is given in a series. */
struct entry {
	__u64 given; /* a bit for each setting that it names */
	struct place at; /* of what tells it from others */
};

struct reading {
	const char *path;
	yaml_parser_t parser;
	yaml_event_t event;
	struct config *config;
	struct place places[N_SETTINGS]; /* of each setting's last value */
	__u64 given; /* a bit for each setting since the entry began */
	struct entry *entries[N_SERIES];
	struct fault *fault;
};

static int no_memory(struct reading *r)
{
	return fault_fail(r->fault, EXIT_FAILED, ENOMEM, "out of memory");
}

static struct place place_of(yaml_mark_t mark)
{
	return (struct place){ mark.line + 1, mark.column + 1 };
}

static struct place here(const struct reading *r)
{
	return place_of(r->event.start_mark);
}

/* @what is wrong; the advice tells what would be right. */
static int wrong(struct reading *r, struct place at, const char *what)
{
	return fault_fail(r->fault, EXIT_FAILED, EINVAL,
			  "line %zu, column %zu: %s", at.line, at.column, what);
}

/* Text of the file as it is quoted: of decent length, and on one line. */
static const char *quoted(const char *text, char quote[64])
{
	size_t n = strlen(text), at = 0;

	quote[at++] = '"';
	for (size_t i = 0; i < n && i < 40; i++)
		quote[at++] = (unsigned char)text[i] < ' ' || text[i] == 127 ?
				      '?' :
				      text[i];
	/* No character is cut. */
	if (n > 40)
		while (at > 1 && (text[at - 1] & 0xc0) == 0x80)
			at--;
	strcpy(quote + at, n > 40 ? "…\"" : "\"");
	return quote;
}

/* Where libyaml tells a byte and no place. */
static struct place place_of_byte(const unsigned char *text, size_t offset)
{
	struct place at = { 1, 1 };

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n')
			at = (struct place){ at.line + 1, 1 };
		else if ((text[i] & 0xc0) != 0x80)
			at.column++;
	}
	return at;
}

static int wrong_yaml(struct reading *r)
{
	const yaml_parser_t *p = &r->parser;
	struct place at = place_of(p->problem_mark);

	if (p->error == YAML_MEMORY_ERROR)
		return no_memory(r);
	if (p->error == YAML_READER_ERROR) {
		at = place_of_byte(p->input.string.start, p->problem_offset);
		fault_advise(r->fault, "save the file as UTF-8 text");
	} else if (p->context && p->context_mark.line != p->problem_mark.line) {
		fault_advise(r->fault,
			     "see what was begun in line %zu, column %zu; what "
			     "belongs to one group is indented alike, with "
			     "blanks and no tab",
			     p->context_mark.line + 1,
			     p->context_mark.column + 1);
	} else {
		fault_advise(r->fault, "write \"name: value\", with blanks and "
				       "no tab before it; quote what holds "
				       "special characters");
	}
	return wrong(r, at, p->problem ?: "this is no YAML");
}

static int next(struct reading *r)
{
	yaml_event_delete(&r->event);
	if (!yaml_parser_parse(&r->parser, &r->event))
		return wrong_yaml(r);
	return 0;
}

/* What may bend the meaning of the text that stands there. */
static int check_plain(struct reading *r)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (r->event.type) {
	case YAML_ALIAS_EVENT:
		anchor = r->event.data.alias.anchor;
		break;
	case YAML_SCALAR_EVENT:
		anchor = r->event.data.scalar.anchor;
		tag = r->event.data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = r->event.data.sequence_start.anchor;
		tag = r->event.data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = r->event.data.mapping_start.anchor;
		tag = r->event.data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (!anchor && !tag)
		return 0;
	fault_advise(r->fault, "write the value out, and quote a * & or ! that "
			       "belongs to it");
	return wrong(r, here(r),
		     anchor ? "anchors and aliases (& and *) are not taken" :
			      "tags (!) are not taken");
}

/* "name:" with nothing behind it, as where all of a group is commented out. */
static bool is_nothing(const struct reading *r)
{
	return r->event.type == YAML_SCALAR_EVENT &&
	       r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       !r->event.data.scalar.length;
}

/* The text that stands there; NULL for a list or a group. */
static const char *text_of(const struct reading *r)
{
	const char *text;

	if (r->event.type != YAML_SCALAR_EVENT)
		return NULL;
	text = (const char *)r->event.data.scalar.value;
	return strlen(text) == r->event.data.scalar.length ? text : NULL;
}

/* Refuses what stands there as the value of @path. */
static int refuse(struct reading *r, const char *path, const char *right)
{
	const char *text = text_of(r);
	char what[PATH_LEN + 128], quote[64];

	if (text && !is_nothing(r))
		snprintf(what, sizeof(what), "%s can't be %s", path,
			 quoted(text, quote));
	else
		snprintf(what, sizeof(what), "%s can't be %s", path,
			 is_nothing(r)			      ? "empty" :
			 r->event.type == YAML_SCALAR_EVENT ? "text with a NUL" :
			 r->event.type == YAML_SEQUENCE_START_EVENT ? "a list" :
								      "a group");
	fault_advise(r->fault, "give it %s", right);
	return wrong(r, here(r), what);
}

static int read_value(struct reading *r, const struct setting *s, void *to)
{
	const char *text = text_of(r);
	char right[VALUE_RIGHT_LEN];
	__u64 value;

	if (!text || value_read(text, &s->form, &value)) {
		value_right(&s->form, right);
		return refuse(r, s->path, right);
	}
	/* Little-endian or not: by its own type. */
	switch (s->size) {
	case 1:
		*(__u8 *)to = (__u8)value;
		break;
	case 2:
		*(__u16 *)to = (__u16)value;
		break;
	default:
		*(__u32 *)to = (__u32)value;
	}
	return 0;
}

/* A path that does not begin at the root begins at the file's folder. */
static char *resolve(const char *file, const char *path)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	char *resolved;

	if (*path == '/' || !slash)
		return strdup(path);
	return asprintf(&resolved, "%.*s/%s", (int)(slash - file), file, path) <
			       0 ?
		       NULL :
		       resolved;
}

static int read_text(struct reading *r, const struct setting *s, char **to)
{
	bool is_path = s->kind == SETTING_PATH || s->kind == SETTING_PATHS;
	size_t max = s->kind == SETTING_WORD ? WORD_LEN_MAX : TEXT_LEN_MAX;
	const char *text = text_of(r);
	char right[64];

	if (!text || strlen(text) > max ||
	    (!*text && s->kind != SETTING_PATH)) {
		snprintf(right, sizeof(right), "%s of at most %zu bytes",
			 is_path ? "the path of a file" : "text", max);
		return refuse(r, s->path, right);
	}
	free(*to);
	*to = NULL;
	if (!*text)
		return 0;
	*to = is_path ? resolve(r->path, text) : strdup(text);
	return *to ? 0 : no_memory(r);
}

static void free_texts(struct texts *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		free(texts->text[i]);
	free(texts->text);
	*texts = (struct texts){ 0 };
}

/* Room for one more, zeroed. */
static void *grow(struct reading *r, void **array, size_t *n, size_t element,
		  size_t max, const char *path)
{
	char what[PATH_LEN + 64];
	void *grown;

	if (*n == max) {
		snprintf(what, sizeof(what), "%s has more than %zu entries",
			 path, max);
		fault_advise(r->fault, "give it fewer");
		wrong(r, here(r), what);
		return NULL;
	}
	grown = reallocarray(*array, *n + 1, element);
	if (!grown) {
		no_memory(r);
		return NULL;
	}
	*array = grown;
	grown = (char *)grown + *n * element;
	memset(grown, 0, element);
	++*n;
	return grown;
}

static int read_texts(struct reading *r, const struct setting *s,
		      struct texts *to)
{
	int err;

	free_texts(to);
	if (is_nothing(r))
		return 0;
	if (r->event.type != YAML_SEQUENCE_START_EVENT)
		return refuse(r, s->path, "a list, such as [a, b]");
	while (!(err = next(r) ?: check_plain(r)) &&
	       r->event.type != YAML_SEQUENCE_END_EVENT) {
		char **text = grow(r, (void **)&to->text, &to->n,
				   sizeof(*to->text), LIST_LEN_MAX, s->path);

		err = text ? read_text(r, s, text) : -EINVAL;
		if (err)
			break;
	}
	return err;
}

static int read_group(struct reading *r, const char *path, void *base);
static int read_series(struct reading *r, const struct series *series);

/* The event at hand begins the value of @s. */
static int read_setting(struct reading *r, const struct setting *s, void *base)
{
	const struct series *series = find_series(s->path);
	void *to = (char *)base + s->offset;

	r->places[s - settings] = here(r);
	r->given |= 1ULL << (s - settings);
	switch (s->kind) {
	case SETTING_VALUE:
		return read_value(r, s, to);
	case SETTING_WORD:
	case SETTING_PATH:
		return read_text(r, s, to);
	case SETTING_LINES:
	case SETTING_PATHS:
		return read_texts(r, s, to);
	case SETTING_GROUP:
		break;
	}
	if (is_nothing(r))
		return 0;
	return series ? read_series(r, series) : read_group(r, s->path, base);
}

static void name_known(struct reading *r, const char *prefix)
{
	char known[256];
	size_t at = 0;

	for (size_t i = 0; i < N_SETTINGS; i++) {
		const char *name = name_within(settings[i].path, prefix);

		if (name && at < sizeof(known))
			at += (size_t)snprintf(known + at, sizeof(known) - at,
					       "%s%.*s", at ? ", " : "",
					       (int)strcspn(name, "["), name);
	}
	fault_advise(r->fault, "known here: %s", known);
}

/* The setting that the name at hand calls, in the group @prefix. */
static const struct setting *find_named(struct reading *r, const char *prefix)
{
	const char *name = text_of(r);
	const struct setting *s = NULL;
	char path[PATH_LEN], what[96], quote[64];

	/* A name with a dot would reach into another group. */
	if (name && !strpbrk(name, ".[") && strlen(prefix) + strlen(name) + 2 <
						    sizeof(path)) {
		snprintf(path, sizeof(path), "%s%s%s", prefix,
			 *prefix ? "." : "", name);
		s = find_setting(path);
	}
	if (s)
		return s;
	name_known(r, prefix);
	if (name)
		snprintf(what, sizeof(what), "there is no setting %s",
			 quoted(name, quote));
	wrong(r, here(r), name ? what : "the name of a setting is expected");
	return NULL;
}

static int check_needed(struct reading *r, const char *prefix, __u64 given,
			struct place at)
{
	char what[PATH_LEN + 16];

	for (size_t i = 0; i < N_SETTINGS; i++) {
		const char *name = name_within(settings[i].path, prefix);

		if (!name || !settings[i].needed || given >> i & 1)
			continue;
		snprintf(what, sizeof(what), "%s is missing", settings[i].path);
		fault_advise(r->fault, "write \"%s: %s\", say", name,
			     settings[i].initial);
		return wrong(r, at, what);
	}
	return 0;
}

/* The event at hand begins the group @path. */
static int read_group(struct reading *r, const char *path, void *base)
{
	struct place begin = here(r);
	__u64 given = 0;
	int err;

	if (r->event.type != YAML_MAPPING_START_EVENT) {
		if (*path)
			return refuse(r, path, "settings, as \"name: value\"");
		name_known(r, path);
		return wrong(r, begin, "the file is no group of settings");
	}
	while (!(err = next(r) ?: check_plain(r)) &&
	       r->event.type != YAML_MAPPING_END_EVENT) {
		const struct setting *s = find_named(r, path);
		char what[PATH_LEN + 32];
		__u64 bit;

		if (!s)
			return -EINVAL;
		bit = 1ULL << (s - settings);
		if (given & bit) {
			snprintf(what, sizeof(what), "%s was given before",
				 s->path);
			fault_advise(r->fault, "see line %zu, column %zu",
				     r->places[s - settings].line,
				     r->places[s - settings].column);
			return wrong(r, here(r), what);
		}
		given |= bit;
		err = next(r) ?: check_plain(r) ?: read_setting(r, s, base);
		if (err)
			return err;
	}
	return err ?: check_needed(r, path, given, begin);
}

/* @initial is written as in a file. */
static int set_initial(const struct setting *s, struct config *config,
		       void *base)
{
	struct fault ignored = { 0 };
	struct reading r = { .config = config, .fault = &ignored };
	int err;

	if (!yaml_parser_initialize(&r.parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&r.parser,
				     (const unsigned char *)s->initial,
				     strlen(s->initial));
	/* The stream, the document, the value. */
	err = next(&r) ?: next(&r) ?: next(&r) ?: read_setting(&r, s, base);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	return err;
}

/* What is needed has no default. */
static int set_defaults(struct config *config, bool in_series,
			const char *prefix, void *base)
{
	int err = 0;

	for (size_t i = 0; !err && i < N_SETTINGS; i++) {
		const struct setting *s = &settings[i];

		if (s->kind == SETTING_GROUP || s->needed ||
		    (strstr(s->path, "[].") != NULL) != in_series ||
		    strncmp(s->path, prefix, strlen(prefix)))
			continue;
		err = set_initial(s, config, base);
	}
	return err;
}

static int note_entry(struct reading *r, const struct series *series, size_t n)
{
	struct entry **entries = &r->entries[series - all_series];
	struct entry *grown = reallocarray(*entries, n, sizeof(*grown));

	if (!grown)
		return no_memory(r);
	*entries = grown;
	grown[n - 1] = (struct entry){
		.given = r->given,
		.at = r->places[find_setting(series->identity) - settings],
	};
	return 0;
}

static int read_series(struct reading *r, const struct series *series)
{
	char *config = (char *)r->config, prefix[PATH_LEN];
	void **array = (void **)(config + series->at);
	size_t *n = (size_t *)(config + series->count_at);
	int err;

	snprintf(prefix, sizeof(prefix), "%s.", series->path);
	if (r->event.type != YAML_SEQUENCE_START_EVENT)
		return refuse(r, series->path,
			      "a list: each entry begins with \"- \"");
	while (!(err = next(r) ?: check_plain(r)) &&
	       r->event.type != YAML_SEQUENCE_END_EVENT) {
		void *element = grow(r, array, n, series->element, series->max,
				     series->path);

		if (!element)
			return -EINVAL;
		r->given = 0;
		err = set_defaults(r->config, true, prefix, element) ?:
		      read_group(r, series->path, element) ?:
		      note_entry(r, series, *n);
		if (err)
			return err;
	}
	return err;
}

/* ---- what the settings say together --------------------------------------- */

static struct place place_of_setting(const struct reading *r, const char *path)
{
	return r->places[find_setting(path) - settings];
}

/* A port has what it does not name from all; but who names a port wants it
 * guarded. */
static void inherit(struct reading *r)
{
	struct config *config = r->config;
	const size_t at = offsetof(struct config_port, policy);

	for (size_t i = 0; i < config->n_ports; i++) {
		struct config_port *port = &config->ports[i];
		struct port_policy policy = config->all;

		if (policy.mode == PORT_unguarded)
			policy.mode = PORT_guard;
		for (size_t j = 0; j < N_SETTINGS; j++)
			if (r->entries[SERIES_PORTS][i].given >> j & 1 &&
			    settings[j].offset >= at)
				memcpy((char *)&policy + settings[j].offset -
					       at,
				       (char *)port + settings[j].offset,
				       settings[j].size);
		port->policy = policy;
	}
}

static int given_twice(struct reading *r, enum series_id id, size_t first,
		       size_t second, const char *what)
{
	const struct entry *entries = r->entries[id];

	fault_advise(r->fault, "see line %zu, column %zu", entries[first].at.line,
		     entries[first].at.column);
	return wrong(r, entries[second].at, what);
}

static int check_ports(struct reading *r)
{
	const struct config *config = r->config;
	size_t *seen = calloc(PORT_COUNT, sizeof(*seen));
	char what[64];
	int err = 0;

	if (!seen)
		return no_memory(r);
	for (size_t i = 0; !err && i < config->n_ports; i++) {
		size_t *first = &seen[config->ports[i].port];

		snprintf(what, sizeof(what), "port %u was given before",
			 config->ports[i].port);
		if (*first)
			err = given_twice(r, SERIES_PORTS, *first - 1, i, what);
		*first = i + 1;
	}
	free(seen);
	return err;
}

static int check_interfaces(struct reading *r)
{
	const struct config *config = r->config;

	for (size_t i = 0; i < config->n_interfaces; i++) {
		const char *name = config->interfaces[i].name;
		const struct place *at = &r->entries[SERIES_INTERFACES][i].at;

		if (strpbrk(name, "/ \t\n")) {
			fault_advise(r->fault, "see \"ip link\" for the names "
					       "of interfaces");
			return wrong(r, *at, "no interface has such a name");
		}
		for (size_t j = 0; j < i; j++)
			if (!strcmp(name, config->interfaces[j].name))
				return given_twice(r, SERIES_INTERFACES, j, i,
						   "the interface was given "
						   "before");
	}
	return 0;
}

/* ADDRESS:PORT, [ADDRESS]:PORT, or :PORT. */
static bool is_listen_address(const char *text)
{
	const struct value_form port = { VALUE_NUMBER, .min = 1, .max = 65535 };
	const char *colon = strrchr(text, ':');
	struct in6_addr ignored;
	char host[64];
	__u64 number;
	size_t n;

	if (!colon || value_read(colon + 1, &port, &number))
		return false;
	n = (size_t)(colon - text);
	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		return inet_pton(AF_INET6, host + 1, &ignored) == 1;
	}
	return !n || inet_pton(AF_INET, host, &ignored) == 1;
}

static int check_listen(struct reading *r)
{
	const struct texts *listen = &r->config->exporter.listen;
	char what[128], quote[64];

	for (size_t i = 0; i < listen->n; i++) {
		if (is_listen_address(listen->text[i]))
			continue;
		snprintf(what, sizeof(what), "exporter.listen can't be %s",
			 quoted(listen->text[i], quote));
		fault_advise(r->fault, "give it addresses such as "
				       "127.0.0.1:9435 or \"[::1]:9435\"");
		return wrong(r, place_of_setting(r, "exporter.listen"), what);
	}
	return 0;
}

static int check_marks(struct reading *r)
{
	const struct tuning *tuning = &r->config->tuning;
	struct place hi = place_of_setting(r, "pressure.hi");

	if (tuning->mark_lo < tuning->mark_hi)
		return 0;
	fault_advise(r->fault, "give pressure.lo a share below pressure.hi; "
			       "they are 12.5 %% and 50 %% where not given");
	return wrong(r, hi.line ? hi : place_of_setting(r, "pressure.lo"),
		     "pressure.lo is not below pressure.hi");
}

static int check_mss(struct reading *r)
{
	__u32 mss = r->config->tuning.mss;

	if (!mss || mss >= 536)
		return 0;
	fault_advise(r->fault, "give it 0, or 536 or more");
	return wrong(r, place_of_setting(r, "answers.mss"),
		     "answers.mss is below what every host takes");
}

int config_defaults(struct config *config)
{
	*config = (struct config){ .tuning = TUNING_DEFAULT };
	return set_defaults(config, false, "", config);
}

static int read_document(struct reading *r)
{
	int err = next(r) ?: next(r);

	if (err)
		return err;
	if (r->event.type == YAML_STREAM_END_EVENT) {
		fault_advise(r->fault, "for the defaults write \"defaults: {}\"");
		return wrong(r, here(r), "the file says nothing");
	}
	err = next(r) ?: check_plain(r);
	if (!err && is_nothing(r)) {
		fault_advise(r->fault, "for the defaults write \"defaults: {}\"");
		return wrong(r, here(r), "the file says nothing");
	}
	err = err ?: read_group(r, "", r->config);
	/* The document's end, the stream's. */
	err = err ?: next(r) ?: next(r);
	if (!err && r->event.type != YAML_STREAM_END_EVENT) {
		fault_advise(r->fault, "keep the settings in one document, "
				       "without a second \"---\"");
		return wrong(r, here(r), "a second document begins");
	}
	return err;
}

static int read_text_of_file(const char *path, char **text, size_t *size,
			     struct fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n = 1;

	*size = 0;
	*text = malloc(FILE_SIZE_MAX + 1);
	if (fd < 0 || !*text)
		err = -errno;
	while (!err && n > 0 && *size <= FILE_SIZE_MAX) {
		n = read(fd, *text + *size, FILE_SIZE_MAX + 1 - *size);
		if (n < 0)
			err = -errno;
		else
			*size += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	if (err)
		return fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
	if (*size > FILE_SIZE_MAX) {
		fault_advise(f, "name long lists of prefixes under \"lists\"");
		return fault_fail(f, EXIT_FAILED, EFBIG,
				  "it is longer than 1 MiB");
	}
	return 0;
}

int config_read(const char *path, struct config *config, struct fault *f)
{
	struct reading r = { .path = path, .config = config, .fault = f };
	size_t size, mark;
	char *text = NULL;
	int err;

	fault_tried(f, "read the configuration %s", path);
	*config = (struct config){ 0 };
	err = read_text_of_file(path, &text, &size, f);
	if (!err && !yaml_parser_initialize(&r.parser))
		err = no_memory(&r);
	if (!err) {
		/* Where the encoding is told, libyaml takes no mark of it. */
		mark = size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
		yaml_parser_set_input_string(&r.parser,
					     (unsigned char *)text + mark,
					     size - mark);
		yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
		err = config_defaults(config);
		if (err)
			no_memory(&r);
		err = err ?: read_document(&r) ?: check_interfaces(&r) ?:
		      check_ports(&r) ?: check_marks(&r) ?: check_mss(&r) ?:
		      check_listen(&r);
		if (!err)
			inherit(&r);
		yaml_event_delete(&r.event);
		yaml_parser_delete(&r.parser);
	}
	for (size_t i = 0; i < N_SERIES; i++)
		free(r.entries[i]);
	free(text);
	if (err)
		config_free(config);
	return err;
}

void config_free(struct config *config)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		free(config->interfaces[i].name);
	free(config->interfaces);
	free(config->ports);
	free_texts(&config->lists.allow);
	free_texts(&config->lists.block);
	free_texts(&config->exporter.listen);
	free(config->exporter.web_config);
	*config = (struct config){ 0 };
}

void config_ports(const struct config *config,
		  struct port_policy ports[PORT_COUNT])
{
	for (int i = 0; i < PORT_COUNT; i++)
		ports[i] = config->all;
	for (size_t i = 0; i < config->n_ports; i++)
		ports[config->ports[i].port] = config->ports[i].policy;
}

static int read_lists(const struct texts *files, enum list_entry entry,
		      struct lists *lists, struct fault *f)
{
	int err = 0;

	for (size_t i = 0; !err && i < files->n; i++)
		err = lists_read(lists, files->text[i], entry, f);
	return err;
}

int config_lists(const struct config *config, struct lists *lists,
		 struct fault *f)
{
	int err;

	fault_tried(f, "read the lists of the configuration");
	*lists = (struct lists){ 0 };
	err = read_lists(&config->lists.allow, LIST_ALLOW, lists, f) ?:
	      read_lists(&config->lists.block, LIST_BLOCK, lists, f);
	if (err)
		lists_free(lists);
	else
		lists_settle(lists);
	return err;
}
