/* SPDX-License-Identifier: BSD-3-Clause */
/* The experiments that a list of runs can be narrowed to: those of its newest runs, which an index leads
 * to. All of them would be a walk through every run there ever was. */
#include "submission/store_db.h"
#include "submission/submission.h"

int submission_experiments(struct submission *submission, struct strlist *ret_names,
                           struct error *err)
{
    static const char sql[] =
        "SELECT DISTINCT experiment FROM"
        " (SELECT experiment FROM runs ORDER BY created_us DESC, id DESC LIMIT ?1)"
        " ORDER BY experiment";
    struct store *store = submission_store(submission, err);
    if (store == NULL || store_db_ready(store, err) != 0)
        return -1;
    AUTO_STATEMENT sqlite3_stmt *statement =
        store_db_query(store, err, sql, "i", (int64_t)SUBMISSION_EXPERIMENTS_OF);
    int row = -1;
    while (statement != NULL && (row = store_db_step(store, statement, err)) > 0)
        strlist_add(ret_names, store_db_text(statement, 0));
    return row;
}
