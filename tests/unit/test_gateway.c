/* test_gateway.c: io/gateway.c on tables as the kernel prints them. */
#include "io/gateway.h"
#include "io_test.h"

#define ROUTES \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define DEFAULT_ROUTE "eth0\t00000000\t0104000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
#define WORSE_ROUTE "eth1\t00000000\t0105000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
#define LOCAL_ROUTE "eth0\t0004000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
#define NEIGHBOURS \
	"IP address       HW type     Flags       HW address            Mask     Device\n"
#define HERE "10.0.4.1         0x1         0x2         52:54:00:12:34:56     *        eth0\n"
#define SILENT "10.0.4.1         0x1         0x0         00:00:00:00:00:00     *        eth0\n"
#define OTHER_SILENT \
	"10.0.4.9         0x1         0x0         00:00:00:00:00:00     *        eth0\n"

static const char *
file(const char *dir, const char *name, const char *text)
{
	static char path[2][96];
	static int turn;
	char *out = path[turn++ % 2];
	FILE *f;

	snprintf(out, sizeof(path[0]), "%s/%s", dir, name);
	f = fopen(out, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return out;
}

static void
test_tables(void **state)
{
	static const struct {
		const char *routes, *neighbours;
		bool is_silent;
	} cases[] = {
		{ ROUTES DEFAULT_ROUTE LOCAL_ROUTE, NEIGHBOURS HERE, false },
		{ ROUTES LOCAL_ROUTE WORSE_ROUTE DEFAULT_ROUTE, NEIGHBOURS OTHER_SILENT SILENT,
		    true },
		{ ROUTES DEFAULT_ROUTE, NEIGHBOURS OTHER_SILENT HERE, false },
		{ ROUTES DEFAULT_ROUTE, NEIGHBOURS, false },      /* nothing was sent that way */
		{ ROUTES WORSE_ROUTE, NEIGHBOURS SILENT, false }, /* another one's neighbour */
		{ ROUTES LOCAL_ROUTE, NEIGHBOURS SILENT, false }, /* no default route */
		{ ROUTES DEFAULT_ROUTE, NEIGHBOURS SILENT HERE,
		    false }, /* on one interface it is */
		{ "", "", false },
		{ "what is this\n", "and this\n", false },
	};
	char dir[] = "/tmp/pointsman-gateway.XXXXXX", command[96];

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *routes = file(dir, "route", cases[i].routes);

		assert_int_equal(gateway_is_silent(routes, file(dir, "arp", cases[i].neighbours)),
		    cases[i].is_silent);
	}
	assert_false(gateway_is_silent("/nowhere", "/nowhere"));
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_tables) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
