// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel as judge. Every random SYN goes, byte by byte the same, to two
 * servers that differ in nothing but the guard in front of one; their answers
 * must say the same. tests/judge/run makes the servers' namespaces.
 *
 * With --rotate keys change under way, while nothing is on the wire: those of the
 * namespaces by a command, and those of the listener that has its own.
 *
 * Prints one line of counts to standard output, disagreements as comments
 * before it. Exit codes: 0 they agree, 1 they don't, 2 the test itself failed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "craft.h"
#include "fastopen.h"
#include "server.h"
#include "wire.h"

#define ACK 0x10
#define RST 0x04

#define BATCH 64 /* SYNs under way: no more than a veth's ring has room for */
#define ROTATE_EVERY (2 * BATCH) /* SYNs from one change of keys to the next */
#define ANSWER_WAIT_S 5
#define PRINT_MAX 10 /* disagreements shown in full */

enum side { BARE, GUARDED, SIDES };
static const char *const side_names[SIDES] = { "bare kernel:", "guarded:" };

struct judge {
	struct run run;
	uint32_t count;
	int64_t only; /* one number, or -1 */
	bool strict; /* not even the difference that is meant is allowed */
	const char *rotate; /* the command, or NULL */
	struct siphash_key first_keys[KEY_COUNT];
	/* Those, and the ones after each change: what the command makes at
	 * random is noted, for a SYN is made once more when it is judged. */
	struct siphash_key (*keys)[KEY_COUNT];
	struct server server[SIDES];
	struct wire wire[SIDES];
	uint32_t sentinel; /* number of the last one, above all SYNs' */
	struct answer (*answers)[SIDES]; /* by number */
	uint32_t n_answers;
	uint64_t strays[SIDES]; /* answers to addresses that are no client's */
};

struct result {
	uint32_t syns, answered, fast_opened, reset, silent, allowed;
	uint32_t disagreements, faults;
};

/* ---- sending and gathering ----------------------------------------------- */

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/*
 * Ends the connection, or half of one, so that no queue fills. The handshake
 * comes first: a Fast Open child that is reset before it parks its place in the
 * queue for a minute.
 */
static void hang_up(struct wire *w, const uint8_t *frame, uint32_t l4)
{
	uint8_t out[128];
	uint32_t seq, ack, len;

	memcpy(&ack, frame + l4 + 4, 4);
	memcpy(&seq, frame + l4 + 8, 4);
	seq = ntohl(seq);
	ack = ntohl(ack) + 1;
	len = craft_segment(frame, ACK, seq, ack, out);
	wire_send(w, out, len);
	len = craft_segment(frame, RST, seq, ack, out);
	wire_send(w, out, len);
}

static void take(struct judge *j, enum side side, const uint8_t *frame,
		 uint32_t len)
{
	uint32_t l4 = answer_tcp(frame, len), number;
	struct answer *a, fresh;
	bool ipv6 = frame[12] == 0x86;

	if (!l4)
		return; /* ICMP, neighbour discovery */
	if (!craft_number(frame + ETH_HLEN + (ipv6 ? 24 : 16), ipv6, &number) ||
	    number >= j->n_answers) {
		j->strays[side]++;
		return;
	}
	answer_read(frame + l4, len - l4, &fresh);
	a = &j->answers[number][side];
	if (a->kind != ANSWER_NONE) {
		a->again++;
		return;
	}
	*a = fresh;
	if (a->kind == ANSWER_SYNACK)
		hang_up(&j->wire[side], frame, l4);
}

static void gather(struct judge *j)
{
	uint8_t frame[FRAME_MAX];
	uint32_t len;

	for (int side = 0; side < SIDES; side++)
		while ((len = wire_receive(&j->wire[side], frame,
					   sizeof(frame))))
			take(j, side, frame, len);
}

static void send_both(struct judge *j, const struct syn *s)
{
	for (int side = 0; side < SIDES; side++)
		for (int i = 0; i <= s->twice; i++)
			wire_send(&j->wire[side], s->frame, s->len);
}

/* A cable keeps order: behind the sentinel's answer there is none left. */
static void wait_for_sentinel(struct judge *j)
{
	const struct answer *a = j->answers[j->sentinel];
	double deadline = now_s() + ANSWER_WAIT_S;

	while (a[BARE].kind == ANSWER_NONE || a[GUARDED].kind == ANSWER_NONE) {
		gather(j);
		if (now_s() > deadline)
			errx(2, "no answer to a plain SYN from the %s server",
			     a[BARE].kind == ANSWER_NONE ? "bare" : "guarded");
	}
}

static const struct siphash_key *keys_at(const struct judge *j, uint32_t number)
{
	return j->keys[j->rotate ? number / ROTATE_EVERY : 0];
}

static void craft(const struct judge *j, uint32_t number, struct syn *s)
{
	struct run run = j->run;

	run.keys = keys_at(j, number);
	craft_syn(&run, number, s);
}

static void send_batch(struct judge *j, uint32_t first, uint32_t n)
{
	static struct syn s;

	for (uint32_t i = first; i < first + n; i++) {
		craft(j, i, &s);
		send_both(j, &s);
	}
	craft_sentinel(&j->run, ++j->sentinel, &s);
	send_both(j, &s);
	wait_for_sentinel(j);
}

/* As in net.ipv4.tcp_fastopen_key: words of hex digits, two keys at most.
 * Returns how many. */
static int read_keys(const char *text, struct siphash_key keys[2])
{
	uint32_t w[4];
	int n = 0, len = 0;

	do {
		text += n ? len + 1 : 0;
		if (sscanf(text, "%8x-%8x-%8x-%8x%n", &w[0], &w[1], &w[2],
			   &w[3], &len) != 4)
			errx(2, "\"%s\" is no key", text);
		keys[n].k0 = (uint64_t)w[1] << 32 | w[0];
		keys[n].k1 = (uint64_t)w[3] << 32 | w[2];
	} while (++n < 2 && text[len] == ',');
	return n;
}

/* The command changes the namespaces' keys, and prints them. */
static int rotate_namespaces(const struct judge *j, uint32_t n,
			     struct siphash_key pair[2])
{
	char command[256], text[128];
	FILE *out;

	snprintf(command, sizeof(command), "%s %u", j->rotate, n);
	out = popen(command, "r");
	if (!out || !fgets(text, sizeof(text), out) || pclose(out))
		errx(2, "\"%s\" failed", command);
	return read_keys(text, pair);
}

static bool is_one_of(const struct siphash_key *key,
		      const struct siphash_key *keys, int n)
{
	for (int i = 0; i < n; i++)
		if (!memcmp(key, &keys[i], sizeof(*key)))
			return true;
	return false;
}

/* The nth change. Clients go on showing cookies of keys that are gone, as if
 * these were still a backup where there is none. */
static void rotate(struct judge *j, uint32_t n)
{
	const struct siphash_key *was = j->keys[n - 1];
	struct siphash_key *keys = j->keys[n], pair[2];
	int n_pair = rotate_namespaces(j, n, pair);

	memcpy(keys, was, sizeof(*j->keys));
	for (int i = KEY_backup; i >= KEY_primary; i--)
		if (!is_one_of(&was[i], pair, n_pair))
			keys[KEY_old] = was[i];
	keys[KEY_primary] = pair[0];
	keys[KEY_backup] = n_pair > 1 ? pair[1] : keys[KEY_old];

	keys[KEY_own].k1 = n + 2;
	keys[KEY_own_backup] = was[KEY_own];
	keys[KEY_old_backup] = was[KEY_own_backup];
	for (int side = 0; side < SIDES; side++)
		server_set_keys(&j->server[side], &keys[KEY_own],
				n % 3 ? 2 : 1);
}

static void rotate_until(struct judge *j, uint32_t *changes, uint32_t number)
{
	while (j->rotate && *changes < number / ROTATE_EVERY)
		rotate(j, ++*changes);
}

static void send_all(struct judge *j)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };

	uint32_t only = (uint32_t)j->only, changes = 0;

	j->sentinel = j->count;
	if (j->only >= 0) {
		rotate_until(j, &changes, only);
		send_batch(j, only, 1);
	} else {
		for (uint32_t i = 0; i < j->count; i += BATCH) {
			rotate_until(j, &changes, i);
			send_batch(j, i, j->count - i < BATCH ? j->count - i :
								BATCH);
		}
	}
	/* Whatever comes late shows in the counts. */
	nanosleep(&pause, NULL);
	gather(j);
}

/* ---- judging ------------------------------------------------------------- */

/*
 * The one difference that is meant: a cookie of a length that the kernel takes
 * for no cookie at all, so that its client gets none. Behind the guard the
 * client has asked for one instead, and gets the right one.
 */
static bool is_allowed(const struct judge *j, const struct syn *s,
		       const struct answer a[SIDES])
{
	const struct answer *guarded = &a[GUARDED];
	bool own = listeners[s->listener].own_key;
	const struct siphash_key *keys = keys_at(j, s->number);
	uint8_t kind = 0, cookie[8];
	int len = craft_counting_option(s, &kind);

	if (j->strict || (len != 2 && len <= 16))
		return false;
	craft_cookie(&keys[own ? KEY_own : KEY_primary], s, cookie);
	return answer_equal_apart(&a[BARE], guarded) &&
	       a[BARE].kind == ANSWER_SYNACK && a[BARE].ack == s->isn + 1 &&
	       a[BARE].cookie_len < 0 && guarded->cookie_len == 8 &&
	       guarded->cookie_kind == kind &&
	       !memcmp(guarded->cookie, cookie, 8);
}

static void print_syn(const struct judge *j, const struct syn *s,
		      const struct answer a[SIDES])
{
	printf("# SYN number %u, listener %s, ISN %08x, variant's seed %" PRIu64
	       "\n#   ",
	       s->number, listeners[s->listener].name, s->isn, j->run.seed);
	for (uint32_t i = 0; i < s->len; i++)
		printf("%02x", s->frame[i]);
	putchar('\n');
	for (int side = 0; side < SIDES; side++)
		answer_print(stdout, side_names[side], &a[side]);
}

static void judge_one(const struct judge *j, uint32_t number, struct result *r)
{
	const struct answer *a = j->answers[number];
	static struct syn s;

	craft(j, number, &s);
	r->syns++;
	r->answered += a[BARE].kind == ANSWER_SYNACK;
	r->fast_opened += a[BARE].kind == ANSWER_SYNACK &&
			  a[BARE].ack != s.isn + 1;
	r->reset += a[BARE].kind == ANSWER_RST;
	r->silent += a[BARE].kind == ANSWER_NONE;
	r->faults += a[BARE].again > s.twice;
	if (j->only >= 0)
		print_syn(j, &s, a);
	if (answer_equal_apart(&a[BARE], &a[GUARDED]) &&
	    answer_equal_cookie(&a[BARE], &a[GUARDED]))
		return;
	if (is_allowed(j, &s, a)) {
		r->allowed++;
		return;
	}
	if (r->disagreements++ < PRINT_MAX && j->only < 0)
		print_syn(j, &s, a);
}

static struct result judge_all(struct judge *j)
{
	struct result r = { 0 };

	if (j->only >= 0)
		judge_one(j, (uint32_t)j->only, &r);
	else
		for (uint32_t i = 0; i < j->count; i++)
			judge_one(j, i, &r);
	for (int side = 0; side < SIDES; side++) {
		uint64_t lost = wire_lost(&j->wire[side]);

		if (lost)
			printf("# lost answers: %s %" PRIu64 "\n",
			       side_names[side], lost);
		r.faults += lost != 0;
	}
	if (j->strays[BARE] != j->strays[GUARDED]) {
		printf("# answers to no client: %" PRIu64 " bare, %" PRIu64
		       " guarded\n",
		       j->strays[BARE], j->strays[GUARDED]);
		r.disagreements++;
	}
	return r;
}

/* ---- the command line ---------------------------------------------------- */

static void read_pair(const char *text, struct siphash_key keys[2])
{
	if (read_keys(text, keys) != 2)
		errx(2, "two keys are needed, PRIMARY,BACKUP");
}

/* So that each variant has SYNs of its own (FNV-1a). */
static uint64_t mix(uint64_t seed, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ seed;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3ULL;
	return hash;
}

static const struct option options[] = {
	{ "count", required_argument, NULL, 'c' },
	{ "seed", required_argument, NULL, 's' },
	{ "variant", required_argument, NULL, 'v' },
	{ "only", required_argument, NULL, 'o' },
	{ "data-max", required_argument, NULL, 'd' },
	{ "keys", required_argument, NULL, 'k' },
	{ "old-keys", required_argument, NULL, 'K' },
	{ "tags-max", required_argument, NULL, 't' },
	{ "rotate", required_argument, NULL, 'r' },
	{ "strict", no_argument, NULL, 'x' },
	{ 0 },
};

#define USAGE                                                                  \
	"usage: judge --count N --seed N --variant NAME [--only NUMBER]\n"     \
	"             [--strict] [--data-max BYTES] [--tags-max N]\n"          \
	"             [--rotate COMMAND] --keys KEY,KEY --old-keys KEY,KEY\n"  \
	"             BARE_INTERFACE BARE_NETNS GUARDED_INTERFACE "            \
	"GUARDED_NETNS\n"

static void read_arguments(int argc, char **argv, struct judge *j)
{
	const char *variant = "";
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			j->count = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			j->run.seed = strtoull(optarg, NULL, 10);
			break;
		case 'v':
			variant = optarg;
			break;
		case 'o':
			j->only = (int64_t)strtoul(optarg, NULL, 10);
			break;
		case 'd':
			j->run.data_max = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			read_pair(optarg, &j->first_keys[KEY_primary]);
			break;
		case 'K':
			read_pair(optarg, &j->first_keys[KEY_old]);
			break;
		case 't':
			j->run.tags_max = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			j->rotate = optarg;
			break;
		case 'x':
			j->strict = true;
			break;
		default:
			fputs(USAGE, stderr);
			exit(2);
		}
	}
	if (argc - optind != 4 || !j->count || j->count > NUMBERS / 2 ||
	    j->only >= j->count || j->run.data_max < 8 ||
	    j->run.data_max > DATA_MAX || j->run.tags_max < 1 ||
	    j->run.tags_max > 8) {
		fputs(USAGE, stderr);
		exit(2);
	}
	j->run.seed = mix(j->run.seed, variant);
}

/* What is sent on one CPU is received in the order in which it was sent. */
static void stay_on_this_cpu(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		err(2, "sched_setaffinity");
}

int main(int argc, char **argv)
{
	static struct judge j = {
		.only = -1,
		.run = {
			.data_max = 1400,
			.tags_max = 4,
		},
		.first_keys = {
			[KEY_own] = { 0x6f776e206b657931, 1 },
			[KEY_own_backup] = { 0x6f776e206b657932, 2 },
			[KEY_unknown] = { 0x6e6f626f64792773, 3 },
		},
	};
	struct result r;

	read_arguments(argc, argv, &j);
	j.n_answers = j.count + j.count / BATCH + 3;
	j.answers = calloc(j.n_answers, sizeof(*j.answers));
	j.keys = calloc(j.count / ROTATE_EVERY + 1, sizeof(*j.keys));
	if (!j.answers || !j.keys)
		err(2, "%u answers", j.n_answers);
	memcpy(j.keys[0], j.first_keys, sizeof(j.first_keys));
	argv += optind;
	for (int side = 0; side < SIDES; side++) {
		j.server[side] = server_start(argv[2 * side + 1],
					      &j.first_keys[KEY_own]);
		wire_open(&j.wire[side], argv[2 * side]);
	}
	stay_on_this_cpu();
	send_all(&j);
	for (int side = 0; side < SIDES; side++)
		server_stop(&j.server[side]);
	r = judge_all(&j);
	printf("%u SYNs, %u answered (%u fast-opened with data), %u reset, "
	       "%u silent, %u allowed differences, %u disagreements, "
	       "%u faults, %" PRIu64 " frames\n",
	       r.syns, r.answered, r.fast_opened, r.reset, r.silent, r.allowed,
	       r.disagreements, r.faults, j.wire[GUARDED].sent);
	if (r.faults)
		return 2;
	return r.disagreements ? 1 : 0;
}
