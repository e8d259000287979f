/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The keys of a network namespace: what becomes of them when somebody asks, and
 * as time goes by. Where the ring is kept, the guard's map and the kernel are
 * behind two structs of functions, so that all of it runs in memory, too.
 */
#ifndef TFOGUARD_KEYS_H
#define TFOGUARD_KEYS_H

#include <stdbool.h>

#include "fault.h"
#include "ring.h"
#include "ringfile.h"
#include "schedule.h"

/*
 * Where the ring is kept from one command to the next. A source that keeps
 * nothing follows the kernel, and writes nothing unasked; one that keeps a ring
 * owns the kernel's key: it rotates on schedule and answers to others' changes.
 * Functions return negative errno and fill why and advice.
 */
struct key_source {
	const char *name;
	/* -ENOENT, and no fault, where none was kept yet. NULL: keeps nothing. */
	int (*load)(const struct key_source *, struct ring_record *,
		    struct fault *);
	/* Durable when it returns; else all is as it was before. */
	int (*save)(const struct key_source *, const struct ring_record *,
		    struct fault *);
	const char *path; /* of the file */
};

/* Where keys have their effect. Functions return negative errno. */
struct key_plane {
	/* -ENOENT where no guard is attached. */
	int (*get_map)(void *arg, struct keyring *);
	int (*set_map)(void *arg, const struct keyring *);
	int (*get_kernel)(void *arg, struct kernel_pair *);
	int (*set_kernel)(void *arg, const struct kernel_pair *);
	/* No other process changes keys or guards in between; fills the fault. */
	int (*lock)(void *arg, struct fault *);
	void (*unlock)(void *arg);
	void (*now)(void *arg, struct moment *);
	void *arg;
};

/* What a source that owns the kernel's key does about a key that another
 * program put there. X(policy, meaning) */
#define KEY_DRIFT_POLICIES(X)                                                  \
	X(repair, "put the ring's keys back")                                  \
	X(adopt, "make it the current one")

enum key_drift_policy {
#define X(policy, meaning) KEY_DRIFT_##policy,
	KEY_DRIFT_POLICIES(X)
#undef X
};

struct key_config {
	const struct key_source *source;
	const struct key_plane *plane;
	enum key_drift_policy drift;
	struct schedule schedule;
};

/* X(action, arguments after a space, meaning); what "tfoguard key" can do. */
#define KEY_ACTIONS(X)                                                         \
	X(show, "", "the keys of the ring, the guard and the kernel")          \
	X(stage, " [FILE]", "accept one more key: FILE's, or a random one")    \
	X(promote, "", "issue the staged key, go on accepting the old one")    \
	X(retire, "", "drop the key beside the current one")                   \
	X(rotate, "", "stage, promote, wait, retire")                          \
	X(import, " FILE", "put the ring of FILE in force")                    \
	X(export, " [FILE]", "write the ring, keys and all")                   \
	X(history, "", "what became of the keys")

enum key_action {
#define X(action, arguments, meaning) KEY_ACTION_##action,
	KEY_ACTIONS(X)
#undef X
	KEY_ACTION_COUNT
};

/* Else it only reads: no lock is taken, and nothing mended. */
bool key_action_changes(enum key_action);

/* In memory from sodium_malloc(), for it may hold keys. */
struct key_request {
	enum key_action action;
	bool emergency; /* rotate: drop the old key at once */
	/* stage: the current one, empty for one made at random; import. */
	struct keyring given;
	bool overlap_given; /* rotate, promote; else the schedule's, or none */
	__u32 overlap; /* seconds */
	/* retire: this one, or if it has gone nothing; all zeros: any. */
	struct siphash_key only;
};

/* In memory from sodium_malloc(). The keys are whole: who shows it masks them. */
struct key_result {
	const char *source;
	struct ring_record record; /* as it is now */
	bool attached;
	struct keyring map; /* where a guard is attached */
	struct kernel_pair kernel;
};

struct keys;

/* NULL where there is no memory. @config must live as long. */
struct keys *keys_new(const struct key_config *);
void keys_free(struct keys *);

/* How many rings were in force since it was made. */
unsigned long keys_generation(const struct keys *);

/*
 * Does what is asked, or nothing. What an earlier process began and could not
 * finish is finished first. Does not wait: "rotate" leaves the previous key to
 * keys_tick(), or to a "retire" of that key only.
 */
int key_do(struct keys *, const struct key_request *, struct key_result *,
	   struct fault *);

/* What a tick did. X(news, meaning) */
#define KEY_NEWS(X)                                                            \
	X(nothing, "all is as it should be")                                   \
	X(followed, "the kernel's key was changed: followed")                  \
	X(adopted, "another program changed the kernel's key: adopted")        \
	X(repaired, "another program changed the kernel's key: put back")      \
	X(mended, "the guard's map or the kernel lagged behind: mended")       \
	X(rotated, "a new key was put in force")                               \
	X(retired, "the previous key was retired")

enum key_news {
#define X(news, meaning) KEY_NEWS_##news,
	KEY_NEWS(X)
#undef X
	KEY_NEWS_COUNT
};

/*
 * One look of a daemon, to be taken at its start and every second: follows,
 * mends, rotates and retires as is due. A source without a ring gets its first:
 * a new key in force, the kernel's as previous. *@wait is how many seconds
 * nothing will be due; others' changes are only noticed by looking.
 */
int keys_tick(struct keys *, enum key_news *, __u64 *wait, struct fault *);

#endif
