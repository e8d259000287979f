// SPDX-License-Identifier: GPL-2.0
#include "pressure.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "listeners.h"
#include "shared.h"

/* As share_of() of bpf/relieve.h does. */
static double share(const struct tuning *t, __u32 queue, __u32 limit)
{
	double lo = (limit ?: 1) * (double)t->mark_lo / 256;
	double hi = (limit ?: 1) * (double)t->mark_hi / 256;

	if (queue < lo)
		return 0;
	return queue >= hi ? 1 : (queue - lo) / (hi - lo);
}

/* Whether @a of @a_limit is fuller than @b of @b_limit. */
static bool is_fuller(__u32 a, __u32 a_limit, __u32 b, __u32 b_limit)
{
	return (__u64)a * (b_limit ?: 1) > (__u64)b * (a_limit ?: 1);
}

static void add(struct pressure *p, const struct listener *l,
		const struct tuning *t)
{
	double now = share(t, l->syn_queue, l->backlog);

	if (!p->syn_limit ||
	    is_fuller(l->syn_queue, l->backlog, p->syn_queue, p->syn_limit)) {
		p->syn_queue = l->syn_queue;
		p->syn_limit = l->backlog;
	}
	if (l->fastopen_limit &&
	    (!p->tfo_limit || is_fuller(l->fastopen_queue, l->fastopen_limit,
					p->tfo_queue, p->tfo_limit))) {
		p->tfo_queue = l->fastopen_queue;
		p->tfo_limit = l->fastopen_limit;
	}
	if (now > p->pressure)
		p->pressure = now;
}

static struct pressure *place_of(struct pressure *list, size_t *n, __u16 port)
{
	for (size_t i = 0; i < *n; i++)
		if (list[i].port == port)
			return &list[i];
	list[*n] = (struct pressure){ .port = port };
	return &list[(*n)++];
}

static int by_port(const void *a, const void *b)
{
	const struct pressure *x = a, *y = b;

	return (int)x->port - (int)y->port;
}

static bool is_stopped(const struct port_state *state)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return state->stopped_until >
	       ((__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec) >> 30;
}

int pressure_read(bool (*is_guarded)(__u16 port, void *arg), void *arg,
		  struct pressure **list, size_t *n)
{
	struct listener *listeners;
	struct port_state state;
	struct tuning tuning;
	size_t n_listeners;
	int err;

	*n = 0;
	err = shared_tuning(&tuning) ?:
	      listeners_read(&listeners, &n_listeners);
	if (err)
		return err;
	*list = calloc(n_listeners ?: 1, sizeof(**list));
	for (size_t i = 0; *list && i < n_listeners; i++)
		if (is_guarded(listeners[i].port, arg))
			add(place_of(*list, n, listeners[i].port),
			    &listeners[i], &tuning);
	free(listeners);
	if (!*list)
		return -ENOMEM;
	qsort(*list, *n, sizeof(**list), by_port);
	for (size_t i = 0; i < *n; i++)
		(*list)[i].stopped =
			!shared_port_state((*list)[i].port, &state) &&
			is_stopped(&state);
	return 0;
}
