/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TFO keys as text, in the form of net.ipv4.tcp_fastopen_key: four hex words
 * w0-w1-w2-w3, each stored little-endian, and where there are two keys the
 * primary first, then a comma and the backup (proc_tcp_fastopen_key in
 * net/ipv4/sysctl_net_ipv4.c).
 */
#ifndef TFOGUARD_KEYTEXT_H
#define TFOGUARD_KEYTEXT_H

#include "keyring.h"

#define KEYTEXT_KEYS_MAX 2
#define KEYTEXT_LEN 35 /* of one key, without the NUL */
#define KEYTEXT_ID_LEN 8 /* of a fingerprint, without the NUL */

/*
 * Reads one key or two. Returns how many, or -EINVAL; then keys is untouched.
 * White space around the text is allowed, as the kernel allows it.
 */
int keytext_parse(const char *text, struct siphash_key keys[KEYTEXT_KEYS_MAX]);

/* Writes the key in full: only for test keys and for what was asked for. */
void keytext_format(const struct siphash_key *key, char text[KEYTEXT_LEN + 1]);

/*
 * A name for a key that tells nothing about it: the first 32 bits of its
 * BLAKE2b hash, in hex. "none" for an empty slot.
 */
void keytext_id(const struct siphash_key *key, char id[KEYTEXT_ID_LEN + 1]);

#endif
