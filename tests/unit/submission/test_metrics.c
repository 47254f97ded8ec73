/* SPDX-License-Identifier: BSD-3-Clause */
/* What is and what is not a metric, line by line. */
#include "submission/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit.h"

/* The metrics as "name@step=value ...", the last point of each. */
static char *text_of(const struct metrics *metrics)
{
    struct buf text = BUF_INIT;
    size_t count;
    const struct metric *items = metrics_items(metrics, &count);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%s@%g=%g", i > 0 ? " " : "", items[i].name,
                   items[i].points[items[i].count - 1].step, items[i].last);
    return buf_steal(&text);
}

static void reads_lines(void **state)
{
    (void)state;
    static const struct {
        const char *log, *expected;
    } cases[] = {
        /* what people print */
        {"loss=0.12\n", "loss@0=0.12"},
        {"loss = 0.12\n", "loss@0=0.12"},
        {"fitness=0.5\n", "fitness@0=0.5"},
        {"epoch: 3 accuracy: 0.98\n", "accuracy@3=0.98"},
        {"Epoch 3/10 - loss: 0.4 - accuracy: 0.9\n", "loss@3=0.4 accuracy@3=0.9"},
        {"step=10 loss=1e-3 lr=0.001\n", "loss@10=0.001 lr@10=0.001"},
        {"epoch 7, train/loss 0.5, val_loss=.25\n", "val_loss@7=0.25"},
        {"Epoch [2/5], Step [100/600], Loss: 0.2151\n", "Loss@700=0.2151"},
        {"Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.300039\n", "Loss@1=2.30004"},
        {"Test set: Average loss: 0.0123, Accuracy: 9876/10000 (99%)\n", "Average loss@0=0.0123"},
        {"Train loss: 0.3, Test loss: 0.4\n", "Train loss@0=0.3 Test loss@0=0.4"},
        {"loss: 2.303494  [   64/60000]\n", "loss@0=2.30349"},
        {"100/100 [=====] - 2s 15ms/step - loss: 0.4 - accuracy: 0.9\n",
         "loss@0=0.4 accuracy@0=0.9"},
        {"[7]\ttrain-rmse:0.5\ttest-rmse:0.6\n", "train-rmse@7=0.5 test-rmse@7=0.6"},
        {"INFO:root:loss=0.5\n", "loss@0=0.5"},
        {"2026-11-23 00:39:00,123 INFO train.py:12 loss: 0.5\n", "loss@0=0.5"},
        {"loss: 0.5.\n", "loss@0=0.5"},
        {"Epoch 3 (loss=0.4, acc=1)\n", "loss@3=0.4 acc@3=1"},
        {"loss=nan\nacc: -inf\n", "loss@0=nan acc@0=-inf"},
        {"loss=0.1,acc=0.2\n", "loss@0=0.1 acc@0=0.2"},
        /* progress bars and colours */
        {"\r  0%|    | 0/100\r 45%|####  | 45/100 [00:01<00:01, 40it/s, loss=0.12]\r",
         "loss@0=0.12"},
        {"Epoch 4:  45%|## | 45/100 [00:01<00:01, 40.00it/s, loss=0.12, v_num=1]\n", "loss@4=0.12"},
        {"\x1b[1mloss\x1b[0m: \x1b[32m0.25\x1b[0m\r\n", "loss@0=0.25"},
        {"1/2 - loss: 0.5\b\b\b2/2 - loss: 0.4\n", "loss@1=0.4"},
        /* objects */
        {"{\"epoch\":3,\"loss\":0.1}\n", "loss@3=0.1"},
        {"{'loss': 0.1, 'grad_norm': nan, 'epoch': 1.5}\n", "loss@1.5=0.1 grad_norm@1.5=nan"},
        {"{'loss': '0.1', 'epoch': '2'}\n", "loss@2=0.1"},
        {"{\"name\": \"loss\", \"value\": 0.1, \"step\": 4}\n", "loss@4=0.1"},
        /* azureml off Azure */
        {"Attempted to log scalar metric loss:\n0.5\n", "loss@0=0.5"},
        {"Attempted to log scalar metric loss:\nno number\n0.5\n", ""},
        /* no metrics */
        {"loss=0.12", ""}, /* not at its end yet */
        {"2026-11-23 00:39:00 starting\n", ""},
        {"torch==2.1\nPython: 3.10\ntorch: 2.1.0\nv=1.2.3\n", ""},
        {"time: 12ms\ntook=1.5s\nloss: 12 %\nETA: 0:01:23\nduration=3.5\n", ""},
        {"accuracy: 45%\nprogress=0.5 %\n", ""},
        {"step time=0.5 ms\nloss: 0.5 s\n", ""},
        {"Running on http://localhost:8080/?x=0.5\n", ""},
        {"localhost: 8080\nport=8080\nFound: 12 files\n", ""},
        {"saved to /out/lr=0.1/model-0.5.pt\n", ""},
        {"seed=42\n", ""},
        {"lr=0.001 batch_size=32 epochs=10 seed=42\n", ""},
        {"Namespace(lr=0.1, seed=42)\nLinear(in_features=10, p=0.5)\n", ""},
        {"Epoch 3/10\n", ""},
        {"loss: 1,234\n", ""},
        {"loss: info\nloss: 0x10\nloss: 1-2\nloss: 3/4\n", ""},
        {"{\"message\": \"loss=0.3\", \"port\": 80}\n", ""},
        {"{\"loss\": {\"train\": 0.1}}\n{\"loss\": 0.1\n{'loss' 0.1}\n{}\n{\n", ""},
        {"{\"a\\u00e9\": 1, \"b\\\"\n", ""},
        {"=0.5\n:0.5\nloss=\nloss:\nloss\n[\n[1\n", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(metrics) struct metrics *metrics = metrics_new();
        metrics_feed_log(metrics, cases[i].log, strlen(cases[i].log));
        AUTO_FREE char *found = text_of(metrics);
        if (strcmp(found, cases[i].expected) != 0)
            fail_msg("%s gives \"%s\", not \"%s\"", cases[i].log, found, cases[i].expected);
        /* The same in pieces of one byte. */
        AUTO(metrics) struct metrics *slow = metrics_new();
        for (const char *p = cases[i].log; *p != '\0'; p++)
            metrics_feed_log(slow, p, 1);
        AUTO_FREE char *same = text_of(slow);
        assert_string_equal(same, found);
    }
}

static void trusts_the_file_more_than_the_log(void **state)
{
    (void)state;
    static const char log[] = "loss=9.5\nacc=0.5\n";
    static const char jsonl[] =
        "{\"loss\": 0.5, \"step\": 1, \"time\": 5}\r\n{\"step\":2,\"loss\":NaN}\n"
        "{\"name\":\"f1\",\"value\":1,\"time\":\"2026-01-01T00:00:00Z\"}\n"
        "nonsense\n{\"loss\": 0.25, \"epoch\": 9, \"step\": 3}\n";
    AUTO(metrics) struct metrics *metrics = metrics_new();
    metrics_feed_log(metrics, log, strlen(log));
    metrics_feed_jsonl(metrics, jsonl, strlen(jsonl));
    metrics_feed_log(metrics, log, strlen(log));
    size_t count;
    const struct metric *items = metrics_items(metrics, &count);
    assert_int_equal(count, 3);
    assert_string_equal(items[0].name, "loss");
    assert_int_equal(items[0].count, 3);
    assert_true(isnan(items[0].points[1].value));
    assert_true(items[0].last == 0.25 && items[0].min == 0.25 && items[0].max == 0.5);
    assert_true(items[0].points[2].step == 3);
    assert_int_equal(items[1].count, 2); /* acc: the log's own */
    assert_string_equal(items[2].name, "f1");
}

static void keeps_within_its_limits(void **state)
{
    (void)state;
    AUTO(metrics) struct metrics *metrics = metrics_new();
    AUTO_BUF struct buf text = BUF_INIT;
    for (int i = 0; i < 2 * METRICS_POINTS_MAX + 10; i++)
        buf_printf(&text, "step=%d loss=%d.5\n", i, i);
    for (int i = 0; i < METRICS_NAMES_MAX + 50; i++)
        buf_printf(&text, "name%d=0.5\n", i);
    for (int i = 0; i < METRICS_LINE_MAX + 1; i++)
        buf_putc(&text, ' ');
    buf_puts(&text, "loss=0.25\n");
    metrics_feed_log(metrics, text.data, text.size);
    size_t count;
    const struct metric *items = metrics_items(metrics, &count);
    assert_int_equal(count, METRICS_NAMES_MAX);
    assert_in_range(items[0].count, METRICS_POINTS_MAX / 4, METRICS_POINTS_MAX);
    assert_int_equal(items[0].seen, 2 * METRICS_POINTS_MAX + 10);
    assert_true(items[0].last == 2 * METRICS_POINTS_MAX + 9.5); /* not the long line's */
    assert_true(items[0].min == 0.5 && items[0].max == items[0].last);
    /* thinned evenly: the same distance everywhere */
    double distance = items[0].points[1].step - items[0].points[0].step;
    assert_true(distance == 4);
    for (size_t i = 1; i < items[0].count; i++)
        assert_true(items[0].points[i].step - items[0].points[i - 1].step == distance);
}

/* A log of prose came first, and took all the names there are. */
static void names_of_the_file_find_room(void **state)
{
    (void)state;
    AUTO(metrics) struct metrics *metrics = metrics_new();
    AUTO_BUF struct buf text = BUF_INIT;
    static const char jsonl[] = "{\"loss\":0.5}\n";
    for (int i = 0; i < METRICS_NAMES_MAX; i++)
        buf_printf(&text, "name%d=0.5\n", i);
    metrics_feed_log(metrics, text.data, text.size);
    metrics_feed_jsonl(metrics, jsonl, strlen(jsonl));
    metrics_feed_log(metrics, text.data, text.size);
    size_t count;
    const struct metric *items = metrics_items(metrics, &count);
    assert_int_equal(count, METRICS_NAMES_MAX);
    assert_string_equal(items[0].name, "name0");
    assert_string_equal(items[count - 1].name, "loss");
    assert_int_equal(items[count - 1].count, 1);
}

static void a_copy_looks_the_same(void **state)
{
    (void)state;
    AUTO(metrics) struct metrics *metrics = metrics_new();
    AUTO_BUF struct buf text = BUF_INIT;
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "{\"step\":%d,\"loss\":%d,\"gaps\":%s,\"few\":1}\n", i,
                   i == 333 ? -7 : i % 10, i == 500 ? "9" : "NaN");
    metrics_feed_jsonl(metrics, text.data, text.size);
    metrics_feed_jsonl(metrics, "{\"one\": 1}\n", 11);
    AUTO(metrics) struct metrics *copy = metrics_copy(metrics, 100);
    size_t count;
    const struct metric *items = metrics_items(copy, &count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(items[i].count, 50, 100); /* 49 stretches */
        assert_int_equal(items[i].seen, 1000);
        assert_true(items[i].points[0].step == 0);
        assert_true(items[i].points[items[i].count - 1].step == 999);
        for (size_t k = 1; k < items[i].count; k++)
            assert_true(items[i].points[k - 1].step < items[i].points[k].step);
    }
    bool spike = false, lone = false;
    for (size_t k = 0; k < items[0].count; k++)
        spike = spike || (items[0].points[k].step == 333 && items[0].points[k].value == -7);
    for (size_t k = 0; k < items[1].count; k++)
        lone = lone || (items[1].points[k].step == 500 && items[1].points[k].value == 9);
    assert_true(spike && lone);
    assert_true(items[0].min == -7 && items[0].last == 9);
    assert_string_equal(items[3].name, "one");
    assert_int_equal(items[3].count, 1);
    AUTO(metrics) struct metrics *nothing = metrics_new();
    AUTO(metrics) struct metrics *none = metrics_copy(nothing, 4);
    metrics_items(none, &count);
    assert_int_equal(count, 0);
}

static void reads_a_run(void **state)
{
    (void)state;
    char dir[] = "/tmp/skiff-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    AUTO_FREE char *logs = file_join(dir, "user_logs");
    AUTO_FREE char *log = file_join(logs, "std_log.txt");
    AUTO_FREE char *jsonl = file_join(dir, "metrics.jsonl");
    struct metrics *metrics = NULL;
    AUTO_ERROR struct error err = ERROR_INIT;
    assert_int_equal(metrics_read(dir, &metrics, &err), 0); /* nothing there yet */
    metrics_free(metrics);
    assert_int_equal(file_make_dirs(logs, NULL), 0);
    assert_int_equal(file_write(log, "loss=0.5\nacc=0.5\n", 17, 0644, NULL), 0);
    assert_int_equal(file_write(jsonl, "{\"loss\":0.25}\n", 14, 0644, NULL), 0);
    assert_int_equal(metrics_read(dir, &metrics, &err), 0);
    AUTO_FREE char *text = text_of(metrics);
    assert_string_equal(text, "loss@0=0.25 acc@0=0.5");
    metrics_free(metrics);
    file_remove_tree(dir, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(reads_lines),
        UNIT(trusts_the_file_more_than_the_log),
        UNIT(keeps_within_its_limits),
        UNIT(names_of_the_file_find_room),
        UNIT(a_copy_looks_the_same),
        UNIT(reads_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
