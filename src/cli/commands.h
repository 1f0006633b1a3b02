/* The functions behind the table of commands, one file of src/cli for each group. */
#ifndef DV_CLI_COMMANDS_H
#define DV_CLI_COMMANDS_H

#include "cli/cli.h"

dv_command_fn dv_cmd_help, dv_cmd_version;                            /* help.c */
dv_command_fn dv_cmd_db_create, dv_cmd_db_info, dv_cmd_db_list;       /* cmd_db.c */
dv_command_fn dv_cmd_db_delete;                                       /* cmd_db.c */
dv_command_fn dv_cmd_db_compact, dv_cmd_db_check, dv_cmd_db_purge;    /* cmd_upkeep.c */
dv_command_fn dv_cmd_doc_put, dv_cmd_doc_delete;                      /* cmd_write.c */
dv_command_fn dv_cmd_doc_bulk;                                        /* cmd_bulk.c */
dv_command_fn dv_cmd_doc_get;                                         /* cmd_get.c */
dv_command_fn dv_cmd_doc_list;                                        /* cmd_list.c */
dv_command_fn dv_cmd_doc_attach, dv_cmd_doc_detach, dv_cmd_doc_fetch; /* cmd_attachment.c */
dv_command_fn dv_cmd_changes;                                         /* cmd_changes.c */

#endif
