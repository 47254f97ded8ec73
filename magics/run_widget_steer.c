/* SPDX-License-Identifier: BSD-3-Clause */
/* The buttons of a run widget. They answer at once, whatever cell runs: the pace is for what comes by
 * itself. Clicks that make no sense any more (two pages, a replay) do nothing. */
#include <string.h>

#include "magics/python_module.h"
#include "magics/run_widget_private.h"

/* What a button could not do stands in the widget until the next click. */
static void tell_trouble(struct run_widget *widget, const struct error *err)
{
    AUTO_FREE char *text = error_is_set(err) ? error_format(err) : NULL;
    replace(&widget->trouble, steal(&text));
}

static void cancel(struct run_widget *widget)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (!widget->asks_cancel || run_state_is_final(widget->run->state))
        return;
    widget->asks_cancel = false;
    submission_cancel(widget->set->submission, widget->id, &err);
    tell_trouble(widget, &err);
}

static void on_resubmitted(const struct submit_result *result, const struct error *err, void *data)
{
    struct run_widget *widget = data;
    struct run_widget_set *set = widget->set;
    AUTO_ERROR struct error own = ERROR_INIT;
    widget->rerun = NULL;
    if (err != NULL) {
        tell_trouble(widget, err);
    } else {
        if (set->python.module != NULL)
            python_module_submitted(set->python.module, set->python.companion, result->run_id);
        run_widget_add_rerun(widget, result->run_id, &own);
        tell_trouble(widget, &own);
    }
    run_widget_touch(widget);
}

static void rerun(struct run_widget *widget)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (widget->rerun != NULL || !run_state_is_final(widget->run->state))
        return;
    widget->rerun =
        submission_rerun(widget->set->submission, widget->id, on_resubmitted, widget, &err);
    tell_trouble(widget, &err);
}

static void on_clicked(struct model *model, void *data)
{
    struct run_widget *widget = data;
    if (model == widget->parts[PART_CANCEL])
        widget->asks_cancel = true;
    else if (model == widget->parts[PART_SURE])
        cancel(widget);
    else if (model == widget->parts[PART_KEEP])
        widget->asks_cancel = false;
    else if (model == widget->parts[PART_DETAILS_BUTTON])
        widget->shows_details = !widget->shows_details;
    else if (model == widget->parts[PART_RERUN])
        rerun(widget);
    widget->pace.free_at_ms = 0;
    widget->dirty = false; /* so that the touch asks for a frame now */
    run_widget_touch(widget);
}

const struct model_events run_widget_buttons = {.clicked = on_clicked};
