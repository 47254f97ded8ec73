/* SPDX-License-Identifier: BSD-3-Clause */
/* Wall-clock time, settable in tests. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t frozen_us; /* tests only; 0 means the real clock */

int64_t clock_now(void)
{
    if (frozen_us != 0)
        return frozen_us;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void clock_set_for_test(int64_t now_us)
{
    frozen_us = now_us;
}

char *clock_format(int64_t when_us, char text[static CLOCK_TEXT_SIZE])
{
    if (when_us <= 0) {
        text[0] = '\0';
        return text;
    }
    time_t seconds = (time_t)(when_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t length = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, CLOCK_TEXT_SIZE - length, ".%06dZ", (int)(when_us % 1000000));
    return text;
}

int64_t clock_parse(const char *text)
{
    struct tm parts = {0};
    int micros = 0;
    if (text == NULL)
        return 0;
    int fields = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ", &parts.tm_year, &parts.tm_mon,
                        &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &micros);
    if (fields < 6)
        return 0;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    return (int64_t)timegm(&parts) * 1000000 + micros;
}

char *clock_duration(int64_t duration_us)
{
    if (duration_us < 0)
        duration_us = 0;
    if (duration_us < 10 * 1000000)
        return xasprintf("%.1f s", (double)duration_us / 1e6);
    int64_t seconds = duration_us / 1000000;
    if (seconds < 60)
        return xasprintf("%d s", (int)seconds);
    if (seconds < 3600)
        return xasprintf("%d min %02d s", (int)(seconds / 60), (int)(seconds % 60));
    return xasprintf("%lld h %02d min", (long long)(seconds / 3600), (int)(seconds / 60 % 60));
}
