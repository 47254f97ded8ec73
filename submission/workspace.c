/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding the workspace. Azure's rule walks each candidate name to the root before it tries the
 * next, so a parent's .azureml/config.json beats a config.json right here. Azure stops at the
 * first file; we pass over plain config.json and project.json files that are somebody else's,
 * because a notebook must work in a folder that has one. */
#include "submission/workspace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"

static const struct candidate {
    const char *path;
    bool azures;    /* in a folder of Azure's own: must be a workspace's */
    bool must_read; /* must at least be JSON */
} candidates[] = {
    {".azureml/config.json", true, true},   {".azureml/project.json", true, true},
    {"aml_config/config.json", true, true}, {"aml_config/project.json", true, true},
    {"config.json", false, true},           {"project.json", false, false},
};

void workspace_free(struct workspace *workspace)
{
    if (workspace == NULL)
        return;
    free(workspace->home);
    free(workspace->config_path);
    free(workspace->why);
    free(workspace->subscription_id);
    free(workspace->resource_group);
    free(workspace->name);
    free(workspace);
}

/* --- one file -------------------------------------------------------------------------------- */

static json_t *read_config(const char *path, struct error *err)
{
    AUTO_BUF struct buf text = BUF_INIT;
    if (file_read(path, FILE_SMALL_MAX, &text, err) != 0)
        return NULL;
    if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) /* Windows editors add it */
        buf_consume(&text, 3);
    return json_parse(text.data, text.size, path, err);
}

/* The piece of `text` between slashes number `index`, or NULL. Caller frees. */
static char *piece(const char *text, int index)
{
    for (; index > 0; index--) {
        text = strchr(text, '/');
        if (text == NULL)
            return NULL;
        text++;
    }
    return xstrndup(text, strcspn(text, "/"));
}

/* "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W" */
static bool take_scope(struct workspace *workspace, const char *scope)
{
    workspace->subscription_id = piece(scope, 2);
    workspace->resource_group = piece(scope, 4);
    workspace->name = piece(scope, 8);
    return workspace->name != NULL;
}

static bool take_keys(struct workspace *workspace, const json_t *config)
{
    const char *scope = json_get_string(config, "Scope", NULL);
    if (scope != NULL)
        return take_scope(workspace, scope);
    const char *subscription = json_get_string(config, "subscription_id", NULL);
    const char *group = json_get_string(config, "resource_group", NULL);
    const char *name = json_get_string(config, "workspace_name", NULL);
    if (subscription == NULL || group == NULL || name == NULL)
        return false;
    workspace->subscription_id = xstrdup(subscription);
    workspace->resource_group = xstrdup(group);
    workspace->name = xstrdup(name);
    return true;
}

static int missing_keys(const char *path, struct error *err)
{
    error_set(err, ERROR_INVALID, "%s does not name an Azure ML workspace", path);
    return error_hint(err,
                      "it needs subscription_id, resource_group and workspace_name (or Scope); "
                      "the portal's \"Download config.json\" gives a right one");
}

/* 1: *ret_workspace is what the file names, 0: it is not a workspace's, -1: error. */
static int open_file(const char *path, const struct candidate *candidate, const char *home,
                     struct workspace **ret_workspace, struct error *err)
{
    AUTO_ERROR struct error fault = ERROR_INIT;
    AUTO(workspace) struct workspace *workspace = xcalloc(1, sizeof *workspace);
    AUTO_JSON json_t *config = read_config(path, &fault);
    if (config == NULL && candidate->must_read) {
        error_move(err, &fault);
        return error_hint(err, "repair it, or move it away to use the local workspace");
    }
    if (config == NULL || !take_keys(workspace, config))
        return candidate->azures ? missing_keys(path, err) : 0;
    workspace->home = xstrdup(home);
    workspace->config_path = xstrdup(path);
    workspace->why = xasprintf("%s names the workspace %s", path, workspace->name);
    *ret_workspace = steal(&workspace);
    return 1;
}

/* --- the walk -------------------------------------------------------------------------------- */

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Cuts the last folder off; false at the root. */
static bool go_up(char *dir)
{
    char *slash = strrchr(dir, '/');
    if (slash == NULL || dir[1] == '\0')
        return false;
    slash[slash == dir ? 1 : 0] = '\0';
    return true;
}

static int walk(const char *start, const struct candidate *candidate, const char *home,
                struct workspace **ret_workspace, struct error *err)
{
    AUTO_FREE char *dir = xstrdup(start);
    do {
        AUTO_FREE char *path = file_join(dir, candidate->path);
        int found = is_file(path) ? open_file(path, candidate, home, ret_workspace, err) : 0;
        if (found != 0)
            return found;
    } while (go_up(dir));
    return 0;
}

static struct workspace *local_workspace(const char *start, const char *home)
{
    struct workspace *workspace = xcalloc(1, sizeof *workspace);
    workspace->local = true;
    workspace->home = xstrdup(home);
    workspace->why =
        xasprintf("neither %s nor a folder above it has the config.json of an Azure ML "
                  "workspace, so the local workspace in %s is open",
                  start, home);
    return workspace;
}

int workspace_find(const char *start_dir, const char *home, struct workspace **ret_workspace,
                   struct error *err)
{
    AUTO_FREE char *start = file_real(start_dir, err);
    if (start == NULL)
        return -1;
    if (is_file(start)) {
        static const struct candidate given = {"", true, true};
        return open_file(start, &given, home, ret_workspace, err) > 0 ? 0 : -1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        int found = walk(start, &candidates[i], home, ret_workspace, err);
        if (found != 0)
            return found > 0 ? 0 : -1;
    }
    *ret_workspace = local_workspace(start, home);
    return 0;
}
