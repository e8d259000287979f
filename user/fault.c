// SPDX-License-Identifier: GPL-2.0
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

#define FILL(part)                                                             \
	do {                                                                   \
		va_list args;                                                  \
		va_start(args, format);                                        \
		vsnprintf(part, sizeof(part), format, args);                   \
		va_end(args);                                                  \
	} while (0)

void fault_tried(struct fault *f, const char *format, ...)
{
	FILL(f->tried);
}

void fault_advise(struct fault *f, const char *format, ...)
{
	FILL(f->advice);
}

int fault_fail(struct fault *f, enum exit_code exit, int err,
	       const char *format, ...)
{
	FILL(f->why);
	f->exit = exit;
	return err > 0 ? -err : err;
}
