/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/complete.h"

#include <sys/stat.h>

#include "tests/unit.h"
/* keep apart */
#include "magics/inspect.h"
#include "tests/unit/magics/fake_kernel.h"
#include "tests/unit/magics/fake_submission.h"

/* The code with the cursor written as '|'; the caller frees it. */
static char *cut_cursor(const char *marked, size_t *ret_cursor)
{
    *ret_cursor = strcspn(marked, "|");
    return xasprintf("%.*s%s", (int)*ret_cursor, marked, marked + *ret_cursor + 1);
}

static void knows_what_the_cursor_is_at(void **state)
{
    (void)state;
    static const struct {
        const char *code; /* | is the cursor */
        enum context_kind kind;
        const char *prefix;
        const char *path; /* joined with '.' */
    } cases[] = {
        {"%st|", CONTEXT_MAGIC, "%st", ""},
        {"%runs\n%|", CONTEXT_MAGIC, "%", ""},
        {"%%sub|", CONTEXT_MAGIC, "%%sub", ""},
        {"%status ca|", CONTEXT_ARGUMENT, "ca", ""},
        {"%status |", CONTEXT_ARGUMENT, "", ""},
        {"%status a b|", CONTEXT_NOTHING, "", ""},
        {"%runs --li|", CONTEXT_OPTION, "--li", ""},
        {"%runs --experiment a|", CONTEXT_OPTION_VALUE, "a", ""},
        {"%%submit x --file=a/b|", CONTEXT_OPTION_VALUE, "a/b", ""},
        {"%%submit x --wait |", CONTEXT_NOTHING, "", ""},
        {"%runs # --l|", CONTEXT_NOTHING, "", ""},
        {"%%submit x\nscr|", CONTEXT_KEY, "scr", ""},
        {"%%submit x\nscript: tr|", CONTEXT_VALUE, "tr", "script"},
        {"%%submit x\nscript: \"tr|", CONTEXT_VALUE, "tr", "script"},
        {"%%environment x\nregistry:\n  pass|", CONTEXT_KEY, "pass", "registry"},
        {"%%environment x\nregistry:\n  a: b\n\n  # c\n  pass|", CONTEXT_KEY, "pass", "registry"},
        {"%%environment x\nregistry:\n  a: b\nim|", CONTEXT_KEY, "im", ""},
        {"%%submit x\nenvironment:\n  image: a\n  registry:\n    username: b\n    pass|",
         CONTEXT_KEY, "pass", "environment.registry"},
        {"%%environment x\nregistry: {address: a, us|", CONTEXT_KEY, "us", "registry"},
        {"%%environment x\nregistry: {address: a|", CONTEXT_VALUE, "a", "registry.address"},
        {"%%environment x\nbase: {a: b}, c|", CONTEXT_KEY, "c", ""},
        {"%%environment x\ndockerfile: |\n  FR^", CONTEXT_NOTHING, "", ""},
        {"%%environment x\npip:\n- nu|", CONTEXT_VALUE, "nu", "pip"},
        {"%%environment x\npip:\n  - nu|", CONTEXT_VALUE, "nu", "pip"},
        {"# %%submit\n%%compute x\nti|", CONTEXT_KEY, "ti", ""},
        {"x = |", CONTEXT_NOTHING, "", ""},
        {"|", CONTEXT_NOTHING, "", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t cursor = strcspn(cases[i].code, "^");
        AUTO_FREE char *code = cases[i].code[cursor] == '^' ? xstrndup(cases[i].code, cursor)
                                                            : cut_cursor(cases[i].code, &cursor);
        AUTO_CONTEXT struct context context;
        context_find(&context, code, cursor);
        AUTO_FREE char *path = strlist_join(&context.path, ".");
        assert_int_equal(context.kind, cases[i].kind);
        assert_string_equal(context.prefix, cases[i].prefix);
        if (context.kind != CONTEXT_NOTHING) {
            assert_string_equal(path, cases[i].path);
            assert_int_equal(context.start + strlen(context.prefix), cursor);
        }
    }
}

static void survives_any_cursor_in_broken_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "%%environment x\nregistry: {a: {b: [}, c}}} : {\n  - : {\n-\n - -: x\n",
        "%%submit\n{{{{}}}}}}\n::::\n\t: \n  '': {\"",
        "%%submit x\r\n a:\r\n  b:\r\n c\r\n",
        "?%%\n%runs --=\n%logs - -- =\n%",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (size_t cursor = 0; cursor <= strlen(texts[i]); cursor++) {
            AUTO_CONTEXT struct context context;
            context_find(&context, texts[i], cursor);
            assert_true(context.start <= cursor);
            json_decref(inspect_at(texts[i], cursor));
        }
}

static char *complete_at(struct submission *fake, const char *marked)
{
    AUTO_STRLIST struct strlist found = STRLIST_INIT;
    size_t cursor;
    AUTO_FREE char *code = cut_cursor(marked, &cursor);
    AUTO_CONTEXT struct context context;
    context_find(&context, code, cursor);
    complete_find(&context, fake, fake->home, &found);
    return strlist_join(&found, "|");
}

static void offers_what_may_stand_there(void **state)
{
    (void)state;
    static const struct {
        const char *code, *offered;
    } cases[] = {
        {"%st|", "%status"},
        {"%%sub|", "%%submit"},
        {"%%|", "%%environment|%%compute|%%submit"},
        {"%runs --e|", "--experiment"},
        {"%runs --experiment |", "first-try|exp"},
        {"%runs --experiment=e|", "exp"},
        {"%runs --state Can|", "CancelRequested|Canceled"},
        {"%runs --text |", ""},
        {"%status ca|", FAKE_RUN},
        {"%computes g|", "gpu-cluster"},
        {"%%submit x\nenvironment: fa|", "fastai2"},
        {"%%submit x\ncompute_target: |", "gpu-cluster"},
        {"%%submit x\nscr|", "script: "},
        {"%%submit x\nsource|", "source_directory: "},
        {"%%compute x\ntier: |", "dedicated|low_priority"},
        {"%%environment x\nuser_managed_dependencies: t|", "true"},
        {"%%environment x\nregistry:\n  p|", "password: "},
        {"%%environment x\nbase_image_registry: {password: s|", "secret:"},
        {"%%submit x\nenvironment:\n  ima|", "image: "},
        {"%%submit x --file d|", "data/"},
        {"%%submit x --file data/|", "data/a.py|data/b.yml"},
        {"%%submit x\ncode: d|", "data/"},
        {"%%submit x\ncode: data\nscript: |", "a.py|b.yml"},
        {"%%submit x\ncode: /nonexistent/|", ""},
    };
    struct submission fake;
    fake_init(&fake);
    AUTO_FREE char *dir = file_join(fake.home, "data");
    AUTO_FREE char *one = file_join(dir, "a.py");
    AUTO_FREE char *two = file_join(dir, "b.yml");
    AUTO_FREE char *hidden = file_join(dir, ".hidden");
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(file_write(one, "", 0, 0600, NULL), 0);
    assert_int_equal(file_write(two, "", 0, 0600, NULL), 0);
    assert_int_equal(file_write(hidden, "", 0, 0600, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *offered = complete_at(&fake, cases[i].code);
        assert_string_equal(offered, cases[i].offered);
    }
    fake_done(&fake);
}

static void answers_a_question(void **state)
{
    (void)state;
    struct submission fake;
    struct question question = {.code = "%runs --l", .cursor = 9};
    fake_init(&fake);
    complete_answer(&fake, &question);
    assert_string_equal(json_string_value(json_array_get(question.matches, 0)), "--live");
    assert_string_equal(json_string_value(json_array_get(question.types, 0)), "option");
    assert_int_equal(question.start, 6);
    assert_int_equal(question.end, 9);
    json_decref(question.matches);
    json_decref(question.types);
    fake_done(&fake);
}

static void explains_what_is_under_the_cursor(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *text; /* part of the help; NULL: nothing is known */
    } cases[] = {
        {"%ru|ns", "%runs [--experiment EXPERIMENT]"},
        {"%%sub|mit x\n", "%%submit EXPERIMENT"},
        {"%runs --l|ive", "--live"},
        {"%%submit x\nscr|ipt: a.py", "script"},
        {"%%submit x\nsource_dir|ectory: a", "also written"},
        {"%%environment x\nregistry:\n  pass|word: env:A", "env:NAME"},
        {"%%compute x\nti|er: dedicated", "dedicated, low_priority"},
        {"%%submit x\nnonsen|se: a", NULL},
        {"%what|ever", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t cursor;
        AUTO_FREE char *code = cut_cursor(cases[i].code, &cursor);
        AUTO_JSON json_t *bundle = inspect_at(code, cursor);
        assert_int_equal(bundle != NULL, cases[i].text != NULL);
        if (bundle != NULL)
            assert_non_null(strstr(json_get_string(bundle, "text/plain", ""), cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(knows_what_the_cursor_is_at),       UNIT(survives_any_cursor_in_broken_text),
        UNIT(offers_what_may_stand_there),       UNIT(answers_a_question),
        UNIT(explains_what_is_under_the_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
