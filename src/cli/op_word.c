/* op_word.c: the same words and the same exit code wherever an operation is named that is not there. */
#include "cli/op_word.h"

#include "cli/cli.h"
#include "cli/report.h"

enum exit_code
op_word_read(const struct cli *cli, const char *text, char id[OP_ID_SIZE])
{
	if (op_id_parse(text, id) == 0)
		return EXIT_DONE;
	return cli_usage_error(cli, "%s is not the id of an operation", SHOWN(text));
}

enum exit_code
op_word_report(const struct cli *cli, const char *why)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(&r, "%s", why);
	report_do(&r, "all that there are: pointsman history");
	return report_send(&r, cli, EXIT_USAGE);
}
