/* SPDX-License-Identifier: BSD-3-Clause */

#include "protocol/content.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#include "tests/unit.h"

/* Compares with keys sorted; takes the value. */
static void expect(json_t *value, const char *text)
{
    assert_non_null(value);
    AUTO_FREE char *canonical = json_canonical(value);
    json_decref(value);
    assert_string_equal(canonical, text);
}

static void replies(void **state)
{
    (void)state;
    expect(content_ok(), "{\"status\":\"ok\"}");
    expect(content_aborted(), "{\"status\":\"aborted\"}");
    expect(content_error("ValueError", "no", json_pack("[s]", "line")),
           "{\"ename\":\"ValueError\",\"evalue\":\"no\",\"status\":\"error\","
           "\"traceback\":[\"line\"]}");
    expect(content_execute_ok(3, NULL, NULL),
           "{\"execution_count\":3,\"payload\":[],\"status\":\"ok\",\"user_expressions\":{}}");
    expect(content_execute_ok(3, json_pack("[{}]"), json_pack("{s:i}", "a", 1)),
           "{\"execution_count\":3,\"payload\":[{}],\"status\":\"ok\","
           "\"user_expressions\":{\"a\":1}}");
    expect(content_execute_error(4, content_error("E", "v", NULL)),
           "{\"ename\":\"E\",\"evalue\":\"v\",\"execution_count\":4,\"status\":\"error\","
           "\"traceback\":[]}");
    expect(content_inspect(false, NULL),
           "{\"data\":{},\"found\":false,\"metadata\":{},\"status\":\"ok\"}");
    expect(content_is_complete("incomplete", "  "),
           "{\"indent\":\"  \",\"status\":\"incomplete\"}");
    expect(content_is_complete("complete", NULL), "{\"status\":\"complete\"}");
    expect(content_history(NULL), "{\"history\":[],\"status\":\"ok\"}");
    expect(content_comm_info(NULL), "{\"comms\":{},\"status\":\"ok\"}");
    expect(content_shutdown(true), "{\"restart\":true,\"status\":\"ok\"}");
}

static void completions(void **state)
{
    (void)state;
    expect(content_complete(NULL, NULL, 1, 2),
           "{\"cursor_end\":2,\"cursor_start\":1,\"matches\":[],\"metadata\":{},"
           "\"status\":\"ok\"}");
    expect(content_complete(json_pack("[ss]", "%wait", "%who"), json_pack("[s]", "magic"), 0, 2),
           "{\"cursor_end\":2,\"cursor_start\":0,\"matches\":[\"%wait\",\"%who\"],"
           "\"metadata\":{\"_jupyter_types_experimental\":[{\"end\":2,\"start\":0,"
           "\"text\":\"%wait\",\"type\":\"magic\"}]},\"status\":\"ok\"}");
}

/* Front ends throw on a message that lacks one of these fields. */
static void iopub(void **state)
{
    (void)state;
    expect(content_status("busy"), "{\"execution_state\":\"busy\"}");
    expect(content_iopub_welcome(""), "{\"subscription\":\"\"}");
    expect(content_execute_input("1", 2), "{\"code\":\"1\",\"execution_count\":2}");
    expect(content_display(json_pack("{s:s}", "text/plain", "x"), NULL, "id"),
           "{\"data\":{\"text/plain\":\"x\"},\"metadata\":{},\"transient\":{\"display_id\":"
           "\"id\"}}");
    expect(content_display(NULL, NULL, NULL), "{\"data\":{},\"metadata\":{},\"transient\":{}}");
    expect(content_iopub_error("E", "v", NULL),
           "{\"ename\":\"E\",\"evalue\":\"v\",\"traceback\":[]}");
    expect(content_clear_output(true), "{\"wait\":true}");
    expect(content_comm_open("c", "t", NULL),
           "{\"comm_id\":\"c\",\"data\":{},\"target_name\":\"t\"}");
    expect(content_comm_msg("c", json_pack("{s:i}", "x", 1)),
           "{\"comm_id\":\"c\",\"data\":{\"x\":1}}");
    expect(content_comm_close("c", NULL), "{\"comm_id\":\"c\",\"data\":{}}");
    expect(content_input_request("Name: ", true), "{\"password\":true,\"prompt\":\"Name: \"}");
}

static void bytes_that_are_not_utf8_do_not_lose_a_message(void **state)
{
    (void)state;
    expect(content_stream("stdout", "a\xff\0b", 4),
           "{\"name\":\"stdout\",\"text\":\"a\xef\xbf\xbd\\u0000b\"}");
    expect(content_iopub_error("E\xff", "\xc3", NULL),
           "{\"ename\":\"E\xef\xbf\xbd\",\"evalue\":\"\xef\xbf\xbd\",\"traceback\":[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(replies),
        UNIT(completions),
        UNIT(iopub),
        UNIT(bytes_that_are_not_utf8_do_not_lose_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
