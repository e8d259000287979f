// SPDX-License-Identifier: GPL-2.0
#include "wire.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#define BUFFER (64 << 20) /* bytes */

void wire_open(struct wire *w, const char *ifname)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	int size = BUFFER, one = 1;

	if (!at.sll_ifindex)
		err(2, "%s", ifname);
	/* Protocol 0: nothing comes in before it is bound to the interface. */
	w->fd = socket(AF_PACKET, SOCK_RAW, 0);
	w->sent = 0;
	if (w->fd < 0)
		err(2, "packet socket");
	if (setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(w->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
		       sizeof(one)) ||
	    bind(w->fd, (struct sockaddr *)&at, sizeof(at)))
		err(2, "packet socket on %s", ifname);
}

void wire_send(struct wire *w, const void *frame, uint32_t len)
{
	if (send(w->fd, frame, len, 0) != (ssize_t)len)
		err(2, "send of %u bytes", len);
	w->sent++;
}

uint32_t wire_receive(struct wire *w, void *frame, uint32_t size)
{
	ssize_t len = recv(w->fd, frame, size, MSG_DONTWAIT);

	if (len < 0 && errno != EAGAIN)
		err(2, "recv");
	return len < 0 ? 0 : (uint32_t)len;
}

uint64_t wire_lost(struct wire *w)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	getsockopt(w->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	return stats.tp_drops;
}
