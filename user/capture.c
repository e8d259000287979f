// SPDX-License-Identifier: GPL-2.0
#include "capture.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <pcap/pcap.h>
#include <stdlib.h>

struct capture {
	pcap_t *pcap;
	unsigned long packets; /* that were read */
	bool bare_ip;
};

static int check_link_type(struct capture *c, struct fault *f)
{
	int type = pcap_datalink(c->pcap);

	switch (type) {
	case DLT_EN10MB:
		return 0;
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		c->bare_ip = true;
		return 0;
	}
	fault_advise(f, "capture on one interface (tcpdump -i eth0), not on any");
	return fault_fail(f, EXIT_FAILED, EOPNOTSUPP,
			  "its packets are of link type %s, not Ethernet or raw "
			  "IP",
			  pcap_datalink_val_to_name(type) ?: "unknown");
}

int capture_open(struct capture **out, const char *path, struct fault *f)
{
	struct capture *c = calloc(1, sizeof(*c));
	char why[PCAP_ERRBUF_SIZE];
	int err;

	if (!c)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	c->pcap = pcap_open_offline(path, why);
	err = c->pcap ? check_link_type(c, f) :
			fault_fail(f, EXIT_FAILED, EINVAL, "%s", why);
	if (err) {
		capture_close(c);
		return err;
	}
	*out = c;
	return 0;
}

void capture_close(struct capture *c)
{
	if (c && c->pcap)
		pcap_close(c->pcap);
	free(c);
}

bool capture_is_bare_ip(const struct capture *c)
{
	return c->bare_ip;
}

int capture_next(struct capture *c, struct captured *packet, struct fault *f)
{
	struct pcap_pkthdr *header;
	const __u8 *frame;

	switch (pcap_next_ex(c->pcap, &header, &frame)) {
	case 1:
		break;
	case PCAP_ERROR_BREAK:
		return 0;
	default:
		return fault_fail(f, c->packets ? EXIT_PARTLY : EXIT_FAILED,
				  EINVAL, "after %lu packets: %s", c->packets,
				  pcap_geterr(c->pcap));
	}
	*packet = (struct captured){
		.number = ++c->packets,
		.frame = frame,
		.len = header->caplen,
		.whole_len = header->len,
		.time = (__u64)header->ts.tv_sec * 1000000000 +
			(__u64)header->ts.tv_usec * 1000,
	};
	return 1;
}

static __u16 be16_at(const __u8 *at)
{
	return (__u16)(at[0] << 8 | at[1]);
}

__u32 capture_ip_end(const void *frame, __u32 len, bool bare_ip)
{
	const __u8 *at = frame;
	__u32 l3 = 0, end = len;

	if (!bare_ip) {
		l3 = ETH_HLEN;
		for (int tags = 0; tags < 2 && l3 <= len; tags++) {
			__u16 proto = be16_at(at + l3 - 2);

			if (proto != ETH_P_8021Q && proto != ETH_P_8021AD)
				break;
			l3 += 4;
		}
		if (l3 > len || (be16_at(at + l3 - 2) != ETH_P_IP &&
				 be16_at(at + l3 - 2) != ETH_P_IPV6))
			return len;
	}
	if (l3 + 6 > len)
		return len;
	if (at[l3] >> 4 == 4)
		end = l3 + be16_at(at + l3 + 2);
	else if (at[l3] >> 4 == 6)
		end = l3 + 40 + be16_at(at + l3 + 4);
	return end < len ? end : len;
}
