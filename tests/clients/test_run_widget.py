# SPDX-License-Identifier: BSD-3-Clause
"""A run as a live widget, as pages see it over the wire: what it shows, how it is steered, what it survives."""

import json
import pathlib
import re
import time

import pytest

from conftest import NO_HURRY, Place, until
from page import VIEW, Page

STEPS = """import os, pathlib, time
for step in range(3):
    print(f'step: {step} loss: {1 / (step + 1):.4f}', flush=True)
while not os.path.exists(os.environ['GO_ON']):
    time.sleep(0.01)
pathlib.Path('outputs/model.txt').write_text('weights')
print('\\x1b[32mlast words\\x1b[0m')
"""


@pytest.fixture
def page(kernel):
    return Page(kernel)


def submit(place, page, script=STEPS, more=""):
    """Submits a script that waits for place.work/go-on; its run folder."""
    place.write("src/train.py", script)
    messages = page.run(f"%%submit try {more}\ncode: src\nscript: train.py\n"
                        f"environment_variables: {{GO_ON: {place.work / 'go-on'}}}\n")
    assert not [m for m in messages if m["msg_type"] == "error"], messages
    return place.runs()[-1]


def test_live_and_then_static(place, page):
    run = submit(place, page)
    line, view = page.outputs[-2:]
    assert run.name in page.displays[line]["text/plain"] and VIEW not in page.displays[line]
    assert f"%attach {run.name}" in page.displays[line]["text/plain"]
    page.until_shows("step: 2 loss: 0.3333")
    page.until_shows("Running")
    page.until_shows("<svg")  # the chart of the loss
    assert "Cancel" in page.text() and "Rerun" not in page.text()
    place.write("go-on", "")
    page.until(lambda _: VIEW not in page.displays[view])
    twin = page.displays[view]
    for wanted in ("Completed", "loss", "model.txt", "last words"):
        assert wanted in twin["text/html"] and wanted in twin["text/plain"], wanted
    assert "\x1b" not in twin["text/html"] + twin["text/plain"]
    assert "Completed" in page.displays[line]["text/plain"]
    # The models have the end, too: a page that is reloaded shows them.
    assert "Completed" in page.model("head")["value"]
    assert not page.quiet(2), "an ended run sends nothing"


def test_nothing_goes_to_who_does_not_draw(place, kernel):
    """A text front end: nobody has asked for widgets in this session."""
    place.write("src/train.py", STEPS)
    msg_id = kernel.send(f"%%submit try --wait\ncode: src\nscript: train.py\n"
                         f"environment_variables: {{GO_ON: {place.work / 'go-on'}}}\n", allow_stdin=True)
    seen = kernel.until(lambda m: m["msg_type"] == "stream" and "step: 2" in m["content"]["text"])
    until(lambda: place.states(place.runs()[0])[-1] == "Running")
    place.write("go-on", "")
    seen += kernel.until(lambda m: (m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                                    and m["parent_header"].get("msg_id") == msg_id))
    assert not [m for m in seen if m["msg_type"].startswith("comm_")]
    stream = "".join(m["content"]["text"] for m in seen if m["msg_type"] == "stream")
    (run,) = place.runs()
    states = re.findall(rf"^{run.name}[^\n]*: (\w[\w ]*)", stream, re.M)
    assert states[-1] == "Completed" and len(states) == len(set(states)) > 1
    assert "step: 2 loss" in stream and "last words" in stream


def test_wait_draws_a_line_of_text(place, kernel):
    place.write("src/train.py", STEPS)
    kernel.run(f"%%submit try --no-wait\ncode: src\nscript: train.py\n"
               f"environment_variables: {{GO_ON: {place.work / 'go-on'}}}\n", stdin=[]).ok()
    msg_id = kernel.send("%wait", allow_stdin=True)
    (run,) = place.runs()
    seen = kernel.until(lambda m: m["msg_type"] == "stream" and re.search(r"Running \d", m["content"]["text"])
                        and m["parent_header"].get("msg_id") == msg_id)
    assert seen[-1]["content"]["text"].startswith(f"\r\033[K{run.name}: Running")
    place.write("go-on", "")
    seen += kernel.until(lambda m: (m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                                    and m["parent_header"].get("msg_id") == msg_id))
    stream = "".join(m["content"]["text"] for m in seen if m["msg_type"] == "stream"
                     and m["parent_header"].get("msg_id") == msg_id)
    assert re.search(rf"\r\033\[K{run.name}: Completed .*\n$", stream)
    assert stream.count("\n") == 1


def test_batch_makes_no_widget(place, kernel):
    Page(kernel)  # even if somebody has a page
    place.write("src/train.py", STEPS)
    place.write("go-on", "")
    result = kernel.run(f"%%submit try\ncode: src\nscript: train.py\n"
                        f"environment_variables: {{GO_ON: {place.work / 'go-on'}}}\n")
    assert "Completed" in result.ok()
    assert not [m for m in result.outputs if m["msg_type"].startswith("comm_")]
    assert not [m for m in result.outputs if VIEW in m["content"].get("data", {})]


def test_cancel_asks_once_more_and_works_while_python_spins(place, page):
    page.run("1 + 1")  # the companion is there
    run = submit(place, page, "import time\nprint('on', flush=True)\ntime.sleep(1000)\n")
    page.until_shows("Running")
    page.execute("import time\nend = time.monotonic() + 1000\nwhile time.monotonic() < end: pass")
    page.until(lambda m: m["msg_type"] == "execute_input")
    page.click("cancel")
    page.until_shows("Keep running")
    page.click("keep")
    page.until(lambda _: "Keep running" not in page.text())
    assert place.states(run)[-1] == "Running"
    page.click("cancel")
    page.until_shows("Keep running")
    page.click("sure")
    page.until(lambda _: "Canceled" in page.model("head")["value"])
    assert place.states(run)[-1] == "Canceled"
    page.kernel.manager.interrupt_kernel()


def test_clicks_that_make_no_sense_do_nothing(place, page):
    run = submit(place, page)
    page.until_shows("Running")
    for name in ("sure", "keep", "rerun", "sure"):
        page.click(name)
    page.click("details-button")
    page.until_shows("Hide details")
    assert place.states(run)[-1] == "Running"
    place.write("go-on", "")
    page.until(lambda _: "Completed" in page.model("head")["value"])
    for name in ("cancel", "sure"):
        page.click(name)
    page.click("details-button")
    page.until(lambda _: "Hide details" not in page.model("details-button")["description"])
    assert place.states(run)[-1] == "Completed"


HOSTILE = [
    {"method": "update", "state": {"value": "<script>alert(1)</script>"}},
    {"method": "update", "state": {"value": 12}},
    {"method": "update", "state": {"description": None, "_model_name": "EvilModel", "nothing": [1]}},
    {"method": "update", "state": [1, 2]},
    {"method": "update"},
    {"method": "custom", "content": None},
    {"method": "custom", "content": {"event": ["click"]}},
    {"method": 5},
    {"method": "request_state"},
    {},
    None,
    "text",
]


def test_hostile_comm_messages(place, page):
    run = submit(place, page)
    page.until_shows("Running")
    before = {i: dict(m) for i, m in page.models.items()}
    for data in HOSTILE:
        for part in ("head", "cancel", "root", "log-layout", "bar"):
            page.send("comm_msg", f"skiff-{run.name}-{part}", data)
        page.send("comm_msg", f"skiff-{run.name}-unknown", data)
    for _ in range(200):
        page.load()
    assert "<script>alert" not in page.text()
    for model_id, state in page.models.items():
        assert state["_model_name"] == before.get(model_id, state)["_model_name"]
    place.write("go-on", "")
    page.until(lambda _: "Completed" in page.model("head")["value"])


def test_a_new_kernel_brings_it_back(place):
    first = place.start()
    page = Page(first)
    run = submit(place, page)
    page.until_shows("step: 2")
    ids = set(page.models)
    first.kill()
    second = place.start()
    again = Page(second)
    assert ids <= set(again.models)
    root = f"skiff-{run.name}-root"
    shown = again.draw(root)
    assert "step: 2 loss" in shown and "Running" in shown
    # It says as of when, for a page that will hear no more; others are told that they are live.
    assert "As of" in shown and f"%attach {run.name}" in shown
    again.until(lambda _: "As of" not in again.draw(root))
    # And it is live: nobody has run a cell.
    place.write("go-on", "")
    again.until(lambda _: "Completed" in again.draw(root))
    again.until(lambda _: "last words" in again.draw(root))


def test_another_folder_gets_no_widgets(place):
    submit(place, Page(place.start()))
    (place.folder / "other").mkdir()
    other = Place(place.folder / "other")
    other.home = place.home
    try:
        assert not Page(other.start()).models
    finally:
        other.kernels[0].stop()


def test_attach_shows_an_ended_run_with_its_buttons(place, page):
    run = submit(place, page)
    place.write("go-on", "")
    page.until(lambda _: "Completed" in page.model("head")["value"])
    page.quiet(0.5)
    page.run(f"%attach {run.name}")
    view = page.outputs[-1]
    assert VIEW in page.displays[view]
    assert "Rerun" in page.text() and "Completed" in page.text()
    page.quiet(0.5)
    assert VIEW in page.displays[view]
    # A new kernel opens the models again before it shows them.
    other = Page(place.start(), load=True)
    other.models.clear()
    other.run(f"%attach {run.name}")
    assert "last words" in other.text() or other.until_shows("last words")


def test_rerun_by_click(place, page):
    run = submit(place, page)
    place.write("go-on", "")
    page.until(lambda _: "Completed" in page.model("head")["value"])
    page.run(f"%attach {run.name}")
    page.click("rerun")
    page.until(lambda _: len(place.runs()) == 2)
    (other,) = [r for r in place.runs() if r != run]
    page.until(lambda _: other.name in page.text() or f"skiff-{other.name}-root" in page.models)
    page.until(lambda _: "Completed" in page.model("head", other.name)["value"])
    assert f"IPY_MODEL_skiff-{other.name}-root" in page.model("again", run.name)["children"]
    # A new kernel shows it there again.
    second = Page(place.start())
    assert f"IPY_MODEL_skiff-{other.name}-root" in second.model("again", run.name)["children"]


def test_a_burst_is_bounded(place, page):
    script = ("import os, time\nfor i in range(100_000):\n    print(f'line {i} ' + 'x' * 60)\n"
              "print('the end', flush=True)\n"
              "while not os.path.exists(os.environ['GO_ON']):\n    time.sleep(0.01)\n")
    run = submit(place, page, script)
    page.until(lambda _: "the end" in page.text() and "line 99999 " in page.text())
    assert "line 50000 " not in page.text()
    size = (run / "user_logs/std_log.txt").stat().st_size
    assert size > 6_000_000
    assert page.bytes < size / 4
    widget = sum(len(json.dumps(m)) for m in page.models.values())
    assert widget < 300_000
    place.write("go-on", "")
    view = page.outputs[-1]
    page.until(lambda _: VIEW not in page.displays[view])
    assert len(json.dumps(page.displays[view])) < 200_000


def test_updates_are_paced(place, page):
    script = ("import os, time\nfor i in range(400):\n    print(f'step: {i} loss: {1 / (i + 1)}', flush=True)\n"
              "    time.sleep(0.01)\n")
    submit(place, page, script)
    begin = time.monotonic()
    count = page.updates
    page.until(lambda _: "Completed" in page.model("head")["value"])
    assert (page.updates - count) <= 12 * (time.monotonic() - begin) + 30


def test_wait_in_a_page_shows_it_live_and_can_be_left(place, page):
    run = submit(place, page)
    msg_id = page.execute(f"%wait {run.name}")
    page.until(lambda m: m["msg_type"] == "display_data" and VIEW in m["content"]["data"])
    page.kernel.manager.interrupt_kernel()
    page.until(lambda m: m["msg_type"] == "error")
    reply = page.kernel.client.get_shell_msg(timeout=NO_HURRY)
    while reply["parent_header"]["msg_id"] != msg_id:
        reply = page.kernel.client.get_shell_msg(timeout=NO_HURRY)
    assert reply["content"]["status"] == "error" and "goes on" in reply["content"]["evalue"]
    place.write("go-on", "")
    page.until(lambda _: "Completed" in page.model("head")["value"])
    assert until(lambda: place.states(run)[-1] == "Completed")


def test_a_large_log_is_shown_at_once(place, page):
    """The end of it, and little of it in memory; its metrics follow."""
    run = submit(place, page)
    place.write("go-on", "")
    page.until(lambda _: "Completed" in page.model("head")["value"])
    page.kernel.kill()
    line = b"step: 12 loss: 0.25 " + b"x" * 79 + b"\n"
    with open(run / "user_logs/std_log.txt", "wb") as log:
        for _ in range(200):
            log.write(line * 10_000)
        log.write(b"the very end\n")
    other = Page(place.start())
    root = f"skiff-{run.name}-root"
    assert "the very end" in other.draw(root) and len(other.draw(root)) < 300_000
    other.until(lambda _: "loss" in other.model("metrics").get("value", ""))
    status = (pathlib.Path("/proc") / str(other.kernel.pid) / "status").read_text()
    assert int(re.search(r"VmHWM:\s+(\d+)", status)[1]) < 40_000


def test_a_page_that_is_loaded_takes_nothing_from_the_others(place, page):
    """What changed just before goes to the page that was there, whoever asks for all in that moment."""
    script = ("import os, time\nfor i in range(100):\n    print(f'line {i}', flush=True)\n    time.sleep(0.01)\n"
              "while not os.path.exists(os.environ['GO_ON']):\n    time.sleep(0.01)\nprint('last words')\n")
    run = submit(place, page, script)
    for _ in range(30):
        control = f"control-{time.monotonic_ns()}"
        page.send("comm_open", control, {}, "jupyter.widget.control", {"version": "1.0.0"})
        page.send("comm_msg", control, {"method": "request_states"})
        page.quiet(0.05)
    # What update_states told another page is not this one's: only updates count here.
    page.models[f"skiff-{run.name}-head"]["value"] = ""
    place.write("go-on", "")
    page.until(lambda _: "Completed" in page.model("head")["value"])
    page.until(lambda _: "last words" in page.text() and "line 99" in page.text())
