/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Another reading of the rules of tcp_parse_options() and
 * tcp_parse_fastopen_option(), by recursion and in slices: what the walk says
 * must be what this says.
 */
#ifndef TFOGUARD_TESTS_REFERENCE_H
#define TFOGUARD_TESTS_REFERENCE_H

#define NO_COOKIE (-1)

/* The cookie's length, or NO_COOKIE. Called with @best = NO_COOKIE. */
static inline int reference(const unsigned char *options, int left, int best,
			    const unsigned char **cookie)
{
	int size, header;

	if (left <= 0 || options[0] == 0)
		return best;
	if (options[0] == 1)
		return reference(options + 1, left - 1, best, cookie);
	if (left < 2)
		return best;
	size = options[1];
	if (size < 2 || size > left)
		return best;
	header = options[0] == 34 ? 2 :
		 options[0] == 254 && size >= 4 && options[2] == 0xf9 &&
				 options[3] == 0x89 ?
				    4 :
				    0;
	if (header && (size - header) % 2 == 0) {
		best = size - header;
		*cookie = options + header;
	}
	return reference(options + size, left - size, best, cookie);
}

#endif
