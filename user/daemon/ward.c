// SPDX-License-Identifier: GPL-2.0
#include "ward.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "guard.h"
#include "log.h"
#include "shared.h"

#define DELAY_FIRST 1.0
#define DELAY_MAX 60.0

struct ward {
	struct ward *next;
	char name[16];
	unsigned int ifindex; /* that carries its guard; 0: none does */
	__u64 loaded_at; /* of the program as we know it */
	unsigned int prog_id;
	bool missing; /* there is no such interface, and that was logged */
	bool released;
	bool doubtful; /* what is on it can't be told, and that was logged */
	bool configured; /* a configuration names it */
	bool pending; /* and its settings are not in force yet */
	bool lost; /* it had a guard before */
	double retry_at, delay;
	/* How it is to be attached: defaults, or as it was adopted. */
	enum attach_mode mode;
	bool observe;
	struct port_policy ports[PORT_COUNT];
};

struct wards {
	struct ward *first;
	bool all;
	bool tuning_configured;
	bool has_tuning; /* configured, or as the guards had it last */
	struct tuning tuning;
	unsigned long heals;
};

/* What the verifier may take on a slow machine. */
#define ATTACH_USEC 300000000ULL

/* To attach or detach many interfaces may take longer than systemd waits for one
 * sign of life. */
static void show_life(void)
{
	sd_notify(0, "WATCHDOG=1\nEXTEND_TIMEOUT_USEC=60000000");
}

/* And within one attach, most of which is a single system call, none can be
 * given: it is announced, and only it has more time. */
static void announce_attach(bool begins)
{
	uint64_t usual;

	if (begins)
		sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", ATTACH_USEC);
	if (sd_watchdog_enabled(0, &usual) <= 0 || usual >= ATTACH_USEC)
		return;
	sd_notifyf(0, "WATCHDOG_USEC=%llu\nWATCHDOG=1",
		   begins ? ATTACH_USEC : (unsigned long long)usual);
}

/* A guard as one look finds it. */
struct sight {
	unsigned int ifindex, prog_id;
	bool held;
	int held_error;
	__u64 loaded_at;
	enum attach_mode mode;
	bool observe;
};

struct wards *wards_new(bool all)
{
	struct wards *wards = calloc(1, sizeof(*wards));

	if (wards)
		wards->all = all;
	return wards;
}

void wards_free(struct wards *wards)
{
	struct ward *next;

	for (struct ward *w = wards->first; w; w = next) {
		next = w->next;
		free(w);
	}
	free(wards);
}

static struct ward *find(const struct wards *wards, const char *name)
{
	for (struct ward *w = wards->first; w; w = w->next)
		if (!strcmp(w->name, name))
			return w;
	return NULL;
}

int wards_add(struct wards *wards, const char *ifname)
{
	struct ward *w, **last = &wards->first;

	if (find(wards, ifname))
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	snprintf(w->name, sizeof(w->name), "%s", ifname);
	w->mode = ATTACH_native;
	ports_guard_all(w->ports);
	while (*last)
		last = &(*last)->next;
	*last = w;
	return 0;
}

static const struct ward_plan *planned(const struct ward *w,
				       const struct ward_plan *plan, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(plan[i].name, w->name))
			return &plan[i];
	return NULL;
}

/* The configuration names it no more. */
static void dismiss(struct ward *w)
{
	struct fault f = { 0 };

	if (w->ifindex && guard_detach(w->name, &f))
		log_fault(LOG_LEVEL_error, w->name, &f);
	else
		log_event(LOG_LEVEL_info, w->name,
			  "no longer configured: taken off");
	show_life();
}

int wards_configure(struct wards *wards, const struct ward_plan *plan, size_t n,
		    const struct port_policy *ports,
		    const struct tuning *tuning)
{
	struct ward *w, **link = &wards->first;
	const struct ward_plan *mine;

	for (size_t i = 0; i < n; i++)
		if (wards_add(wards, plan[i].name))
			return -ENOMEM;
	wards->tuning_configured = wards->has_tuning = true;
	wards->tuning = *tuning;
	while ((w = *link)) {
		mine = planned(w, plan, n);
		if (!mine && w->configured) {
			dismiss(w);
			*link = w->next;
			free(w);
			continue;
		}
		link = &w->next;
		if (!mine)
			continue;
		w->configured = w->pending = true;
		w->released = w->observe = false;
		w->delay = w->retry_at = 0;
		w->mode = mine->mode;
		memcpy(w->ports, ports, sizeof(w->ports));
	}
	return 0;
}

static void see(const struct guard_status *s, void *arg)
{
	struct sight *sight = arg;

	*sight = (struct sight){
		.ifindex = s->record.ifindex,
		.prog_id = s->prog_id,
		.held = s->held,
		.held_error = s->held_error,
		.loaded_at = s->record.loaded_at,
		.mode = s->record.attach_mode,
		.observe = s->record.settings.observe,
	};
}

/* Negative errno where it can't be told what is on the interface. */
static int look_up(const char *ifname, struct sight *sight, struct fault *f)
{
	int err;

	*sight = (struct sight){ 0 };
	fault_tried(f, "look at the guard of %s", ifname);
	err = guard_each(ifname, see, sight, f);
	if (!err && sight->held_error)
		err = fault_fail(f, EXIT_FAILED, sight->held_error,
				 "whether it is attached can't be told: %s",
				 strerror(-sight->held_error));
	/* None, or pins are missing that a guard has. */
	return f->exit == EXIT_NOT_ATTACHED || err == -EIO ? 0 : err;
}

static void know(struct ward *w, const struct sight *sight)
{
	w->ifindex = sight->ifindex;
	w->loaded_at = sight->loaded_at;
	w->prog_id = sight->prog_id;
}

/* Takes it as it is: its settings are what it is attached with again. */
static void adopt(struct ward *w, const struct sight *sight)
{
	bool anew = w->ifindex == sight->ifindex;

	know(w, sight);
	w->mode = sight->mode;
	w->observe = sight->observe;
	w->missing = w->released = false;
	w->delay = w->retry_at = 0;
	if (guard_ports(w->ifindex, w->ports))
		ports_guard_all(w->ports);
	log_event(LOG_LEVEL_info, w->name,
		  anew ? "the guard was exchanged: its settings are adopted" :
			 "guarded already: adopted as it is");
}

static int try_attach(const struct wards *wards, struct ward *w,
		      struct fault *f)
{
	const struct guard_request request = {
		.ifname = w->name,
		.mode = w->mode,
		.observe = w->observe,
		.ports = w->ports,
		.tuning = wards->has_tuning ? &wards->tuning : NULL,
	};
	struct fault incomplete = { 0 };
	int err;

	announce_attach(true);
	err = guard_attach(&request, &incomplete);
	/* Pins are missing, so that nobody can go on with them. */
	if (err == -EIO)
		err = guard_detach(w->name, f) ?: guard_attach(&request, f);
	else
		*f = incomplete;
	announce_attach(false);
	return err;
}

static void attach(struct wards *wards, struct ward *w, double now)
{
	struct fault f = { 0 }, unseen = { 0 };
	struct sight sight;

	if (try_attach(wards, w, &f) && f.exit != EXIT_PARTLY) {
		w->delay = w->delay ? 2 * w->delay : DELAY_FIRST;
		if (w->delay > DELAY_MAX)
			w->delay = DELAY_MAX;
		w->retry_at = now + w->delay;
		log_fault(LOG_LEVEL_error, w->name, &f);
		log_event(LOG_LEVEL_info, w->name, "tried again in %.0f s", w->delay);
		return;
	}
	if (f.exit)
		log_fault(LOG_LEVEL_warning, w->name, &f);
	wards->heals += w->lost;
	log_event(LOG_LEVEL_info, w->name,
		  w->lost ? "guarded again" : "guarded");
	w->lost = w->pending = false;
	w->delay = w->retry_at = 0;
	look_up(w->name, &sight, &unseen);
	know(w, &sight);
}

static void lose(struct ward *w, const char *why)
{
	log_event(LOG_LEVEL_warning, w->name, "%s", why);
	w->ifindex = 0;
	w->lost = true;
}

/* An interface went, and left its pins. */
static void bury(struct ward *w)
{
	struct fault f = { 0 };

	lose(w, "the interface has gone");
	w->missing = true;
	/* Unless the next one of its name is there: attaching clears up, too. */
	if (!if_nametoindex(w->name) && guard_detach(w->name, &f) &&
	    f.exit != EXIT_NOT_ATTACHED)
		log_fault(LOG_LEVEL_warning, w->name, &f);
}

/* It may be a newer version's: not ours to touch. */
static void leave(struct ward *w, const struct fault *f)
{
	if (!w->doubtful)
		log_fault(LOG_LEVEL_error, w->name, f);
	w->doubtful = true;
}

/* Whether the guard that we know is still there, be its interface renamed. */
static bool goes_on(struct ward *w)
{
	struct fault f = { 0 };
	char name[IF_NAMESIZE];
	struct sight sight;

	if (!w->ifindex)
		return false;
	if (!if_indextoname(w->ifindex, name)) {
		bury(w);
		return false;
	}
	if (look_up(name, &sight, &f)) {
		leave(w, &f);
		return true;
	}
	w->doubtful = false;
	if (!sight.held) {
		lose(w, "the guard was taken off");
		return false;
	}
	/* By its index, for it may go by an alternative name. */
	if (if_nametoindex(w->name) != w->ifindex) {
		log_event(LOG_LEVEL_warning, w->name,
			  "the interface is called %s now: left guarded, "
			  "looked after no more",
			  name);
		w->ifindex = 0;
		return false;
	}
	if (!w->pending &&
	    (sight.loaded_at != w->loaded_at || sight.prog_id != w->prog_id))
		adopt(w, &sight);
	return true;
}

static void look_at(struct wards *wards, struct ward *w, double now)
{
	struct fault f = { 0 };
	struct sight sight;

	if (goes_on(w) && !w->pending)
		return;
	if (!if_nametoindex(w->name)) {
		if (!w->missing && !w->released)
			log_event(LOG_LEVEL_warning, w->name,
				  "there is no such interface: waiting");
		w->missing = true;
		return;
	}
	if (w->missing)
		w->delay = w->retry_at = 0;
	w->missing = false;
	if (look_up(w->name, &sight, &f)) {
		leave(w, &f);
		return;
	}
	w->doubtful = false;
	if (w->released && (!sight.held || (sight.loaded_at == w->loaded_at &&
					    sight.prog_id == w->prog_id)))
		return;
	if (sight.held && !w->pending)
		adopt(w, &sight);
	else if (now >= w->retry_at)
		attach(wards, w, now);
}

static void discover(const struct guard_status *s, void *arg)
{
	if (s->held && s->ifname[0])
		wards_add(arg, s->ifname);
}

/* Those that nobody named, and that are there no more. */
static void forget(struct wards *wards)
{
	struct ward *w, **link = &wards->first;

	while ((w = *link)) {
		if (w->missing) {
			*link = w->next;
			free(w);
		} else {
			link = &w->next;
		}
	}
}

/* Where no configuration says it: it would be lost with the pins. */
static void note_tuning(struct wards *wards)
{
	if (!wards->tuning_configured && !shared_tuning(&wards->tuning))
		wards->has_tuning = true;
}

void wards_look(struct wards *wards, double now)
{
	struct fault f = { 0 };

	note_tuning(wards);

	if (wards->all)
		guard_each(NULL, discover, wards, &f);
	for (struct ward *w = wards->first; w; w = w->next) {
		look_at(wards, w, now);
		show_life();
	}
	if (wards->all)
		forget(wards);
}

void wards_refresh(struct wards *wards, double now)
{
	for (struct ward *w = wards->first; w; w = w->next) {
		struct fault f = { 0 };
		int err;

		if (!w->ifindex || w->doubtful || w->pending)
			continue;
		err = guard_refresh(w->name, &f);
		if (err)
			log_fault(LOG_LEVEL_warning, w->name, &f);
		if (err == -ESTALE) {
			w->pending = true;
			attach(wards, w, now);
		}
	}
}

void wards_hurry(struct wards *wards)
{
	for (struct ward *w = wards->first; w; w = w->next)
		w->delay = w->retry_at = 0;
}

int wards_release(struct wards *wards, const char *ifname)
{
	struct ward *w = find(wards, ifname);
	struct fault f = { 0 };
	struct sight sight;

	if (!w)
		return -ENOENT;
	/* The guard that is about to be taken off is not adopted again. */
	if (!look_up(w->name, &sight, &f)) {
		w->loaded_at = sight.loaded_at;
		w->prog_id = sight.prog_id;
	}
	w->released = true;
	w->lost = false;
	w->ifindex = 0;
	log_event(LOG_LEVEL_info, w->name, "released: looked after no more");
	return 0;
}

void wards_detach(struct wards *wards)
{
	for (struct ward *w = wards->first; w; w = w->next) {
		struct fault f = { 0 };

		if (w->ifindex && guard_detach(w->name, &f))
			log_fault(LOG_LEVEL_error, w->name, &f);
		show_life();
	}
}

struct wards_summary wards_summary(const struct wards *wards)
{
	struct wards_summary sum = { .heals = wards->heals };

	for (const struct ward *w = wards->first; w; w = w->next) {
		sum.wanted += !w->released;
		sum.guarded += !w->released && w->ifindex;
	}
	return sum;
}

size_t wards_names(const struct wards *wards, char (*names)[16], size_t max)
{
	size_t n = 0;

	for (const struct ward *w = wards->first; w && n < max; w = w->next)
		if (!w->released)
			memcpy(names[n++], w->name, sizeof(*names));
	return n;
}
