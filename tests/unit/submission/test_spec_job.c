/* SPDX-License-Identifier: BSD-3-Clause */
/* %%submit: what is run, where, with what; and the argv that comes of it. */
#include "submission/spec.h"

#include "tests/unit/submission/spec_fixture.h"

static void reads_both_vocabularies(void **state)
{
    (void)state;
    static const struct spec_good cases[] = {
        {"source_directory: fastai-example\nscript: train.py\narguments: [--epochs, 3]\n"
         "compute_target: gpu-cluster\nenvironment: fastai2\n",
         "{\"arguments\":[\"--epochs\",\"3\"],\"code\":\"/nb/dir/fastai-example\","
         "\"compute\":\"gpu-cluster\",\"environment\":\"fastai2\",\"script\":\"train.py\"}",
         NULL},
        {"$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\n"
         "type: command\nexperiment_name: example\ncode: src\n"
         "command: >-\n  python main.py --epochs ${{inputs.epochs}}\n  --data ${{inputs.data}}\n"
         "inputs:\n  epochs: 10\n  data:\n    type: uri_folder\n    path: ./data/\n"
         "environment: azureml:sklearn@latest\ncompute: azureml:cpu-cluster\n"
         "display_name: first\ndescription: text\n",
         "{\"code\":\"/nb/dir/src\",\"command\":\"python main.py --epochs ${{inputs.epochs}} "
         "--data "
         "${{inputs.data}}\",\"compute\":\"cpu-cluster\",\"description\":\"text\","
         "\"display_name\":\"first\",\"environment\":\"sklearn\",\"inputs\":{\"data\":{\"path\":"
         "\"/nb/dir/data\",\"type\":\"uri_folder\"},\"epochs\":\"10\"}}",
         NULL},
        {"script: ./train.py\ncompute: local",
         "{\"code\":\"/nb/dir\",\"compute\":\"local\",\"script\":\"train.py\"}",
         "the notebook's folder is sent along"},
        {"command: hostname", "{\"command\":\"hostname\",\"compute\":\"local\"}", "compute: local"},
        {"command: [python, -c, \"print(1)\"]\ncompute: local",
         "{\"command\":[\"python\",\"-c\",\"print(1)\"],\"compute\":\"local\"}", NULL},
        {"code: /abs/x/.\nscript: a/b.py\narguments: [1e3, true, \"\", ~, 007]\ncompute: local",
         "{\"arguments\":[\"1e3\",\"true\",\"\",\"~\",\"007\"],\"code\":\"/abs/x\","
         "\"compute\":\"local\",\"script\":\"a/b.py\"}",
         NULL},
        {"code: ./\nscript: a.py\narguments: --verbose\ncompute: local",
         "{\"arguments\":[\"--verbose\"],\"code\":\"/nb/dir\",\"compute\":\"local\","
         "\"script\":\"a.py\"}",
         NULL},
        {"command: x\ncompute: local\nenvironment: azureml:e:12",
         "{\"command\":\"x\",\"compute\":\"local\",\"environment\":\"e:12\"}", NULL},
        {"command: x\ncompute: local\nenvironment: e:latest",
         "{\"command\":\"x\",\"compute\":\"local\",\"environment\":\"e\"}", NULL},
        {"command: x\ncompute: local\nenvironment: {base_image: y, name: z}",
         "{\"command\":\"x\",\"compute\":\"local\",\"environment\":{\"image\":\"y\"}}", NULL},
        {"command: x ${{outputs.m}} ${{outputs.default}}\ncompute: local\noutputs: {m: }",
         "{\"command\":\"x ${{outputs.m}} ${{outputs.default}}\",\"compute\":\"local\","
         "\"outputs\":{\"m\":{}}}",
         NULL},
        {"command: x\ncompute: local\nlimits: {timeout: 60}",
         "{\"command\":\"x\",\"compute\":\"local\",\"limits\":{\"timeout\":60}}", NULL},
        {"command: x\ncompute: local\nmax_run_duration_seconds: 60",
         "{\"command\":\"x\",\"compute\":\"local\",\"limits\":{\"timeout\":60}}", NULL},
        {"command: x\ncompute: local\nlimits: {timeout: 0}",
         "{\"command\":\"x\",\"compute\":\"local\"}", NULL},
        {"command: x\ncompute: local\nname: job-7",
         "{\"command\":\"x\",\"compute\":\"local\",\"display_name\":\"job-7\"}",
         "an id of its own"},
        {"command: x\ncompute: local\nresources: {instance_count: 2}",
         "{\"command\":\"x\",\"compute\":\"local\",\"resources\":{\"instance_count\":2}}",
         "one instance is run"},
        {"command: x\ncompute: local\ndistributed_job_config: {type: PyTorch}",
         "{\"command\":\"x\",\"compute\":\"local\",\"distribution\":{\"type\":\"pytorch\"}}",
         "started once"},
        {"command: x\ncompute: local\nidentity: {type: user_identity}",
         "{\"command\":\"x\",\"compute\":\"local\",\"identity\":{\"type\":\"user_identity\"}}",
         "your own rights"},
        {"command: \"{{ not_ours }} $[[x]]\"\ncompute: local",
         "{\"command\":\"{{ not_ours }} $[[x]]\",\"compute\":\"local\"}", NULL},
    };
    spec_fixture_good(SPEC_JOB, cases, ARRAY_SIZE(cases), "/nb/dir");
}

static void refuses_what_cannot_run(void **state)
{
    (void)state;
    static const struct spec_bad cases[] = {
        {"", 2, 1, "nothing about what to run", "script: train.py"},
        {"script: a.py\ncommand: b", 3, 10, "`script` and `command` exclude", NULL},
        {"command: b\narguments: [c]", 3, 12, "belong to a `script`", "into the command"},
        {"script: ../a.py", 2, 9, "leads out of the folder", "holds the script"},
        {"script: a/../../b.py", 2, 9, "leads out of the folder", NULL},
        {"script: /a.py", 2, 9, "absolute path", NULL},
        {"script: ~/a.py", 2, 9, "absolute path", NULL},
        {"script: a.py --epochs 3", 2, 9, "a script and its arguments", "write script: a.py"},
        {"script: a.py\narguments: --epochs 3", 3, 12, "one text with blanks", "[--epochs, 3]"},
        {"script: a.py\narguments: [--lr: 0.1]", 3, 13, "is a map", "two items"},
        {"script: a.py\narguments: [[a]]", 3, 13, "is a list", NULL},
        {"script: a.py\narguments:\n  -\n", 4, 4, "is empty", NULL},
        {"command: \"--\"", 2, 10, "takes a line for the shell", NULL},
        {"command:", 2, 9, "takes a line for the shell", NULL},
        {"source_directory: a\ncode: b\nscript: c", 3, 1, "two names of one thing", NULL},
        {"script: a.py\ncode: git+https://x/y", 3, 7, "is an address", "clone"},
        {"script: a.py\nsource_directory: azureml:c:1", 3, 19, "`source_directory` is an address",
         NULL},
        {"script: a.py\nenvironment: e:v2", 3, 14, "number from 1 on", "e@latest"},
        {"script: a.py\nenvironment: e@prod", 3, 14, "number from 1 on", NULL},
        {"script: a.py\nenvironment: e:0", 3, 14, "number from 1 on", NULL},
        {"script: a.py\nenvironment: mcr.io/x/y:1", 3, 14, "letters, digits, - and _ only",
         "environment: {image: mcr.io/x/y:1}"},
        {"script: a.py\nenvironment: azureml://registries/azureml/environments/x/labels/latest", 3,
         14, "not reachable", "%%environment"},
        {"script: a.py\nenvironment: {imag: x}", 3, 15, "did you mean `image`", NULL},
        {"script: a.py\nenvironment: [x]", 3, 14, "is a list", NULL},
        {"script: a.py\ncompute: gpu_1", 3, 10, "letters, digits and - only", NULL},
        {"script: a.py\ncompute: /subscriptions/x/computes/y", 3, 10, "named here", "last part"},
        {"command: a ${{inputs.lr}}\ninputs: {lrr: 1}", 2, 10, "not among the `inputs:`",
         "${{inputs.lrr}}"},
        {"command: a ${{inputs.lr}}", 2, 10, "not among the `inputs:`", "declare it"},
        {"command: a ${{outputs.o}}", 2, 10, "not among the `outputs:`", NULL},
        {"command: a ${{search_space.lr}}", 2, 10, "takes inputs.NAME or outputs.NAME", "sweeps"},
        {"command: a ${{inputs.x", 2, 10, "never closed", NULL},
        {"script: a.py\narguments: [--x, \"${{inputs.x}}\"]", 3, 18, "not among", NULL},
        {"command: a\ninputs: {a-b: 1}", 3, 10, "no name for an input", NULL},
        {"command: a\ninputs: {a: \"-\"}", 3, 13, "takes a letter or digit", NULL},
        {"command: a\ninputs: {a: \"\"}", 3, 13, "takes a letter or digit", NULL},
        {"command: a\ninputs: {a: {type: uri_file}}", 3, 13, "has no `path`", NULL},
        {"command: a\ninputs: {a: {type: uri_fil, path: x}}", 3, 20, "uri_file", "uri_file"},
        {"command: a\ninputs: {a: {path: azureml://datastores/x}}", 3, 20, "not on this machine",
         "download"},
        {"command: a\ninputs: [a]", 3, 9, "is a list", NULL},
        {"command: a\noutputs: {m: x}", 3, 14, "it takes a map", NULL},
        {"command: a\nlimits: {timeout: -1}", 3, 19, "the timeout is -1 s", NULL},
        {"command: a\nlimits: {timeout: 2592001}", 3, 19, "2592000", NULL},
        {"command: a\nlimits: {timeout: 1}\nmax_run_duration_seconds: 2", 4, 27, "two names", NULL},
        {"command: a\nresources: {instance_count: 0}", 3, 29, "it takes 1 to", NULL},
        {"type: sweep\ntrial: {}", 2, 7, "`type: sweep` is not served", "%%submit"},
        {"type: pipeline\njobs: {}", 2, 7, "`type: pipeline` is not served", NULL},
        {"$schema: https://x/pipelineJob.schema.json", 2, 10, "pipelineJob", NULL},
        {"type: amlcompute", 2, 7, "the YAML of a compute", "%%compute NAME"},
        {"$schema: https://x/environment.schema.json", 2, 10, "the YAML of an environment",
         "%%environment NAME"},
        {"command: a\nexperiment_name: b", 3, 18, "after %%submit stands \"example\"", NULL},
        {"vm_size: x", 2, 1, "a key of %%compute", NULL},
        {"run_config: x", 2, 1, "keys of their own", NULL},
    };
    spec_fixture_bad(SPEC_JOB, cases, ARRAY_SIZE(cases), "/nb/dir");
}

static void makes_the_argv(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *argv; /* joined by | */
    } cases[] = {
        {"script: train.py\narguments: [--epochs, 3]", "/py|train.py|--epochs|3"},
        {"script: a.py", "/py|a.py"},
        {"script: a.py\narguments: [\"--d=${{inputs.d}}\", \"${{ inputs.n }}${{inputs.n}}\"]\n"
         "inputs: {d: {path: data}, n: 3}",
         "/py|a.py|--d=/nb/data|33"},
        {"command: python a.py ${{inputs.n}} > ${{outputs.m}}/x ${{outputs.default}}\n"
         "inputs: {n: \"${{inputs.n}}\"}\noutputs: {m: {type: uri_folder}}",
         "bash|-c|python a.py ${{inputs.n}} > /run/outputs/m/x /run/outputs"},
        {"command: [ls, \"${{outputs.m}}\", \"{{ x }}\"]\noutputs: {m: }",
         "ls|/run/outputs/m|{{ x }}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_STRLIST struct strlist argv = STRLIST_INIT;
        AUTO_JSON json_t *job = spec_fixture_parse(SPEC_JOB, cases[i].text, "/nb", NULL, &err);
        if (job == NULL)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(spec_job_argv(job, "/py", "/run", &argv, &err), 0);
        AUTO_FREE char *joined = strlist_join(&argv, "|");
        assert_string_equal(joined, cases[i].argv);
    }
}

/* run.json is a file, and may come back as anything. */
static void a_broken_definition_has_no_argv(void **state)
{
    (void)state;
    static const char *const jobs[] = {
        "{}",
        "{\"command\":3}",
        "{\"script\":\"a\",\"arguments\":[1]}",
        "{\"command\":\"${{inputs.x}}\"}",
        "{\"command\":\"${{inputs.x\"}",
        "{\"command\":[\"${{y}}\"],\"inputs\":3}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_STRLIST struct strlist argv = STRLIST_INIT;
        AUTO_JSON json_t *job = json_loads(jobs[i], 0, NULL);
        assert_int_equal(spec_job_argv(job, "/py", "/run", &argv, &err), -1);
        assert_true(error_is_set(&err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(reads_both_vocabularies),
        UNIT(refuses_what_cannot_run),
        UNIT(makes_the_argv),
        UNIT(a_broken_definition_has_no_argv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
