// SPDX-License-Identifier: GPL-2.0
/* tfo-server PORT: sends back the first bytes of each connection. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), queue = 64, yes = 1;
	char bytes[16];

	any.sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0"));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (void *)&any, sizeof(any)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)) ||
	    listen(fd, 64))
		return 1;
	for (;;) {
		int client = accept(fd, NULL, NULL);
		ssize_t n = recv(client, bytes, sizeof(bytes), 0);

		if (n > 0)
			send(client, bytes, (size_t)n, MSG_NOSIGNAL);
		shutdown(client, SHUT_WR);
		recv(client, bytes, sizeof(bytes), 0);
		close(client);
	}
}
