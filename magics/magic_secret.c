/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * %secret: stores a value for references secret:NAME. The value is asked for with a password
 * prompt and never stands in a cell, so it is in no notebook and no history.
 */
#include <stdio.h>
#include <string.h>

#include "magics/list.h"
#include "magics/magic_call.h"

static int list(struct magic_call *call, struct error *err)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    struct outlet *outlet = cell_outlet(call->cell);
    if (secret_list(submission_home(call->submission), &names, err) < 0)
        return -1;
    if (names.count == 0)
        outlet_printf(outlet, OUTLET_STDOUT, "no secrets are stored\n");
    for (size_t i = 0; i < names.count; i++)
        outlet_printf(outlet, OUTLET_STDOUT, "secret:%s\n", names.items[i]);
    return 0;
}

static int remove_secret(struct magic_call *call, const char *name, struct error *err)
{
    if (secret_remove(submission_home(call->submission), name, err) < 0)
        return -1;
    outlet_printf(cell_outlet(call->cell), OUTLET_STDOUT, "removed secret:%s\n", name);
    return 0;
}

static void on_answer(struct cell *cell, const char *text, void *data)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct magic_call *call = data;
    (void)cell;
    if (magic_call_over(call)) {
        magic_call_unref(call);
        return;
    }
    const char *name = arguments_first(&call->arguments);
    if (text == NULL)
        error_set(&err, ERROR_CANCELLED, "interrupted; nothing was stored");
    else if (*text == '\0') {
        error_set(&err, ERROR_INVALID, "an empty value is no secret; nothing was stored");
        error_hint(&err,
                   "run the cell again and give the value of %s; %%secret %s --remove forgets "
                   "an old one",
                   name, name);
    } else if (secret_store(submission_home(call->submission), name, text, strlen(text), &err) == 0)
        outlet_printf(cell_outlet(call->cell), OUTLET_STDOUT,
                      "stored; use it as \"secret:%s\" where a definition takes a secret\n", name);
    magic_call_finish(call, &err);
    magic_call_unref(call);
}

/* The prompt's own interruption answers with NULL: nothing is left to do here. */
static void on_interrupt(struct magic_call *call)
{
    (void)call;
}

static int ask(struct magic_call *call, const char *name, struct error *err)
{
    char reference[sizeof "secret:" + 64];
    AUTO_FREE char *prompt = xasprintf("Value of %s: ", name);
    snprintf(reference, sizeof reference, "secret:%s", name);
    if (strlen(name) > 64 || secret_check_reference(reference, err) < 0) {
        if (!error_is_set(err)) {
            error_set(err, ERROR_INVALID, "the name is longer than 64 characters");
            error_hint(err, "choose a shorter one, as in %%secret api-token");
        }
        return error_at(err, call->arguments.args[0]->line, call->arguments.args[0]->column);
    }
    call->interrupt = on_interrupt;
    if (cell_ask(call->cell, prompt, true, on_answer, magic_call_ref(call)) == 0)
        return 0;
    magic_call_unref(call);
    error_set(err, ERROR_UNSUPPORTED, "nobody can be asked for the value of %s here", name);
    return error_hint(err,
                      "run %%secret %s once in an interactive notebook, or give the secret as "
                      "env:NAME or file:PATH instead",
                      name);
}

static int bad_use(const struct magic_call *call, struct error *err)
{
    error_set(err, ERROR_INVALID, "%%secret takes a name, a name and --remove, or --list alone");
    error_at(err, call->words->name.line, call->words->name.column);
    return error_hint(err, "write it as: %s", call->magic->usage);
}

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *name = arguments_first(&call->arguments);
    bool listing = arguments_has(&call->arguments, "--list");
    bool removing = arguments_has(&call->arguments, "--remove");
    if (listing == (name != NULL) || (listing && removing))
        bad_use(call, &err);
    else if (listing)
        list(call, &err);
    else if (removing)
        remove_secret(call, name, &err);
    else if (ask(call, name, &err) == 0)
        return; /* on_answer() ends the call */
    magic_call_finish(call, &err);
}

static const struct magic_option options[] = {
    {"--remove", NULL, "forget the secret"},
    {"--list", NULL, "list the names of what is stored, never a value"},
    {NULL, NULL, NULL},
};

const struct magic magic_secret = {
    .name = "secret",
    .usage = "%secret NAME [--remove], or %secret --list",
    .help = "store a secret, asked for with a password prompt",
    .example = "%secret registry-password",
    .options = options,
    .max_args = 1,
    .argument = "a name",
    .run = run,
};
