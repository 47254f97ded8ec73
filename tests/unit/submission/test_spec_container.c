/* SPDX-License-Identifier: BSD-3-Clause */
/* The `container` section of a %%compute: what docker run takes, as numbers and absolute paths. */
#include "submission/spec.h"

#include "tests/unit/submission/spec_fixture.h"

static void reads_what_docker_takes(void **state)
{
    (void)state;
    static const struct spec_good cases[] = {
        {"type: local\ncontainer: {network: none, runtime: runc, user: \"1000:1000\"}\n",
         "{\"container\":{\"network\":\"none\",\"runtime\":\"runc\",\"user\":\"1000:1000\"},"
         "\"type\":\"local\"}",
         NULL},
        {"type: local\ncontainer: {memory: 8g, shm_size: 512m}\n",
         "{\"container\":{\"memory\":8589934592,\"shm_size\":536870912},\"type\":\"local\"}", NULL},
        {"type: local\ncontainer: {memory: 10000000, shm_size: 1.5GB}\n",
         "{\"container\":{\"memory\":10000000,\"shm_size\":1610612736},\"type\":\"local\"}", NULL},
        {"type: local\ncontainer: {shm_size: 2GiB}\n",
         "{\"container\":{\"shm_size\":2147483648},\"type\":\"local\"}", NULL},
        {"type: local\ncontainer: {cpus: 1.5, gpus: all}\n",
         "{\"container\":{\"cpus\":1.5,\"gpus\":\"all\"},\"type\":\"local\"}", NULL},
        {"type: local\ncontainer: {gpus: 2}\n", "{\"container\":{\"gpus\":2},\"type\":\"local\"}",
         NULL},
        {"type: local\ncontainer: {gpus: [0, GPU-1a]}\n",
         "{\"container\":{\"gpus\":[\"0\",\"GPU-1a\"]},\"type\":\"local\"}", NULL},
        {"type: local\ncontainer: {ulimits: {memlock: -1, nofile: \"1024:65536\"}}\n",
         "{\"container\":{\"ulimits\":{\"memlock\":[-1,-1],\"nofile\":[1024,65536]}},"
         "\"type\":\"local\"}",
         NULL},
        {"type: local\ncontainer: {mounts: [\"data:/data\", \"/x:/y:rw\"]}\n",
         "{\"container\":{\"mounts\":[{\"read_only\":true,\"source\":\"/nb/data\",\"target\":"
         "\"/data\"},{\"read_only\":false,\"source\":\"/x\",\"target\":\"/y\"}]},\"type\":"
         "\"local\"}",
         NULL},
        {"type: local\ncontainer:\n  mounts:\n    - {source: /a, target: /b, read_only: false}\n",
         "{\"container\":{\"mounts\":[{\"read_only\":false,\"source\":\"/a\",\"target\":\"/b\"}]},"
         "\"type\":\"local\"}",
         NULL},
    };
    spec_fixture_good(SPEC_COMPUTE, cases, ARRAY_SIZE(cases), "/nb");
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const struct spec_bad cases[] = {
        {"container: {netwrok: none}", 2, 13, "did you mean `network`?", NULL},
        {"container: none", 2, 12, "it takes a map", NULL},
        {"container: {memory: much}", 2, 21, "it takes a size such as 512m", NULL},
        {"container: {memory: -1}", 2, 21, "it takes a size such as 512m", NULL},
        {"container: {memory: 1m}", 2, 21, "needs 6m at the least", NULL},
        {"container: {memory: 1gg}", 2, 21, "it takes a size", NULL},
        {"container: {shm_size: [1]}", 2, 23, "it takes a size", NULL},
        {"container: {cpus: 0}", 2, 19, "it takes a number of processors", NULL},
        {"container: {cpus: all}", 2, 19, "it takes a number of processors", NULL},
        {"container: {gpus: 0}", 2, 19, "it takes all, a number of GPUs", NULL},
        {"container: {gpus: some}", 2, 19, "it takes all, a number of GPUs", NULL},
        {"container: {gpus: []}", 2, 19, "it takes all, a number of GPUs", NULL},
        {"container: {ulimits: {files: 1}}", 2, 23, "`files` is no limit", "nofile"},
        {"container: {ulimits: {nofile: x}}", 2, 31, "SOFT:HARD", "nofile: 65536"},
        {"container: {ulimits: {nofile: \"9:1\"}}", 2, 31, "SOFT:HARD", NULL},
        {"container: {ulimits: {nofile: \"-1:1\"}}", 2, 31, "SOFT:HARD", NULL},
        {"container: {mounts: /data}", 2, 21, "it takes a list", NULL},
        {"container: {mounts: [/data]}", 2, 22, "no mount", "SOURCE:TARGET"},
        {"container: {mounts: [\"/a:/b:xx\"]}", 2, 22, "no mount", "SOURCE:TARGET"},
        {"container: {mounts: [\"/a:b\"]}", 2, 22, "an absolute path in the container", "/data"},
        {"container: {mounts: [\"/a:/\"]}", 2, 22, "an absolute path in the container", NULL},
        {"container: {mounts: [\"/a:/b/../..\"]}", 2, 22, "an absolute path", NULL},
        {"container: {mounts: [\"/a:/skiff/run\"]}", 2, 22, "below /skiff", "another target"},
        {"container: {mounts: [{source: /a}]}", 2, 22, "a source here and a target", NULL},
        {"container: {mounts: [{sorce: /a}]}", 2, 23, "did you mean `source`?", NULL},
        {"container: {network: \"a b\"}", 2, 22, "it takes one word", NULL},
        {"container: {user: --privileged}", 2, 19, "it takes one word", NULL},
    };
    spec_fixture_bad(SPEC_COMPUTE, cases, ARRAY_SIZE(cases), "/nb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(reads_what_docker_takes),
        UNIT(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
