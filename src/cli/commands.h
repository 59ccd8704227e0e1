/* commands.h: the commands that the cmd_*.c define, for the table in command.c. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/command.h"

extern const struct command cmd_accept;
extern const struct command cmd_agents;
extern const struct command cmd_check;
extern const struct command cmd_checks;
extern const struct command cmd_completion;
extern const struct command cmd_config_check;
extern const struct command cmd_diff;
extern const struct command cmd_doctor;
extern const struct command cmd_drift;
extern const struct command cmd_help;
extern const struct command cmd_history;
extern const struct command cmd_hold;
extern const struct command cmd_init;
extern const struct command cmd_mute;
extern const struct command cmd_names;
extern const struct command cmd_nodes;
extern const struct command cmd_pairs;
extern const struct command cmd_propose;
extern const struct command cmd_release;
extern const struct command cmd_render;
extern const struct command cmd_failover;
extern const struct command cmd_rejoin;
extern const struct command cmd_resume, cmd_rollback, cmd_approve;
extern const struct command cmd_set;
extern const struct command cmd_status;
extern const struct command cmd_unmute;
extern const struct command cmd_unset;
extern const struct command cmd_version;
extern const struct command cmd_watch_hook;

/* For `pointsman COMMAND --help` and `pointsman --version`. */
void help_print_command(const struct cli *cli, const struct command *c);
void help_print_all(const struct cli *cli);
void version_print(const struct cli *cli);

#endif
