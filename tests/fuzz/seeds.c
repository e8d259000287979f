// SPDX-License-Identifier: GPL-2.0
/*
 * Writes what the fuzzers begin with, from the tables of the tests:
 *   seeds FOLDER    FOLDER/TARGET/NUMBER
 */
#include <errno.h>
#include <pcap/pcap.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "packets.h"
#include "ringfile.h"

#define SNAPLEN 65535

static const char *folder;

static void die(const char *what)
{
	fprintf(stderr, "seeds: %s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *path_of(const char *target, size_t number)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, target);
	if (mkdir(path, 0755) && errno != EEXIST)
		die(path);
	snprintf(path, sizeof(path), "%s/%s/%zu", folder, target, number);
	return path;
}

static void write_seed(const char *target, size_t number, const void *prefix,
		       size_t prefix_len, const void *bytes, size_t len)
{
	const char *path = path_of(target, number);
	FILE *file = fopen(path, "w");

	if (!file ||
	    (prefix_len && fwrite(prefix, prefix_len, 1, file) != 1) ||
	    fwrite(bytes, 1, len, file) != len || fclose(file))
		die(path);
}

static void write_packets(void)
{
	static unsigned char bytes[FRAME_MAX], options[256];

	for (size_t i = 0; i < 2 * N_ROWS; i++) {
		const struct row *row = &rows[i / 2];
		unsigned char prefix[3] = { row->in.no_ethernet };
		size_t len = row_build(row, i % 2, bytes);

		if (len)
			write_seed("packet", i, prefix, 3, bytes, len);
		write_seed("options", i, NULL, 0, options,
			   frame_options(&row->in, options));
	}
}

/* All rows that have the link type, in one capture of a precision. */
static void write_capture(size_t number, bool bare_ip, int precision)
{
	static unsigned char bytes[FRAME_MAX];
	pcap_t *pcap = pcap_open_dead_with_tstamp_precision(
		bare_ip ? DLT_RAW : DLT_EN10MB, SNAPLEN, (u_int)precision);
	struct pcap_pkthdr header = { .ts = { 1700000000, 0 } };
	const char *path = path_of("capture", number);
	pcap_dumper_t *dumper = pcap ? pcap_dump_open(pcap, path) : NULL;

	if (!dumper)
		die(path);
	/* A few: a fuzzer is the faster the shorter its inputs are. */
	for (size_t i = number; i < 2 * N_ROWS; i += bare_ip ? 1 : 40) {
		const struct row *row = &rows[i / 2];
		size_t len = row->in.no_ethernet == bare_ip ?
				     row_build(row, i % 2, bytes) :
				     0;

		if (!len)
			continue;
		header.caplen = header.len = (bpf_u_int32)len;
		header.ts.tv_usec++;
		pcap_dump((u_char *)dumper, &header, bytes);
	}
	pcap_dump_close(dumper);
	pcap_close(pcap);
}

/* The same as pcapng, which libpcap reads and does not write: a section, an
 * interface, a packet. */
static void write_pcapng(size_t number)
{
	static unsigned char bytes[FRAME_MAX];
	__u32 len = (__u32)row_build(&rows[0], false, bytes);
	__u32 padded = (len + 3) & ~3U;
	const __u32 head[] = {
		0x0a0d0d0a, 28, 0x1a2b3c4d, 1, ~0U, ~0U, 28,
		1, 20, DLT_EN10MB, SNAPLEN, 20,
		6, 32 + padded, 0, 0x60c00, 0, len, len,
	};
	const __u32 tail = 32 + padded;

	memcpy(bytes + padded, &tail, sizeof(tail));
	write_seed("capture", number, head, sizeof(head), bytes,
		   padded + sizeof(tail));
}

static void write_ringfiles(void)
{
	char *text = malloc(RINGFILE_MAX);
	struct ring_record record = { 0 };
	int n;

	if (!text)
		die("memory");
	for (size_t i = 0; i < 4; i++) {
		struct keyring all;

		frame_ring(&all);
		if (i & 1)
			record.ring.slot[KEY_current] = all.slot[KEY_current];
		if (i & 2) {
			enum key_slot beside = i & 1 ? KEY_previous : KEY_staged;

			record.ring.slot[beside] = all.slot[beside];
			record.ring.slot[beside].overlap = 86400;
			journal_add(&record.journal, 1700000000,
				    KEY_EVENT_promoted,
				    &all.slot[beside].secret);
		}
		n = ringfile_format(&record, text);
		if (n < 0)
			die("ring file");
		write_seed("ringfile", i, NULL, 0, text, (size_t)n);
		record = (struct ring_record){ 0 };
	}
	for (__u64 i = 0; i < JOURNAL_MAX; i++)
		journal_add(&record.journal, i,
			    i % 2 ? KEY_EVENT_promoted : KEY_EVENT_staged,
			    &frame_keys[KEY_current]);
	n = ringfile_format(&record, text);
	if (n < 0)
		die("ring file");
	write_seed("ringfile", 4, NULL, 0, text, (size_t)n);
	free(text);
}

static void write_texts(const char *target, const char *const *texts)
{
	for (size_t i = 0; texts[i]; i++)
		write_seed(target, i, NULL, 0, texts[i], strlen(texts[i]));
}

int main(int argc, char **argv)
{
	static const char *const keys[] = {
		"00112233-44556677-8899aabb-ccddeeff",
		"00112233-44556677-8899aabb-ccddeeff,a1a1a1a1-b2b2b2b2-"
		"c3c3c3c3-d4d4d4d4\n",
		" 1-2-3-4 ", "0-0-0-0", NULL,
	};
	static const char *const configurations[] = {
		"defaults: {}\n",
		"interfaces: [{name: eth0, attach_mode: skb}, {name: eth1}]\n",
		"ports:\n- {port: 443, mode: drop}\n- port: 80\n  forged: drop\n",
		"ports: [{port: 1, early_data: {policy: tls, max_bytes: 9}, "
		"replay: 10s}]\n",
		"pressure: {lo: 50 %, hi: 50 %}\n",
		"keys:\n  source: file\n  rotate_every: 1d\n  jitter: 0 %\n",
		"lists: {allow: [a, /b], block: \"c\"}\n",
		"exporter: {listen: [\"[::1]:1\", :2, 127.0.0.1:3]}\n",
		"---\nlogging: {format: json}\n---\n",
		"a: &b [*b, !c d, \"\\0\", >\n e]\n",
		NULL,
	};
	unsigned char random[128];

	if (argc != 2 || sodium_init() < 0)
		return 2;
	folder = argv[1];
	if (mkdir(folder, 0755) && errno != EEXIST)
		die(folder);
	write_packets();
	write_capture(0, false, PCAP_TSTAMP_PRECISION_MICRO);
	write_capture(1, false, PCAP_TSTAMP_PRECISION_NANO);
	write_capture(2, true, PCAP_TSTAMP_PRECISION_MICRO);
	write_pcapng(3);
	write_ringfiles();
	write_texts("keytext", keys);
	write_texts("configuration", configurations);
	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (unsigned char)(i * 37);
	write_seed("syncookie", 0, NULL, 0, random, sizeof(random));
	return 0;
}
