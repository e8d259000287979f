// SPDX-License-Identifier: GPL-2.0
#include "listmaps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lock.h"
#include "pins.h"

#define READ_AT_ONCE 65536

struct maps {
	int trie[2]; /* IPv4, IPv6 */
	int sizes;
};

static void close_maps(struct maps *maps)
{
	for (int i = 0; i < 2; i++)
		if (maps->trie[i] >= 0)
			close(maps->trie[i]);
	if (maps->sizes >= 0)
		close(maps->sizes);
}

static int open_maps(struct maps *maps, struct fault *f)
{
	int err;

	maps->trie[0] = pins_open(0, PIN_LIST4);
	maps->trie[1] = pins_open(0, PIN_LIST6);
	maps->sizes = pins_open(0, PIN_LIST_SIZES);
	if (maps->trie[0] >= 0 && maps->trie[1] >= 0 && maps->sizes >= 0)
		return 0;
	err = maps->trie[0] < 0 ? maps->trie[0] :
	      maps->trie[1] < 0 ? maps->trie[1] :
				  maps->sizes;
	close_maps(maps);
	if (err == -ENOENT) {
		fault_advise(f, "attach one: tfoguard attach IFACE");
		return fault_fail(f, EXIT_NOT_ATTACHED, err,
				  "no guard is attached in this network "
				  "namespace");
	}
	if (err == -EPERM || err == -EACCES)
		fault_advise(f, "run it as root, with CAP_BPF or CAP_SYS_ADMIN");
	return fault_fail(f, EXIT_FAILED, err, "the lists' maps: %s",
			  strerror(-err));
}

/* A key of either trie: the bits, then the address. */
union key {
	struct list_key4 ipv4;
	struct list_key6 ipv6;
};

static size_t key_size(int ipv6)
{
	return ipv6 ? sizeof(struct list_key6) : sizeof(struct list_key4);
}

static void put_key(const struct prefix *prefix, void *key)
{
	__u32 bits = prefix->bits;

	memcpy(key, &bits, sizeof(bits));
	memcpy((char *)key + sizeof(bits), prefix->address,
	       key_size(prefix->ipv6) - sizeof(bits));
}

static void get_key(const void *key, int ipv6, struct prefix *prefix)
{
	__u32 bits;

	memcpy(&bits, key, sizeof(bits));
	*prefix = (struct prefix){ .ipv6 = (__u8)ipv6, .bits = (__u8)bits };
	memcpy(prefix->address, (const char *)key + sizeof(bits),
	       key_size(ipv6) - sizeof(bits));
}

static int take_rows(struct lists *lists, int ipv6, const char *keys,
		     const struct list_value *values, __u32 n)
{
	struct prefix prefix;
	int err = 0;

	for (__u32 i = 0; !err && i < n; i++) {
		get_key(keys + i * key_size(ipv6), ipv6, &prefix);
		err = lists_give(lists, &prefix, LIST_NONE);
		if (!err)
			lists->row[lists->n - 1].value = values[i];
	}
	return err;
}

static int read_trie(int fd, int ipv6, struct lists *lists)
{
	struct list_value *values = calloc(READ_AT_ONCE, sizeof(*values));
	char *keys = calloc(READ_AT_ONCE, key_size(ipv6));
	union key at, *from = NULL;
	bool more = keys && values;
	int err = more ? 0 : -ENOMEM;

	while (!err && more) {
		__u32 n = READ_AT_ONCE;

		if (bpf_map_lookup_batch(fd, from, &at, keys, values, &n,
					 NULL)) {
			more = false;
			if (errno != ENOENT) {
				err = -errno;
				break;
			}
		}
		err = take_rows(lists, ipv6, keys, values, n);
		from = &at;
	}
	free(keys);
	free(values);
	return err;
}

/* As it stands in the maps: sorted, but not settled. */
static int read_maps(const struct maps *maps, struct lists *lists,
		     struct fault *f)
{
	int err = read_trie(maps->trie[0], 0, lists) ?:
		  read_trie(maps->trie[1], 1, lists);

	if (err)
		return fault_fail(f, EXIT_FAILED, err,
				  "the lists can't be read: %s",
				  strerror(-err));
	lists_sort(lists);
	return 0;
}

/* ---- writing -------------------------------------------------------------- */

/* In this order nothing is blocked for a moment that is allowed before and
 * after. */
enum step { STEP_ALLOW, STEP_DELETE, STEP_REST, STEP_COUNT };

static bool is_due(enum step step, const struct list_row *was,
		   const struct list_row *row)
{
	if (was && !memcmp(&was->value, &row->value, sizeof(row->value)))
		return false;
	return (row->value.entry == LIST_ALLOW) == (step == STEP_ALLOW);
}

static int write_rows(int fd, int ipv6, enum step step, const struct lists *old,
		      const struct lists *new)
{
	struct list_value *values = calloc(new->n + 1, sizeof(*values));
	char *keys = calloc(new->n + 1, key_size(ipv6));
	__u32 n = 0;
	int err = keys && values ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < new->n; i++) {
		const struct list_row *row = &new->row[i];

		if (row->prefix.ipv6 != ipv6 ||
		    !is_due(step, lists_find(old, &row->prefix), row))
			continue;
		put_key(&row->prefix, keys + n * key_size(ipv6));
		values[n++] = row->value;
	}
	if (!err && n && bpf_map_update_batch(fd, keys, values, &n, NULL))
		err = -errno;
	free(keys);
	free(values);
	return err;
}

static int delete_rows(int fd, int ipv6, const struct lists *old,
		       const struct lists *new)
{
	union key key;

	for (size_t i = 0; i < old->n; i++) {
		const struct prefix *prefix = &old->row[i].prefix;

		if (prefix->ipv6 != ipv6 || lists_find(new, prefix))
			continue;
		put_key(prefix, &key);
		/* What an update that failed never wrote is not there. */
		if (bpf_map_delete_elem(fd, &key) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int write_size(const struct maps *maps, __u32 ipv6,
		      const struct lists *lists)
{
	size_t n[2];
	__u32 size;

	lists_count(lists, n);
	size = (__u32)n[ipv6];
	return bpf_map_update_elem(maps->sizes, &ipv6, &size, BPF_ANY) ? -errno :
									 0;
}

static int write_change(const struct maps *maps, const struct lists *old,
			const struct lists *new)
{
	int err = 0;

	for (int step = 0; !err && step < STEP_COUNT; step++)
		for (int ipv6 = 0; !err && ipv6 < 2; ipv6++)
			err = step == STEP_DELETE ?
				      delete_rows(maps->trie[ipv6], ipv6, old,
						  new) :
				      write_rows(maps->trie[ipv6], ipv6,
						 (enum step)step, old, new);
	return err ?: write_size(maps, 0, new) ?: write_size(maps, 1, new);
}

/* What is there and what comes must have room beside each other. */
static int check_room(const struct lists *old, const struct lists *new,
		      struct fault *f)
{
	size_t n[2];

	lists_count(old, n);
	for (size_t i = 0; i < new->n; i++)
		if (!lists_find(old, &new->row[i].prefix))
			n[new->row[i].prefix.ipv6]++;
	if (n[0] <= LIST_MAX && n[1] <= LIST_MAX)
		return 0;
	fault_advise(f, "delete some first, or give wider prefixes");
	return fault_fail(f, EXIT_FAILED, ENOSPC,
			  "the lists would hold %zu prefixes of IPv%d, and take "
			  "%d",
			  n[0] > LIST_MAX ? n[0] : n[1], n[0] > LIST_MAX ? 4 : 6,
			  LIST_MAX);
}

static int write_maps(const struct maps *maps, const struct lists *old,
		      const struct lists *new, struct fault *f)
{
	int err = check_room(old, new, f), undone;

	if (err)
		return err;
	err = write_change(maps, old, new);
	if (!err)
		return 0;
	/* As if all of it had been written. */
	undone = write_change(maps, new, old);
	if (undone)
		return fault_fail(f, EXIT_PARTLY, err,
				  "the kernel took a part of it only: %s, and "
				  "would not go back: %s",
				  strerror(-err), strerror(-undone));
	return fault_fail(f, EXIT_FAILED, err,
			  "the kernel would not take it: %s; nothing was changed",
			  strerror(-err));
}

/* ---- changing ------------------------------------------------------------- */

/* Makes @lists, which is what the maps hold, what they should. */
typedef int change(struct lists *lists, const struct lists *prefixes,
		   enum list_entry entry, struct fault *f);

static int add(struct lists *lists, const struct lists *prefixes,
	       enum list_entry entry, struct fault *f)
{
	int err = 0;

	for (size_t i = 0; !err && i < prefixes->n; i++)
		err = lists_give(lists, &prefixes->row[i].prefix, entry);
	return err ? fault_fail(f, EXIT_FAILED, err, "out of memory") : 0;
}

static int remove_given(struct lists *lists, const struct lists *prefixes,
			enum list_entry entry, struct fault *f)
{
	const __u8 bit = (__u8)(1 << entry);
	char text[PREFIX_LEN];

	for (size_t i = 0; i < prefixes->n; i++) {
		const struct prefix *prefix = &prefixes->row[i].prefix;
		struct list_row *row = lists_find(lists, prefix);

		if (!row || !(row->value.given & bit)) {
			prefix_format(prefix, text);
			fault_advise(f, "see \"tfoguard %s list\"; nothing was "
					"deleted",
				     entry == LIST_ALLOW ? "allow" : "block");
			return fault_fail(f, EXIT_FAILED, ENOENT,
					  "%s is not in the list", text);
		}
	}
	for (size_t i = 0; i < prefixes->n; i++)
		lists_find(lists, &prefixes->row[i].prefix)->value.given &=
			(__u8)~bit;
	return 0;
}

static int replace(struct lists *lists, const struct lists *prefixes,
		   enum list_entry entry, struct fault *f)
{
	(void)entry;
	lists_free(lists);
	return lists_copy(lists, prefixes) ?
		       fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory") :
		       0;
}

static int change_maps(change *make, const struct lists *prefixes,
		       enum list_entry entry, struct fault *f)
{
	struct lists old = { 0 }, new = { 0 };
	int locked = lock_take(f), err;
	struct maps maps;

	if (locked < 0)
		return locked;
	err = open_maps(&maps, f);
	if (!err) {
		err = read_maps(&maps, &old, f);
		if (!err && lists_copy(&new, &old))
			err = fault_fail(f, EXIT_FAILED, ENOMEM,
					 "out of memory");
		err = err ?: make(&new, prefixes, entry, f);
		if (!err) {
			lists_settle(&new);
			err = write_maps(&maps, &old, &new, f);
		}
		lists_free(&old);
		lists_free(&new);
		close_maps(&maps);
	}
	close(locked);
	return err;
}

int listmaps_add(const struct lists *prefixes, enum list_entry entry,
		 struct fault *f)
{
	return change_maps(add, prefixes, entry, f);
}

int listmaps_remove(const struct lists *prefixes, enum list_entry entry,
		    struct fault *f)
{
	return change_maps(remove_given, prefixes, entry, f);
}

int listmaps_replace(const struct lists *prefixes, struct fault *f)
{
	return change_maps(replace, prefixes, LIST_NONE, f);
}

int listmaps_read(struct lists *lists, struct fault *f)
{
	struct maps maps;
	int err = open_maps(&maps, f);

	*lists = (struct lists){ 0 };
	if (err)
		return err;
	err = read_maps(&maps, lists, f);
	close_maps(&maps);
	return err;
}
