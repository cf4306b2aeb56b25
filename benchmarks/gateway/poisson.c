/* An open-loop load: each request is sent when it is due, whether or not the ones before were answered.
 *
 *   poisson HOST PORT CONNECTIONS ARRIVALS REQUESTS OUT
 *
 * ARRIVALS: float64, seconds after the start, ascending.  REQUESTS: records of a uint32 length and a whole HTTP
 * request, used in turns.  OUT: for each arrival three float64: how late it was noticed (s), its latency from the
 * due time (s), its status (0: never answered).  In C, since the server needs the core that a generator in Python
 * would take.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROOM 262144      /* bytes of one answer */
#define PATIENCE 5.0     /* seconds after the last arrival */

struct connection { int fd; long request; size_t held; char answer[ROOM + 1]; };  /* request: -1 while idle */
struct outcome { double lag, latency, status; };

static void fail(const char *what) { perror(what); exit(2); }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static char *whole(const char *path, size_t *size) {
    struct stat about;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &about) < 0) fail(path);
    char *data = malloc(about.st_size + 1);
    for (size_t at = 0; at < (size_t)about.st_size;) {
        ssize_t n = read(fd, data + at, about.st_size - at);
        if (n <= 0) fail(path);
        at += n;
    }
    close(fd);
    *size = about.st_size;
    return data;
}

static int dial(const char *host, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || connect(fd, (void *)&to, sizeof to) < 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* A connection, or a new one in the place of one that the server closed: an idle one it may close at any time. */
static void open_one(struct connection *c, int epoll, const char *host, int port) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (c->fd > 0) close(c->fd);
    c->fd = dial(host, port);
    c->held = 0;
    c->request = -1;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll_ctl");
}

/* The status of a complete answer, 0 while more is to come, -1 when the connection is of no more use. */
static int answered(struct connection *c) {
    ssize_t n = read(c->fd, c->answer + c->held, ROOM - c->held);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    c->held += n;
    c->answer[c->held] = 0;
    char *body = strstr(c->answer, "\r\n\r\n"), *length = strcasestr(c->answer, "content-length:");
    if (!body || !length || length > body) return 0;
    if (c->held < (size_t)(body + 4 - c->answer) + strtoul(length + 15, NULL, 10)) return 0;
    c->held = 0;
    return atoi(c->answer + 9);
}

int main(int argc, char **argv) {
    if (argc != 7) { fprintf(stderr, "usage: poisson HOST PORT CONNECTIONS ARRIVALS REQUESTS OUT\n"); return 2; }
    int port = atoi(argv[2]), connections = atoi(argv[3]), idle = 0;
    size_t size, records = 0;
    double *due = (double *)whole(argv[4], &size);
    long total = size / sizeof *due, noticed = 0, sent = 0, over = 0;
    char *requests = whole(argv[5], &size), **text = malloc(size * sizeof *text);
    uint32_t *length = malloc(size * sizeof *length);
    for (size_t at = 0; at < size; at += 4 + length[records++]) {
        memcpy(&length[records], requests + at, 4);
        text[records] = requests + at + 4;
    }
    struct outcome *outcomes = calloc(total, sizeof *outcomes);
    struct connection **free_ones = malloc(connections * sizeof *free_ones);
    int epoll = epoll_create1(0);
    for (int n = 0; n < connections; n++) {
        struct connection *c = free_ones[idle++] = calloc(1, sizeof *c);
        open_one(c, epoll, argv[1], port);
    }
    double start = now() + 0.05, until = start + due[total - 1] + PATIENCE;
    while (over < total) {
        double at = now();
        if (at > until) break;
        for (; noticed < total && start + due[noticed] <= at; noticed++) outcomes[noticed].lag = at - start - due[noticed];
        for (; sent < noticed && idle > 0; sent++) {
            struct connection *c = free_ones[--idle];
            size_t which = sent % records;
            c->request = sent;
            if (write(c->fd, text[which], length[which]) != (ssize_t)length[which]) {  /* it was closed just now */
                open_one(c, epoll, argv[1], port);
                free_ones[idle++] = c;
                over++;
            }
        }
        double wait = (noticed < total ? start + due[noticed] : until) - now();
        if (wait < 0) wait = 0;
        struct timespec timeout = {(time_t)wait, (long)((wait - (time_t)wait) * 1e9)};
        struct epoll_event events[64];
        int n = epoll_pwait2(epoll, events, 64, &timeout, NULL);
        for (int k = 0; k < n; k++) {
            struct connection *c = events[k].data.ptr;
            int status = answered(c);
            if (status == 0) continue;
            if (c->request >= 0) {
                outcomes[c->request].latency = now() - start - due[c->request];
                outcomes[c->request].status = status > 0 ? status : 0;
                free_ones[idle++] = c;
                over++;
            }
            if (status < 0) open_one(c, epoll, argv[1], port);
            c->request = -1;
        }
    }
    FILE *out = fopen(argv[6], "wb");
    if (!out || fwrite(outcomes, sizeof *outcomes, total, out) != (size_t)total || fclose(out)) fail(argv[6]);
    return 0;
}
