/*
 * http.c: libcurl's multi interface driven by libevent. curl says which descriptors and which timer
 * it wants (socket_wanted, timer_wanted); we tell it when they are ready (socket_ready, timer_due) and
 * then collect what has ended (reap). A call's life:
 *
 *   http_start ──> under way ──curl says done──> over (done called, freed after the turn)
 *                     └──http_cancel──> freed at once
 *
 * curl may end a transfer inside curl_multi_socket_action(), but never inside curl_multi_add_handle():
 * that only sets the timer to zero. So done comes from reap(), that is from the loop, and never from
 * inside http_start(). done may start, cancel and free at will, this struct http included: reap() notices.
 *
 * Easy handles are kept (SPARE_MAX) with the options of the peer set once; connections are kept by the
 * multi handle.
 *
 * curl repeats a request by itself when a kept connection is closed without a byte of an answer. For
 * a write that would be a lie: the peer may have done it before it died, and the second attempt of
 * a check-and-set is then answered "no". before_request() stops the repetition of all but GET.
 *
 * Rejected: libevent's evhttp client (no TLS verification of its own, no streaming of a body under a
 * limit); HTTP/2 (one connection for all blocking queries, so one lost packet delays them all).
 */
#include "io/http.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/http_target.h"
#include "io/loop.h"

#define SPARE_MAX 4           /* an agent has two watches and one exchange under way */
#define CONNECT_LIMIT_MS 5000 /* a lost SYN is sent again after 1 and after 3 s */
#define RECEIVE_SIZE 65536 /* curl reads once per readiness: 1.1 MB of names in 17 reads, not 68 */
#define KEEPALIVE_S 30     /* a firewall forgets a silent connection after minutes */

struct http {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer;
	struct http_call *calls;
	CURL *spares[SPARE_MAX];
	size_t spare_count;
	int depth;     /* of reap() */
	bool is_freed; /* inside reap(): the last one destroys */
	struct http_target target;
};

struct http_call {
	struct http *http;
	CURL *easy;
	struct http_call *prev, *next;
	http_done_fn *done;
	void *arg;
	int (*on_body)(const char *data, size_t len, void *arg, struct err *e);
	bool is_get, is_over;
	bool may_repeat;
	int sends;
	int64_t limit_ms;
	size_t max_body, received;
	struct str request;
	struct http_answer answer;
	char curl_text[CURL_ERROR_SIZE];
};

/* A descriptor that curl wants to know about. */
struct watched {
	struct http *http;
	struct event *event;
	int what;
};

static void reap(struct http *h);

static void
socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = ((struct watched *)arg)->http;
	int flags =
	    (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(h->multi, fd, flags, &running);
	reap(h);
}

static void
timer_due(void *arg)
{
	struct http *h = arg;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(h);
}

static int
timer_wanted(CURLM *multi, long delay_ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	if (delay_ms < 0)
		loop_timer_stop(h->timer);
	else
		loop_timer_set(h->timer, delay_ms);
	return 0;
}

static int
socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http *h = arg;
	struct watched *w = socket_arg;
	short events = EV_PERSIST;

	(void)easy;
	if (w != NULL && w->what == what)
		return 0;
	if (w != NULL)
		event_free(w->event);
	if (what == CURL_POLL_REMOVE) {
		free(w);
		return 0;
	}
	if (w == NULL) {
		w = mem_alloc(sizeof(*w));
		w->http = h;
		curl_multi_assign(h->multi, fd, w);
	}
	w->what = what;
	events = (short)(events | (what & CURL_POLL_IN ? EV_READ : 0));
	events = (short)(events | (what & CURL_POLL_OUT ? EV_WRITE : 0));
	w->event = event_new(loop_base(h->loop), fd, events, socket_ready, w);
	if (w->event == NULL || event_add(w->event, NULL) == -1)
		abort(); /* out of memory, or of kernel memory for epoll */
	return 0;
}

/* curl is connected and about to write the request; again when it repeats it. */
static int
before_request(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct http_call *c = arg;

	(void)ip;
	(void)local_ip;
	(void)port;
	(void)local_port;
	c->answer.is_sent = true;
	return ++c->sends > 1 && !c->may_repeat ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static void
too_large(struct http_call *c)
{
	err_set(&c->answer.err, ERR_LIMIT, "the answer is larger than %zu bytes", c->max_body);
}

static size_t
body_arrived(char *data, size_t one, size_t len, void *arg)
{
	struct http_call *c = arg;
	long status = 0;

	(void)one; /* always 1 */
	c->received += len;
	if (c->received > c->max_body) {
		too_large(c);
		return 0;
	}
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (c->on_body == NULL || status != 200)
		str_add(&c->answer.body, data, len);
	else if (c->on_body(data, len, c->arg, &c->answer.err) == -1)
		return 0;
	return len;
}

/* An easy handle with everything that does not change from request to request. */
static CURL *
easy_new(const struct http *h)
{
	CURL *easy = curl_easy_init();

	if (easy == NULL)
		abort(); /* out of memory */
	http_target_apply(&h->target, easy);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A resolver's thread that is late is left behind; curl would wait for it in our loop. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	/* Keys are sent as they are: curl would drop "/../" from a path. */
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_SIZE);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_arrived);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
	return easy;
}

static void
easy_keep(struct http *h, CURL *easy)
{
	if (h->is_freed || h->spare_count == SPARE_MAX)
		curl_easy_cleanup(easy);
	else
		h->spares[h->spare_count++] = easy;
}

static const struct {
	CURLcode result;
	enum err_code code;
	enum fault fault;
	const char *words; /* NULL: curl's own */
} results[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, ERR_UNREACHABLE, FAULT_RESOLVE,
	    "the host name cannot be resolved" },
	{ CURLE_COULDNT_CONNECT, ERR_UNREACHABLE, FAULT_REFUSED, "cannot connect" },
	{ CURLE_GOT_NOTHING, ERR_UNREACHABLE, FAULT_RESET,
	    "the connection was closed before an answer" },
	{ CURLE_SEND_ERROR, ERR_UNREACHABLE, FAULT_RESET, NULL },
	{ CURLE_RECV_ERROR, ERR_UNREACHABLE, FAULT_RESET,
	    NULL }, /* also a malformed chunk, says curl 7.88 */
	{ CURLE_PARTIAL_FILE, ERR_UNREACHABLE, FAULT_RESET,
	    "the connection broke before the end of the answer" },
	{ CURLE_ABORTED_BY_CALLBACK, ERR_UNREACHABLE, FAULT_RESET,
	    "the connection was closed before an answer" },
	{ CURLE_SSL_CONNECT_ERROR, ERR_DENIED, FAULT_TLS, NULL },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR_DENIED, FAULT_TLS, NULL },
	{ CURLE_SSL_ISSUER_ERROR, ERR_DENIED, FAULT_TLS, NULL },
	{ CURLE_SSL_CERTPROBLEM, ERR_CONFIG, FAULT_LOCAL, NULL },
	{ CURLE_SSL_CACERT_BADFILE, ERR_CONFIG, FAULT_LOCAL, NULL },
	{ CURLE_FILESIZE_EXCEEDED, ERR_LIMIT, FAULT_PROTOCOL, NULL },
};

static void
explain_timeout(struct http_call *c)
{
	char limit[16];

	c->answer.fault = FAULT_TIMEOUT;
	if (c->answer.is_sent)
		err_set(&c->answer.err, ERR_TIMEOUT, "no answer within %s",
		    str_duration(limit, sizeof(limit), c->limit_ms));
	else
		err_set(&c->answer.err, ERR_TIMEOUT, "no connection within %s",
		    str_duration(limit, sizeof(limit),
			c->limit_ms < CONNECT_LIMIT_MS ? c->limit_ms : CONNECT_LIMIT_MS));
}

/* curl's words may repeat names from a certificate. */
static void
explain_in_curls_words(struct http_call *c, enum err_code code, CURLcode result)
{
	const char *words = c->curl_text[0] != '\0' ? c->curl_text : curl_easy_strerror(result);
	struct str shown = STR_INIT;

	str_add_printable(&shown, words, strlen(words), CURL_ERROR_SIZE);
	err_set(&c->answer.err, code, "%s", str_text(&shown));
	str_clear(&shown);
}

static void
explain_result(struct http_call *c, CURLcode result)
{
	const char *words = NULL;
	enum err_code code = ERR_PROTOCOL;
	long no = 0;

	c->answer.fault = FAULT_PROTOCOL;
	for (size_t i = 0; i < MEM_COUNT(results); i++) {
		if (results[i].result == result) {
			code = results[i].code;
			c->answer.fault = results[i].fault;
			words = results[i].words;
		}
	}
	if (result == CURLE_COULDNT_CONNECT)
		curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &no);
	if (no != 0)
		c->answer.fault = fault_of_errno((int)no);
	if (result == CURLE_OPERATION_TIMEDOUT)
		explain_timeout(c);
	else if (code == ERR_LIMIT)
		too_large(c);
	else if (no != 0)
		err_set(&c->answer.err, code, "%s: %s", words, strerror((int)no));
	else if (words != NULL)
		err_set(&c->answer.err, code, "%s", words);
	else
		explain_in_curls_words(c, code, result);
}

static void
call_unlink(struct http_call *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->http->calls = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
}

/* Frees what the call holds; the call itself is the caller's. */
static void
call_clear(struct http_call *c)
{
	str_clear(&c->request);
	str_clear(&c->answer.body);
}

/* The one place that calls done. */
static void
call_finish(struct http_call *c, CURLcode result)
{
	struct http *h = c->http;
	long status = 0;

	c->is_over = true;
	call_unlink(c);
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	/* Before done: the connection is then free for a request that done starts. */
	curl_multi_remove_handle(h->multi, c->easy);
	if (result == CURLE_OK) {
		c->answer.status = (int)status;
	} else {
		if (c->answer.err.code == ERR_NONE)
			explain_result(c, result);
		else
			c->answer.fault = FAULT_PROTOCOL; /* what came was not to our liking */
		err_wrap(&c->answer.err, "%s", h->target.url);
	}
	c->done(&c->answer, c->arg);
	/* h lives at least as long as reap(). */
	curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, NULL);
	easy_keep(h, c->easy);
	call_clear(c);
	loop_defer_free(h->loop, c);
}

static void
destroy(struct http *h)
{
	while (h->spare_count > 0)
		curl_easy_cleanup(h->spares[--h->spare_count]);
	if (h->multi != NULL)
		curl_multi_cleanup(h->multi);
	loop_timer_free(h->timer);
	http_target_clear(&h->target);
	free(h);
	curl_global_cleanup();
}

static void
reap(struct http *h)
{
	const CURLMsg *m;
	int left;

	h->depth++;
	while (!h->is_freed && (m = curl_multi_info_read(h->multi, &left)) != NULL) {
		CURLcode result = m->data.result;
		struct http_call *c = NULL;

		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
		call_finish(c, result);
	}
	if (--h->depth == 0 && h->is_freed)
		destroy(h);
}

struct http *
http_new(struct loop *l, const struct http_peer *peer, struct err *e)
{
	struct http *h = mem_alloc(sizeof(*h));

	curl_global_init(CURL_GLOBAL_DEFAULT);
	h->loop = l;
	h->timer = loop_timer_new(l, timer_due, h);
	if (http_target_init(&h->target, peer, e) == -1) {
		destroy(h);
		return NULL;
	}
	if ((h->multi = curl_multi_init()) == NULL)
		abort(); /* out of memory */
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)SPARE_MAX);
	return h;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	while (h->calls != NULL)
		http_cancel(h->calls);
	if (h->depth > 0)
		h->is_freed = true;
	else
		destroy(h);
}

const char *
http_url(const struct http *h)
{
	return h->target.url;
}

/* Every option that easy_new() does not set: the handle may have made another request before. */
static void
set_request(struct http_call *c, const struct http_request *r)
{
	char *url = mem_printf("%s%s", c->http->target.base, r->path);
	CURL *easy = c->easy;

	curl_easy_setopt(easy, CURLOPT_URL, url);
	if (r->body_len > 0 || strcmp(r->method, "PUT") == 0 || strcmp(r->method, "POST") == 0) {
		str_add(&c->request, r->body, r->body_len);
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->request.data);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
	} else {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, c->is_get ? NULL : r->method);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)c->limit_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_LIMIT_MS);
	curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->max_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, c);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->curl_text);
	free(url);
}

struct http_call *
http_start(struct http *h, const struct http_request *r, http_done_fn *done, void *arg)
{
	struct http_call *c = mem_alloc(sizeof(*c));

	c->http = h;
	c->done = done;
	c->arg = arg;
	c->on_body = r->on_body;
	c->is_get = strcmp(r->method, "GET") == 0;
	c->may_repeat = c->is_get && !r->is_waiting;
	c->limit_ms = r->limit_ms > 0 ? r->limit_ms : 1; /* curl's 0 is "for ever" */
	c->max_body = r->max_body;
	c->easy = h->spare_count > 0 ? h->spares[--h->spare_count] : easy_new(h);
	c->answer.impl = c->easy;
	set_request(c, r);
	c->next = h->calls;
	if (c->next != NULL)
		c->next->prev = c;
	h->calls = c;
	if (curl_multi_add_handle(h->multi, c->easy) != CURLM_OK)
		abort(); /* out of memory */
	return c;
}

void
http_cancel(struct http_call *c)
{
	if (c == NULL || c->is_over)
		return;
	call_unlink(c);
	curl_multi_remove_handle(c->http->multi, c->easy);
	curl_easy_cleanup(c->easy);
	call_clear(c);
	free(c);
}

const char *
http_header(const struct http_answer *a, const char *name)
{
	struct curl_header *found;

	if (curl_easy_header(a->impl, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
		return NULL;
	return found->value;
}
