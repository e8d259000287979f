// SPDX-License-Identifier: GPL-2.0
#include "passwords.h"

#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HASH_LEN 60 /* "$2b$10$", 22 of salt, 31 of hash */
#define COST_MAX 14

bool password_hash_is_good(const char *hash)
{
	static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz";
	int cost;

	if (strlen(hash) != HASH_LEN || strncmp(hash, "$2", 2) ||
	    !strchr("aby", hash[2]) || hash[3] != '$' || hash[6] != '$' ||
	    !isdigit((unsigned char)hash[4]) ||
	    !isdigit((unsigned char)hash[5]))
		return false;
	cost = (hash[4] - '0') * 10 + hash[5] - '0';
	return cost >= 4 && cost <= COST_MAX &&
	       strspn(hash + 7, alphabet) == HASH_LEN - 7;
}

int passwords_add(struct passwords *all, const char *name, const char *hash)
{
	struct user *user = reallocarray(all->list, all->n + 1, sizeof(*user));

	if (!user)
		return -ENOMEM;
	all->list = user;
	user += all->n;
	*user = (struct user){ .name = strdup(name), .hash = strdup(hash) };
	if (!user->name || !user->hash) {
		free(user->name);
		free(user->hash);
		return -ENOMEM;
	}
	if (!all->n++) {
		randombytes_buf(all->key, sizeof(all->key));
		all->allowance = PASSWORD_CHECKS_BURST;
	}
	return 0;
}

static bool may_check(struct passwords *all, double now)
{
	if (all->at && now > all->at)
		all->allowance += (now - all->at) * PASSWORD_CHECKS_RATE;
	if (all->allowance > PASSWORD_CHECKS_BURST)
		all->allowance = PASSWORD_CHECKS_BURST;
	all->at = now;
	if (all->allowance < 1)
		return false;
	all->allowance -= 1;
	return true;
}

static bool fits(const char *hash, const char *password)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *made = data ? crypt_r(password, hash, data) : NULL;
	bool same = made && strlen(made) == HASH_LEN &&
		    !sodium_memcmp(made, hash, HASH_LEN);

	if (data)
		sodium_memzero(data, sizeof(*data));
	free(data);
	return same;
}

enum password_answer passwords_check(struct passwords *all, const char *name,
				     const char *password, double now)
{
	/* Of an unknown user a hash is checked too: how long it takes tells
	 * nobody which users there are. */
	struct user *user = &all->list[0];
	unsigned char tag[PASSWORD_TAG_LEN];
	bool known = false;

	for (size_t i = 0; i < all->n; i++) {
		if (strcmp(all->list[i].name, name))
			continue;
		user = &all->list[i];
		known = true;
	}
	crypto_generichash(tag, sizeof(tag), (const unsigned char *)password,
			   strlen(password), all->key, sizeof(all->key));
	if (known && user->remembered &&
	    !sodium_memcmp(tag, user->tag, sizeof(tag)))
		return PASSWORD_RIGHT;
	if (!may_check(all, now))
		return PASSWORD_LATER;
	if (!fits(user->hash, password) || !known)
		return PASSWORD_WRONG;
	memcpy(user->tag, tag, sizeof(tag));
	user->remembered = true;
	return PASSWORD_RIGHT;
}

void passwords_free(struct passwords *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->list[i].name);
		free(all->list[i].hash);
	}
	free(all->list);
	sodium_memzero(all, sizeof(*all));
}
