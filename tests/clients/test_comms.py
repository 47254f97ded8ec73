# SPDX-License-Identifier: BSD-3-Clause
"""Comms of both sides: widgets that live in the companion, as pages and clients see them through Skiff."""

import base64
import json
import queue
import subprocess
import time
import types

import psutil
import pytest
from jupyter_client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

from conftest import BUILD, NO_HURRY, until

WIDGETS = "import ipywidgets as w\n"
SPIN = "import os, time\nprint('spinning', flush=True)\nwhile not os.path.exists('go-on'):\n    time.sleep(0.01)"

# What ipywidgets itself answers to request_states, in a cell's output.
OWN_ANSWER = """
import base64, json
class Answer:
    def send(self, data, buffers):
        print(json.dumps([data, [base64.b64encode(bytes(b)).decode() for b in buffers]]))
w.Widget._control_comm = Answer()
w.Widget._handle_control_comm_msg({'content': {'data': {'method': 'request_states'}}})
"""


def send(kernel, kind, comm_id, data, target=None, metadata=None, buffers=None):
    """A comm message of the front end's; its id."""
    content = {"comm_id": comm_id, "data": data}
    if target is not None:
        content["target_name"] = target
    session = kernel.client.session
    message = session.send(kernel.client.shell_channel.socket, kind, content, metadata=metadata,
                           buffers=buffers)
    return message["header"]["msg_id"]


def comm_messages(messages, kind, comm_id=None):
    return [m for m in messages if m["msg_type"] == kind and comm_id in (None, m["content"]["comm_id"])]


def idle_of(msg_id):
    return lambda m: (m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                      and m["parent_header"].get("msg_id") == msg_id)


def about(kernel, msg_id):
    """What is said about a message, until idle."""
    return [m for m in kernel.until(idle_of(msg_id)) if m["parent_header"].get("msg_id") == msg_id]


def control_states(kernel):
    """What a page gets that is loaded: the message."""
    assert not comm_messages(about(kernel, send(kernel, "comm_open", "control", {}, "jupyter.widget.control",
                                                {"version": "1.0.0"})), "comm_close")
    said = about(kernel, send(kernel, "comm_msg", "control", {"method": "request_states"}))
    about(kernel, send(kernel, "comm_close", "control", {}))
    (answer,) = comm_messages(said, "comm_msg", "control")
    return answer


def by_path(paths, buffers):
    assert len(paths) == len(buffers)
    return {json.dumps(path): bytes(buffer) for path, buffer in zip(paths, buffers)}


def same_as_ipywidgets(kernel):
    """Our answer and ipywidgets' own say the same; the answer's data."""
    ours = control_states(kernel)
    data, buffers = json.loads(kernel.run(OWN_ANSWER).ok())
    mine = ours["content"]["data"]
    assert mine.keys() == data.keys() and mine["method"] == data["method"] == "update_states"
    assert mine["states"].keys() == data["states"].keys()
    for model in data["states"]:
        assert mine["states"][model] == data["states"][model]
    assert (by_path(mine["buffer_paths"], ours["buffers"])
            == by_path(data["buffer_paths"], [base64.b64decode(b) for b in buffers]))
    return mine


def values(kernel):
    return {entry["state"]["value"] for entry in control_states(kernel)["content"]["data"]["states"].values()
            if "value" in entry["state"]}


def comms(kernel, target=None):
    kernel.client.comm_info(target)
    return kernel.client.get_shell_msg(timeout=NO_HURRY)["content"]["comms"]


def model_id(result):
    """The widget that a cell has shown."""
    (view,) = [m["content"]["data"]["application/vnd.jupyter.widget-view+json"] for m in result.outputs
               if m["msg_type"] == "display_data"]
    return view["model_id"]


def spin(kernel):
    msg_id = kernel.send(SPIN)
    kernel.until(lambda m: m["msg_type"] == "stream" and "spinning" in m["content"]["text"])
    return msg_id


def children(kernel):
    return psutil.Process(kernel.pid).children()


# --- the state of widgets ----------------------------------------------------------------------------------------------


def test_states_are_what_ipywidgets_says(kernel):
    kernel.run(WIDGETS + "slider = w.IntSlider(value=3, description='\\U0001F600')\n"
               "box = w.VBox([slider, w.Label('text'), w.FloatSlider(max=1e308), w.Dropdown(options=['a', 'b'])])").ok()
    assert len(same_as_ipywidgets(kernel)["states"]) > 8
    kernel.run("slider.value = 5\nbox.children = box.children[:1]\nslider.style.handle_color = 'red'\n"
               "with slider.hold_sync():\n    slider.max = 7\n    slider.min = 1").ok()
    same_as_ipywidgets(kernel)
    kernel.run("box.close()\ndel box").ok()
    same_as_ipywidgets(kernel)
    kernel.run("w.Widget.close_all()").ok()
    assert same_as_ipywidgets(kernel)["states"] == {}


NESTED = """
import traitlets
class Nested(w.Widget):
    _model_name = traitlets.Unicode('NestedModel').tag(sync=True)
    data = traitlets.Any().tag(sync=True)
    raw = traitlets.Any().tag(sync=True)
nested = Nested(data={'x': [b'one', {'y': b'two'}, None], 'z': b''}, raw=b'three')
picture = w.Image(value=bytes(range(256)) * 1000)
"""


def test_binary_values(kernel):
    kernel.run(WIDGETS + NESTED).ok()
    assert len(same_as_ipywidgets(kernel)["buffer_paths"]) == 5
    kernel.run("picture.value = b'other'\nnested.raw = None").ok()
    assert len(same_as_ipywidgets(kernel)["buffer_paths"]) == 4
    kernel.run("nested.data = {'x': [b'new']}\nnested.raw = memoryview(b'back')").ok()
    assert len(same_as_ipywidgets(kernel)["buffer_paths"]) == 3


@pytest.mark.parametrize("echo", ["1", "0"])
def test_what_a_page_sets(place, echo):
    """The value is Python's and the shadow's, whether ipywidgets repeats it or not; so is what Python makes of it."""
    kernel = place.start(JUPYTER_WIDGETS_ECHO=echo)
    slider = model_id(kernel.run(WIDGETS + "slider = w.IntSlider(value=3, max=10)\ndisplay(slider)"))
    update = {"method": "update", "state": {"value": 8}, "buffer_paths": []}
    said = about(kernel, send(kernel, "comm_msg", slider, update))
    assert len(comm_messages(said, "comm_msg", slider)) == int(echo)
    assert same_as_ipywidgets(kernel)["states"][slider]["state"]["value"] == 8
    update["state"] = {"value": 99, "no such key": 1}
    about(kernel, send(kernel, "comm_msg", slider, update))
    assert same_as_ipywidgets(kernel)["states"][slider]["state"]["value"] == 10


def test_a_page_loaded_while_a_cell_runs(place, kernel):
    slider = model_id(kernel.run(WIDGETS + "slider = w.IntSlider(value=3)\npicture = w.Image(value=b'png')\ndisplay(slider)"))
    cell = spin(kernel)
    before = len(children(kernel))
    answer = control_states(kernel)
    assert answer["content"]["data"]["states"][slider]["state"]["value"] == 3
    assert [bytes(b) for b in answer["buffers"]] == [b"png"]
    # What is set meanwhile reaches Python when the cell has ended, and a page at once.
    moved = send(kernel, "comm_msg", slider, {"method": "update", "state": {"value": 4}, "buffer_paths": []})
    assert control_states(kernel)["content"]["data"]["states"][slider]["state"]["value"] == 4
    asked = send(kernel, "comm_msg", slider, {"method": "request_state"})
    (state,) = comm_messages(about(kernel, asked), "comm_msg", slider)
    assert state["content"]["data"]["state"]["value"] == 4
    assert len(children(kernel)) == before
    place.write("go-on", "")
    ended = set()
    said = kernel.until(lambda m: (ended.update(i for i in (cell, moved) if idle_of(i)(m)), len(ended) == 2)[1])
    assert comm_messages(said, "comm_msg", slider)
    assert kernel.run("print(slider.value)").ok() == "4\n"


def test_request_state_is_what_ipywidgets_says(kernel):
    comm_id = model_id(kernel.run(WIDGETS + "picture = w.Image(value=b'png')\ndisplay(picture)"))
    (ours,) = comm_messages(about(kernel, send(kernel, "comm_msg", comm_id, {"method": "request_state"})), "comm_msg")
    (theirs,) = comm_messages(kernel.run("picture.send_state()").outputs, "comm_msg", comm_id)
    assert ours["content"] == theirs["content"]
    assert [bytes(b) for b in ours["buffers"]] == [bytes(b) for b in theirs["buffers"]] == [b"png"]


# --- whose comm it is --------------------------------------------------------------------------------------------------


ECHO = """
from ipykernel.comm import Comm
def opened(comm, message):
    comm.on_msg(lambda m: comm.send({'got': m['content']['data']}, buffers=m['buffers']))
get_ipython().kernel.comm_manager.register_target('echo', opened)
"""


def test_targets_of_python(kernel):
    kernel.run(ECHO).ok()
    assert not comm_messages(about(kernel, send(kernel, "comm_open", "a", {}, "echo")), "comm_close")
    assert comms(kernel, "echo") == {"a": {"target_name": "echo"}}
    (answer,) = comm_messages(about(kernel, send(kernel, "comm_msg", "a", {"n": 1}, buffers=[b"\0\xff"])), "comm_msg", "a")
    assert answer["content"]["data"] == {"got": {"n": 1}} and bytes(answer["buffers"][0]) == b"\0\xff"
    about(kernel, send(kernel, "comm_close", "a", {}))
    assert comms(kernel) == {}
    assert not comm_messages(about(kernel, send(kernel, "comm_msg", "a", {})), "comm_msg")
    assert comm_messages(about(kernel, send(kernel, "comm_open", "b", {}, "nobody's")), "comm_close", "b")
    assert comms(kernel) == {}


def test_comm_of_python(kernel):
    kernel.run("from ipykernel.comm import Comm\ngot = []\ncomm = Comm('theirs', comm_id='c', data={'n': 10 ** 30})\n"
               "comm.on_msg(lambda m: got.append(m['content']['data']))").ok()
    assert list(comms(kernel)) == ["c"]
    for i in range(100):
        send(kernel, "comm_msg", "c", i)
    assert kernel.run("print(got == list(range(100)))").ok() == "True\n"
    kernel.client.session.pack = lambda part: json.dumps(part, default=str).encode()  # escapes it, as pages do
    about(kernel, send(kernel, "comm_msg", "c", "half a pair: \ud83d"))
    assert kernel.run("print(ascii(got[-1]))").ok() == "'half a pair: \\ud83d'\n"
    kernel.run("comm.close()").ok()
    assert comms(kernel) == {}


def test_order_while_a_cell_runs(place, kernel):
    kernel.run("from ipykernel.comm import Comm\ngot = []\ncomm = Comm('theirs', comm_id='c')\n"
               "comm.on_msg(lambda m: got.append(m['content']['data']))").ok()
    spin(kernel)
    for i in range(500):
        send(kernel, "comm_msg", "c", i)
    place.write("go-on", "")
    assert kernel.run("print(got == list(range(500)))").ok() == "True\n"


def test_nobody_is_started_to_be_asked(place):
    """A page's control comm, and targets nobody can have registered, start no Python. With none to start soon, either."""
    connection = place.folder / "connection.json"
    write_connection_file(str(connection))
    process = subprocess.Popen([BUILD / "skiff", "kernel", "-f", connection], env=place.env())
    client = BlockingKernelClient(connection_file=str(connection))
    client.load_connection_file()
    client.start_channels()
    bare = types.SimpleNamespace(client=client, pid=process.pid, until=lambda what: read_until(client, what))
    try:
        client.iopub_channel.socket.poll(NO_HURRY * 1000)  # the welcome: it listens to us
        assert control_states(bare)["content"]["data"] == {"method": "update_states", "states": {}, "buffer_paths": []}
        for target in ("echo", "jupyter.widget"):
            assert comm_messages(about(bare, send(bare, "comm_open", "a", {}, target)), "comm_close", "a")
        assert children(bare) == []
    finally:
        client.stop_channels()
        process.terminate()
        assert process.wait(timeout=NO_HURRY) == 0


def read_until(client, what):
    seen = []
    end = time.monotonic() + NO_HURRY
    while time.monotonic() < end:
        try:
            seen.append(client.get_iopub_msg(timeout=1))
        except queue.Empty:
            continue
        if what(seen[-1]):
            return seen
    pytest.fail("nothing of the kind came")


def test_python_dies(kernel):
    """Its comms are closed, each with data, and forgotten; Skiff's answers go on."""
    slider = model_id(kernel.run(WIDGETS + "display(w.IntSlider())"))
    assert slider in comms(kernel, "jupyter.widget")
    children(kernel)[0].kill()
    closed = kernel.until(lambda m: m["msg_type"] == "comm_close" and m["content"]["comm_id"] == slider)
    assert all(m["content"]["data"] == {} for m in comm_messages(closed, "comm_close"))
    assert comms(kernel) == {}
    assert control_states(kernel)["content"]["data"]["states"] == {}
    kernel.run(WIDGETS + "slider = w.IntSlider(value=77)").ok()
    assert 77 in values(kernel)


# --- what they need ----------------------------------------------------------------------------------------------------


def usage(kernel):
    message = kernel.client.session.msg("usage_request", {})
    kernel.client.control_channel.send(message)
    while True:
        reply = kernel.client.get_control_msg(timeout=NO_HURRY)
        if reply["parent_header"]["msg_id"] == message["header"]["msg_id"]:
            return reply["content"]


def test_usage_is_what_psutil_says(kernel):
    kernel.run("held = bytearray(b'x') * 200_000_000").ok()
    usage(kernel)
    kernel.run("import time\nend = time.process_time() + 1\nwhile time.process_time() < end:\n    pass").ok()
    said = usage(kernel)
    ours = psutil.Process(kernel.pid)
    (python,) = children(kernel)
    memory = ours.memory_info().rss + python.memory_info().rss
    assert said["pid"] == kernel.pid and said["cpu_count"] == psutil.cpu_count()
    assert said["kernel_memory"] == pytest.approx(memory, rel=0.05)
    assert python.memory_info().rss > 200_000_000
    assert 0 < said["kernel_cpu"] <= 100 * psutil.cpu_count()
    assert 0 < said["host_cpu_percent"] <= 100
    host = psutil.virtual_memory()
    assert said["host_virtual_memory"]["total"] == host.total
    assert said["host_virtual_memory"]["available"] == pytest.approx(host.available, rel=0.2)


def test_features(kernel):
    kernel.client.kernel_info()
    info = until(lambda: kernel.client.get_shell_msg(timeout=NO_HURRY))["content"]
    assert info["supported_features"] == ["debugger"]
    assert kernel.manager.kernel_spec.metadata["debugger"] is True
