/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run used: samples as its runner writes them, and whatever else may stand in the file. */
#include "submission/usage.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"

#include "tests/unit.h"
/* keep apart */
#include "tests/unit/submission/home.h"

#define BEGIN 1795394340000000 /* 2026-11-23T00:39:00Z */

static void write_usage(const char *home, const char *text, size_t size)
{
    AUTO_FREE char *path = file_join(home, "usage.jsonl");
    assert_int_equal(file_write(path, text, size, 0644, NULL), 0);
}

/* A line of the runner's, `seconds` after BEGIN; `gpu` may be "". */
static void put_sample(struct buf *text, int seconds, double cpu, const char *gpu)
{
    char when[CLOCK_TEXT_SIZE];
    buf_printf(text,
               "{\"time\":\"%s\",\"cpu_seconds\":%d.000,\"cpu_percent\":%.1f,\"rss_bytes\":4096,"
               "\"processes\":1,\"threads\":2%s}\n",
               clock_format(BEGIN + seconds * 1000000ll, when), seconds, cpu, gpu);
}

static void read_back(const char *home, struct usage *usage)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (usage_read(home, usage, &err) != 0)
        fail_msg("%s", err.text);
}

static void a_run_without_the_file_has_used_nothing(void **state)
{
    AUTO_USAGE struct usage usage = USAGE_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    put_sample(&text, 0, 50, "");
    write_usage(*state, text.data, text.size);
    read_back(*state, &usage);
    assert_int_equal(usage.count, 1);
    AUTO_FREE char *path = file_join(*state, "usage.jsonl");
    assert_int_equal(unlink(path), 0);
    read_back(*state, &usage); /* what was there is replaced */
    assert_int_equal(usage.count, 0);
    write_usage(*state, "", 0);
    read_back(*state, &usage);
    assert_int_equal(usage.count, 0);
}

static void what_is_no_sample_is_left_out(void **state)
{
    AUTO_USAGE struct usage usage = USAGE_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    buf_puts(&text, "\n\nnonsense\n[1]\n{}\n{\"time\":5,\"cpu_percent\":1,\"rss_bytes\":1}\n");
    put_sample(&text, 1, 10, "");
    buf_append(&text, "\0{\n", 3);
    buf_puts(&text, "{\"time\":\"2026-11-23T00:39:00.000000Z\",\"cpu_percent\":null}\n");
    put_sample(&text, 2, 20, ",\"gpu\":7");
    put_sample(&text, 3, 30, "");
    text.size -= 9; /* written right now */
    write_usage(*state, text.data, text.size);
    read_back(*state, &usage);
    assert_int_equal(usage.count, 2);
    assert_true(usage.samples[0].when_us == BEGIN + 1000000);
    assert_true(usage.samples[0].cpu_percent == 10 && usage.samples[0].memory_bytes == 4096);
    assert_true(usage.samples[1].cpu_percent == 20);
    assert_true(isnan(usage.samples[1].gpu_percent) && isnan(usage.samples[1].gpu_memory_bytes));
}

static void gpus_are_summed_up(void **state)
{
    static const char some[] =
        ",\"gpu\":[{\"utilization_percent\":90,\"memory_used_bytes\":1000,"
        "\"memory_total_bytes\":null},{\"utilization_percent\":null,\"memory_used_bytes\":500,"
        "\"memory_total_bytes\":null},{\"name\":\"A100\",\"utilization_percent\":30}]";
    static const char none[] = ",\"gpu\":[{\"utilization_percent\":null},5]";
    AUTO_USAGE struct usage usage = USAGE_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    put_sample(&text, 1, 10, some);
    put_sample(&text, 2, 10, none);
    write_usage(*state, text.data, text.size);
    read_back(*state, &usage);
    assert_int_equal(usage.count, 2);
    assert_true(usage.samples[0].gpu_percent == 60); /* of the two that tell it */
    assert_true(usage.samples[0].gpu_memory_bytes == 1500);
    assert_true(isnan(usage.samples[0].gpu_memory_total));
    assert_true(isnan(usage.samples[1].gpu_percent));
}

static void the_newest_are_kept(void **state)
{
    AUTO_USAGE struct usage usage = USAGE_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    for (int i = 0; i < 5000; i++)
        put_sample(&text, i, i, "");
    write_usage(*state, text.data, text.size);
    read_back(*state, &usage);
    assert_int_equal(usage.count, USAGE_SAMPLES_MAX);
    for (size_t i = 0; i < usage.count; i++)
        assert_true(usage.samples[i].cpu_percent == (double)(5000 - USAGE_SAMPLES_MAX + i));
}

static void a_line_too_long_for_the_window_is_no_sample(void **state)
{
    AUTO_USAGE struct usage usage = USAGE_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    put_sample(&text, 1, 10, "");
    for (int i = 0; i < 300000; i++)
        buf_putc(&text, 'x');
    write_usage(*state, text.data, text.size);
    read_back(*state, &usage);
    assert_int_equal(usage.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_HOME(a_run_without_the_file_has_used_nothing),
        UNIT_HOME(what_is_no_sample_is_left_out),
        UNIT_HOME(gpus_are_summed_up),
        UNIT_HOME(the_newest_are_kept),
        UNIT_HOME(a_line_too_long_for_the_window_is_no_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
