// SPDX-License-Identifier: GPL-2.0
#include "port.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int request(const char *name, unsigned long what, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err;

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	err = ioctl(fd, what, ifr);
	close(fd);
	return err;
}

static int ethtool(const char *name, void *command)
{
	struct ifreq ifr = { .ifr_data = command };

	return request(name, SIOCETHTOOL, &ifr);
}

bool port_is_veth(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	return !ethtool(name, &info) && !strcmp(info.driver, "veth");
}

bool port_mac(const char *name, unsigned char mac[6])
{
	struct ifreq ifr = { 0 };

	if (request(name, SIOCGIFHWADDR, &ifr))
		return false;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return true;
}

/* veth_select_rxq() in drivers/net/veth.c: the CPU's, modulo the queues. */
static void read_ring(const struct ethtool_gstrings *names,
		      const struct ethtool_stats *values, int cpu,
		      struct ring *ring)
{
	char taken[ETH_GSTRING_LEN], dropped[ETH_GSTRING_LEN];
	int queues = 0, queue;

	for (__u32 i = 0; i < names->len; i++) {
		const char *name = (char *)names->data + i * ETH_GSTRING_LEN;

		if (sscanf(name, "tx_queue_%d_", &queue) == 1 &&
		    queue >= queues)
			queues = queue + 1;
	}
	queue = queues ? cpu % queues : 0;
	snprintf(taken, sizeof(taken), "tx_queue_%d_xdp_xmit", queue);
	snprintf(dropped, sizeof(dropped), "tx_queue_%d_xdp_xmit_errors",
		 queue);
	for (__u32 i = 0; i < names->len; i++) {
		const char *name = (char *)names->data + i * ETH_GSTRING_LEN;

		if (!strcmp(name, taken))
			ring->taken = values->data[i];
		else if (!strcmp(name, dropped))
			ring->dropped = values->data[i];
	}
}

bool port_ring(const char *name, int cpu, struct ring *ring)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_gstrings *names;
	struct ethtool_stats *values;
	bool done = false;

	*ring = (struct ring){ 0 };
	if (ethtool(name, &info))
		return false;
	names = calloc(1, sizeof(*names) + info.n_stats * ETH_GSTRING_LEN);
	values = calloc(1, sizeof(*values) + info.n_stats * sizeof(__u64));
	if (names && values) {
		names->cmd = ETHTOOL_GSTRINGS;
		names->string_set = ETH_SS_STATS;
		names->len = info.n_stats;
		values->cmd = ETHTOOL_GSTATS;
		values->n_stats = info.n_stats;
		done = !ethtool(name, names) && !ethtool(name, values);
	}
	if (done)
		read_ring(names, values, cpu, ring);
	free(names);
	free(values);
	return done;
}

bool port_leads_out(void)
{
	unsigned int destination, mask;
	char line[256];
	FILE *routes = fopen("/proc/thread-self/net/route", "re");
	bool found = false;

	while (routes && fgets(line, sizeof(line), routes))
		found |= sscanf(line, "%*s %x %*x %*x %*d %*d %*d %x",
				&destination, &mask) == 2 &&
			 !destination && !mask;
	if (routes)
		fclose(routes);
	return found;
}
