/* SPDX-License-Identifier: BSD-3-Clause */
/* A build's output by lines. The classic builder sends a line in pieces, and a script may print lines
 * that look like a builder's: a wrong guess here changes what is shown, never what is built. */
#include "submission/engine_steps.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define STEPS_MAX 100000 /* a number past this was printed by a script */

static void forget_tail(struct engine_steps *steps)
{
    for (size_t i = 0; i < ENGINE_TAIL_LINES; i++)
        replace(&steps->tail[i], NULL);
    steps->tail_count = 0;
}

void engine_steps_done(struct engine_steps *steps)
{
    forget_tail(steps);
    free(steps->instruction);
    free(steps->image_id);
    buf_done(&steps->line);
    *steps = (struct engine_steps)ENGINE_STEPS_INIT;
}

/* "4/9" at the start: what follows, or NULL. */
static const char *fraction(const char *text, int *ret_step, int *ret_count)
{
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return NULL;
    long step = strtol(text, &end, 10);
    if (end[0] != '/' || !isdigit((unsigned char)end[1]))
        return NULL;
    long count = strtol(end + 1, &end, 10);
    if (step < 1 || step > count || count > STEPS_MAX)
        return NULL;
    *ret_step = (int)step;
    *ret_count = (int)count;
    return end;
}

static bool begins_step(struct engine_steps *steps, const char *line)
{
    int step;
    int count;
    if (line[0] == '[') { /* Podman's stage of several */
        line = fraction(line + 1, &step, &count);
        if (line == NULL || strncmp(line, "] ", 2) != 0)
            return false;
        line += 2;
    }
    if (strncmp(line, "Step ", 5) != 0 && strncmp(line, "STEP ", 5) != 0)
        return false;
    line = fraction(line + 5, &step, &count);
    if (line == NULL)
        return false;
    line += strspn(line, " ");
    if (line[0] != ':')
        return false;
    line += 1 + strspn(line + 1, " ");
    forget_tail(steps);
    steps->step = step;
    steps->count = count;
    steps->cached = false;
    replace(&steps->instruction, xstrdup(line));
    return true;
}

/* Removes colours and other sequences for terminals, and what a carriage return overwrote. */
static void strip(char *line)
{
    char *to = line;
    for (const char *from = line; *from != '\0'; from++) {
        if (from[0] == '\033' && from[1] == '[') {
            from += 2;
            from += strspn(from, "0123456789;?");
            if (*from == '\0')
                break;
        } else if (*from == '\r' && from[1] != '\0' && from[1] != '\r') {
            to = line;
        } else if ((unsigned char)*from >= ' ' || *from == '\t') {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static bool note_cached(struct engine_steps *steps)
{
    if (steps->step == 0 || steps->cached)
        return false;
    steps->cached = true;
    steps->cached_count++;
    return true;
}

static bool note_line(struct engine_steps *steps, char *line)
{
    static const char built[] = "Successfully built ";
    strip(line);
    if (begins_step(steps, line))
        return true;
    if (strncmp(line, " ---> Using cache", 17) == 0 || strncmp(line, "--> Using cache", 15) == 0)
        return note_cached(steps);
    if (strncmp(line, built, sizeof built - 1) == 0)
        replace(&steps->image_id, xstrdup(line + sizeof built - 1));
    else if (line[0] != '\0')
        replace(&steps->tail[steps->tail_count++ % ENGINE_TAIL_LINES], xstrdup(line));
    return false;
}

bool engine_steps_feed(struct engine_steps *steps, const char *bytes, size_t size)
{
    bool changed = false;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (steps->line.size < ENGINE_LINE_MAX)
                buf_putc(&steps->line, bytes[i]);
            continue;
        }
        buf_putc(&steps->line, '\0'); /* there may have been no byte at all */
        changed |= note_line(steps, steps->line.data);
        buf_clear(&steps->line);
    }
    return changed;
}

char *engine_steps_tail(const struct engine_steps *steps)
{
    AUTO_BUF struct buf text = BUF_INIT;
    size_t count = steps->tail_count < ENGINE_TAIL_LINES ? steps->tail_count : ENGINE_TAIL_LINES;
    for (size_t i = steps->tail_count - count; i < steps->tail_count; i++)
        buf_printf(&text, "%s\n", steps->tail[i % ENGINE_TAIL_LINES]);
    return buf_steal(&text);
}
