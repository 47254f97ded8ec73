/* SPDX-License-Identifier: BSD-3-Clause */
/* The shadow of widgets' states: what is merged, where binary values go, and what is forgotten. */
#include "kernel/widgets.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/unit.h"

#define MODEL "\"_model_name\":\"M\",\"_model_module\":\"m\",\"_model_module_version\":\"1\""

/* Text stands for a list of buffers: "a,bc" are two. */
struct buffers {
    struct blob items[8];
    size_t count;
};

static struct buffers buffers_of(char *text)
{
    struct buffers buffers = {.count = 0};
    for (char *item; (item = strsep(&text, ",")) != NULL && *item != '\0';)
        buffers.items[buffers.count++] = (struct blob){.data = item, .size = strlen(item)};
    return buffers;
}

static struct widget *open_widget(struct widgets *widgets, const char *id, const char *data,
                                  const char *binary)
{
    AUTO_FREE char *text = xstrdup(binary);
    struct buffers buffers = buffers_of(text);
    AUTO_JSON json_t *json = json_loads(data, 0, NULL);
    assert_non_null(json);
    return widget_open(widgets, id, json, buffers.items, buffers.count);
}

static void update(struct widget *widget, const char *data, const char *binary, bool known_only)
{
    AUTO_FREE char *text = xstrdup(binary);
    struct buffers buffers = buffers_of(text);
    AUTO_JSON json_t *json = json_loads(data, 0, NULL);
    assert_non_null(json);
    widget_update(widget, json, buffers.items, buffers.count, known_only);
}

/* An answer as "JSON buffer,buffer". */
static void expect_answer(json_t *answer, struct blob *buffers, size_t count, const char *expected)
{
    AUTO_FREE char *json = json_canonical(answer);
    AUTO_BUF struct buf text = BUF_INIT;
    buf_puts(&text, json);
    for (size_t i = 0; i < count; i++) {
        buf_puts(&text, i == 0 ? " " : ",");
        buf_append(&text, buffers[i].data, buffers[i].size);
    }
    assert_string_equal(text.data, expected);
    json_decref(answer);
    free(buffers);
}

/* The state without the model's keys. */
static void expect_state(const struct widget *widget, const char *expected)
{
    struct blob *buffers = NULL;
    size_t count = 0;
    json_t *answer = widget_state(widget, &buffers, &count);
    AUTO_JSON json_t *state = json_copy(json_object_get(answer, "state"));
    json_object_del(state, "_model_name");
    json_object_del(state, "_model_module");
    json_object_del(state, "_model_module_version");
    assert_string_equal(json_get_string(answer, "method", ""), "update");
    json_t *shown = json_pack("[O, O]", state, json_object_get(answer, "buffer_paths"));
    json_decref(answer);
    expect_answer(shown, buffers, count, expected);
}

static const struct {
    const char *label;
    const char *open, *open_binary;
    const char *update, *update_binary;
    bool known_only;
    const char *state;
} merges[] = {
    {"key by key", "\"a\":1,\"b\":[2]}", "", "\"state\":{\"b\":{\"c\":3}}", "", false,
     "[{\"a\":1,\"b\":{\"c\":3}},[]]"},
    {"a new key from the kernel", "\"a\":1}", "", "\"state\":{\"n\":1}", "", false,
     "[{\"a\":1,\"n\":1},[]]"},
    {"a new key from a front end", "\"a\":1}", "", "\"state\":{\"n\":1,\"a\":2}", "", true,
     "[{\"a\":2},[]]"},
    {"a binary value", "\"a\":1},\"buffer_paths\":[[\"v\"]]", "old",
     "\"state\":{},\"buffer_paths\":[[\"v\"]]", "new", false, "[{\"a\":1},[[\"v\"]]] new"},
    {"a binary value of a front end", "\"a\":1},\"buffer_paths\":[[\"v\"]]", "old",
     "\"state\":{},\"buffer_paths\":[[\"v\"],[\"x\"]]", "new,not", true,
     "[{\"a\":1},[[\"v\"]]] new"},
    {"a value becomes binary", "\"v\":null}", "", "\"state\":{},\"buffer_paths\":[[\"v\"]]", "new",
     false, "[{},[[\"v\"]]] new"},
    {"a binary value becomes another", "\"a\":1},\"buffer_paths\":[[\"v\"]]", "old",
     "\"state\":{\"v\":null}", "", false, "[{\"a\":1,\"v\":null},[]]"},
    {"binary values in lists and objects",
     "\"a\":[{},null]},\"buffer_paths\":[[\"a\",0,\"x\"],[\"a\",1]]", "one,two",
     "\"state\":{\"b\":1}", "", false,
     "[{\"a\":[{},null],\"b\":1},[[\"a\",1],[\"a\",0,\"x\"]]] two,one"},
    {"the container is set again", "\"a\":[null]},\"buffer_paths\":[[\"a\",0]]", "old",
     "\"state\":{\"a\":[null,null]},\"buffer_paths\":[[\"a\",1]]", "new", false,
     "[{\"a\":[null,null]},[[\"a\",1]]] new"},
    {"paths that lead nowhere", "\"a\":[null]}", "",
     "\"state\":{},\"buffer_paths\":[[\"a\",1],[\"a\",-1],[\"a\",\"x\"],[\"b\",0],[],[0],7,"
     "[\"a\",0,0]]",
     "1,2,3,4,5,6,7,8", false, "[{\"a\":[null]},[]]"},
    {"fewer buffers than paths", "\"a\":1}", "", "\"state\":{},\"buffer_paths\":[[\"v\"],[\"w\"]]",
     "one", false, "[{\"a\":1},[[\"v\"]]] one"},
    {"nothing of use", "\"a\":1}", "", "\"state\":7,\"buffer_paths\":\"x\"", "one", false,
     "[{\"a\":1},[]]"},
};

static void test_merges(void **state)
{
    static const char *const methods[] = {"update", "echo_update"};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(merges); i++) {
        struct widgets *widgets = widgets_new(WIDGETS_BUFFERS_MAX);
        AUTO_FREE char *open = xasprintf("{\"state\":{" MODEL ",%s}", merges[i / 2].open);
        AUTO_FREE char *more =
            xasprintf("{\"method\":\"%s\",%s}", methods[i % 2], merges[i / 2].update);
        print_message("%s\n", merges[i / 2].label);
        struct widget *widget = open_widget(widgets, "w", open, merges[i / 2].open_binary);
        assert_non_null(widget);
        update(widget, more, merges[i / 2].update_binary, merges[i / 2].known_only);
        expect_state(widget, merges[i / 2].state);
        widgets_free(widgets);
    }
}

/* Custom messages are no state; and what names no model is no widget. */
static void test_no_state(void **state)
{
    struct widgets *widgets = widgets_new(WIDGETS_BUFFERS_MAX);
    struct widget *widget = open_widget(widgets, "w", "{\"state\":{" MODEL "}}", "");
    (void)state;
    update(widget, "{\"method\":\"custom\",\"state\":{\"a\":1}}", "", false);
    update(widget, "{\"state\":{\"a\":1}}", "", false);
    update(widget, "[]", "", false);
    expect_state(widget, "[{},[]]");
    assert_null(open_widget(widgets, "x", "{\"state\":{\"_model_name\":\"M\"}}", ""));
    assert_null(open_widget(widgets, "x", "{\"state\":[]}", ""));
    assert_null(open_widget(widgets, "x", "[]", ""));
    widgets_free(widgets);
}

static void expect_all(const struct widgets *widgets, const char *expected)
{
    struct blob *buffers = NULL;
    size_t count = 0;
    json_t *answer = widgets_all_states(widgets, &buffers, &count);
    expect_answer(answer, buffers, count, expected);
}

#define ENTRY(id, more)                                                                       \
    "\"" id "\":{\"model_module\":\"m\",\"model_module_version\":\"1\",\"model_name\":\"M\"," \
    "\"state\":{\"_model_module\":\"m\",\"_model_module_version\":\"1\",\"_model_name\":"     \
    "\"M\"" more "}}"

static void test_all_states(void **state)
{
    struct widgets *widgets = widgets_new(WIDGETS_BUFFERS_MAX);
    (void)state;
    expect_all(widgets, "{\"buffer_paths\":[],\"method\":\"update_states\",\"states\":{}}");
    struct widget *one =
        open_widget(widgets, "one", "{\"state\":{" MODEL "},\"buffer_paths\":[[\"v\"]]}", "bytes");
    struct widget *two = open_widget(widgets, "two", "{\"state\":{" MODEL ",\"x\":1}}", "");
    struct widget *three = open_widget(widgets, "three", "{\"state\":{" MODEL "}}", "");
    expect_all(widgets,
               "{\"buffer_paths\":[[\"one\",\"state\",\"v\"]],\"method\":\"update_states\","
               "\"states\":{" ENTRY("one", "") "," ENTRY("three", "") "," ENTRY(
                   "two", ",\"x\":1") "}} bytes");
    widget_close(two);
    expect_all(widgets,
               "{\"buffer_paths\":[[\"one\",\"state\",\"v\"]],\"method\":\"update_states\","
               "\"states\":{" ENTRY("one", "") "," ENTRY("three", "") "}} bytes");
    widget_close(three);
    widget_close(one);
    widget_close(NULL);
    expect_all(widgets, "{\"buffer_paths\":[],\"method\":\"update_states\",\"states\":{}}");
    widgets_free(widgets);
}

/* Ten bytes may be kept: the oldest values go first, whichever widget has them; set again is new. */
static void test_forgets_the_oldest(void **state)
{
    struct widgets *widgets = widgets_new(10);
    (void)state;
    struct widget *one = open_widget(
        widgets, "one", "{\"state\":{" MODEL "},\"buffer_paths\":[[\"a\"],[\"b\"]]}", "1111,222");
    struct widget *two =
        open_widget(widgets, "two", "{\"state\":{" MODEL "},\"buffer_paths\":[[\"c\"]]}", "333");
    expect_state(one, "[{},[[\"b\"],[\"a\"]]] 222,1111");
    update(one, "{\"method\":\"update\",\"state\":{},\"buffer_paths\":[[\"a\"]]}", "4444", false);
    update(two, "{\"method\":\"update\",\"state\":{},\"buffer_paths\":[[\"d\"]]}", "55", false);
    expect_state(one, "[{},[[\"a\"]]] 4444");
    expect_state(two, "[{},[[\"d\"],[\"c\"]]] 55,333");
    update(two, "{\"method\":\"update\",\"state\":{},\"buffer_paths\":[[\"e\"]]}", "66666666",
           false);
    expect_state(one, "[{},[]]");
    expect_state(two, "[{},[[\"e\"],[\"d\"]]] 66666666,55");
    update(one, "{\"method\":\"update\",\"state\":{},\"buffer_paths\":[[\"f\"]]}", "more than ten",
           false);
    expect_state(one, "[{},[]]");
    widgets_free(widgets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(test_merges),
        UNIT(test_no_state),
        UNIT(test_all_states),
        UNIT(test_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
