// SPDX-License-Identifier: GPL-2.0
/* tfo-client ADDRESS PORT: one exchange by Fast Open; 0 if the answer came. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct timeval patience = { .tv_sec = 5 };
	char answer[16];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 2;
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (sendto(fd, "hello", 5, MSG_FASTOPEN, (void *)&to, sizeof(to)) != 5 ||
	    recv(fd, answer, sizeof(answer), MSG_WAITALL) != 5 ||
	    memcmp(answer, "hello", 5)) {
		perror("tfo-client");
		return 1;
	}
	return 0;
}
