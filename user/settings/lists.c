// SPDX-License-Identifier: GPL-2.0
#include "lists.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

#define LINE_LEN_MAX 1024

static const __u8 mapped[12] = { [10] = 0xff, [11] = 0xff }; /* ::ffff:0:0/96 */

/* Zeroes what lies beyond the prefix; whether that changed anything. */
static bool cut(struct prefix *prefix)
{
	bool changed = false;

	for (unsigned int i = 0; i < sizeof(prefix->address); i++) {
		unsigned int keep = prefix->bits > i * 8 ? prefix->bits - i * 8 :
							   0;
		__u8 mask = keep >= 8 ? 0xff : (__u8)(0xff00 >> keep);

		changed = changed || (prefix->address[i] & ~mask);
		prefix->address[i] &= mask;
	}
	return changed;
}

static int refuse(struct fault *f, const char *why)
{
	return fault_fail(f, EXIT_FAILED, EINVAL, "%s", why);
}

/* The form that the same prefix has as an IPv4 one. */
static int refuse_mapped(const struct prefix *prefix, struct fault *f)
{
	struct prefix ipv4 = { .bits = (__u8)(prefix->bits - 96) };
	char right[PREFIX_LEN];

	memcpy(ipv4.address, prefix->address + sizeof(mapped), 4);
	cut(&ipv4);
	prefix_format(&ipv4, right);
	fault_advise(f, "write %s", right);
	return refuse(f, "no packet carries an IPv4-mapped IPv6 address");
}

int prefix_parse(const char *text, struct prefix *prefix, struct fault *f)
{
	struct value_form form = { VALUE_NUMBER };
	char address[INET6_ADDRSTRLEN], right[PREFIX_LEN], why[96];
	size_t n = strcspn(text, "/");
	struct prefix read = { 0 };
	__u64 bits;

	fault_advise(f, "write a prefix such as 192.0.2.0/24 or 2001:db8::/32");
	if (n >= sizeof(address))
		return refuse(f, "it is too long to be an address");
	memcpy(address, text, n);
	address[n] = '\0';
	read.ipv6 = strchr(address, ':') != NULL;
	if (inet_pton(read.ipv6 ? AF_INET6 : AF_INET, address, read.address) !=
	    1)
		return refuse(f, "it is no IPv4 or IPv6 address");
	form.max = bits = read.ipv6 ? 128 : 32;
	if (text[n] && value_read(text + n + 1, &form, &bits)) {
		snprintf(why, sizeof(why),
			 "what follows the / is no number from 0 to %llu",
			 (unsigned long long)form.max);
		return refuse(f, why);
	}
	read.bits = (__u8)bits;
	if (read.ipv6 && bits >= 96 &&
	    !memcmp(read.address, mapped, sizeof(mapped)))
		return refuse_mapped(&read, f);
	if (cut(&read)) {
		prefix_format(&read, right);
		fault_advise(f, "write %s, or the address alone", right);
		snprintf(why, sizeof(why), "it has bits set beyond its first %u",
			 read.bits);
		return refuse(f, why);
	}
	f->advice[0] = '\0';
	*prefix = read;
	return 0;
}

void prefix_format(const struct prefix *prefix, char text[PREFIX_LEN])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(prefix->ipv6 ? AF_INET6 : AF_INET, prefix->address, address,
		  sizeof(address));
	snprintf(text, PREFIX_LEN, "%s/%u", address, prefix->bits);
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int order = a->ipv6 - b->ipv6 ?:
		    memcmp(a->address, b->address, sizeof(a->address));

	return order ?: a->bits - b->bits;
}

static int compare_rows(const void *a, const void *b)
{
	return prefix_compare(&((const struct list_row *)a)->prefix,
			      &((const struct list_row *)b)->prefix);
}

static bool holds(const struct prefix *outer, const struct prefix *inner)
{
	struct prefix start = *inner;

	if (outer->ipv6 != inner->ipv6 || outer->bits > inner->bits)
		return false;
	start.bits = outer->bits;
	cut(&start);
	return !memcmp(start.address, outer->address, sizeof(start.address));
}

static int make_room(struct lists *lists, size_t n)
{
	struct list_row *grown;

	if (n <= lists->room)
		return 0;
	n = n < 64 ? 64 : n + n / 2;
	grown = reallocarray(lists->row, n, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	lists->row = grown;
	lists->room = n;
	return 0;
}

int lists_give(struct lists *lists, const struct prefix *prefix,
	       enum list_entry entry)
{
	int err = make_room(lists, lists->n + 1);

	if (!err)
		lists->row[lists->n++] = (struct list_row){
			.prefix = *prefix,
			.value.given = (__u8)(1 << entry),
		};
	return err;
}

/* Without the comment, the blanks around it, and a line's end of either kind. */
static char *trim(char *line)
{
	line[strcspn(line, "#\r\n")] = '\0';
	line += strspn(line, " \t");
	for (size_t n = strlen(line);
	     n && (line[n - 1] == ' ' || line[n - 1] == '\t'); n--)
		line[n - 1] = '\0';
	return line;
}

/* The next line, without a NUL. Returns its length, 0 at the end of the file,
 * or a negative errno. */
static int next_line(FILE *file, char line[LINE_LEN_MAX + 1])
{
	int n = 0, c;

	errno = 0;
	while ((c = getc_unlocked(file)) != EOF) {
		if (!c)
			return -EILSEQ;
		if (n == LINE_LEN_MAX)
			return -E2BIG;
		line[n++] = (char)c;
		if (c == '\n')
			break;
	}
	line[n] = '\0';
	return ferror(file) ? -(errno ?: EIO) : n;
}

static int explain_line(struct fault *f, int err)
{
	switch (err) {
	case -EILSEQ:
		return refuse(f, "it holds a NUL, and is no text");
	case -E2BIG:
		return refuse(f, "it is too long");
	default:
		return fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
	}
}

static int take_line(struct lists *lists, char *line, enum list_entry entry,
		     struct fault *f)
{
	struct prefix prefix;

	line = trim(line);
	if (!*line)
		return 0;
	if (prefix_parse(line, &prefix, f))
		return -EINVAL;
	/* So that no file fills the memory. */
	if (lists->n >= 2 * LIST_MAX)
		lists_settle(lists);
	if (lists->n >= 2 * LIST_MAX)
		return refuse(f, "there are more prefixes than the guard takes");
	if (lists_give(lists, &prefix, entry))
		return explain_line(f, -ENOMEM);
	return 0;
}

int lists_read(struct lists *lists, const char *path, enum list_entry entry,
	       struct fault *f)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char line[LINE_LEN_MAX + 1], why[256];
	size_t number = 0;
	int err = 0, n;

	if (!file)
		return fault_fail(f, EXIT_FAILED, errno, "%.256s: %s", path,
				  strerror(errno));
	do {
		n = next_line(file, line);
		number++;
		if (n < 0)
			err = explain_line(f, n);
		else if (n > 0)
			err = take_line(lists, line, entry, f);
	} while (!err && n > 0);
	if (err) {
		snprintf(why, sizeof(why), "%.200s", f->why);
		fault_fail(f, EXIT_FAILED, err, "%.256s, line %zu: %s", path,
			   number, why);
	}
	if (file != stdin)
		fclose(file);
	return err;
}

void lists_sort(struct lists *lists)
{
	if (lists->n)
		qsort(lists->row, lists->n, sizeof(*lists->row), compare_rows);
}

void lists_settle(struct lists *lists)
{
	const struct prefix *allow = NULL; /* the widest one around here */
	struct list_row *to = lists->row;

	lists_sort(lists);
	for (size_t i = 0; i < lists->n; i++) {
		struct list_row row = lists->row[i];

		if (to > lists->row &&
		    !prefix_compare(&to[-1].prefix, &row.prefix))
			to[-1].value.given |= row.value.given;
		else if (row.value.given)
			*to++ = row;
	}
	lists->n = (size_t)(to - lists->row);
	for (size_t i = 0; i < lists->n; i++) {
		struct list_row *row = &lists->row[i];
		bool inside = allow && holds(allow, &row->prefix);

		if (!inside && row->value.given & 1 << LIST_ALLOW) {
			allow = &row->prefix;
			inside = true;
		}
		row->value.entry = inside ? LIST_ALLOW : LIST_BLOCK;
	}
}

struct list_row *lists_find(const struct lists *lists,
			    const struct prefix *prefix)
{
	struct list_row wanted = { .prefix = *prefix };

	return lists->n ? bsearch(&wanted, lists->row, lists->n, sizeof(wanted),
				  compare_rows) :
			  NULL;
}

void lists_count(const struct lists *lists, size_t n[2])
{
	n[0] = n[1] = 0;
	for (size_t i = 0; i < lists->n; i++)
		n[lists->row[i].prefix.ipv6]++;
}

int lists_copy(struct lists *to, const struct lists *from)
{
	*to = (struct lists){ 0 };
	if (make_room(to, from->n))
		return -ENOMEM;
	if (from->n)
		memcpy(to->row, from->row, from->n * sizeof(*from->row));
	to->n = from->n;
	return 0;
}

void lists_free(struct lists *lists)
{
	free(lists->row);
	*lists = (struct lists){ 0 };
}
