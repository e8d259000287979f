// SPDX-License-Identifier: GPL-2.0
#include "exposition.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static const struct {
	const char *name, *type, *help;
} metrics[] = {
#define X(name, type, what, help) { #name, #type, help },
	METRICS(X)
#undef X
};

static bool is_plain(const char *value)
{
	for (; *value; value++)
		if (*value < ' ' || *value > '~' || *value == '"' ||
		    *value == '\\')
			return false;
	return true;
}

/* The format takes UTF-8 alone, and three characters escaped. */
static char *put_label_value(char *to, const char *value)
{
	json_t *clean;

	if (is_plain(value))
		return stpcpy(to, value);
	clean = output_text(value);
	for (const char *c = json_string_value(clean); c && *c; c++) {
		if (*c == '\n' || *c == '\\' || *c == '"')
			*to++ = '\\';
		*to++ = *c == '\n' ? 'n' : *c;
	}
	json_decref(clean);
	return to;
}

/* A sample's line, of labels whose every byte may become three, is shorter. */
#define LINE_MAX_SIZE 1024

/* Not by formats: there are hundreds, and most are of zero. */
static void write_sample(FILE *to, const struct sample *s)
{
	char line[LINE_MAX_SIZE], *end;
	int n = 0;

	end = stpcpy(line, metrics[s->metric].name);
	for (; n < LABELS_MAX && s->label[n].name; n++) {
		*end++ = n ? ',' : '{';
		end = stpcpy(end, s->label[n].name);
		end = stpcpy(end, "=\"");
		end = put_label_value(end, s->label[n].value);
		*end++ = '"';
	}
	if (n)
		*end++ = '}';
	/* Seventeen digits tell every double from its neighbours. */
	if (s->value == 0)
		end = stpcpy(end, " 0\n");
	else if (s->value == floor(s->value) && fabs(s->value) < 0x1p53)
		end += sprintf(end, " %lld\n", (long long)s->value);
	else
		end += sprintf(end, " %.17g\n", s->value);
	fwrite(line, 1, (size_t)(end - line), to);
}

char *exposition_text(const struct samples *samples, size_t *size)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, size);
	size_t at = 0;

	if (!to)
		return NULL;
	for (; at < samples->n; at++) {
		enum metric m = samples->list[at].metric;

		if (!at || m != samples->list[at - 1].metric)
			fprintf(to, "# HELP %s %s\n# TYPE %s %s\n",
				metrics[m].name, metrics[m].help,
				metrics[m].name, metrics[m].type);
		write_sample(to, &samples->list[at]);
	}
	if (fclose(to)) {
		free(text);
		return NULL;
	}
	return text;
}

static json_t *sample_json(const struct sample *s)
{
	json_t *labels = json_object();

	for (int i = 0; i < LABELS_MAX && s->label[i].name; i++)
		json_object_set_new(labels, s->label[i].name,
				    output_text(s->label[i].value));
	return json_pack("{s:o,s:f}", "labels", labels, "value", s->value);
}

json_t *exposition_json(const struct samples *samples)
{
	json_t *all = json_object(), *list;
	size_t at = 0;

	for (int m = 0; m < METRIC_COUNT; m++) {
		list = json_array();
		for (; at < samples->n && (int)samples->list[at].metric == m;
		     at++)
			json_array_append_new(list,
					      sample_json(&samples->list[at]));
		json_object_set_new(all, metrics[m].name,
				    json_pack("{s:s,s:s,s:o}", "type",
					      metrics[m].type, "help",
					      metrics[m].help, "samples",
					      list));
	}
	return all;
}
