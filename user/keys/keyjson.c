// SPDX-License-Identifier: GPL-2.0
#include "keyjson.h"

#include <string.h>

static json_t *id_json(const struct siphash_key *key)
{
	char id[KEYTEXT_ID_LEN + 1];

	keytext_id(key, id);
	return key_is_empty(key) ? json_null() : json_string(id);
}

static json_t *key_json(const struct key *key, bool reveal)
{
	char text[KEYTEXT_LEN + 1];
	json_t *json;

	if (key_is_empty(&key->secret))
		return json_null();
	json = json_pack("{s:o,s:s,s:o,s:I}", "id", id_json(&key->secret),
			 "origin", key_origin_name(key->origin), "since",
			 key->since ? json_integer((json_int_t)key->since) :
				      json_null(),
			 "overlap", (json_int_t)key->overlap);
	if (reveal) {
		keytext_format(&key->secret, text);
		json_object_set_new(json, "key", json_string(text));
		explicit_bzero(text, sizeof(text));
	}
	return json;
}

bool keyjson_in_step(const struct key_result *result)
{
	struct kernel_pair want;
	bool same;

	ring_pair(&result->record.ring, &want);
	same = pair_equal(&want, &result->kernel) &&
	       (!result->attached || ring_covers(&result->map, &result->kernel));
	explicit_bzero(&want, sizeof(want));
	return same;
}

json_t *keyjson_show(const struct key_result *result, bool reveal)
{
	json_t *ring = json_object(), *guard = json_null();
	json_t *kernel = json_array();

	if (result->attached)
		guard = json_object();
	for (unsigned int i = 0; i < KEY_SLOT_COUNT; i++) {
		json_object_set_new(ring, key_slot_name(i),
				    key_json(&result->record.ring.slot[i],
					     reveal));
		if (result->attached)
			json_object_set_new(
				guard, key_slot_name(i),
				id_json(&result->map.slot[i].secret));
	}
	for (int i = 0; i < result->kernel.n; i++)
		json_array_append_new(kernel, id_json(&result->kernel.key[i]));
	return json_pack("{s:s,s:o,s:o,s:o,s:b}", "source", result->source,
			 "ring", ring, "guard", guard, "kernel", kernel,
			 "in_step", keyjson_in_step(result));
}

json_t *keyjson_history(const struct key_result *result)
{
	const struct journal *journal = &result->record.journal;
	json_t *list = json_array();

	for (int i = 0; i < journal->n; i++)
		json_array_append_new(
			list,
			json_pack("{s:I,s:s,s:s}", "time",
				  (json_int_t)journal->entry[i].time, "what",
				  key_event_name(journal->entry[i].event), "id",
				  journal->entry[i].id));
	return json_pack("{s:o}", "history", list);
}
