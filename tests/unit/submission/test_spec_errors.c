/* SPDX-License-Identifier: BSD-3-Clause */
/* The promise of every refused cell: a place in the cell, the value that is wrong, and a next step
 * to follow. A row for each reader of values and each complaint about YAML; the step is named by a
 * telling part, so that a row fails when its own hint is lost and a vaguer one takes its place. */
#include "submission/spec.h"

#include "submission/yaml.h"
#include "tests/unit/submission/spec_fixture.h"

struct refused {
    const char *text;
    const char *value; /* as the error tells it, or NULL: the fault is no value */
    const char *step;
};

static void check(enum spec_kind kind, const struct refused *cases, size_t count, const char *base)
{
    for (size_t i = 0; i < count; i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_JSON json_t *definition = spec_fixture_parse(kind, cases[i].text, base, NULL, &err);
        if (definition != NULL)
            fail_msg("was read: %s", cases[i].text);
        if (err.file != NULL || err.line <= 0 || err.column <= 0)
            fail_msg("%s\nhas no place: %d:%d %s", cases[i].text, err.line, err.column, err.text);
        if (cases[i].value != NULL && strstr(err.text, cases[i].value) == NULL)
            fail_msg("%s\ndoes not tell %s: %s", cases[i].text, cases[i].value, err.text);
        if (err.hint == NULL || strstr(err.hint, cases[i].step) == NULL)
            fail_msg("%s\nsays: %s\nhint: %s", cases[i].text, err.text, err.hint);
    }
}

static void values_of_a_compute(void **state)
{
    static const struct refused cases[] = {
        {"max_nodes: many", "\"many\"", "for example: max_nodes: 4"},
        {"max_nodes: \"many\"", "\"many\"", "for example: max_nodes: 4"},
        {"max_nodes: \"4\"", "\"4\"", "without quotes: max_nodes: 4"},
        {"max_nodes: 4.5", "\"4.5\"", "for example: max_nodes: 4"},
        {"max_nodes: true", "\"true\"", "for example: max_nodes: 4"},
        {"max_nodes:", "no value", "for example: max_nodes: 4"},
        {"max_nodes: [4]", "a list", "for example: max_nodes: 4"},
        {"max_nodes: {a: 4}", "a map", "for example: max_nodes: 4"},
        {"max_nodes: 99999999999999999999", "\"99999999999999999999\"", "max_nodes: 4"},
        {"max_nodes: 0", "is 0; it takes 1 to 65000", "for example: max_nodes: 4"},
        {"max_instances: 65001", "is 65001", "for example: max_instances: 4"},
        {"min_nodes: -1", "is -1", "for example: min_nodes: 0"},
        {"min_nodes: 6", "is 6", "give a larger `max_nodes`"},
        {"idle_seconds_before_scaledown: -5", "is -5", "idle_seconds_before_scaledown: 1800"},
        {"vm_priority: spot", "\"spot\"", "for example: vm_priority: low_priority"},
        {"tier: dedicate", "\"dedicate\"", "write tier: dedicated"},
        {"tier: \"\"", "\"\"", "for example: tier: low_priority"},
        {"vm_size:", "no value", "for example: vm_size: STANDARD_NC6"},
        {"vm_size: A B", "\"A B\"", "STANDARD_DS3_V2"},
        {"ssh_public_access_enabled: yes", "\"yes\"", "write ssh_public_access_enabled: true"},
        {"enable_node_public_ip: off", "\"off\"", "write enable_node_public_ip: false"},
        {"enable_node_public_ip: maybe", "\"maybe\"", "enable_node_public_ip: true"},
        {"tags: x", "\"x\"", "for example: tags: {team: vision}"},
        {"tags: {a: [b]}", "\"a\"", "for example: tags: {team: vision}"},
        {"ssh_settings: sam", "\"sam\"", "for example: ssh_settings: {admin_username: sam"},
        {"ssh_settings:\n  admin_username: []", "a list", "for example: admin_username: sam"},
        {"ssh_settings:\n  user: sam", "\"user\"", "admin_username"},
        {"type: local\nsize: A", "`size`", "write type: amlcompute"},
        {"type: kubernetes", "kubernetes", "define `type: amlcompute`"},
        {"type: command", "a job", "%%submit NAME"},
        {"name: other", "\"other\"", "remove this line"},
        {"vm_size: A\nsize: B", "`vm_size` (line 2)", "keep one of them; `size`"},
        {"max_nods: 4", "\"max_nods\"", "write `max_nodes:`"},
        {"colour: red", "\"colour\"", "the keys here are: size (vm_size)"},
        {"image: x", "%%environment", "the keys here are: size (vm_size)"},
        {"just a text", "text", "for example: size: STANDARD_NC6"},
    };
    (void)state;
    check(SPEC_COMPUTE, cases, ARRAY_SIZE(cases), "/nb");
}

static void values_of_an_environment(void **state)
{
    static const struct refused cases[] = {
        {"", NULL, "give an `image:`"},
        {"image:", "no value", "for example: image: mcr"},
        {"image: [a]", "a list", "for example: image: mcr"},
        {"base_image: a b", "\"a b\"", "registry/name:tag"},
        {"image: a\npython: 3", "`python`", "keep one of them"},
        {"image: a\nbuild: {path: .}", "`build`", "keep one of them"},
        {"image: a\nuser_managed_dependencies: 1", "\"1\"", "user_managed_dependencies: true"},
        {"dockerfile: no-from", NULL, "its first line says"},
        {"dockerfile: bytes", NULL, "saved as UTF-8"},
        {"dockerfile: nowhere", "nowhere", "relative paths begin at"},
        {"dockerfile: FROM a\npip: [b]", "`pip`", "RUN pip install"},
        {"build: .", "\".\"", "for example: build: {path: ."},
        {"build:", "no value", "for example: build: {path: ."},
        {"build: {dockerfile_path: x}", "`path`", "write build: {path: .}"},
        {"build: {path: ., dockerfile_path: ../x}", "\"../x\"", "below it"},
        {"build: {path: \"https://a/b\"}", "address", "clone it"},
        {"python: \"a\\tb\"", "\"a\tb\"", "for example: python: \"3.11\""},
        {"python: {}", "section of v1", "at the top level"},
        {"pip:", "no value", "for example: pip: [numpy"},
        {"pip: {a: b}", "a map", "for example: pip: [numpy"},
        {"pip: [numpy: 1]", "`pip`", "put the item in quotes"},
        {"pip: [[numpy]]", "`pip`", "write all items in one list"},
        {"pip: [numpy, ]\npip_packages: x", "`pip` (line 2)", "keep one"},
        {"pip:\n  - numpy\n  -", "`pip`", "remove it"},
        {"pip: [./pkg]", "\"./pkg\"", "an absolute path"},
        {"pip: [\"(numpy\"]", "\"(numpy\"", "pandas==2.2.2"},
        {"pip: |\n  numpy\n  =x", "\"\"", "pandas==2.2.2"},
        {"pip: [--proxy=x]", "--proxy", "--index-url"},
        {"pip: [-r base.txt]", "-r", "put the lines of that file here"},
        {"pip: [\"-e .\"]", "-e", "as `code:`"},
        {"pip: |\n  - numpy", NULL, "without the |"},
        {"pip_requirements: 3.txt", "3.txt", "relative paths begin at"},
        {"conda_file: 3", "\"3\"", "dependencies: [python=3.11, numpy]"},
        {"conda_file: {channels: [a]}", "`dependencies`",
         "write dependencies: [python=3.11, numpy]"},
        {"conda_file: {dependencies: [-x]}", "\"-x\"", "write dependencies: [python=3.11, numpy]"},
        {"conda_file: {dependencies: [[x]]}", "a list", "write dependencies: [python=3.11, numpy]"},
        {"conda_file: {dependencies: [{a: b}]}", "`pip:`", "name=1.2"},
        {"conda_file: {channels: {a: b}, dependencies: [c]}", "a map", "channels: [conda-forge]"},
        {"conda_file: {channel: a}", "\"channel\"", "did you mean channels"},
        {"registry: {username: x}", "`registry`", "add `image:`"},
        {"dockerfile: FROM a\nregistry: {username: x}", "`registry`", "add address:"},
        {"image: a\nenvironment_variables: {1A: x}", "\"1A\"", "letters, digits and _"},
        {"image: a\nenvironment_variables: [A]", "a list", "{OMP_NUM_THREADS: 4}"},
        {"os_type: windows", "\"windows\"", "for example: os_type: linux"},
    };
    check(SPEC_ENVIRONMENT, cases, ARRAY_SIZE(cases), *state);
}

static void values_of_a_job(void **state)
{
    static const struct refused cases[] = {
        {"", NULL, "add script: train.py"},
        {"script:", "no value", "for example: script: train.py"},
        {"script: ../a.py", "\"../a.py\"", "that holds the script"},
        {"script: /a.py", "\"/a.py\"", "relative to `code`"},
        {"script: a.py --lr 1", "\"a.py ...\"", "write script: a.py"},
        {"script: a.py\ncommand: b", "`command`", "keep `script`"},
        {"command: b\narguments: [c]", "`arguments`", "put them into the command"},
        {"script: a.py\narguments: --lr 1", "`arguments`", "write a list: arguments: ["},
        {"script: a.py\narguments:", "no value", "for example: arguments: [--epochs, 3]"},
        {"script: a.py\narguments: {a: b}", "a map", "for example: arguments: [--epochs, 3]"},
        {"command: \"--\"", "\"--\"", "for example: command: python train.py"},
        {"command: {a: b}", "a map", "for example: command: python train.py"},
        {"command: []", "a list", "for example: command: python train.py"},
        {"command: [[a]]", "`command`", "write all items in one list"},
        {"command: a ${{inputs.lr}}", "${{inputs.lr}}", "inputs: {lr: 3}"},
        {"command: a ${{outputs.m}}", "${{outputs.m}}", "outputs: {m: {type: uri_folder}}"},
        {"command: a ${{inputs.lr}}\ninputs: {lrr: 1}", "inputs.lr", "${{inputs.lrr}}"},
        {"command: a ${{x}}", "\"x\"", "write ${{inputs.NAME}}"},
        {"command: a ${{inputs.x", NULL, "as in ${{inputs.epochs}}"},
        {"command: a\ncode: git+https://x/y", "`code`", "give the folder"},
        {"command: a\nenvironment: e:v2", "\"e:v2\"", "e@latest"},
        {"command: a\nenvironment: a/b:1", "\"a/b\"", "environment: {image: a/b:1}"},
        {"command: a\nenvironment: azureml://registries/a", "registries", "%%environment"},
        {"command: a\nenvironment: [x]", "a list", "write environment: NAME"},
        {"command: a\nenvironment: {pip: 3, imag: x}", "\"imag\"", "write `image:`"},
        {"command: a\ncompute: gpu_1", "\"gpu_1\"", "gpu-cluster"},
        {"command: a\ncompute: gpu-1", "\"gpu-1\"", "write gpu1"},
        {"command: a\ncompute: /x/computes/y", "addressed", "compute: gpu-cluster"},
        {"command: a\ninputs: [a]", "a list", "for example:\ninputs:\n  epochs: 3"},
        {"command: a\ninputs: {a-b: 1}", "\"a-b\"", "letters, digits and _"},
        {"command: a\ninputs: {a: \"-\"}", "\"-\"", "write a: 3"},
        {"command: a\ninputs: {a: [b]}", "a list", "write a: 3"},
        {"command: a\ninputs: {a: {type: uri_file}}", "`path`", "write path: ./data"},
        {"command: a\ninputs: {a: {type: folder, path: x}}", "\"folder\"", "epochs: 3"},
        {"command: a\ninputs: {a: {path: \"azureml:b\"}}", "`a`", "give the local path"},
        {"command: a\noutputs: {m: x}", "`m`", "write m: {type: uri_folder}"},
        {"command: a\noutputs: x", "text", "for example:\noutputs:\n  model:"},
        {"command: a\nlimits: 3600", "\"3600\"", "for example: limits: {timeout: 3600}"},
        {"command: a\nlimits: {timeout: 1h}", "\"1h\"", "for example: timeout: 3600"},
        {"command: a\nlimits: {timeout: -1}", "-1 s", "for example: timeout: 3600"},
        {"command: a\nmax_run_duration_seconds: 2592001", "2592001", "seconds: 3600"},
        {"command: a\nlimits: {timeout: 1}\nmax_run_duration_seconds: 2", "two names",
         "keep limits"},
        {"command: a\nresources: {node_count: 0}", "is 0", "for example: node_count: 1"},
        {"type: sweep", "sweep", "%%submit"},
        {"$schema: https://x/pipelineJob.schema.json", "pipelineJob", "%%submit"},
        {"$schema: https://x/amlCompute.schema.json", "a compute", "%%compute NAME"},
        {"command: a\nexperiment_name: a.b", "\"a.b\"", "remove this line"},
        {"run_config: x", "\"run_config\"", "the keys here are: code"},
    };
    (void)state;
    check(SPEC_JOB, cases, ARRAY_SIZE(cases), "/nb");
}

/* What libyaml, or what is checked before and behind it, refuses. */
static void yaml_that_does_not_read(void **state)
{
    static const struct refused cases[] = {
        {"script: a\n\tcode: b", "tab", "two spaces"},
        {"script: a\n  code: b", "deeper", "same column"},
        {"limits:\n    timeout: 1\n  x: 2", "another column", "same column"},
        {"script: \"a", "quote", "close it"},
        {"arguments: [a", "[", "close it with ]"},
        {"limits: {a: 1]", "closes with ]", "close it with }"},
        {"arguments: [a]]", "no opening bracket", "remove it"},
        {"arguments: [\"a\" b]", "comma", "separate the items"},
        {"script:a", "`script:`", "write `script: `"},
        {"limits: {timeout:3}", "`timeout:`", "write `timeout: `"},
        {"script\ncode: b", "no colon", "write `key: value`"},
        {"command: echo a: b", "colon", "in quotes"},
        {"script: @a", "@", "in quotes"},
        {"script: , a", "comma", "remove the comma"},
        {"script: *a", "alias", "\"*.csv\""},
        {"arguments: &x [*x]", "alias", "needs quotes"},
        {"script: !a b", "!name", "remove the tag"},
        {"script: 'it's'", "closing quote", "one pair of quotes"},
        {"script: \"\\q\"", "backslash", "double the backslash"},
        {"arguments: - b", "line of its key", "[item, item]"},
        {"script: a\n- b", "list item", "indent it below"},
        {"- a\nb: c", "among list items", "`- ...`"},
        {"arguments:\n- b\n - c", "continues", "same column"},
        {"command: |x\n  y", "next line", "indented by two spaces"},
        {"%status x\na: 1", "%", "a cell for each"},
        {"script: a\n---\nb: 2", "---", "a cell for each"},
        {"? [a]\n: b", "a list", "quotes around"},
        {"<<: {a: 1}", "<<", "write the keys out"},
        {"script: \"\\0\"", "NUL", "remove it"},
        {"script: \xe2\x80\x9c"
         "a\xe2\x80\x9d",
         "typographic", "straight ones"},
        {"limits:\n\xc2\xa0 timeout: 1", "plain space", "type the spaces again"},
        {"script: \xff", "UTF-8", "save the file"},
        {"script: \x01", "control character", "delete it"},
        {"script: a\nscript: b", "`script`", "keep one of the two"},
    };
    (void)state;
    check(SPEC_JOB, cases, ARRAY_SIZE(cases), "/nb");
}

static void yaml_past_its_limits(void **state)
{
    AUTO_BUF struct buf deep = BUF_INIT;
    AUTO_BUF struct buf wide = BUF_INIT;
    AUTO_BUF struct buf anchors = BUF_INIT;
    AUTO_BUF struct buf bomb = BUF_INIT;
    AUTO_BUF struct buf chain = BUF_INIT;
    AUTO_BUF struct buf large = BUF_INIT;
    (void)state;
    buf_puts(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    buf_puts(&chain, "a0: &a0 [x]\n");
    for (int i = 0; i <= YAML_NODES_MAX; i++) {
        buf_puts(&wide, "- a\n");
        buf_puts(&deep, i <= YAML_DEPTH_MAX ? "[" : "");
        if (i < 200)
            buf_printf(&anchors, "- &a%d x\n", i);
        if (i > 0 && i < 9)
            buf_printf(&bomb, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
                       i - 1, i - 1, i - 1, i - 1, i - 1);
        if (i > 0 && i < YAML_DEPTH_MAX + 2)
            buf_printf(&chain, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    }
    for (int i = 0; i <= YAML_SIZE_MAX; i++)
        buf_putc(&large, ' ');
    const struct refused cases[] = {
        {deep.data, "too deep", "is a bracket missing?"},
        {wide.data, "more YAML", "give their paths"},
        {anchors.data, "&name", "write the values out"},
        {bomb.data, "20000", "fewer aliases"},
        {chain.data, "too deep", "write the value out"},
        {large.data, "1048576", "give their paths"},
    };
    check(SPEC_JOB, cases, ARRAY_SIZE(cases), "/nb");
}

/* The name after the magic is the caller's to place. */
static void names_of_the_magics_line(void **state)
{
    static const struct {
        enum spec_kind kind;
        const char *name, *value, *step;
    } cases[] = {
        {SPEC_ENVIRONMENT, NULL, "has no name", "%%environment NAME"},
        {SPEC_ENVIRONMENT, "a.io/b", "\"a.io/b\"", "below `image:`"},
        {SPEC_ENVIRONMENT, "a b", "\"a b\"", "such as fastai2"},
        {SPEC_ENVIRONMENT, "-a", "\"-a\"", "such as fastai2"},
        {SPEC_COMPUTE, NULL, "has no name", "%%compute NAME"},
        {SPEC_COMPUTE, "1x", "\"1x\"", "gpu-cluster"},
        {SPEC_COMPUTE, "gpu-1", "\"gpu-1\"", "write gpu1"},
        {SPEC_COMPUTE, "local", "`local`", "another name"},
        {SPEC_JOB, "", "\"\"", "such as fastai2"},
    };
    static const char *const texts[] = {"image: a", "max_nodes: 1", "command: a"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        json_t *definition = NULL;
        const char *text = texts[cases[i].kind];
        const struct spec_source source = {
            .name = cases[i].name, .text = text, .size = strlen(text), .base = "/nb"};
        assert_int_equal(spec_parse(cases[i].kind, &source, &definition, NULL, &err), -1);
        if (strstr(err.text, cases[i].value) == NULL || err.hint == NULL ||
            strstr(err.hint, cases[i].step) == NULL)
            fail_msg("%s\nsays: %s\nhint: %s", cases[i].name, err.text, err.hint);
    }
}

/* A fault of a file is placed in the file, and no key of the cell that happens to stand in the same
 * line is taken for its example. */
static void faults_in_files_have_steps_of_their_own(void **state)
{
    static const struct {
        const char *contents;
        const char *step;
    } cases[] = {
        {"dependencies: [-x]\n", "write dependencies: [python=3.11, numpy]"},
        {"channels: {a: b}\ndependencies: [a]\n", "channels: [conda-forge]"},
        {"- a\n", "begin it with `channels:"},
        {"dependencies:\n- pip: {a: b}\n", "%%environment?"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        spec_fixture_write(*state, "conda.yml", cases[i].contents);
        const char *text = "image: a\nconda_file: conda.yml\ntags: {a: b}\n";
        assert_null(spec_fixture_parse(SPEC_ENVIRONMENT, text, *state, NULL, &err));
        assert_non_null(err.file);
        assert_true(err.line > 0);
        if (err.hint == NULL || strstr(err.hint, cases[i].step) == NULL)
            fail_msg("%s\nsays: %s\nhint: %s", cases[i].contents, err.text, err.hint);
    }
}

static int make_folder(void **state)
{
    char *folder = spec_fixture_folder();
    spec_fixture_write(folder, "no-from", "RUN x\n");
    spec_fixture_write(folder, "bytes", "FROM a\xff\n");
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    AUTO_FREE char *folder = *state;
    return file_remove_tree(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(values_of_a_compute),
        UNIT(values_of_an_environment),
        UNIT(values_of_a_job),
        UNIT(yaml_that_does_not_read),
        UNIT(yaml_past_its_limits),
        UNIT(names_of_the_magics_line),
        UNIT(faults_in_files_have_steps_of_their_own),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
