/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Users and their bcrypt hashes. A check costs tens of milliseconds, and every
 * scrape brings the same password: one that was right is remembered, as a hash
 * under a key that this process alone has; how many others are checked in a
 * second is bounded.
 */
#ifndef TFOGUARD_PASSWORDS_H
#define TFOGUARD_PASSWORDS_H

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_TAG_LEN 32

/* What is not remembered: so many at once, and so many in a second. */
#define PASSWORD_CHECKS_BURST 5
#define PASSWORD_CHECKS_RATE 2

struct passwords {
	struct user {
		char *name, *hash;
		unsigned char tag[PASSWORD_TAG_LEN]; /* of the right password */
		bool remembered;
	} *list;
	size_t n;
	unsigned char key[PASSWORD_TAG_LEN];
	double allowance, at; /* checks left at a time */
};

/* Whether crypt(3) can check this hash in less than a second: bcrypt of a cost
 * from 4 to 14. */
bool password_hash_is_good(const char *hash);

/* Both are copied. Returns 0 or negative errno. */
int passwords_add(struct passwords *, const char *name, const char *hash);

enum password_answer {
	PASSWORD_RIGHT,
	PASSWORD_WRONG,
	PASSWORD_LATER, /* too many were checked: try again */
};

/* @now in seconds, of a clock that never goes back. */
enum password_answer passwords_check(struct passwords *, const char *name,
				     const char *password, double now);

void passwords_free(struct passwords *);

#endif
