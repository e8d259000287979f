// SPDX-License-Identifier: GPL-2.0
#include "tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_untagged(const struct link_key *key)
{
	return !key->tag[0] && !key->tag[1];
}

static int compare_rows(const void *a, const void *b)
{
	return memcmp(&((const struct link_row *)a)->key,
		      &((const struct link_row *)b)->key,
		      sizeof(struct link_key));
}

static int compare_locals(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct local_prefix));
}

int tables_add_row(struct tables *t, const struct link_row *row)
{
	struct link_row *rows;
	size_t at = 0;

	while (at < t->n_rows && compare_rows(&t->rows[at], row) < 0)
		at++;
	if (at < t->n_rows && !compare_rows(&t->rows[at], row))
		return 0;
	rows = reallocarray(t->rows, t->n_rows + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	t->rows = rows;
	memmove(&rows[at + 1], &rows[at], (t->n_rows++ - at) * sizeof(*rows));
	rows[at] = *row;
	return 0;
}

int tables_append_local(struct tables *t, const struct local_prefix *local)
{
	size_t n = t->n_locals;

	/* Doubled each time: a host may have very many. */
	if (!(n & (n - 1))) {
		struct local_prefix *locals;

		locals = reallocarray(t->locals, n ? 2 * n : 1,
				      sizeof(*locals));
		if (!locals)
			return -ENOMEM;
		t->locals = locals;
	}
	t->locals[t->n_locals++] = *local;
	return 0;
}

void tables_sort(struct tables *t)
{
	size_t kept = 0;

	if (!t->n_locals)
		return;
	qsort(t->locals, t->n_locals, sizeof(*t->locals), compare_locals);
	for (size_t i = 1; i < t->n_locals; i++)
		if (compare_locals(&t->locals[kept], &t->locals[i]))
			t->locals[++kept] = t->locals[i];
	t->n_locals = kept + 1;
}

void tables_free(struct tables *t)
{
	free(t->rows);
	free(t->locals);
	*t = (struct tables){ 0 };
}

static int add_all(const struct table_maps *maps, const struct tables *t)
{
	__u32 zero = 0;
	__u8 one = 1;

	for (size_t i = 0; i < t->n_locals; i++)
		if (bpf_map_update_elem(maps->locals, &t->locals[i], &one,
					BPF_ANY))
			return -errno;
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct link_row *row = &t->rows[i];
		bool untagged = is_untagged(&row->key);

		if (bpf_map_update_elem(untagged ? maps->untagged : maps->vlans,
					untagged ? (const void *)&zero :
						   &row->key,
					&row->link, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int remove_others(const struct table_maps *maps, const struct tables *t)
{
	struct tables held;
	int err = tables_read(maps, &held);

	for (size_t i = 0; !err && i < held.n_locals; i++)
		if (!bsearch(&held.locals[i], t->locals, t->n_locals,
			     sizeof(*t->locals), compare_locals) &&
		    bpf_map_delete_elem(maps->locals, &held.locals[i]))
			err = -errno;
	for (size_t i = 0; !err && i < held.n_rows; i++)
		if (!is_untagged(&held.rows[i].key) &&
		    !bsearch(&held.rows[i], t->rows, t->n_rows,
			     sizeof(*t->rows), compare_rows) &&
		    bpf_map_delete_elem(maps->vlans, &held.rows[i].key))
			err = -errno;
	tables_free(&held);
	return err;
}

int tables_write(const struct table_maps *maps, const struct tables *t,
		 struct fault *f)
{
	int err = add_all(maps, t);

	/* Where there is no room for both, what has gone makes some first. */
	if (err == -E2BIG || err == -ENOSPC)
		err = remove_others(maps, t) ?: add_all(maps, t);
	else if (!err)
		err = remove_others(maps, t);
	if (err == -E2BIG) { /* a hash is full */
		fault_advise(f, "guard the VLAN devices, each by itself");
		return fault_fail(f, EXIT_FAILED, err,
				  "%zu VLANs are on it, more than its map has "
				  "room for",
				  t->n_rows - 1);
	}
	if (err == -ENOSPC) { /* a trie is */
		fault_advise(f, "give this host prefixes in place of addresses: "
				"ip route add local PREFIX dev lo");
		return fault_fail(f, EXIT_FAILED, err,
				  "this host has %zu addresses, more than the "
				  "map has room for",
				  t->n_locals);
	}
	return err;
}

/* 1, and the key after *@last; 0 where there is none. */
static int next_key(int fd, const void **last, void *key)
{
	if (bpf_map_get_next_key(fd, *last, key))
		return errno == ENOENT ? 0 : -errno;
	*last = key;
	return 1;
}

static int read_links(const struct table_maps *maps, struct tables *t)
{
	struct link_row row = { 0 };
	const void *last = NULL;
	__u32 zero = 0;
	int err, more;

	if (bpf_map_lookup_elem(maps->untagged, &zero, &row.link))
		return -errno;
	err = tables_add_row(t, &row);
	if (err)
		return err;
	while ((more = next_key(maps->vlans, &last, &row.key)) > 0) {
		if (bpf_map_lookup_elem(maps->vlans, &row.key, &row.link))
			return -errno;
		err = tables_add_row(t, &row);
		if (err)
			return err;
	}
	return more;
}

static int read_locals(const struct table_maps *maps, struct tables *t)
{
	struct local_prefix local;
	const void *last = NULL;
	int err = 0, more = 0;

	while (!err && (more = next_key(maps->locals, &last, &local)) > 0)
		err = tables_append_local(t, &local);
	tables_sort(t);
	return err ?: more;
}

int tables_read(const struct table_maps *maps, struct tables *t)
{
	int err;

	*t = (struct tables){ 0 };
	err = read_links(maps, t) ?: read_locals(maps, t);
	if (err)
		tables_free(t);
	return err;
}

/* The first row is the untagged one: no tag sorts before all tags. */
static bool vlans_differ(const struct tables *a, const struct tables *b)
{
	return a->n_rows != b->n_rows ||
	       (a->n_rows > 1 &&
		memcmp(a->rows + 1, b->rows + 1,
		       (a->n_rows - 1) * sizeof(*a->rows)));
}

struct tables_difference tables_compare(const struct tables *a,
					const struct tables *b)
{
	return (struct tables_difference){
		.untagged = !a->n_rows || !b->n_rows ||
			    memcmp(a->rows, b->rows, sizeof(*a->rows)),
		.vlans = vlans_differ(a, b),
		.locals = a->n_locals != b->n_locals ||
			  (a->n_locals &&
			   memcmp(a->locals, b->locals,
				  a->n_locals * sizeof(*a->locals))),
	};
}
