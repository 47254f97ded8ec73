/* SPDX-License-Identifier: BSD-3-Clause */
/* Who owns a run, and who gets a node. */
#include "submission/store.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/submission/store_fixture.h"

/* --- owners and nodes --------------------------------------------------------------------- */

static struct procid dead_process(void)
{
    struct procid id = {0};
    assert_true(procid_of(getpid(), &id));
    id.start_time++; /* the same pid, given to another process since */
    return id;
}

static void has_one_owner(void **state)
{
    AUTO(store) struct store *store = open_store(*state, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    struct procid self = {0}, parent = {0}, dead = dead_process();
    assert_true(procid_of(getpid(), &self) && procid_of(getppid(), &parent));
    assert_int_equal(store_own_run(store, "a", &dead, &err), 1);
    assert_int_equal(store_own_run(store, "a", &self, &err), 1);
    assert_int_equal(store_own_run(store, "a", &self, &err), 1);
    assert_int_equal(store_own_run(store, "a", &parent, &err), 0);
    assert_int_equal(store_own_run(store, "b", &parent, &err), 1);
}

static struct run *queue_run(struct store *store, const char *home, const char *id, int age,
                             const struct procid *owner)
{
    struct run *run = add_run(store, home, id, age, "e", "gpu");
    advance(store, run, RUN_QUEUED);
    assert_int_equal(store_own_run(store, id, owner, NULL), 1);
    return run;
}

static void hands_out_nodes_in_order(void **state)
{
    const char *home = *state;
    AUTO(store) struct store *store = open_store(home, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    struct procid self = {0}, dead = dead_process();
    int node = -1;
    assert_true(procid_of(getpid(), &self));
    AUTO(run) struct run *orphan = queue_run(store, home, "orphan", 50, &dead);
    AUTO(run) struct run *a = queue_run(store, home, "a", 40, &self);
    AUTO(run) struct run *b = queue_run(store, home, "b", 30, &self);
    AUTO(run) struct run *c = queue_run(store, home, "c", 20, &self);
    assert_int_equal(store_claim_node(store, "b", "gpu", 2, &node, &err), 0); /* a is older */
    assert_int_equal(store_claim_node(store, "a", "gpu", 2, &node, &err), 1); /* orphan waits */
    assert_int_equal(node, 0);
    assert_int_equal(store_claim_node(store, "a", "gpu", 2, &node, &err), 1); /* has it already */
    assert_int_equal(node, 0);
    assert_int_equal(store_claim_node(store, "b", "gpu", 2, &node, &err), 1);
    assert_int_equal(node, 1);
    assert_int_equal(store_claim_node(store, "c", "gpu", 2, &node, &err), 0); /* full */
    assert_int_equal(store_release_node(store, "a", &err), 0);
    assert_int_equal(store_release_node(store, "a", &err), 0);
    AUTO_JSON json_t *rows = store_nodes(store, "gpu", &err);
    assert_int_equal(json_array_size(rows), 2);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 0), "run")));
    assert_true(json_get_time(json_array_get(rows, 0), "released_at") > 0);
    assert_string_equal(json_get_string(json_array_get(rows, 1), "run", ""), "b");
    assert_string_equal(json_get_string(json_array_get(rows, 1), "state", ""), "Queued");
    /* a still says Queued and is older, but ends */
    advance(store, a, RUN_FAILED);
    assert_int_equal(store_claim_node(store, "c", "gpu", 2, &node, &err), 1);
    assert_int_equal(node, 0);
    /* runs that ended without giving theirs back hold none; the last used comes first */
    advance(store, c, RUN_FAILED);
    advance(store, b, RUN_FAILED);
    AUTO(run) struct run *d = queue_run(store, home, "d", 10, &self);
    assert_int_equal(store_claim_node(store, "d", "gpu", 1, &node, &err), 1);
    assert_int_equal(node, 0); /* not 1: the limit is one now */
    assert_int_equal(store_claim_node(store, "nobody", "gpu", 5, &node, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

#define NODES 2
#define RUNS_EACH 2

/* Takes a node with a file that must not be there: two holders of one node would meet. */
static int use_node(const char *home, int node)
{
    AUTO_FREE char *path = xasprintf("%s/node-%d", home, node);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || node >= NODES)
        return -1;
    close(fd);
    sched_yield();
    return unlink(path);
}

static int claim_and_release(const char *home, int index)
{
    AUTO(store) struct store *store = NULL;
    struct procid self;
    if (!procid_of(getpid(), &self) || store_open(home, &store, NULL, NULL) != 0)
        return 1;
    for (int i = 0; i < RUNS_EACH; i++) {
        AUTO_FREE char *id = xasprintf("run-%d-%d", index, i);
        AUTO(run) struct run *run = NULL;
        int node = -1;
        int claimed = 0;
        if (run_load(home, id, &run, NULL) != 0 || store_own_run(store, id, &self, NULL) != 1)
            return 2;
        while (claimed == 0) /* the kernels wait for a change of the index here */
            claimed = store_claim_node(store, id, "gpu", NODES, &node, NULL);
        if (claimed < 0 || use_node(home, node) != 0)
            return 3;
        if (run_advance(run, RUN_FAILED, NULL, NULL) != 1 || store_put_run(store, run, NULL) != 0)
            return 4;
        if (i % 2 == 0 && store_release_node(store, id, NULL) != 0)
            return 5;
    }
    return 0;
}

/* Several kernels, each driving its runs one after the other. */
static void never_hands_out_too_many(void **state)
{
    const char *home = *state;
    struct store *store = open_store(home, NULL);
    for (int i = 0; i < PROCESSES * RUNS_EACH; i++) {
        AUTO_FREE char *id = xasprintf("run-%d-%d", i % PROCESSES, i / PROCESSES);
        AUTO(run) struct run *run = add_run(store, home, id, 100 - i, "e", "gpu");
        advance(store, run, RUN_QUEUED);
    }
    store_close(store);
    home_act_together(home, claim_and_release);
    AUTO(store) struct store *after = open_store(home, NULL);
    AUTO_FREE char *live = ids_of(after, &(struct store_run_filter){.live_only = true});
    assert_string_equal(live, "");
}

#ifdef SKIFF_FAILPOINTS
/* A kernel killed in the middle of making the index, or of taking a node, leaves nothing behind. */
static void survives_being_killed(void **state)
{
    const char *home = *state;
    static const char *const places[] = {"store.open.migrated", "store.claim_node.picked",
                                         "store.put_environment.finished",
                                         "store.put_environment.linked"};
    struct procid self = {0};
    assert_true(procid_of(getpid(), &self));
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        pid_t child = fork();
        if (child == 0) {
            struct procid me = {0};
            int node;
            bool is_new;
            setenv("SKIFF_FAIL_AT", places[i], 1);
            procid_of(getpid(), &me);
            struct store *store = open_store(home, NULL);
            run_free(queue_run(store, home, "doomed", 10, &me));
            if (i == 1)
                store_claim_node(store, "doomed", "gpu", 1, &node, NULL);
            put_environment(store, "env", "aa", &is_new);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        AUTO(store) struct store *store = open_store(home, NULL);
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_JSON json_t *nodes = store_nodes(store, "gpu", &err);
        assert_int_equal(json_array_size(nodes), 0);
        bool is_new = false;
        assert_int_equal(put_environment(store, "env", "aa", &is_new), 1);
        assert_int_equal(is_new, i < 3);
        AUTO_FREE char *doomed = file_join(home, "runs/doomed");
        AUTO_FREE char *environments = file_join(home, "environments");
        assert_int_equal(file_remove_tree(doomed, NULL), 0);
        assert_int_equal(file_remove_tree(environments, NULL), 0);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_HOME(has_one_owner),
        UNIT_HOME(hands_out_nodes_in_order),
        UNIT_HOME(never_hands_out_too_many),
#ifdef SKIFF_FAILPOINTS
        UNIT_HOME(survives_being_killed),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
