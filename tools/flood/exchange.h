/* SPDX-License-Identifier: GPL-2.0 */
/* What the bench's clients and server say to each other. */
#ifndef TFOGUARD_FLOOD_EXCHANGE_H
#define TFOGUARD_FLOOD_EXCHANGE_H

#define REQUEST_BYTES 100
#define RESPONSE_BYTES 200

#endif
