/*
 * writer_where.c: where to connect. Either the address of a name, asked anew at every connect from one
 * resolver (never through /etc/resolv.conf, nsswitch or a cache), or the last line that somebody wrote
 * to a FIFO. Threads that pause do it here, because a new line, or the end, wakes them.
 */
#include "writer.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

struct where {
	const struct writer_options *options;
	struct __res_state resolver;
	unsigned generation; /* of the line that was used */
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	char address[WRITER_ADDRESS_SIZE];
	unsigned generation; /* counts the lines; 0: none yet */
	bool is_stopping;
	const char *path;
	unsigned port;
} shared = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static int64_t
mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A condition that waits on the monotonic clock cannot be made by an initializer. */
static void
shared_init(void)
{
	static bool is_made;
	pthread_condattr_t attributes;

	pthread_mutex_lock(&shared.mutex);
	if (!is_made) {
		pthread_condattr_init(&attributes);
		pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
		pthread_cond_init(&shared.changed, &attributes);
		pthread_condattr_destroy(&attributes);
		is_made = true;
	}
	pthread_mutex_unlock(&shared.mutex);
}

void
where_stop(void)
{
	shared_init();
	pthread_mutex_lock(&shared.mutex);
	shared.is_stopping = true;
	pthread_cond_broadcast(&shared.changed);
	pthread_mutex_unlock(&shared.mutex);
}

bool
where_is_stopping(void)
{
	bool is;

	pthread_mutex_lock(&shared.mutex);
	is = shared.is_stopping;
	pthread_mutex_unlock(&shared.mutex);
	return is;
}

void
where_wait(int64_t until_ns)
{
	struct timespec until;
	int64_t end = mono_ns() + (until_ns - record_now_ns());
	unsigned before;

	shared_init();
	until.tv_sec = end / 1000000000;
	until.tv_nsec = end % 1000000000;
	pthread_mutex_lock(&shared.mutex);
	before = shared.generation;
	while (!shared.is_stopping && shared.generation == before &&
	       pthread_cond_timedwait(&shared.changed, &shared.mutex, &until) != ETIMEDOUT)
		continue;
	pthread_mutex_unlock(&shared.mutex);
}

/* --- a FIFO --- */

static void *
follow_run(void *arg)
{
	FILE *in = arg;
	char line[64];

	while (fgets(line, sizeof(line), in) != NULL) {
		line[strcspn(line, " \r\n")] = '\0';
		if (line[0] == '\0' || strlen(line) > 21)
			continue;
		pthread_mutex_lock(&shared.mutex);
		if (strchr(line, ':') != NULL)
			snprintf(shared.address, sizeof(shared.address), "%.21s", line);
		else
			snprintf(
			    shared.address, sizeof(shared.address), "%.15s:%u", line, shared.port);
		shared.generation++;
		pthread_cond_broadcast(&shared.changed);
		pthread_mutex_unlock(&shared.mutex);
	}
	return NULL; /* the last line stays */
}

void
where_follow(const struct writer_options *o)
{
	FILE *in = strcmp(o->follow, "-") == 0 ? stdin : fopen(o->follow, "re");
	pthread_t thread;

	shared_init();
	shared.port = o->port;
	if (in == NULL || pthread_create(&thread, NULL, follow_run, in) != 0 ||
	    pthread_detach(thread) != 0) {
		fprintf(stderr, "writer: %s cannot be read\n", o->follow);
		exit(EXIT_BLIND);
	}
	pthread_mutex_lock(&shared.mutex);
	while (shared.generation == 0 && !shared.is_stopping)
		pthread_cond_wait(&shared.changed, &shared.mutex);
	pthread_mutex_unlock(&shared.mutex);
}

static int
find_followed(struct where *w, char address[WRITER_ADDRESS_SIZE], char text[static 256])
{
	pthread_mutex_lock(&shared.mutex);
	w->generation = shared.generation;
	memcpy(address, shared.address, WRITER_ADDRESS_SIZE);
	pthread_mutex_unlock(&shared.mutex);
	if (w->generation != 0)
		return 0;
	snprintf(text, 256, "no address was told yet");
	return -1;
}

bool
where_has_moved(const struct where *w)
{
	bool has;

	if (w->options->follow == NULL)
		return false;
	pthread_mutex_lock(&shared.mutex);
	has = shared.generation != w->generation;
	pthread_mutex_unlock(&shared.mutex);
	return has;
}

/* --- a resolver --- */

static int
find_resolved(struct where *w, char address[WRITER_ADDRESS_SIZE], char text[static 256])
{
	unsigned char answer[NS_PACKETSZ];
	char ip[INET_ADDRSTRLEN];
	int len =
	    res_nquery(&w->resolver, w->options->name, ns_c_in, ns_t_a, answer, sizeof(answer));
	ns_msg message;
	ns_rr record;

	if (len < 0 || ns_initparse(answer, len, &message) != 0) {
		snprintf(text, 256, "%.100s is not resolved by %.40s: %s", w->options->name,
		    w->options->resolver, len < 0 ? hstrerror(w->resolver.res_h_errno) : "no DNS");
		return -1;
	}
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		if (ns_parserr(&message, ns_s_an, i, &record) == 0 &&
		    ns_rr_type(record) == ns_t_a && ns_rr_rdlen(record) == 4) {
			inet_ntop(AF_INET, ns_rr_rdata(record), ip, sizeof(ip));
			snprintf(address, WRITER_ADDRESS_SIZE, "%s:%u", ip, w->options->port);
			return 0;
		}
	}
	snprintf(text, 256, "%.100s has no address", w->options->name);
	return -1;
}

/* One server, one repetition after a second: dnsmasq is on this machine. */
static void
resolver_set(struct __res_state *r, const char *endpoint)
{
	const char *colon = strrchr(endpoint, ':');
	char ip[INET_ADDRSTRLEN] = "";
	struct sockaddr_in server = { .sin_family = AF_INET };

	if (colon != NULL && (size_t)(colon - endpoint) < sizeof(ip))
		memcpy(ip, endpoint, (size_t)(colon - endpoint));
	if (inet_pton(AF_INET, ip, &server.sin_addr) != 1 || res_ninit(r) != 0) {
		fprintf(stderr, "writer: %s is not an address and a port\n", endpoint);
		exit(EXIT_USE);
	}
	server.sin_port = htons((uint16_t)atoi(colon + 1));
	r->nsaddr_list[0] = server;
	r->nscount = 1;
	r->retrans = 1;
	r->retry = 2;
	r->options = RES_INIT | RES_RECURSE;
}

struct where *
where_new(const struct writer_options *o)
{
	struct where *w = mem_alloc(sizeof(*w));

	w->options = o;
	if (o->follow == NULL)
		resolver_set(&w->resolver, o->resolver);
	return w;
}

void
where_free(struct where *w)
{
	if (w->options->follow == NULL)
		res_nclose(&w->resolver);
	free(w);
}

int
where_find(struct where *w, char address[WRITER_ADDRESS_SIZE], char text[static 256])
{
	return w->options->follow != NULL ? find_followed(w, address, text)
					  : find_resolved(w, address, text);
}
