/* SPDX-License-Identifier: BSD-3-Clause */
/* %%environment: one of three sorts, packages read and checked, secrets by reference only. */
#include "submission/spec.h"

#include "tests/unit/submission/spec_fixture.h"

static int make_folder(void **state)
{
    char *folder = spec_fixture_folder();
    spec_fixture_write(folder, "Dockerfile", "FROM python:3.11\nRUN true\n");
    spec_fixture_write(folder, "no-from", "RUN true\n");
    spec_fixture_write(folder, "requirements.txt",
                       "# what we need\nnumpy>=1.26  # arrays\r\n\ntorch==2.0 \\\n"
                       "  --hash=sha256:abc\n--extra-index-url https://example.org/simple\n");
    spec_fixture_write(folder, "nested.txt", "numpy\n-r other.txt\n");
    spec_fixture_write(folder, "secret.txt", "--index-url https://sam:hunter2@example.org/\n");
    spec_fixture_write(folder, "conda.yml",
                       "name: env\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.10\n"
                       "  - _libgcc_mutex\n  - conda-forge::numpy\n  - pip:\n      - torch\n"
                       "prefix: /home/sam/env\n");
    spec_fixture_write(folder, "tabs.yml", "dependencies:\n\t- numpy\n");
    spec_fixture_write(folder, "typo.yml", "channels: [x]\ndependancies: [numpy]\n");
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    AUTO_FREE char *folder = *state;
    return file_remove_tree(folder, NULL);
}

static void reads_images(void **state)
{
    static const struct spec_good cases[] = {
        {"image: myregistry.azurecr.io/fastdotai/fastai2:latest\n"
         "user_managed_dependencies: true\n"
         "registry: {address: myregistry.azurecr.io, username: sam, "
         "password: \"env:REGISTRY_PASSWORD\"}\n",
         "{\"image\":\"myregistry.azurecr.io/fastdotai/fastai2:latest\",\"registry\":{"
         "\"address\":\"myregistry.azurecr.io\",\"password\":\"env:REGISTRY_PASSWORD\","
         "\"username\":\"sam\"},\"user_managed_dependencies\":true}",
         NULL},
        {"base_image: fastdotai/fastai2:latest\nuser_managed_dependencies: true\n",
         "{\"image\":\"fastdotai/fastai2:latest\",\"user_managed_dependencies\":true}", NULL},
        {"$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\n"
         "name: example\nversion: 3\nimage: mcr.microsoft.com/x\nconda_file: conda.yml\n"
         "os_type: linux\n",
         "{\"conda_file\":{\"channels\":[\"conda-forge\"],\"dependencies\":[\"python=3.10\","
         "\"_libgcc_mutex\",\"conda-forge::numpy\",{\"pip\":[\"torch\"]}],\"name\":\"env\"},"
         "\"image\":\"mcr.microsoft.com/x\"}",
         "`version` is not used"},
        {"image: localhost:5000/x\nbase_image_registry: {username: sam, password: secret:reg}",
         "{\"image\":\"localhost:5000/x\",\"registry\":{\"address\":\"localhost:5000\","
         "\"password\":\"secret:reg\",\"username\":\"sam\"}}",
         NULL},
        {"image: a.io/x\nregistry: {password: docker}",
         "{\"image\":\"a.io/x\",\"registry\":{\"address\":\"a.io\",\"password\":\"docker\"}}",
         NULL},
        {"image: x\nenvironment_variables: {A: 1, B: true, API_TOKEN: \"secret:api\", C: }",
         "{\"environment_variables\":{\"A\":\"1\",\"API_TOKEN\":\"secret:api\",\"B\":\"true\","
         "\"C\":\"\"},\"image\":\"x\"}",
         NULL},
        {"image: x\nenvironment_variables: {DB_PASSWORD: abc}",
         "{\"environment_variables\":{\"DB_PASSWORD\":\"abc\"},\"image\":\"x\"}",
         "DB_PASSWORD looks like a secret"},
        {"image: x\nenvironment_variables: {TOKENIZERS_PARALLELISM: \"false\", MAX_TOKEN: 3}",
         "{\"environment_variables\":{\"MAX_TOKEN\":\"3\",\"TOKENIZERS_PARALLELISM\":\"false\"},"
         "\"image\":\"x\"}",
         NULL},
    };
    spec_fixture_good(SPEC_ENVIRONMENT, cases, ARRAY_SIZE(cases), *state);
}

static void reads_dockerfiles(void **state)
{
    static const struct spec_good cases[] = {
        {"dockerfile: |                              # text; or dockerfile_path: ./Dockerfile\n"
         "  FROM mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04\n"
         "  RUN echo \"Hello from custom container!\"\n",
         "{\"build\":{\"dockerfile\":\"FROM "
         "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04\\nRUN echo \\\"Hello from "
         "custom container!\\\"\\n\"}}",
         NULL},
        {"dockerfile_path: ./Dockerfile",
         "{\"build\":{\"dockerfile\":\"FROM python:3.11\\nRUN true\\n\"}}", NULL},
        {"base_dockerfile: Dockerfile",
         "{\"build\":{\"dockerfile\":\"FROM python:3.11\\nRUN true\\n\"}}", NULL},
        {"base_dockerfile: FROM python:3.11", "{\"build\":{\"dockerfile\":\"FROM python:3.11\"}}",
         NULL},
        {"dockerfile: |\n  # syntax=x\n  ARG V=1\n  FROM \\\n    python:$V\n  COPY . /app\n",
         "{\"build\":{\"dockerfile\":\"# syntax=x\\nARG V=1\\nFROM \\\\\\n  python:$V\\nCOPY . "
         "/app\\n\"}}",
         "no folder to copy from"},
        {"dockerfile: |\n  FROM a AS b\n  FROM c\n  COPY --from=b /x /x\n  RUN cat \\\n    ADD x\n",
         "{\"build\":{\"dockerfile\":\"FROM a AS b\\nFROM c\\nCOPY --from=b /x /x\\nRUN cat \\\\\\n"
         "  ADD x\\n\"}}",
         NULL},
    };
    spec_fixture_good(SPEC_ENVIRONMENT, cases, ARRAY_SIZE(cases), *state);
    static const struct spec_good folders[] = {
        {"build: {path: ., dockerfile_path: Dockerfile}",
         "{\"build\":{\"dockerfile_path\":\"Dockerfile\",\"path\":\"/nb/dir\"}}", NULL},
        {"build: {path: ./docker/}",
         "{\"build\":{\"dockerfile_path\":\"Dockerfile\",\"path\":\"/nb/dir/docker\"}}", NULL},
    };
    spec_fixture_good(SPEC_ENVIRONMENT, folders, ARRAY_SIZE(folders), "/nb/dir");
}

static void reads_packages(void **state)
{
    static const struct spec_good cases[] = {
        {"pip: [numpy, pandas==2.2.2, \"torch>=2  # fast\"]",
         "{\"pip\":[\"numpy\",\"pandas==2.2.2\",\"torch>=2\"]}", NULL},
        {"pip: numpy", "{\"pip\":[\"numpy\"]}", NULL},
        {"pip: |\n  numpy\n\n  # no\n  torch\n", "{\"pip\":[\"numpy\",\"torch\"]}", NULL},
        {"pip_packages: requirements.txt",
         "{\"pip\":[\"numpy>=1.26\",\"torch==2.0   --hash=sha256:abc\","
         "\"--extra-index-url https://example.org/simple\"]}",
         NULL},
        {"pip_requirements: requirements.txt\npip: [x]",
         "{\"pip\":[\"numpy>=1.26\",\"torch==2.0   --hash=sha256:abc\","
         "\"--extra-index-url https://example.org/simple\",\"x\"]}",
         NULL},
        {"pip: [\"git+ssh://git@github.com/a/b\", \"--index-url https://${USER}:${PASS}@h/\"]",
         "{\"pip\":[\"git+ssh://git@github.com/a/b\",\"--index-url https://${USER}:${PASS}@h/\"]}",
         NULL},
        {"python: 3.10", "{\"python\":\"3.10\"}", NULL},
        {"interpreter_path: ~/venv/bin/python\nuser_managed_dependencies: true",
         "{\"python\":\"~/venv/bin/python\",\"user_managed_dependencies\":true}", NULL},
        {"conda_dependencies:\n  dependencies: [python=3.11, {pip: [-f https://x, y]}]",
         "{\"conda_file\":{\"dependencies\":[\"python=3.11\",{\"pip\":[\"-f https://x\",\"y\"]}]}}",
         NULL},
        {"environment_variables: {A: b}", "{\"environment_variables\":{\"A\":\"b\"}}", NULL},
    };
    spec_fixture_good(SPEC_ENVIRONMENT, cases, ARRAY_SIZE(cases), *state);
}

static void refuses_what_does_not_fit(void **state)
{
    static const struct spec_bad cases[] = {
        {"", 2, 1, "says nothing", "image:"},
        {"description: x", 2, 1, "says nothing", "image:"},
        {"image: a\nbase_image: b", 3, 1, "`image` (line 2) and `base_image` are two names", NULL},
        {"base_image: a\nbase_dockerfile: FROM b", 3, 18,
         "`base_image` and `base_dockerfile` exclude", "keep one"},
        {"dockerfile_path: Dockerfile\nimage: a", 3, 8, "exclude each other", "keep one"},
        {"dockerfile: FROM a\npip: [b]", 3, 6, "exclude each other", "RUN pip install"},
        {"build: {path: .}\nconda_file: conda.yml", 3, 13, "exclude each other", "RUN pip"},
        {"image: a\npython: 3.10", 3, 9, "brings its own Python", NULL},
        {"image: a\nconda_file: conda.yml\nuser_managed_dependencies: true", 4, 28,
         "exclude each other", "remove user_managed_dependencies"},
        {"image: https://a/b", 2, 8, "no name of an image", "docker pull"},
        {"image: a b", 2, 8, "no name of an image", NULL},
        {"image: a\nuser_managed_dependencies: yes", 3, 28, "true or false", "_dependencies: true"},
        {"image:a", 2, 1, "no blank after the colon of `image:`", NULL},
        {"build: {dockerfile_path: x}", 2, 8, "no `path`", NULL},
        {"build: {path: ., dockerfile_path: ../x}", 2, 35, "outside", NULL},
        {"build: {path: \"https://github.com/a/b\"}", 2, 8, "not served", "clone"},
        {"dockerfile: RUN", 2, 13, "cannot open", "relative paths begin at"},
        {"dockerfile: no-from", 2, 13, "does not begin with FROM", "FROM python"},
        {"dockerfile: |\n  RUN x\n", 2, 13, "does not begin with FROM", NULL},
        {"pip: [numpy, -r base.txt]", 2, 14, "cannot include another file", "lines of that file"},
        {"pip: [-rbase.txt]", 2, 7, "cannot include another file", NULL},
        {"pip: [\"-e .\"]", 2, 7, "editable", "code:"},
        {"pip: [--proxy=x]", 2, 7, "--proxy", "--index-url"},
        {"pip: |\n  - numpy\n", 2, 6, "does not begin with a dash", "without the |"},
        {"pip: [\"x @ https://sam:pw@a.io/x\"]", 0, 0, "a password in its address", "netrc"},
        {"pip: [./pkg]", 2, 7, "no requirement", NULL},
        {"pip: [numpy: 1]", 2, 7, "is a map", NULL},
        {"pip: []\nconda_file: 3", 3, 13, "takes the path of a conda file", NULL},
        {"conda_file: {dependencies: [a, {b: c}]}", 2, 32, "can only be `pip:`", NULL},
        {"conda_file: {channels: [a]}", 2, 13, "`dependencies`", NULL},
        {"channels: [a]\ndependencies: [b]", 2, 1, "conda_file:", NULL},
        {"docker: {base_image: a}", 2, 1, "section of v1", NULL},
        {"python: {user_managed_dependencies: true}", 2, 9, "section of v1", "top level"},
        {"type: amlcompute", 2, 7, "the YAML of a compute", "%%compute NAME"},
        {"dockerfile: FROM a\nregistry: {username: x}", 3, 11, "no address", NULL},
        {"image: a.io/b\nregistry: {password: env:X}", 0, 0, "no username (line 3", "add username"},
        {"pip: [x]\nregistry: {address: a}", 3, 11, "there is none", NULL},
        {"image: a\nenvironment_variables: {1A: x}", 3, 25, "no name of an environment", NULL},
        {"image: a\nenvironment_variables: {A: [x]}", 3, 28, "must be a text", NULL},
        {"image: a\nenvironment_variables: {A: \"secret:x y\"}", 0, 0, "no reference",
         "write secret:NAME"},
        {"image: a\ntags: x", 3, 7, "takes a map", NULL},
    };
    spec_fixture_bad(SPEC_ENVIRONMENT, cases, ARRAY_SIZE(cases), *state);
}

/* Faults in a file are placed there. */
static void places_faults_in_files(void **state)
{
    static const struct {
        const char *text;
        const char *file;
        int line;
        const char *says;
    } cases[] = {
        {"pip_requirements: nested.txt", "nested.txt", 2, "cannot include"},
        {"conda_file: tabs.yml", "tabs.yml", 2, "tab"},
        {"conda_file: typo.yml", "typo.yml", 2, "unknown key \"dependancies\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_FREE char *path = file_join(*state, cases[i].file);
        assert_null(spec_fixture_parse(SPEC_ENVIRONMENT, cases[i].text, *state, NULL, &err));
        assert_non_null(strstr(err.text, cases[i].says));
        assert_string_equal(err.file, path);
        assert_int_equal(err.line, cases[i].line);
    }
}

/* Whatever is wrong around it: the secret is in no error, and no place makes anyone show its line. */
static void never_shows_a_secret(void **state)
{
    static const char *const texts[] = {
        "image: a.io/b\nregistry: {username: sam, password: hunter2}",
        "image: a.io/b\nregistry: {usrname: sam, password: hunter2}",
        "image: a.io/b\nregistry: {username: sam, pasword: hunter2}",
        "image: a.io/b\nregistry: {username: sam, password: [hunter2]}",
        "image: a.io/b\nregistry: {username: sam, password: {hunter2: x}}",
        "image: a.io/b\nregistry: {username: sam, password: hunter2",
        "image: a.io/b\nregistry: {username: sam, password: \"hunter2}",
        "image: a.io/b\nregistry: {username: sam, password: *hunter2}",
        "image: a.io/b\nregistry: {username: sam, password: !hunter2 x}",
        "image: a.io/b\nregistry: {username: sam, password:hunter2}",
        "image: a.io/b\nregistry: {username: sam, password=hunter2}",
        "image: a.io/b\nregistry: {username: sam, password=hunter2, password=hunter2}",
        "image: a.io/b\nregistry:\n  username: sam\n  password: hunter2: x",
        "image: a.io/b\nregistry:\n  username: sam\n  password:hunter2",
        "image: a.io/b\nregistry:\n  username: sam\n   password: hunter2",
        "image: a.io/b\nregistry:\n\tpassword: hunter2",
        "image: a.io/b\npassword: hunter2",
        "image: https://sam:hunter2@a.io/b",
        "image: a.io/b\nenvironment_variables: {1: x, PASSWORD: hunter2}",
        "image: a.io/b\nenvironment_variables: {PASSWORD=hunter2}",
        "image: a.io/b\nenvironment_variables: {PASSWORD: [hunter2]}",
        "pip: [\"--index-url https://sam:hunter2@example.org/\"]",
        "pip: [\"x @ https://hunter2@example.org/x.whl\"]",
        "pip: |\n  --index-url https://sam:hunter2@example.org/",
        "pip_requirements: secret.txt",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        assert_null(spec_fixture_parse(SPEC_ENVIRONMENT, texts[i], *state, NULL, &err));
        AUTO_FREE char *shown = error_format(&err);
        if (strstr(shown, "hunter2") != NULL)
            fail_msg("%s\nshows it: %s", texts[i], shown);
        assert_non_null(err.hint);
        if (err.line != 0)
            fail_msg("%s\nhas a place: %s", texts[i], shown);
    }
}

static void a_literal_password_names_the_ways_to_do_it_right(void **state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *text = "image: a.io/b\nregistry: {username: sam, password: hunter2}";
    assert_null(spec_fixture_parse(SPEC_ENVIRONMENT, text, *state, NULL, &err));
    static const char *const ways[] = {"env:NAME", "file:PATH", "secret:NAME", "docker"};
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
        assert_non_null(strstr(err.hint, ways[i]));
    assert_non_null(strstr(err.text, "line 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(reads_images),
        UNIT(reads_dockerfiles),
        UNIT(reads_packages),
        UNIT(refuses_what_does_not_fit),
        UNIT(places_faults_in_files),
        UNIT(never_shows_a_secret),
        UNIT(a_literal_password_names_the_ways_to_do_it_right),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
