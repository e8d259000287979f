// SPDX-License-Identifier: GPL-2.0
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "exposition.h"
#include "guard.h"
#include "keycall.h"
#include "keysource.h"
#include "listmaps.h"
#include "log.h"
#include "metrics.h"
#include "netwatch.h"
#include "output.h"
#include "privileges.h"
#include "version.h"
#include "ward.h"

#define USEC 1000000ULL
#define LOOK_USEC USEC
/* Changes of the network come in bursts: one look for all. */
#define SETTLE_USEC (USEC / 10)
/* Local routes are not watched, for on a router they would drown the rest. */
#define REFRESH_LOOKS 60

struct daemon {
	const struct run_options *options;
	struct runplan *plan;
	bool lists_pending; /* the plan's lists are not in force yet */
	sd_event *event;
	struct wards *wards;
	struct exporter *exporter;
	struct control *control;
	struct key_source ring_file;
	struct key_config key_config;
	struct keys *keys;
	unsigned long key_rotations;
	unsigned long key_generation; /* up to the last reload */
	char key_fault[sizeof(((struct fault *)0)->why)]; /* logged last */
	sd_event_source *look;
	int netwatch;
	unsigned int refresh_in; /* looks from now */
	bool reload_successful;
	time_t started_at, reloaded_at;
};

static void tell_status(const struct daemon *d)
{
	struct wards_summary sum = wards_summary(d->wards);

	sd_notifyf(0, "STATUS=%zu of %zu interfaces guarded", sum.guarded,
		   sum.wanted);
}

/* ---- looking after guards and keys ---------------------------------------- */

static void look_after_keys(struct daemon *d)
{
	static const char *const meanings[] = {
#define X(news, meaning) meaning,
		KEY_NEWS(X)
#undef X
	};
	struct fault f = { 0 };
	enum key_news news;
	__u64 wait;

	if (keys_tick(d->keys, &news, &wait, &f)) {
		/* Once, not each second. */
		if (strcmp(f.why, d->key_fault))
			log_fault(LOG_LEVEL_error, NULL, &f);
		memcpy(d->key_fault, f.why, sizeof(d->key_fault));
		return;
	}
	d->key_fault[0] = '\0';
	d->key_rotations += news == KEY_NEWS_rotated;
	if (news != KEY_NEWS_nothing)
		log_event(LOG_LEVEL_info, NULL, "%s", meanings[news]);
}

/* They are there as long as a guard is. */
static void set_lists(struct daemon *d)
{
	struct fault f = { 0 };

	if (!d->lists_pending || !wards_summary(d->wards).guarded)
		return;
	fault_tried(&f, "set the lists");
	if (listmaps_replace(&d->plan->lists, &f))
		log_fault(LOG_LEVEL_error, NULL, &f);
	d->lists_pending = false;
}

static void look(struct daemon *d)
{
	uint64_t now;
	double seconds;

	sd_event_now(d->event, CLOCK_MONOTONIC, &now);
	seconds = (double)now / (double)USEC;
	privileges_raise();
	wards_look(d->wards, seconds);
	if (!d->refresh_in--) {
		wards_refresh(d->wards, seconds);
		d->refresh_in = REFRESH_LOOKS;
	}
	set_lists(d);
	look_after_keys(d);
	privileges_lower();
	tell_status(d);
}

static int on_look(sd_event_source *source, uint64_t usec, void *arg)
{
	struct daemon *d = arg;

	(void)usec;
	look(d);
	sd_event_source_set_time_relative(source, LOOK_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_network(sd_event_source *source, int fd, uint32_t events,
		      void *arg)
{
	struct daemon *d = arg;
	uint64_t now, due;

	(void)source;
	(void)events;
	netwatch_drain(fd);
	d->refresh_in = 0;
	sd_event_now(d->event, CLOCK_MONOTONIC, &now);
	/* Sooner than it would be, never later. */
	if (sd_event_source_get_time(d->look, &due) >= 0 &&
	    due > now + SETTLE_USEC)
		sd_event_source_set_time(d->look, now + SETTLE_USEC);
	return 0;
}

/* ---- what the exporter asks ----------------------------------------------- */

static char *tell_metrics(void *arg, size_t *size)
{
	char names[RUN_INTERFACES_MAX][16];
	struct daemon *d = arg;
	struct metrics_daemon of = {
		.reload_successful = d->reload_successful,
		.reloaded_at = d->reloaded_at,
		.started_at = d->started_at,
		.heals = wards_summary(d->wards).heals,
		.key_rotations = d->key_rotations,
		.key_generation = d->key_generation +
				  keys_generation(d->keys),
		.wanted = names,
		.n_wanted = wards_names(d->wards, names,
					RUN_INTERFACES_MAX),
	};
	struct samples samples;
	struct fault f = { 0 };
	char *text = NULL;
	int err;

	privileges_raise();
	err = metrics_collect(&samples, &of, &f);
	privileges_lower();
	if (err)
		log_fault(LOG_LEVEL_error, NULL, &f);
	else
		text = exposition_text(&samples, size);
	samples_free(&samples);
	return text;
}

static bool is_ready(void *arg)
{
	struct wards_summary sum = wards_summary(((struct daemon *)arg)->wards);

	return sum.guarded == sum.wanted;
}

/* ---- what commands ask ---------------------------------------------------- */

static json_t *release(struct daemon *d, json_t *request)
{
	const char *what, *ifname;
	struct fault f = { 0 };

	if (json_unpack_ex(request, NULL, JSON_STRICT, "{s:s,s:s}", "do", &what,
			   "interface", &ifname)) {
		fault_advise(&f, "use the same version of both");
		fault_fail(&f, EXIT_FAILED, EINVAL, "it does not know how");
		return control_refuse(&f);
	}
	/* What it does not look after it leaves alone anyway. */
	privileges_raise();
	wards_release(d->wards, ifname);
	privileges_lower();
	return json_pack("{s:i}", "exit", EXIT_DONE);
}

static json_t *do_key(struct daemon *d, json_t *request,
		      struct control_secret *secret)
{
	const struct key_source *source = d->key_config.source;
	enum key_action action;
	json_t *answer;

	privileges_raise();
	answer = keycall_serve(d->keys, source->path, request, secret, &action);
	privileges_lower();
	if (key_action_changes(action))
		log_event(LOG_LEVEL_info, NULL, "done for a command: key %s",
			  key_action_name(action));
	return answer;
}

static json_t *on_request(json_t *request, struct control_secret *secret,
			  void *arg)
{
	const char *what =
		json_string_value(json_object_get(request, "do")) ?: "";
	struct fault f = { 0 };

	if (!strcmp(what, "key"))
		return do_key(arg, request, secret);
	secret->size = 0;
	if (!strcmp(what, "release"))
		return release(arg, request);
	fault_tried(&f, "do what was asked of the daemon");
	fault_advise(&f, "use the same version of both");
	fault_fail(&f, EXIT_FAILED, EINVAL, "it does not know how");
	return control_refuse(&f);
}

/* ---- the plan ------------------------------------------------------------- */

static int set_keys(struct daemon *d, const struct config *config)
{
	struct keys *fresh;

	d->ring_file = keysource_file(KEYRING_FILE);
	d->key_config = (struct key_config){
		.source = config->keys.source == KEY_SOURCE_file ?
				  &d->ring_file :
				  &keysource_kernel,
		.plane = &keysource_plane,
		.drift = config->keys.on_foreign_change == FOREIGN_adopt ?
				 KEY_DRIFT_adopt :
				 KEY_DRIFT_repair,
		.schedule = { .rotate_every = config->keys.rotate_every,
			      .overlap = config->keys.overlap,
			      .jitter = config->keys.jitter },
	};
	fresh = keys_new(&d->key_config);
	if (!fresh)
		return -ENOMEM;
	if (d->keys) {
		d->key_generation += keys_generation(d->keys);
		keys_free(d->keys);
	}
	d->keys = fresh;
	return 0;
}

/* From here on @plan is what counts. */
static int adopt_plan(struct daemon *d, struct runplan *plan)
{
	const struct config *config = &plan->config;
	struct port_policy *ports;
	int err = set_keys(d, config);

	if (!err && d->options->file) {
		ports = calloc(PORT_COUNT, sizeof(*ports));
		if (!ports)
			return -ENOMEM;
		config_ports(config, ports);
		privileges_raise();
		err = wards_configure(d->wards, plan->wards, plan->n_wards,
				      ports, &config->tuning);
		privileges_lower();
		free(ports);
	} else {
		for (size_t i = 0; !err && i < plan->n_wards; i++)
			err = wards_add(d->wards, plan->wards[i].name);
	}
	if (err)
		return err;
	log_open(plan->log_format, (enum log_level)config->logging.level);
	d->lists_pending = config->lists.allow.n || config->lists.block.n;
	if (d->plan) {
		runplan_free(d->plan);
		free(d->plan);
	}
	d->plan = plan;
	return 0;
}

/* All of it, or nothing. */
static int reload(struct daemon *d, struct fault *f)
{
	struct runplan *plan = calloc(1, sizeof(*plan));
	int err;

	if (!plan)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	err = runplan_read(d->options, plan, f) ?:
	      exporter_reload(d->exporter, &plan->exporter, f);
	if (!err) {
		err = adopt_plan(d, plan);
		if (err)
			fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
	}
	if (err) {
		runplan_free(plan);
		free(plan);
	}
	return err;
}

/* ---- signals -------------------------------------------------------------- */

static int on_end(sd_event_source *source, const struct signalfd_siginfo *info,
		  void *arg)
{
	(void)arg;
	log_event(LOG_LEVEL_info, NULL, "%s: ending",
		  info->ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_reload(sd_event_source *source,
		     const struct signalfd_siginfo *info, void *arg)
{
	struct daemon *d = arg;
	struct fault f = { 0 };
	uint64_t now;

	(void)source;
	(void)info;
	sd_event_now(d->event, CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)now);
	d->reload_successful = !reload(d, &f);
	if (d->reload_successful) {
		d->reloaded_at = time(NULL);
		log_event(LOG_LEVEL_info, NULL, "reloaded");
	} else {
		log_fault(LOG_LEVEL_error, NULL, &f);
		log_event(LOG_LEVEL_warning, NULL,
			  "not reloaded: all stays as it was");
	}
	wards_hurry(d->wards);
	look(d);
	sd_notify(0, "READY=1");
	return 0;
}

/* ---- start and end -------------------------------------------------------- */

static int watch(struct daemon *d)
{
	int err;

	d->netwatch = netwatch_open();
	if (d->netwatch < 0)
		return d->netwatch;
	err = sd_event_add_io(d->event, NULL, d->netwatch, EPOLLIN, on_network,
			      d);
	if (err >= 0)
		err = sd_event_add_time_relative(d->event, &d->look,
						 CLOCK_MONOTONIC, LOOK_USEC, 0,
						 on_look, d);
	if (err >= 0)
		err = sd_event_add_signal(d->event, NULL, SIGTERM, on_end, d);
	if (err >= 0)
		err = sd_event_add_signal(d->event, NULL, SIGINT, on_end, d);
	if (err >= 0)
		err = sd_event_add_signal(d->event, NULL, SIGHUP, on_reload, d);
	if (err >= 0)
		err = sd_event_set_watchdog(d->event, true);
	return err < 0 ? err : 0;
}

static int open_all(struct daemon *d, struct fault *f)
{
	const struct exporter_source source = { .metrics = tell_metrics,
						.ready = is_ready,
						.arg = d };
	struct runplan *plan;
	sigset_t signals;
	int err;

	fault_tried(f, "run");
	if (geteuid() != 0) {
		fault_advise(f, "run it as root");
		return fault_fail(f, EXIT_FAILED, EPERM,
				  "guards are attached by root alone");
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	err = runplan_read(d->options, plan, f);
	if (!err) {
		d->wards = wards_new(!plan->n_wards);
		err = d->wards ? adopt_plan(d, plan) : -ENOMEM;
	}
	if (err)
		free(plan);
	if (!err)
		err = sd_event_new(&d->event);
	fault_tried(f, "run");
	if (err >= 0)
		err = control_open(&d->control, d->event, on_request, d, f);
	if (err >= 0)
		err = exporter_start(&d->exporter, d->event,
				     &d->plan->exporter, &source, f);
	if (err >= 0)
		err = privileges_shed();
	if (err >= 0)
		err = watch(d);
	if (err < 0 && !f->exit)
		fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
	return err < 0 ? err : 0;
}

static void close_all(struct daemon *d)
{
	exporter_stop(d->exporter);
	control_close(d->control);
	if (d->netwatch >= 0)
		close(d->netwatch);
	sd_event_source_unref(d->look);
	sd_event_unref(d->event);
	if (d->keys)
		keys_free(d->keys);
	if (d->wards)
		wards_free(d->wards);
	if (d->plan)
		runplan_free(d->plan);
	free(d->plan);
}

int daemon_run(const struct run_options *options, struct fault *f)
{
	struct daemon d = { .options = options,
			    .netwatch = -1,
			    .reload_successful = true,
			    .started_at = time(NULL),
			    .reloaded_at = time(NULL) };
	int err = open_all(&d, f);

	if (!err) {
		log_event(LOG_LEVEL_info, NULL, "tfoguard %s started", VERSION);
		look(&d);
		sd_notify(0, "READY=1");
		err = sd_event_loop(d.event);
		sd_notify(0, "STOPPING=1");
		if (err < 0)
			fault_fail(f, EXIT_FAILED, err, "its event loop: %s",
				   strerror(-err));
	}
	if (!err && options->detach_on_exit) {
		privileges_raise();
		wards_detach(d.wards);
		privileges_lower();
	}
	close_all(&d);
	return err;
}
