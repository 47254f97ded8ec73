/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a %%compute says: AmlCompute with Azure's defaults filled in, within Azure's bounds. Sizes are
 * not looked up anywhere: which exist depends on region and quota, and a stand-in takes them all.
 */
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "submission/spec_read.h"

/* Azure's defaults for what is not given (its CLI's constants; v1 had the same but for the size). */
#define DEFAULT_SIZE "STANDARD_DS3_V2"
#define DEFAULT_MAX_INSTANCES 4
#define DEFAULT_IDLE_SECONDS 1800

#define INSTANCES_MAX 65000 /* what Azure grants a cluster at the most, on request */
#define IDLE_SECONDS_MAX (30 * 24 * 60 * 60) /* the longest run of Azure's: idle longer is a slip */
#define SIZE_LENGTH_MAX 64                   /* Azure's longest size name has 30 characters */

/* Sizes Azure has switched off; a notebook of that time still names them. */
static const char *const retired_sizes[] = {
    "Standard_NC6",       "Standard_NC12",       "Standard_NC24",       "Standard_NC24r",
    "Standard_NC6_Promo", "Standard_NC12_Promo", "Standard_NC24_Promo", "Standard_NC6s_v2",
    "Standard_NC12s_v2",  "Standard_NC24s_v2",   "Standard_NC24rs_v2",  "Standard_ND6s",
    "Standard_ND12s",     "Standard_ND24s",      "Standard_ND24rs",     "Standard_NV6",
    "Standard_NV12",      "Standard_NV24",
};

static int check_size(struct spec_context *context, const struct yaml_node *node,
                      const char *written)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (node == NULL)
        return 0;
    if (node->text[strspn(node->text, allowed)] != '\0' || strlen(node->text) > SIZE_LENGTH_MAX) {
        AUTO_FREE char *quoted = spec_quote(node->text);
        spec_fail(context, node, "`%s` is %s, and a size is one word of letters, digits and _",
                  written, quoted);
        return error_hint(context->err, "for example " DEFAULT_SIZE " or STANDARD_NC6");
    }
    for (size_t i = 0; i < ARRAY_SIZE(retired_sizes); i++)
        if (strcasecmp(node->text, retired_sizes[i]) == 0)
            spec_note(context, NOTE_INFO, node,
                      "Azure has retired the size %s: a stand-in takes it all the same, but on "
                      "Azure choose a newer one.",
                      node->text);
    return 0;
}

/* An integer within its bounds, or the default; -1 with an error. */
static int64_t read_count(struct spec_context *context, const struct yaml_node *map, json_t *values,
                          const char *name, int64_t bounds[2], int64_t fallback)
{
    const char *written = name;
    const struct yaml_node *node = spec_node(map, spec_keys(SPEC_COMPUTE), name, &written);
    int64_t value = json_get_int(values, name, fallback);
    if (value < bounds[0] || value > bounds[1])
        return spec_fail(context, node, "`%s` is %lld; it takes %lld to %lld", written,
                         (long long)value, (long long)bounds[0], (long long)bounds[1]);
    json_object_set_new(values, name, json_integer(value));
    return value;
}

static int check_counts(struct spec_context *context, const struct yaml_node *map, json_t *values)
{
    const struct spec_key *keys = spec_keys(SPEC_COMPUTE);
    const char *min_written = "min_instances";
    const struct yaml_node *min_node = spec_node(map, keys, min_written, &min_written);
    bool max_given = spec_node(map, keys, "max_instances", NULL) != NULL;
    int64_t max = read_count(context, map, values, "max_instances", (int64_t[]){1, INSTANCES_MAX},
                             DEFAULT_MAX_INSTANCES);
    int64_t min = max < 0 ? -1
                          : read_count(context, map, values, "min_instances",
                                       (int64_t[]){0, INSTANCES_MAX}, 0);
    if (min < 0 || read_count(context, map, values, "idle_time_before_scale_down",
                              (int64_t[]){0, IDLE_SECONDS_MAX}, DEFAULT_IDLE_SECONDS) < 0)
        return -1;
    if (min <= max)
        return 0;
    spec_fail(context, min_node, "`%s` is %lld, more than the %lld nodes there are at most%s",
              min_written, (long long)min, (long long)max, max_given ? "" : " by default");
    return error_hint(context->err, "lower it, or give a larger `%s`",
                      strcmp(min_written, "min_nodes") == 0 ? "max_nodes" : "max_instances");
}

/* A compute of type `local` is this machine under another name: it has no nodes to describe. */
static json_t *check_local(struct spec_context *context, const struct yaml_node *map,
                           json_t *values)
{
    static const char *const allowed[] = {"name",        "type", "container",
                                          "description", "tags", "$schema"};
    for (size_t i = 0; i < map->count; i++) {
        bool fits = false;
        for (size_t j = 0; j < ARRAY_SIZE(allowed); j++)
            fits = fits || strcmp(map->keys[i]->text, allowed[j]) == 0;
        if (fits)
            continue;
        spec_fail(context, map->keys[i], "a compute of type local has no `%s`: it is this machine",
                  map->keys[i]->text);
        error_hint(context->err, "remove it, or write type: amlcompute for a stand-in with nodes");
        return NULL;
    }
    return json_incref(values);
}

json_t *spec_compute_check(struct spec_context *context, const struct yaml_node *map)
{
    const struct spec_key *keys = spec_keys(SPEC_COMPUTE);
    AUTO_JSON json_t *values = spec_read_map(context, SPEC_COMPUTE, map, keys);
    if (values == NULL)
        return NULL;
    json_object_del(values, "$schema");
    const struct yaml_node *container = yaml_get(map, "container");
    if (container != NULL &&
        spec_container_check(context, container, json_object_get(values, "container")) != 0)
        return NULL;
    if (strcmp(json_get_string(values, "type", ""), "local") == 0)
        return check_local(context, map, values);
    const char *written = "size";
    const struct yaml_node *size = spec_node(map, keys, "size", &written);
    if (check_size(context, size, written) != 0 || check_counts(context, map, values) != 0)
        return NULL;
    json_set_string(values, "type", "amlcompute");
    json_set_string(values, "size", json_get_string(values, "size", DEFAULT_SIZE));
    json_set_string(values, "tier", json_get_string(values, "tier", "dedicated"));
    return steal(&values);
}
