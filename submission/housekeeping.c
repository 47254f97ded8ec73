/* SPDX-License-Identifier: BSD-3-Clause */
/* What is still needed of what Skiff has made in a container engine: images of environments as they are
 * defined today and of live runs; containers of live runs. The rest may go. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/core.h"
#include "submission/sweep.h"

struct housekeeping {
    struct submission *submission;
    struct sweep *sweep;
    json_t *needed; /* images: {"skiff:...": why} */
    char *only;     /* the one image that is to go, or NULL */
    housekeeping_done_fn done;
    void *data;
    struct housekeeping *next;
};

static void housekeeping_free(struct housekeeping *work)
{
    for (struct housekeeping **at = &work->submission->housekeeping; *at != NULL; at = &(*at)->next)
        if (*at == work) {
            *at = work->next;
            break;
        }
    json_decref(work->needed);
    free(work->only);
    free(work);
}

void housekeeping_close(struct submission *submission)
{
    while (submission->housekeeping != NULL) {
        sweep_cancel(submission->housekeeping->sweep);
        housekeeping_free(submission->housekeeping);
    }
}

/* --- what is needed --------------------------------------------------------------------------------- */

static void need(json_t *needed, const json_t *image, const char *fmt, const char *who)
{
    const char *reference = json_get_string(image, "reference", NULL);
    if (reference == NULL || json_object_get(needed, reference) != NULL)
        return;
    AUTO_FREE char *why = xasprintf("%s %s", fmt, who);
    json_object_set_new(needed, reference, json_string(why));
}

static int need_environments(struct submission *submission, json_t *needed, struct error *err)
{
    AUTO_JSON json_t *rows = store_list_environments(submission->store, err);
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        AUTO_JSON json_t *image =
            images_record(submission->home, json_object_get(row, "definition"));
        need(needed, image, "it is the image of", json_get_string(row, "name", ""));
    }
    return rows != NULL ? 0 : -1;
}

static int need_live_runs(struct submission *submission, json_t *needed, struct error *err)
{
    struct store_run_filter live = {.live_only = true};
    AUTO_JSON json_t *rows = submission_runs(submission, &live, err);
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        const char *id = json_get_string(row, "id", "");
        AUTO_FREE char *path = xasprintf("%s/runs/%s/" RUN_IMAGE, submission->home, id);
        AUTO_JSON json_t *image = file_exists(path) ? json_read(path, NULL) : NULL;
        need(needed, image, "a run uses it:", id);
    }
    return rows != NULL ? 0 : -1;
}

static char *keep_image(const json_t *item, void *data)
{
    const struct housekeeping *work = data;
    const char *name = json_get_string(item, "name", "");
    if (work->only != NULL && strcmp(work->only, name) != 0)
        return xstrdup("it was not asked for");
    return xstrdup_or_null(json_get_string(work->needed, name, NULL));
}

static char *keep_container(const json_t *item, void *data)
{
    const struct housekeeping *work = data;
    AUTO(run) struct run *run = NULL;
    const char *id = json_get_string(item, "run", "");
    if (!run_id_is_valid(id) || run_load(work->submission->home, id, &run, NULL) != 0 ||
        run_state_is_final(run->state))
        return NULL;
    return xasprintf("its run is %s", run_state_name(run->state));
}

/* --- the work --------------------------------------------------------------------------------------- */

static void on_swept(const json_t *result, const struct error *err, void *data)
{
    struct housekeeping *work = data;
    work->done(result, err, work->data);
    housekeeping_free(work);
}

static struct housekeeping *new_work(struct submission *submission, housekeeping_done_fn done,
                                     void *data)
{
    struct housekeeping *work = xcalloc(1, sizeof *work);
    *work = (struct housekeeping){.submission = submission,
                                  .needed = json_object(),
                                  .done = done,
                                  .data = data,
                                  .next = submission->housekeeping};
    submission->housekeeping = work;
    return work;
}

/* Frees the work when it cannot begin. */
static int begin(struct housekeeping *work, bool containers, bool dry_run, struct error *err)
{
    struct sweep_request request = {.http = work->submission->http,
                                    .home = work->submission->home,
                                    .containers = containers,
                                    .dry_run = dry_run,
                                    .keep = containers ? keep_container : keep_image,
                                    .done = on_swept,
                                    .data = work};
    work->sweep = sweep_begin(&request, err);
    if (work->sweep != NULL)
        return 0;
    housekeeping_free(work);
    return -1;
}

int submission_prune_images(struct submission *submission, bool dry_run, housekeeping_done_fn done,
                            void *data, struct error *err)
{
    if (submission_store(submission, err) == NULL)
        return -1;
    struct housekeeping *work = new_work(submission, done, data);
    if (need_environments(submission, work->needed, err) == 0 &&
        need_live_runs(submission, work->needed, err) == 0)
        return begin(work, false, dry_run, err);
    housekeeping_free(work);
    return -1;
}

static int not_ours(const char *name, const json_t *image, struct error *err)
{
    const char *reference = json_get_string(image, "reference", NULL);
    if (reference == NULL) {
        error_set(err, ERROR_NOT_FOUND, "nothing was built for the environment %s", name);
        return error_hint(err, "%%environments says what is ready");
    }
    error_set(err, ERROR_INVALID, "the image of %s, %s, was pulled and not built here", name,
              reference);
    return error_hint(err, "other programs may use it; `docker image rm %s` removes it", reference);
}

int submission_remove_image(struct submission *submission, const char *name,
                            housekeeping_done_fn done, void *data, struct error *err)
{
    struct store *store = submission_store(submission, err);
    AUTO_JSON json_t *environment =
        store != NULL ? store_get_environment(store, name, 0, err) : NULL;
    if (environment == NULL)
        return -1;
    AUTO_JSON json_t *image =
        images_record(submission->home, json_object_get(environment, "definition"));
    const char *reference = json_get_string(image, "reference", "");
    if (strncmp(reference, IMAGE_BUILT_PREFIX, strlen(IMAGE_BUILT_PREFIX)) != 0)
        return not_ours(name, image, err);
    struct housekeeping *work = new_work(submission, done, data);
    work->only = xstrdup(reference);
    if (need_live_runs(submission, work->needed, err) == 0) {
        images_forget(submission->home, json_object_get(environment, "definition"));
        return begin(work, false, false, err);
    }
    housekeeping_free(work);
    return -1;
}

int submission_clean_containers(struct submission *submission, bool dry_run,
                                housekeeping_done_fn done, void *data, struct error *err)
{
    if (submission_store(submission, err) == NULL)
        return -1;
    return begin(new_work(submission, done, data), true, dry_run, err);
}
