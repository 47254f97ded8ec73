/* SPDX-License-Identifier: BSD-3-Clause */
/* %%compute: Azure's defaults, bounds and names, in both vocabularies. */
#include "submission/spec.h"

#include "tests/unit/submission/spec_fixture.h"

#define REST "\"tier\":\"dedicated\",\"type\":\"amlcompute\"}"

static void reads_both_vocabularies(void **state)
{
    (void)state;
    static const struct spec_good cases[] = {
        {"",
         "{\"idle_time_before_scale_down\":1800,\"max_instances\":4,\"min_instances\":0,"
         "\"size\":\"STANDARD_DS3_V2\"," REST,
         NULL},
        {"vm_size: STANDARD_NC6\nmax_nodes: 4\n", /* the article's */
         "{\"idle_time_before_scale_down\":1800,\"max_instances\":4,\"min_instances\":0,"
         "\"size\":\"STANDARD_NC6\"," REST,
         "retired"},
        {"$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json\n"
         "name: example\ntype: amlcompute\nsize: STANDARD_DS3_v2\nmin_instances: 1\n"
         "max_instances: 2\nidle_time_before_scale_down: 120\n",
         "{\"idle_time_before_scale_down\":120,\"max_instances\":2,\"min_instances\":1,"
         "\"size\":\"STANDARD_DS3_v2\"," REST,
         NULL},
        {"vm_priority: lowpriority\nmin_nodes: 0\nidle_seconds_before_scaledown: 60\n",
         "{\"idle_time_before_scale_down\":60,\"max_instances\":4,\"min_instances\":0,"
         "\"size\":\"STANDARD_DS3_V2\",\"tier\":\"low_priority\",\"type\":\"amlcompute\"}",
         NULL},
        {"type: local\n", "{\"type\":\"local\"}", NULL},
        {"type: local\ntags: {a: 1}\n", "{\"tags\":{\"a\":\"1\"},\"type\":\"local\"}", NULL},
        {"location: westeurope\n",
         "{\"idle_time_before_scale_down\":1800,\"location\":\"westeurope\",\"max_instances\":4,"
         "\"min_instances\":0,\"size\":\"STANDARD_DS3_V2\"," REST,
         "not served here"},
    };
    spec_fixture_good(SPEC_COMPUTE, cases, ARRAY_SIZE(cases), "/nb");
}

static void refuses_what_azure_refuses(void **state)
{
    (void)state;
    static const struct spec_bad cases[] = {
        {"vm_size: A\nsize: B", 3, 1, "`vm_size` (line 2) and `size` are two names", "keep one"},
        {"max_nods: 4", 2, 1, "did you mean `max_nodes`?", "max_instances (max_nodes)"},
        {"max_nodes: four", 2, 12, "\"four\", text; it takes a whole number", NULL},
        {"max_nodes: \"4\"", 2, 12, "it takes a whole number", "without quotes"},
        {"max_nodes: 4.5", 2, 12, "it takes a whole number", NULL},
        {"max_nodes:", 2, 11, "has no value", "max_nodes: 4"},
        {"max_nodes: 99999999999999999999", 2, 12, "too many digits", NULL},
        {"max_nodes: 0", 2, 12, "`max_nodes` is 0; it takes 1 to", NULL},
        {"max_instances: 65001", 2, 16, "it takes 1 to 65000", NULL},
        {"min_instances: -1", 2, 16, "it takes 0 to", NULL},
        {"min_nodes: 6", 2, 12, "more than the 4 nodes there are at most by default", "max_nodes"},
        {"min_instances: 3\nmax_instances: 2", 2, 16, "more than the 2 nodes", "max_instances"},
        {"idle_seconds_before_scaledown: -5", 2, 32, "it takes 0 to 2592000", NULL},
        {"tier: spot", 2, 7, "it takes dedicated or low_priority", NULL},
        {"tier: dedicate", 2, 7, "it takes dedicated or low_priority", "did you mean `dedicated`"},
        {"size: [A]", 2, 7, "`size` is a list", NULL},
        {"size: A B", 2, 7, "one word", NULL},
        {"type: local\nsize: A", 3, 1, "has no `size`", "type: amlcompute"},
        {"type: computeinstance", 2, 7, "is not served", "local"},
        {"type: command\ncommand: x", 2, 7, "the YAML of a job", "%%submit NAME"},
        {"image: x", 2, 1, "a key of %%environment", NULL},
        {"vnet_name: x", 2, 1, "network_settings", NULL},
        {"- a", 2, 1, "%%compute is made of `key: value` lines, and this is a list", "size:"},
        {"name: other", 2, 7, "\"other\", and after %%compute stands \"example\"",
         "remove this line"},
        {"ssh_settings: {admin_password: hunter2}", 0, 0, "in line 2 holds the secret", "env:NAME"},
    };
    spec_fixture_bad(SPEC_COMPUTE, cases, ARRAY_SIZE(cases), "/nb");
}

static void says_which_rule_of_names_broke(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *says; /* NULL: a good name */
    } cases[] = {
        {"gpu-cluster", NULL},
        {"abc", NULL},
        {"A23456789012345678901234", NULL},
        {"gpu1", NULL},
        {"a-1b", NULL},
        {"gpu-", NULL},
        {"ab", "too short"},
        {"a234567890123456789012345", "too long"},
        {"1gpu", "must begin with a letter"},
        {"", "must begin with a letter"},
        {"gpu_cluster", "letters, digits and - only"},
        {"gpu cluster", "letters, digits and - only"},
        {"gpu-1", "ends in a dash and a number"},
        {"a-b-007", "ends in a dash and a number"},
        {"local", "exists already"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        int result = spec_check_name(SPEC_COMPUTE, cases[i].name, &err);
        assert_int_equal(result, cases[i].says == NULL ? 0 : -1);
        if (cases[i].says != NULL && strstr(err.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].name, err.text);
        assert_true(cases[i].says == NULL || err.hint != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(reads_both_vocabularies),
        UNIT(refuses_what_azure_refuses),
        UNIT(says_which_rule_of_names_broke),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
