/*
 * writer.h: the parts of the lab's writer. writer.c has its purpose and its commands.
 *
 * Two words are kept apart all the way: a row is *acknowledged* when the server said OK to it, *refused*
 * when the server said an error that cannot have saved it, and *in doubt* when nobody knows: the
 * connection broke, or the server ended the session, between the question and the answer.
 */
#ifndef LAB_WRITER_H
#define LAB_WRITER_H

#include <jansson.h>
#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WRITER_CONNECTIONS_MAX 64
#define WRITER_RUN_SIZE 17     /* 16 hexadecimal digits */
#define WRITER_ADDRESS_SIZE 32 /* "255.255.255.255:65535" */
#define WRITER_CHECKED_MAX 2   /* servers that are looked at afterwards */

enum exit_status {
	EXIT_WELL = 0,
	EXIT_FINDING = 1, /* a row is lost, twice, different, or there although refused */
	EXIT_USE = 2,
	EXIT_BLIND = 7, /* nothing can be said: no server to look at, no record */
};

struct writer_options {
	const char *log;
	const char *account;  /* an option file; its [client] group has user and password */
	const char *table;    /* database.table */
	const char *name;     /* what is resolved at every connect … */
	const char *resolver; /* … here, address:port */
	const char *follow;   /* instead: "-" or a FIFO whose lines say the address */
	unsigned port;        /* where an address says none */
	unsigned connections;
	unsigned rate;     /* rows a second, of all connections together */
	double seconds;    /* 0: until SIGINT or SIGTERM */
	unsigned retry_ms; /* between two attempts to connect */
	unsigned limit_s;  /* of a connect, of a write */
	double settle_s;   /* so long the servers may take to show what they have */
	const char *checked[WRITER_CHECKED_MAX + 1]; /* address:port, the active first */
	bool is_create, is_json;
};

/* --- the record of a run: a text file, one line an outcome, written as it happens --- */

enum outcome {
	OUTCOME_NONE,
	OUTCOME_ACKNOWLEDGED,
	OUTCOME_REFUSED,
	OUTCOME_DOUBT,
	OUTCOME_NO_SESSION
};

struct event {
	enum outcome outcome;
	unsigned connection;
	uint32_t sequence;        /* of the row; 0: there was no session to write it in */
	int64_t sent_ns, took_ns; /* since the run began */
	const char *address;      /* "-" when it was not known */
	unsigned number;          /* the error's; 0: none, or not of MySQL */
	const char *text;
};

/* From here on every function ends the program with EXIT_BLIND when it cannot remember. */
void record_create(const struct writer_options *o, char run[WRITER_RUN_SIZE]);
void record_event(const struct event *e); /* one write(2); any thread */
void record_end(void);
int64_t record_now_ns(void); /* since record_create() */

struct record {
	char run[WRITER_RUN_SIZE];
	char table[130];
	char via[300];
	unsigned connections, rate;
	struct event *events; /* without their texts */
	size_t event_count;
	char *addresses[32]; /* theirs, each once */
	size_t address_count;
	int64_t end_ns; /* of the writing, or of the last event where it was killed */
	bool is_ended;
	struct error_class {
		enum outcome outcome;
		unsigned number;
		uint64_t count;
		char text[80]; /* the first */
	} * errors;
	size_t error_count;
};

/* Reads it back; exits with EXIT_BLIND when it is not such a file. */
void record_load(const char *path, struct record *out);
void record_free(struct record *r);

/* --- the work --- */

void writer_write(const struct writer_options *o, const char *run);
/* An open session, or NULL with its error in number and text. address is "127.0.87.13:13306". */
MYSQL *writer_connect(
    const struct writer_options *o, const char *address, unsigned *number, char text[static 256]);

/* Where to connect: at every connect anew. 0, or -1 with text. */
struct where;
struct where *where_new(const struct writer_options *o); /* one a connection */
void where_free(struct where *w);
int where_find(struct where *w, char address[WRITER_ADDRESS_SIZE], char text[static 256]);
bool where_has_moved(const struct where *w);       /* since where_find(); only with --follow */
void where_follow(const struct writer_options *o); /* starts to read; returns with the first line */
void where_wait(int64_t until_ns); /* a pause that the next line, or where_stop(), ends */
void where_stop(void);
bool where_is_stopping(void);

/* --- looking for the rows --- */

struct found {
	const char *address;
	uint64_t rows;          /* of this run */
	uint64_t acknowledged;  /* of those that were acknowledged, each counted once */
	uint64_t lost;          /* acknowledged and not there */
	uint64_t duplicated;    /* rows beyond the first of their number */
	uint64_t refused_there; /* refused and there all the same */
	uint64_t doubt_there;
	uint64_t unknown; /* nobody wrote them: their number was never used in this run */
	struct {
		unsigned connection;
		uint32_t sequence;
	} first_lost[5];
};

struct comparison {
	size_t count; /* of servers; 0: nobody was asked */
	struct found servers[WRITER_CHECKED_MAX];
	uint64_t table_rows[WRITER_CHECKED_MAX];
	uint64_t only[WRITER_CHECKED_MAX]; /* rows of the table that the other has not */
	uint64_t different;                /* the same id, another row */
	bool is_equal;
};

/* 0, or -1 with text: then nothing is known. Tries until all is well or settle_s is over. */
int compare_servers(const struct writer_options *o, const struct record *r, struct comparison *out,
    char text[static 512]);
bool comparison_is_well(const struct comparison *c);

/* --- the report --- */

struct handover {
	const char *from, *to;
	int64_t last_ns, first_ns; /* the last acknowledged there, the first acknowledged here */
};

struct summary {
	uint64_t acknowledged, refused, doubt, no_session;
	int64_t p50_ns, p99_ns, max_ns; /* of acknowledged rows, from the question to the answer */
	int64_t silence_ns, silence_at_ns; /* the longest time without an acknowledged row */
	struct handover *handovers;
	size_t handover_count;
};

void summary_make(const struct record *r, struct summary *out);
void summary_free(struct summary *s);
const char *error_class_name(unsigned number);
void report_text(
    const struct record *r, const struct summary *s, const struct comparison *c, FILE *out);
json_t *report_json(const struct record *r, const struct summary *s, const struct comparison *c);

#endif
