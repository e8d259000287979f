// SPDX-License-Identifier: GPL-2.0
#include "keys.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

/* In locked memory, with all that is worked with. */
struct keys {
	const struct key_config *config;
	struct sightings seen;
	struct moment now;
	bool first; /* the source has no ring yet */
	bool attached;
	bool was_in_step; /* this process saw the kernel obey the ring */
	unsigned long generation;
	struct ring_record record, next;
	struct keyring map;
	struct kernel_pair kernel, want;
	struct ring_plan plan;
	struct key fresh;
};

struct keys *keys_new(const struct key_config *config)
{
	struct keys *keys = sodium_malloc(sizeof(*keys));

	if (!keys)
		return NULL;
	memset(keys, 0, sizeof(*keys));
	keys->config = config;
	return keys;
}

void keys_free(struct keys *keys)
{
	sodium_free(keys);
}

unsigned long keys_generation(const struct keys *keys)
{
	return keys->generation;
}

static bool owns_kernel(const struct keys *keys)
{
	return keys->config->source->load;
}

static int get_kernel(struct keys *keys, struct fault *f)
{
	const struct key_plane *plane = keys->config->plane;
	int err = plane->get_kernel(plane->arg, &keys->kernel);

	if (!err)
		return 0;
	if (err == -EACCES || err == -EPERM)
		fault_advise(f, "run it as root");
	return fault_fail(f, EXIT_FAILED, err,
			  "the kernel's key (net.ipv4.tcp_fastopen_key) can't be "
			  "read: %s",
			  strerror(-err));
}

static int get_map(struct keys *keys, struct fault *f)
{
	const struct key_plane *plane = keys->config->plane;
	int err = plane->get_map(plane->arg, &keys->map);

	keys->attached = !err;
	if (!err || err == -ENOENT) {
		if (err)
			memset(&keys->map, 0, sizeof(keys->map));
		return 0;
	}
	if (err == -EPERM)
		fault_advise(f, "run it as root, with CAP_SYS_ADMIN");
	return fault_fail(f, EXIT_FAILED, err, "the guard's ring: %s",
			  strerror(-err));
}

/* Says where the ring is kept that can't be read or written. */
static int blame(const struct key_source *source, int err, struct fault *f)
{
	char why[sizeof(f->why)];

	memcpy(why, f->why, sizeof(why));
	return fault_fail(f, EXIT_FAILED, err, "%s: %.400s",
			  source->path ?: source->name, why);
}

/* Reads what is in force, and the ring. Who only reads can't tell since when
 * the kernel has a key that is new to the ring: that is 0. */
static int look(struct keys *keys, bool only_reads, struct fault *f)
{
	const struct key_source *source = keys->config->source;
	const struct key_plane *plane = keys->config->plane;
	int err = get_kernel(keys, f) ?: get_map(keys, f);

	if (err)
		return err;
	plane->now(plane->arg, &keys->now);
	keys->first = false;
	if (source->load) {
		err = source->load(source, &keys->record, f);
		if (err != -ENOENT)
			return err ? blame(source, err, f) : 0;
		keys->first = true;
	}
	keys->record.journal.n = 0;
	ring_follow(&keys->map, &keys->kernel,
		    only_reads ? 0 : keys->now.wall, &keys->record.ring);
	return 0;
}

static void note(struct keys *keys, enum key_event event,
		 const struct siphash_key *key)
{
	if (!key_is_empty(key))
		journal_add(&keys->next.journal, keys->now.wall, event, key);
}

static int take_step(struct keys *keys, const struct ring_step *step)
{
	const struct key_plane *plane = keys->config->plane;

	return step->where == RING_TO_MAP ?
		       plane->set_map(plane->arg, &step->ring) :
		       plane->set_kernel(plane->arg, &step->pair);
}

static int save(struct keys *keys, const struct ring_record *record,
		struct fault *f)
{
	const struct key_source *source = keys->config->source;
	int err = source->save ? source->save(source, record, f) : 0;

	return err ? blame(source, err, f) : 0;
}

/* Puts back what the first @n steps of the plan changed. */
static int undo(struct keys *keys, int n)
{
	const struct key_plane *plane = keys->config->plane;
	int err = 0;

	for (int i = n - 1; i >= 0; i--) {
		int failed = keys->plan.step[i].where == RING_TO_MAP ?
				     plane->set_map(plane->arg, &keys->map) :
				     plane->set_kernel(plane->arg,
						       &keys->kernel);
		err = err ?: failed;
	}
	return err;
}

/*
 * Makes next the ring: written down, then accepted, then issued. What can't be
 * written down isn't done; a ring that was written down and not put in force,
 * because the process died, is put in force by the next one.
 */
static int put_in_force(struct keys *keys, bool written, struct fault *f)
{
	const struct ring_plan *plan = &keys->plan;
	struct fault ignored;
	int err, i;

	ring_plan(keys->attached ? &keys->map : NULL, &keys->kernel,
		  &keys->next.ring, &keys->plan);
	if (!written) {
		err = save(keys, &keys->next, f);
		if (err)
			return err;
	}
	for (i = 0, err = 0; i < plan->n; i++) {
		err = take_step(keys, &plan->step[i]);
		if (err)
			break;
	}
	if (!err) {
		keys->record = keys->next;
		keys->generation++;
		keys->first = false;
		if (keys->attached)
			keys->map = keys->next.ring;
		ring_pair(&keys->next.ring, &keys->want);
		if (keys->want.n)
			keys->kernel = keys->want;
		return 0;
	}
	fault_fail(f, EXIT_FAILED, err, "the %s: %s",
		   plan->step[i].where == RING_TO_MAP ?
			   "guard's map can't be written" :
			   "kernel's key can't be written",
		   strerror(-err));
	if (written)
		return err;
	/* Before the turn all can be as it was; but not where no ring was. */
	if (i > plan->turn || undo(keys, i) || keys->first ||
	    save(keys, &keys->record, &ignored)) {
		f->exit = EXIT_PARTLY;
		fault_advise(f, "the next \"tfoguard key\" command that changes "
				"something, or the daemon, goes on with it");
	}
	return err;
}

/*
 * The key that another program put into the kernel, or NULL. What the ring had
 * and dropped is none: then a process died between writing down and putting in
 * force, or somebody put back what was dropped for a reason.
 */
static const struct siphash_key *foreign(const struct keys *keys)
{
	const struct siphash_key *primary = &keys->kernel.key[0];

	return keys->kernel.n && !ring_has(&keys->record.ring, primary) &&
			       !journal_knows(&keys->record.journal, primary) ?
		       primary :
		       NULL;
}

static int adopt(struct keys *keys, struct fault *f)
{
	struct keyring *ring = &keys->next.ring;
	bool has_backup = keys->kernel.n > 1;

	ring_follow(&keys->record.ring, &keys->kernel, keys->now.wall, ring);
	if (!has_backup) {
		ring->slot[KEY_previous] =
			keys->record.ring.slot[KEY_current];
		ring->slot[KEY_previous].since = keys->now.wall;
		ring->slot[KEY_previous].overlap =
			keys->config->schedule.overlap;
	}
	note(keys, KEY_EVENT_adopted, &ring->slot[KEY_current].secret);
	return put_in_force(keys, false, f);
}

static int repair(struct keys *keys, const struct siphash_key *key,
		  struct fault *f)
{
	int err;

	keys->fresh.secret = *key;
	err = put_in_force(keys, true, f);
	if (err)
		return err;
	note(keys, KEY_EVENT_repaired, &keys->fresh.secret);
	err = save(keys, &keys->next, f);
	if (!err)
		keys->record = keys->next;
	return err;
}

/* Brings map and kernel in step with the ring, or the ring with the kernel. */
static int settle(struct keys *keys, enum key_news *news, struct fault *f)
{
	const struct siphash_key *key = NULL;

	*news = KEY_NEWS_nothing;
	keys->next = keys->record;
	if (owns_kernel(keys) && !keys->first) {
		key = foreign(keys);
		/* At the start it may be what the kernel made at boot. */
		if (key && keys->was_in_step &&
		    keys->config->drift == KEY_DRIFT_adopt) {
			*news = KEY_NEWS_adopted;
			return adopt(keys, f);
		}
		if (key) {
			*news = KEY_NEWS_repaired;
			return repair(keys, key, f);
		}
	}
	ring_plan(keys->attached ? &keys->map : NULL, &keys->kernel,
		  &keys->next.ring, &keys->plan);
	if (!keys->plan.n)
		return 0;
	*news = owns_kernel(keys) ? KEY_NEWS_mended : KEY_NEWS_followed;
	return put_in_force(keys, true, f);
}

static int refuse(const struct refusal *refusal, struct fault *f)
{
	if (!refusal)
		return 0;
	fault_advise(f, "%s", refusal->advice);
	return fault_fail(f, EXIT_FAILED, EPERM, "%s", refusal->why);
}

/* The given key, or one made at random. */
static void take_fresh(struct keys *keys, const struct key *given)
{
	if (given && !key_is_empty(&given->secret)) {
		keys->fresh = *given;
		keys->fresh.origin = KEY_ORIGIN_given;
	} else {
		memset(&keys->fresh, 0, sizeof(keys->fresh));
		keys->fresh.origin = KEY_ORIGIN_made;
		do {
			randombytes_buf(&keys->fresh.secret,
					sizeof(keys->fresh.secret));
		} while (key_is_empty(&keys->fresh.secret));
	}
	keys->fresh.since = keys->now.wall;
	keys->fresh.overlap = 0;
}

/* Stages in next a given key, or one made at random. */
static int stage(struct keys *keys, const struct key *given, struct fault *f)
{
	int err;

	take_fresh(keys, given);
	err = refuse(ring_stage(&keys->next.ring, &keys->fresh), f);
	if (!err)
		note(keys, KEY_EVENT_staged, &keys->fresh.secret);
	return err;
}

/* Issues what is staged in next. */
static int promote(struct keys *keys, __u32 overlap, struct fault *f)
{
	struct keyring *ring = &keys->next.ring;
	int err = refuse(ring_promote(ring, keys->now.wall, overlap), f);

	if (err)
		return err;
	note(keys, KEY_EVENT_promoted, &ring->slot[KEY_current].secret);
	return put_in_force(keys, false, f);
}

/* Notes as retired what the ring had and next has not. */
static void note_retired(struct keys *keys)
{
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		if (!ring_has(&keys->next.ring,
			      &keys->record.ring.slot[i].secret))
			note(keys, KEY_EVENT_retired,
			     &keys->record.ring.slot[i].secret);
}

/* @only is the key which is meant, or NULL. */
static int retire(struct keys *keys, const struct siphash_key *only,
		  struct fault *f)
{
	const struct keyring *ring = &keys->record.ring;
	int err;

	if (only && !key_is_empty(only) &&
	    !key_equal(&ring->slot[KEY_previous].secret, only))
		return 0;
	keys->next = keys->record;
	err = refuse(ring_retire(&keys->next.ring), f);
	if (err)
		return err;
	note_retired(keys);
	return put_in_force(keys, false, f);
}

static int replace(struct keys *keys, struct fault *f)
{
	int err;

	take_fresh(keys, NULL);
	keys->next = keys->record;
	err = refuse(ring_replace(&keys->next.ring, &keys->fresh), f);
	if (err)
		return err;
	note_retired(keys);
	note(keys, KEY_EVENT_replaced, &keys->fresh.secret);
	return put_in_force(keys, false, f);
}

/* A previous key whose time is over makes room; another stands in the way. */
static int make_room(struct keys *keys, struct fault *f)
{
	const struct key *previous = &keys->record.ring.slot[KEY_previous];
	__u64 age = keys->now.wall > previous->since ?
			    keys->now.wall - previous->since :
			    0;

	if (key_is_empty(&previous->secret) || !previous->overlap ||
	    age < previous->overlap)
		return 0;
	return retire(keys, NULL, f);
}

static int rotate(struct keys *keys, __u32 overlap, struct fault *f)
{
	const struct keyring *ring = &keys->record.ring;
	int err;

	/* The very first key has none to stand beside. */
	if (key_is_empty(&ring->slot[KEY_current].secret))
		return replace(keys, f);
	err = make_room(keys, f);
	if (err)
		return err;
	/* In one step: accepted before it is issued it is anyway. */
	keys->next = keys->record;
	if (key_is_empty(&ring->slot[KEY_staged].secret))
		err = stage(keys, NULL, f);
	return err ?: promote(keys, overlap, f);
}

static int import(struct keys *keys, const struct key_request *request,
		  struct fault *f)
{
	int err;

	keys->next = keys->record;
	err = refuse(ring_import(&keys->next.ring, &request->given,
				 keys->now.wall,
				 keys->config->schedule.overlap),
		     f);
	if (err)
		return err;
	note_retired(keys);
	note(keys, KEY_EVENT_imported,
	     &keys->next.ring.slot[KEY_current].secret);
	return put_in_force(keys, false, f);
}

static int change(struct keys *keys, const struct key_request *request,
		  struct fault *f)
{
	__u32 overlap = request->overlap;

	keys->next = keys->record;
	switch (request->action) {
	case KEY_ACTION_stage:
		return stage(keys, &request->given.slot[KEY_current], f) ?:
		       put_in_force(keys, false, f);
	case KEY_ACTION_promote:
		return promote(keys, overlap, f);
	case KEY_ACTION_retire:
		return retire(keys, &request->only, f);
	case KEY_ACTION_rotate:
		if (!request->overlap_given)
			overlap = keys->config->schedule.overlap;
		return request->emergency ? replace(keys, f) :
					    rotate(keys, overlap, f);
	case KEY_ACTION_import:
		return import(keys, request, f);
	default:
		return fault_fail(f, EXIT_FAILED, EINVAL,
				  "there is no such action");
	}
}

static int read_only(struct keys *keys, enum key_action action,
		     struct fault *f)
{
	if (action == KEY_ACTION_history && !owns_kernel(keys)) {
		fault_advise(f, "name the ring's file: --ring FILE");
		return fault_fail(f, EXIT_FAILED, ENOENT,
				  "where the keys follow the kernel no ring is "
				  "kept, and no history");
	}
	if (keys->first) {
		fault_advise(f, "\"tfoguard key rotate\" makes it");
		return fault_fail(f, EXIT_FAILED, ENOENT,
				  "there is no ring yet in %s",
				  keys->config->source->path ?:
					  keys->config->source->name);
	}
	return 0;
}

bool key_action_changes(enum key_action action)
{
	return action < KEY_ACTION_COUNT && action != KEY_ACTION_show &&
	       action != KEY_ACTION_export && action != KEY_ACTION_history;
}

/* Where nothing is kept the guard's map is what knows one key from the other. */
static int need_guard(const struct keys *keys, struct fault *f)
{
	if (keys->attached || owns_kernel(keys))
		return 0;
	fault_advise(f, "attach one: tfoguard attach IFACE");
	return fault_fail(f, EXIT_NOT_ATTACHED, ENOENT,
			  "no guard is attached in this network namespace");
}

static void tell(const struct keys *keys, struct key_result *result)
{
	result->source = keys->config->source->name;
	result->record = keys->record;
	result->attached = keys->attached;
	result->map = keys->map;
	result->kernel = keys->kernel;
}

int key_do(struct keys *keys, const struct key_request *request,
	   struct key_result *result, struct fault *f)
{
	const struct key_plane *plane = keys->config->plane;
	enum key_news news;
	int err;

	if (!key_action_changes(request->action)) {
		err = look(keys, true, f) ?: need_guard(keys, f) ?:
		      read_only(keys, request->action, f);
		if (!err)
			tell(keys, result);
		return err;
	}
	err = plane->lock(plane->arg, f);
	if (err)
		return err;
	err = look(keys, false, f) ?: need_guard(keys, f) ?:
	      settle(keys, &news, f) ?: change(keys, request, f);
	plane->unlock(plane->arg);
	if (!err)
		tell(keys, result);
	return err;
}

/* Who follows the kernel rotates when told, and then ends what was begun. */
static enum due due(struct keys *keys, __u64 *wait)
{
	struct schedule schedule = keys->config->schedule;

	if (!owns_kernel(keys))
		schedule.rotate_every = 0;
	schedule_see(&keys->seen, &keys->record.ring, &keys->now);
	return schedule_due(&schedule, &keys->record.ring, &keys->seen,
			    keys->now.boot, wait);
}

/* Whether what is in force is what the ring says. */
static bool in_step(struct keys *keys)
{
	ring_plan(keys->attached ? &keys->map : NULL, &keys->kernel,
		  &keys->record.ring, &keys->plan);
	return !keys->plan.n;
}

/* The kernel's backup has no place beside a new key and its primary. */
static int begin(struct keys *keys, struct fault *f)
{
	memset(&keys->record.ring.slot[KEY_previous], 0, sizeof(struct key));
	memset(&keys->record.ring.slot[KEY_staged], 0, sizeof(struct key));
	return rotate(keys, keys->config->schedule.overlap, f);
}

static int act(struct keys *keys, enum key_news *news, __u64 *wait,
	       struct fault *f)
{
	const __u32 overlap = keys->config->schedule.overlap;

	if (keys->first) {
		*news = KEY_NEWS_rotated;
		return begin(keys, f);
	}
	if (!in_step(keys))
		return settle(keys, news, f);
	switch (due(keys, wait)) {
	case DUE_RETIRE:
		*news = KEY_NEWS_retired;
		return retire(keys, NULL, f);
	case DUE_ROTATE:
		*news = KEY_NEWS_rotated;
		return rotate(keys, overlap, f);
	case DUE_NOTHING:
		break;
	}
	return 0;
}

int keys_tick(struct keys *keys, enum key_news *news, __u64 *wait,
	      struct fault *f)
{
	const struct key_plane *plane = keys->config->plane;
	int err;

	*news = KEY_NEWS_nothing;
	*wait = 0;
	fault_tried(f, "look after the keys");
	err = look(keys, false, f);
	if (err)
		return err;
	if (!keys->attached && !owns_kernel(keys)) {
		*wait = DUE_NEVER;
		return 0;
	}
	/* Seldom is there anything to do that others must wait for. */
	if (!keys->first && in_step(keys)) {
		keys->was_in_step = true;
		if (due(keys, wait) == DUE_NOTHING)
			return 0;
	}
	err = plane->lock(plane->arg, f);
	if (err)
		return err;
	err = look(keys, false, f) ?: act(keys, news, wait, f);
	plane->unlock(plane->arg);
	return err;
}
