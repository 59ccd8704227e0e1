/*
 * consul_agent.h: a real Consul for a test, one server in development mode on ports of its own. It ends
 * with the test, however that ends.
 *
 * The program is $CONSUL (make check sets it to what contrib/get-consul has fetched), or consul on the
 * PATH. A test that needs it and does not find it fails: nothing here is skipped.
 */
#ifndef TESTS_UNIT_CONSUL_AGENT_H
#define TESTS_UNIT_CONSUL_AGENT_H

struct consul_agent;

/* Returns once it has a leader and its node is healthy; on failure prints why and aborts the test. */
struct consul_agent *consul_agent_start(void);
/*
 * The same with more configuration (a JSON object, merged into ours) and the token that may read
 * its state; either may be NULL. "@DIR@" in extra stands for the agent's directory, "@PORT@" for
 * a free port, which consul_agent_extra_port() tells.
 */
struct consul_agent *consul_agent_start_with(const char *extra, const char *token);
void consul_agent_stop(struct consul_agent *a); /* NULL is allowed */

const char *consul_agent_address(const struct consul_agent *a); /* "http://127.0.0.1:PORT" */
const char *consul_agent_dir(const struct consul_agent *a);     /* removed by _stop() */
int consul_agent_extra_port(const struct consul_agent *a);
int consul_agent_pid(const struct consul_agent *a);

/* Runs the program with arguments (NULL-terminated) in dir; aborts the test unless it exits with 0. */
void consul_agent_run(const char *dir, const char *const *arguments);

/*
 * A new directory with an authority (consul-agent-ca.pem) and certificates of it for a server
 * (dc1-server-consul-0.pem, for 127.0.0.1, localhost and server.dc1.consul) and a client
 * (dc1-client-consul-0.pem), the keys to them in …-key.pem; malloc'ed.
 */
char *consul_agent_certificates(void);

#endif
