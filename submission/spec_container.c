/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The `container` section of a %%compute: what the engine is told of each container. Values become what
 * the engine takes: sizes in bytes, limits as numbers, mounts with absolute sources. Whether the engine,
 * the GPUs and the folders are there is seen when something is submitted.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "submission/spec_read.h"

#define MEMORY_MIN (6 * 1024 * 1024) /* Docker's own: a container cannot start below it */
#define CPUS_MAX 4096                /* more than any machine has: a slip */
#define GPUS_MAX 1024                /* likewise */
#define MOUNTS_MAX 64                /* people mount a handful; engines slow down with thousands */

/* The section at hand: its map, and what was read of it. */
struct reading {
    struct spec_context *context;
    const struct yaml_node *map;
    json_t *values;
};

/* --- sizes ------------------------------------------------------------------------------------------ */

/* "2g", "512m", "64k", "1024": as docker run takes them, in powers of 1024. -1: it is none. */
static int64_t size_of(const char *text)
{
    static const char units[] = "kmgt";
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || errno != 0 || !isdigit((unsigned char)text[0]))
        return -1;
    const char *unit = end[0] != '\0' ? strchr(units, tolower((unsigned char)end[0])) : NULL;
    if (unit != NULL) {
        end++;
        end += end[0] == 'i' && tolower((unsigned char)end[1]) == 'b';
        for (const char *u = units; u <= unit; u++)
            number *= 1024;
    }
    end += tolower((unsigned char)end[0]) == 'b';
    return *end == '\0' && number >= 1 && number < 9e18 ? (int64_t)number : -1;
}

int spec_read_size(struct spec_context *context, const char *written, const struct yaml_node *node,
                   json_t *values)
{
    int64_t size = yaml_is_scalar(node) && node->kind != YAML_NULL ? size_of(node->text) : -1;
    if (size < 0) {
        spec_fail_type(context, written, node, "a size such as 512m, 2g or a number of bytes");
        return -1;
    }
    return json_object_set_new(values, written, json_integer(size));
}

static int check_sizes(const struct reading *reading)
{
    static const char *const names[] = {"memory", "shm_size"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct yaml_node *node = yaml_get(reading->map, names[i]);
        if (node != NULL && spec_read_size(reading->context, names[i], node, reading->values) != 0)
            return -1;
    }
    const struct yaml_node *memory = yaml_get(reading->map, "memory");
    if (memory == NULL || json_get_int(reading->values, "memory", 0) >= MEMORY_MIN)
        return 0;
    return spec_fail(reading->context, memory, "`memory` is %s; a container needs 6m at the least",
                     memory->text);
}

/* --- numbers ---------------------------------------------------------------------------------------- */

static int check_cpus(const struct reading *reading)
{
    const struct yaml_node *node = yaml_get(reading->map, "cpus");
    if (node == NULL)
        return 0;
    double cpus = node->kind == YAML_INT || node->kind == YAML_FLOAT ? strtod(node->text, NULL) : 0;
    if (!(cpus >= 0.01 && cpus <= CPUS_MAX)) {
        spec_fail_type(reading->context, "cpus", node, "a number of processors such as 2 or 1.5");
        return -1;
    }
    return json_object_set_new(reading->values, "cpus", json_real(cpus));
}

/* `all`, a number, or a list of what nvidia-smi -L calls them. */
static int check_gpus(const struct reading *reading)
{
    const struct yaml_node *node = yaml_get(reading->map, "gpus");
    if (node == NULL)
        return 0;
    if (node->kind == YAML_LIST && node->count > 0) {
        json_t *ids = spec_read_strings(reading->context, "gpus", node);
        return ids != NULL ? json_object_set_new(reading->values, "gpus", ids) : -1;
    }
    if (node->kind == YAML_STRING && strcmp(node->text, "all") == 0)
        return json_object_set_new(reading->values, "gpus", json_string("all"));
    int64_t count = json_get_int(reading->values, "gpus", 0);
    if (count >= 1 && count <= GPUS_MAX)
        return 0;
    return spec_fail_type(reading->context, "gpus", node,
                          "all, a number of GPUs, or a list of their ids");
}

/* One number, or "soft:hard"; -1 is no limit. */
static bool read_ulimit(const char *text, json_int_t *soft, json_int_t *hard)
{
    char *end;
    errno = 0;
    *soft = *hard = strtoll(text, &end, 10);
    if (end != text && *end == ':') {
        const char *second = end + 1;
        *hard = strtoll(second, &end, 10);
        if (end == second)
            return false;
    }
    return end != text && *end == '\0' && errno == 0 && *soft >= -1 && *hard >= -1 &&
           (*hard == -1 || (*soft != -1 && *soft <= *hard));
}

static int check_ulimits(const struct reading *reading)
{
    static const char *const names[] = {"core",    "cpu",      "data",   "fsize",      "locks",
                                        "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                        "rss",     "rtprio",   "rttime", "sigpending", "stack"};
    struct spec_context *context = reading->context;
    const struct yaml_node *node = yaml_get(reading->map, "ulimits");
    json_t *ulimits = json_object();
    json_int_t soft;
    json_int_t hard;
    if (node == NULL) {
        json_decref(ulimits);
        return 0;
    }
    json_object_set_new(reading->values, "ulimits", ulimits);
    for (size_t i = 0; i < node->count; i++) {
        const char *name = node->keys[i]->text;
        bool known = false;
        for (size_t j = 0; j < ARRAY_SIZE(names); j++)
            known = known || strcmp(names[j], name) == 0;
        if (!known) {
            spec_fail(context, node->keys[i], "`%s` is no limit of a process", name);
            return error_hint(context->err, "the usual ones are nofile, nproc, memlock and stack");
        }
        if (!read_ulimit(node->items[i]->text, &soft, &hard)) {
            spec_fail_type(context, name, node->items[i], "a number, or SOFT:HARD, -1 for none");
            return error_hint(context->err, "write %s: 65536, or %s: \"1024:65536\"", name, name);
        }
        json_object_set_new(ulimits, name, json_pack("[I, I]", soft, hard));
    }
    return 0;
}

/* --- mounts ----------------------------------------------------------------------------------------- */

static const struct spec_key mount_keys[] = {
    {.name = "source", .type = SPEC_PATH},
    {.name = "target", .type = SPEC_STRING},
    {.name = "read_only", .type = SPEC_BOOL},
    {.name = NULL},
};

/* "SOURCE:TARGET", with ":ro" or ":rw" after it. NULL when it is not. */
static json_t *split_mount(const char *text)
{
    AUTO_STRLIST struct strlist parts = STRLIST_INIT;
    AUTO_FREE char *copy = xstrdup(text);
    char *rest = copy;
    while (rest != NULL)
        strlist_add(&parts, strsep(&rest, ":"));
    bool mode = parts.count == 3 &&
                (strcmp(parts.items[2], "ro") == 0 || strcmp(parts.items[2], "rw") == 0);
    if (parts.count != 2 && !mode)
        return NULL;
    json_t *mount = json_object();
    json_set_string(mount, "source", parts.items[0]);
    json_set_string(mount, "target", parts.items[1]);
    json_object_set_new(mount, "read_only",
                        json_boolean(!mode || strcmp(parts.items[2], "ro") == 0));
    return mount;
}

static json_t *read_mount(const struct reading *reading, const struct yaml_node *node)
{
    struct spec_context *context = reading->context;
    if (node->kind == YAML_MAP)
        return spec_read_map(context, SPEC_COMPUTE, node, mount_keys);
    json_t *mount = node->kind == YAML_STRING ? split_mount(node->text) : NULL;
    if (mount == NULL) {
        spec_fail(context, node, "an item of `mounts` is no mount");
        error_hint(context->err, "write SOURCE:TARGET (read-only), SOURCE:TARGET:rw, or "
                                 "{source: /data, target: /data, read_only: false}");
    }
    return mount;
}

static int check_mount(const struct reading *reading, const struct yaml_node *node, json_t *mount)
{
    struct spec_context *context = reading->context;
    const char *source = json_get_string(mount, "source", "");
    const char *target = json_get_string(mount, "target", "");
    AUTO_FREE char *framed = xasprintf("%s/", target);
    if (source[0] == '\0' || target[0] != '/' || target[1] == '\0' ||
        strstr(framed, "/../") != NULL) {
        spec_fail(context, node,
                  "a mount has a source here and a target, an absolute path in the "
                  "container");
        return error_hint(context->err, "write /data/mnist:/data, for example");
    }
    if (strncmp(framed, "/skiff/", 7) == 0) {
        spec_fail(context, node, "nothing can be mounted below /skiff: the run is there");
        return error_hint(context->err, "choose another target, such as /data");
    }
    AUTO_FREE char *absolute = spec_path(context, source);
    json_set_string(mount, "source", absolute);
    json_object_set_new(mount, "read_only", json_boolean(json_get_bool(mount, "read_only", true)));
    return 0;
}

static int check_mounts(const struct reading *reading)
{
    const struct yaml_node *node = yaml_get(reading->map, "mounts");
    AUTO_JSON json_t *mounts = json_array();
    if (node == NULL)
        return 0;
    if (node->kind != YAML_LIST)
        return spec_fail_type(reading->context, "mounts", node, "a list: [/data:/data]");
    if (node->count > MOUNTS_MAX)
        return spec_fail(reading->context, node, "there are more than %d mounts", MOUNTS_MAX);
    for (size_t i = 0; i < node->count; i++) {
        json_t *mount = read_mount(reading, node->items[i]);
        if (mount == NULL || json_array_append_new(mounts, mount) != 0 ||
            check_mount(reading, node->items[i], mount) != 0)
            return -1;
    }
    return json_object_set(reading->values, "mounts", mounts);
}

/* --- words ------------------------------------------------------------------------------------------ */

/* What goes to the engine as it is: one word, and no flags in it. */
static int check_words(const struct reading *reading)
{
    static const char *const names[] = {"network", "user", "runtime", "engine"};
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "_.:/-@";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct yaml_node *node = yaml_get(reading->map, names[i]);
        if (node == NULL)
            continue;
        if (node->text[0] != '-' && node->text[strspn(node->text, allowed)] == '\0')
            continue;
        AUTO_FREE char *quoted = spec_quote(node->text);
        return spec_fail(reading->context, node, "`%s` is %s; it takes one word", names[i], quoted);
    }
    return 0;
}

int spec_container_check(struct spec_context *context, const struct yaml_node *map, json_t *values)
{
    const struct reading reading = {.context = context, .map = map, .values = values};
    if (check_sizes(&reading) != 0 || check_cpus(&reading) != 0 || check_gpus(&reading) != 0 ||
        check_ulimits(&reading) != 0 || check_mounts(&reading) != 0)
        return -1;
    return check_words(&reading);
}
