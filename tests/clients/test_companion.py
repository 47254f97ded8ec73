# SPDX-License-Identifier: BSD-3-Clause
"""The companion's life beside ours: started when needed, seen as one kernel, and never left behind."""

import json
import os
import pathlib
import queue
import random
import signal
import subprocess
import time

import pytest
from jupyter_client.connect import write_connection_file

from conftest import BUILD, NO_HURRY, until

SLEEP = "import time\nprint('going', flush=True)\ntime.sleep(1000)"
DEAD = "DeadKernelError"


@pytest.fixture(autouse=True)
def sockets(place, monkeypatch):
    """The folders of sockets are made where the test can count them; their paths must be short."""
    runtime = pathlib.Path(f"/tmp/skiff-test-{os.getpid()}-{random.randrange(10**6)}")
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    yield runtime
    for kernel in place.kernels:
        kernel.stop()
    subprocess.run(["rm", "-rf", str(runtime)], check=True)


def folders(runtime):
    return sorted(p.name for p in runtime.iterdir())


def children(pid):
    """The processes that pid has started and that are alive."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, IndexError):
            continue
        if entry.name.isdigit() and int(fields[1]) == pid and fields[0] not in "ZX":
            found.append(int(entry.name))
    return found


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def companion(kernel):
    """The pid of the companion, when it is there."""
    return until(lambda: children(kernel.pid))[0]


def gone(*pids):
    """All of them, but for one that nobody has waited for yet."""
    until(lambda: not any(alive(pid) for pid in pids))


def idle_of(msg_id):
    return lambda m: (m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                      and m["parent_header"].get("msg_id") == msg_id)


def stream_of(text):
    return lambda m: m["msg_type"] == "stream" and text in m["content"]["text"]


def reply_to(kernel, msg_id, channel="shell"):
    """The reply, with what others got before it dropped."""
    get = kernel.client.get_shell_msg if channel == "shell" else kernel.client.get_control_msg
    end = time.monotonic() + NO_HURRY
    while time.monotonic() < end:
        try:
            message = get(timeout=1)
        except queue.Empty:
            assert kernel.manager.is_alive(), "the kernel died"
            continue
        if message["parent_header"]["msg_id"] == msg_id:
            return message
    pytest.fail("no reply")


def control(kernel, kind, content=None):
    message = kernel.client.session.msg(kind, content or {})
    kernel.client.control_channel.send(message)
    return reply_to(kernel, message["header"]["msg_id"], "control")["content"]


def errors(messages):
    return [m["content"]["ename"] for m in messages if m["msg_type"] == "error"]


def value(result):
    """The plain text of what a cell gave."""
    return [m["content"]["data"]["text/plain"] for m in result.outputs if m["msg_type"] == "execute_result"]


# --- its life ----------------------------------------------------------------------------------------------------------


def test_starts_soon_and_once(kernel, sockets):
    pid = companion(kernel)
    assert value(kernel.run("import os\nos.getpid()")) == [str(pid)]
    assert len(folders(sockets)) == 1
    assert (sockets / folders(sockets)[0]).stat().st_mode & 0o777 == 0o700
    assert children(kernel.pid) == [pid]


def test_none_without_a_question(place, sockets):
    """What has asked nothing of the kernel has no Python, however long it waits; nor has its folder."""
    connection = place.folder / "connection.json"
    write_connection_file(str(connection))
    process = subprocess.Popen([BUILD / "skiff", "kernel", "-f", connection], env=place.env())
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        assert children(process.pid) == [] and folders(sockets) == []
    finally:
        process.terminate()
        assert process.wait(timeout=NO_HURRY) == 0


def test_none_for_cells_of_skiff(place):
    """A batch of Skiff's cells does not wait for Python, and takes what there is of it with it."""
    kernel = place.start()
    for cell in ("%skiff", "%computes", "%runs"):
        kernel.run(cell).ok()
    pids = children(kernel.pid)
    kernel.stop()
    gone(*pids)


@pytest.mark.parametrize("how", ["shutdown", "restart", "term", "kill"])
@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
def test_ends_with_us(place, sockets, how, busy):
    kernel = place.start()
    kernel.run("import os, subprocess").ok()
    pids = [kernel.pid, companion(kernel)]
    (before,) = folders(sockets)
    if busy:
        kernel.send(SLEEP)
        kernel.until(stream_of("going"))
    if how == "shutdown":
        kernel.stop()
    elif how == "restart":
        kernel.manager.restart_kernel()
        kernel.client.wait_for_ready(timeout=NO_HURRY)
        assert value(kernel.run("'os' in globals()")) == ["False"]
    elif how == "term":
        os.kill(kernel.pid, signal.SIGTERM)
        kernel.wait_dead()
    else:
        kernel.kill()
    gone(*pids)
    if how == "kill":  # nobody was there to remove it: the next one is
        assert folders(sockets) == [before]
        other = place.start()
        other.run("1").ok()
    assert before not in folders(sockets)


def test_leaves_other_kernels_folders(place, sockets):
    one, other = place.start(), place.start()
    one.run("a = 1").ok()
    other.run("a = 2").ok()
    assert len(folders(sockets)) == 2
    one.stop()
    assert value(other.run("a")) == ["2"] and len(folders(sockets)) == 1


def test_none_is_a_choice(place):
    spec = place.folder / "prefix/share/jupyter/kernels/skiff/kernel.json"
    content = json.loads(spec.read_text())
    content["argv"] += ["--companion", "none"]
    spec.write_text(json.dumps(content))
    kernel = place.start()
    assert "no Python" in kernel.run("1 + 1").failed() and children(kernel.pid) == []
    assert "--companion none" in kernel.run("%skiff").ok()


def test_blank_cells(kernel):
    """They take no number, as in IPython."""
    for code in ("", "  \n\t"):
        result = kernel.run(code)
        (shown,) = [m["content"] for m in result.outputs if m["msg_type"] == "execute_input"]
        assert (result.status, shown["execution_count"], result.reply["content"]["execution_count"]) == ("ok", 1, 0)
    assert value(kernel.run("len(In)")) == ["2"]
    kernel.run("%runs").ok()
    assert kernel.run("\n").reply["content"]["execution_count"] == 2
    last = kernel.run("sorted(Out), In[1:3]")
    assert value(last) == ["([1], ['len(In)', '%runs'])"] and last.reply["content"]["execution_count"] == 3


# --- its death ---------------------------------------------------------------------------------------------------------


def test_killed_while_a_cell_runs(kernel):
    kernel.run("a = 1").ok()
    pid = companion(kernel)
    cell = kernel.send(SLEEP)
    late = [kernel.send("a"), kernel.send("%runs")]
    kernel.until(stream_of("going"))
    os.kill(pid, signal.SIGKILL)
    reply = reply_to(kernel, cell)["content"]
    assert reply["status"] == "error" and reply["ename"] == DEAD and reply["execution_count"] == 2
    assert "variables are gone" in "".join(reply["traceback"])
    assert [reply_to(kernel, msg_id)["content"]["status"] for msg_id in late] == ["aborted", "aborted"]
    kernel.until(idle_of(late[1]))
    result = kernel.run("'a' in globals(), len(In), In[1]")
    assert value(result) == ["(False, 4, '')"] and result.reply["content"]["execution_count"] == 3
    assert companion(kernel) != pid


def test_killed_while_idle(kernel, sockets):
    kernel.run("a = 1").ok()
    pid = companion(kernel)
    os.kill(pid, signal.SIGKILL)
    until(lambda: folders(sockets) == [])
    result = kernel.run("'a' in globals()")
    assert value(result) == ["False"] and result.reply["content"]["execution_count"] == 2
    assert "variables are gone" in result.text()
    assert "variables" not in kernel.run("2").text()  # said once


def test_killed_while_it_starts(kernel):
    """It is not tried again for the cell that waited, but for the next one."""
    kernel.run("%runs").ok()
    pid = companion(kernel)
    os.kill(pid, signal.SIGSTOP)
    cell = kernel.send("1 + 1")
    kernel.until(lambda m: m["msg_type"] == "execute_input")
    os.kill(pid, signal.SIGKILL)
    reply = reply_to(kernel, cell)["content"]
    if reply["status"] == "error":  # else it was ready before it was stopped
        assert reply["ename"] == DEAD and "signal 9" in "".join(reply["traceback"])
    assert value(kernel.run("40 + 2")) == ["42"]


@pytest.mark.parametrize("code", ["import os; print('last', flush=True); os._exit(3)", "import os; os.abort()",
                                  "import os, signal; os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(100)"])
def test_ends_itself(kernel, code):
    kernel.run("1").ok()
    said = kernel.run(code).failed()
    assert DEAD in said or "variables are gone" in said
    assert value(kernel.run("40 + 2")) == ["42"]


def test_quits(kernel):
    """As asked: the cell is fine, and what comes later has a new Python."""
    kernel.run("a = 1").ok()
    pid = companion(kernel)
    result = kernel.run("quit")
    assert result.status == "ok" and result.reply["content"]["payload"][0]["source"] == "ask_exit"
    until(lambda: not pathlib.Path(f"/proc/{pid}").exists())
    assert value(kernel.run("'a' in globals()")) == ["False"]


# --- interrupts --------------------------------------------------------------------------------------------------------

WAITS = {
    "sleep": "import time\nprint('going', flush=True)\ntime.sleep(1000)",
    "loop": "print('going', flush=True)\nwhile True: pass",
    "child": "import subprocess\nprint('going', flush=True)\nsubprocess.run(['sleep', '1000'])",
    "shell": "!echo going; sleep 1000",
    "bash": "%%bash\necho going\nsleep 1000",
    "await": "import asyncio\nprint('going', flush=True)\nawait asyncio.sleep(1000)",
    "join": "import threading\nprint('going', flush=True)\nthreading.Event().wait()",
}


def interrupt(kernel, how):
    if how == "signal":
        os.kill(kernel.pid, signal.SIGINT)
    else:
        assert control(kernel, "interrupt_request") == {"status": "ok"}


def test_interrupts(kernel):
    for number, (name, code) in enumerate(WAITS.items()):
        cell = kernel.send(code)
        kernel.until(stream_of("going"))
        interrupt(kernel, "signal" if number % 2 else "message")
        reply = reply_to(kernel, cell)["content"]
        if name != "shell":  # which ends, as in a terminal, and says how in _exit_code
            assert reply["ename"] in ("KeyboardInterrupt", "CancelledError", "CalledProcessError"), name
        kernel.until(idle_of(cell))
    assert value(kernel.run("40 + 2")) == ["42"]


def test_interrupt_at_once(kernel):
    """However soon it comes after the cell is shown as running: it is not lost. (In one long sleep it may be: CPython
    looks for signals, sleeps, and does not see what came between the two.)"""
    kernel.run("import time").ok()
    for number in range(30):
        cell = kernel.send("while True: time.sleep(0.01)")
        kernel.until(lambda m: m["msg_type"] == "execute_input" and m["parent_header"]["msg_id"] == cell)
        interrupt(kernel, "signal" if number % 2 else "message")
        assert reply_to(kernel, cell)["content"]["ename"] == "KeyboardInterrupt"
        kernel.until(idle_of(cell))


def test_interrupt_at_once_after_our_own(kernel):
    """What we run silently between cells does not take the interrupt that was for the cell."""
    kernel.run("import time").ok()
    for _ in range(10):
        kernel.run("%runs").ok()
        cell = kernel.send("while True: time.sleep(0.01)")
        kernel.until(lambda m: m["msg_type"] == "execute_input" and m["parent_header"]["msg_id"] == cell)
        interrupt(kernel, "message")
        assert reply_to(kernel, cell)["content"]["ename"] == "KeyboardInterrupt"
        kernel.until(idle_of(cell))
    assert value(kernel.run("len(In), In[2:22:2] == ['%runs'] * 10")) == ["(23, True)"]


def test_interrupt_swallowed(kernel):
    cell = kernel.send("import time\nfor n in range(3):\n    try:\n        print('going', n, flush=True)\n"
                       "        time.sleep(1000)\n    except KeyboardInterrupt:\n        if n == 1: raise")
    kernel.until(stream_of("going 0"))
    interrupt(kernel, "message")
    kernel.until(stream_of("going 1"))
    interrupt(kernel, "signal")
    assert reply_to(kernel, cell)["content"]["ename"] == "KeyboardInterrupt"


def test_interrupt_while_it_starts(kernel):
    kernel.run("%runs").ok()
    pid = companion(kernel)
    os.kill(pid, signal.SIGSTOP)
    cell = kernel.send("1 + 1")
    kernel.until(lambda m: m["msg_type"] == "execute_input" and m["parent_header"]["msg_id"] == cell)
    interrupt(kernel, "message")
    os.kill(pid, signal.SIGCONT)
    reply = reply_to(kernel, cell)["content"]
    assert reply["status"] == "ok" or reply["ename"] == "KeyboardInterrupt"  # it may have been there already
    assert value(kernel.run("40 + 2")) == ["42"]


def test_interrupt_of_many(kernel):
    kernel.run("import time").ok()
    ids = [kernel.send(SLEEP)] + [kernel.send(f"{n}") for n in range(500)]
    kernel.until(stream_of("going"))
    interrupt(kernel, "message")
    assert reply_to(kernel, ids[0])["content"]["ename"] == "KeyboardInterrupt"
    assert {reply_to(kernel, msg_id)["content"]["status"] for msg_id in ids[1:]} == {"aborted"}
    kernel.until(idle_of(ids[-1]))
    result = kernel.run("40 + 2")
    assert value(result) == ["42"] and result.reply["content"]["execution_count"] == 3


def test_interrupt_of_a_comm(kernel):
    """What a button started is interrupted, too, though no cell runs."""
    kernel.run("import comm, time\n"
               "def slow(message):\n"
               "    print('going', flush=True)\n"
               "    while True: time.sleep(0.01)\n"
               "c = comm.create_comm(target_name='tests.front', comm_id='slow')\n"
               "c.on_msg(slow)").ok()
    sent = comm_send(kernel, "comm_msg", {"comm_id": "slow", "data": {}})
    kernel.until(stream_of("going"))
    interrupt(kernel, "message")
    kernel.until(idle_of(sent))
    assert value(kernel.run("40 + 2")) == ["42"]


# --- both worlds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad, good", [("%wait no_such_run", "1 + 1"), ("1 / 0", "%runs")])
def test_stop_on_error(kernel, bad, good):
    kernel.run("1").ok()
    ids = [kernel.send(code) for code in (bad, good, good, "a = 1")]
    states = [reply_to(kernel, msg_id)["content"]["status"] for msg_id in ids]
    assert states == ["error", "aborted", "aborted", "aborted"]
    kernel.until(idle_of(ids[-1]))
    kernel.run(good).ok()
    ids = [kernel.send(code, stop_on_error=False) for code in (bad, good)]
    assert [reply_to(kernel, msg_id)["content"]["status"] for msg_id in ids] == ["error", "ok"]


def test_order_of_many(kernel):
    """Cells of both kinds run in the order they were sent, and what they say comes in it."""
    ids = [kernel.send(f"print('n', {n})" if n % 3 else "%runs") for n in range(60)]
    counts = [reply_to(kernel, msg_id)["content"]["execution_count"] for msg_id in ids]
    assert counts == list(range(counts[0], counts[0] + 60))
    seen = kernel.until(idle_of(ids[-1]))
    states = [(m["parent_header"]["msg_id"], m["content"]["execution_state"]) for m in seen if m["msg_type"] == "status"
              and m["parent_header"].get("msg_id") in ids]
    assert states == [(msg_id, state) for msg_id in ids for state in ("busy", "idle")]
    said = [(m["parent_header"]["msg_id"], m["content"]["text"]) for m in seen if m["msg_type"] == "stream"]
    printed = {msg_id: "".join(text for about, text in said if about == msg_id) for msg_id in ids}
    assert [printed[msg_id] for n, msg_id in enumerate(ids) if n % 3] == [f"n {n}\n" for n in range(60) if n % 3]


def test_stdin(kernel):
    asked = []
    for code, answer in (("input('name? ')", "Ada"), ("import getpass; getpass.getpass('secret? ')", "håm")):
        cell = kernel.send(code, allow_stdin=True)
        message = kernel.client.get_stdin_msg(timeout=NO_HURRY)
        asked.append((message["msg_type"], message["content"]["prompt"], message["content"]["password"]))
        assert message["parent_header"]["msg_id"] == cell
        kernel.client.input(answer)
        assert reply_to(kernel, cell)["content"]["status"] == "ok"
        seen = kernel.until(idle_of(cell))
        assert [m["content"]["data"]["text/plain"] for m in seen if m["msg_type"] == "execute_result"] == [repr(answer)]
    assert asked == [("input_request", "name? ", False), ("input_request", "secret? ", True)]
    refused = kernel.run("input('name? ')")
    assert refused.reply["content"]["ename"] == "StdinNotImplementedError"


def test_stdin_interrupted(kernel):
    for how in ("message", "signal"):
        cell = kernel.send("input('name? ')", allow_stdin=True)
        kernel.client.get_stdin_msg(timeout=NO_HURRY)
        interrupt(kernel, how)
        assert reply_to(kernel, cell)["content"]["ename"] == "KeyboardInterrupt"
    kernel.client.input("too late")
    assert value(kernel.run("input('again? ')", stdin=["now"])) == ["'now'"]


def test_killed_while_it_asks(kernel):
    cell = kernel.send("input('name? ')", allow_stdin=True)
    kernel.client.get_stdin_msg(timeout=NO_HURRY)
    os.kill(companion(kernel), signal.SIGKILL)
    assert reply_to(kernel, cell)["content"]["ename"] == DEAD
    kernel.client.input("nobody")
    assert value(kernel.run("40 + 2")) == ["42"]


def test_displays(kernel):
    kernel.run("from IPython.display import display\nh = display('one', display_id='d')").ok()
    (update,) = kernel.run("h.update('two')").outputs[2:3]
    assert update["msg_type"] == "update_display_data" and update["content"]["transient"] == {"display_id": "d"}
    assert update["content"]["data"] == {"text/plain": "'two'"}


def kinds(result):
    return [m["msg_type"] for m in result.outputs]


@pytest.mark.parametrize("lines, flush", [(100_000, False), (5_000, True)])
def test_bursts(kernel, lines, flush):
    """Every line arrives, in far fewer messages than a notebook server's limit is made for."""
    result = kernel.run(f"for i in range({lines}):\n    print('line', i, flush={flush})")
    assert result.ok() == "".join(f"line {i}\n" for i in range(lines))
    streams = [m for m in result.outputs if m["msg_type"] == "stream"]
    assert len(streams) < lines / 2


def test_silent_and_store_history(kernel):
    kernel.run("a = 1").ok()
    silent = kernel.run("a = 2\nprint('not seen')\na", silent=True, user_expressions={"now": "a", "bad": "1/0"})
    assert "execute_input" not in kinds(silent) and "execute_result" not in kinds(silent)
    values = silent.reply["content"]["user_expressions"]
    assert values["now"]["data"] == {"text/plain": "2"} and values["bad"]["ename"] == "ZeroDivisionError"
    unstored = kernel.run("a + 1", store_history=False)
    (shown,) = [m["content"] for m in unstored.outputs if m["msg_type"] == "execute_input"]
    (result,) = [m["content"] for m in unstored.outputs if m["msg_type"] == "execute_result"]
    assert (shown["execution_count"], result["execution_count"], value(unstored)) == (2, 1, ["3"])
    failed = kernel.run("1 / 0", silent=True)
    assert failed.reply["content"]["ename"] == "ZeroDivisionError"
    last = kernel.run("a, In[1], len(In), sorted(Out)")
    assert value(last) == ["(2, 'a = 1', 3, [1])"] and last.reply["content"]["execution_count"] == 2


def test_session_and_parents(kernel):
    """The front end sees one kernel: one session, and each message with the request it is about."""
    kernel.run("%runs").ok()
    result = kernel.run("print(1)\ndisplay(2)\n3")
    sessions = {m["header"]["session"] for m in [result.reply, *result.outputs, kernel.run("%runs").reply]}
    assert len(sessions) == 1 and kernel.client.session.session not in sessions
    assert len({m["parent_header"]["msg_id"] for m in result.outputs}) == 1
    assert [m["content"]["execution_state"] for m in result.outputs if m["msg_type"] == "status"] == ["busy", "idle"]


def test_questions_while_a_cell_runs(kernel):
    kernel.run("import textwrap").ok()
    cell = kernel.send(SLEEP)
    kernel.until(stream_of("going"))
    # None waits for the cell, which waits for ever.
    assert reply_to(kernel, kernel.client.complete("%comp", 5))["content"]["matches"] == ["%computes"]
    assert reply_to(kernel, kernel.client.complete("textwrap.sho", 12))["content"]["matches"] == []
    assert reply_to(kernel, kernel.client.inspect("textwrap", 8))["content"]["found"] is False
    assert reply_to(kernel, kernel.client.is_complete("1 +"))["content"]["status"] == "unknown"
    assert reply_to(kernel, kernel.client.history(hist_access_type="tail", n=1))["content"]["status"] == "ok"
    interrupt(kernel, "message")
    reply_to(kernel, cell)
    assert reply_to(kernel, kernel.client.complete("textwrap.sho", 12))["content"]["matches"] == ["shorten"]


def comm_send(kernel, kind, content, **more):
    message = kernel.client.session.msg(kind, content)
    message.update(more)
    kernel.client.session.send(kernel.client.shell_channel.socket, message, buffers=more.get("buffers"))
    return message["header"]["msg_id"]


def test_comms(kernel):
    kernel.run("import comm\ngot = []\n"
               "def opened(c, message):\n"
               "    got.append(message['content']['data'])\n"
               "    c.on_msg(lambda m: (got.append(m['content']['data']), c.send({'echo': m['content']['data']},"
               " buffers=m['buffers'])))\n"
               "    c.on_close(lambda m: got.append('closed'))\n"
               "comm.get_comm_manager().register_target('tests.echo', opened)").ok()
    comm_send(kernel, "comm_open", {"comm_id": "ours", "target_name": "tests.echo", "data": {"n": 0}})
    sent = comm_send(kernel, "comm_msg", {"comm_id": "ours", "data": {"n": 1}}, buffers=[b"\x00\xff", b""])
    seen = kernel.until(idle_of(sent))
    (echo,) = [m for m in seen if m["msg_type"] == "comm_msg"]
    assert echo["content"] == {"comm_id": "ours", "data": {"echo": {"n": 1}}}
    assert [bytes(buffer) for buffer in echo["buffers"]] == [b"\x00\xff", b""] and echo["parent_header"]["msg_id"] == sent
    assert reply_to(kernel, kernel.client.comm_info("tests.echo"))["content"]["comms"] == {
        "ours": {"target_name": "tests.echo"}}
    kernel.until(idle_of(comm_send(kernel, "comm_close", {"comm_id": "ours", "data": {}})))
    assert value(kernel.run("got")) == ["[{'n': 0}, {'n': 1}, 'closed']"]
    unknown = comm_send(kernel, "comm_open", {"comm_id": "other", "target_name": "tests.nobody", "data": {}})
    assert [m["content"]["comm_id"] for m in kernel.until(idle_of(unknown)) if m["msg_type"] == "comm_close"] == ["other"]
    kernel.run("c = comm.create_comm(target_name='tests.front', comm_id='theirs')\nc.on_msg(lambda m: got.append(m))").ok()
    kernel.until(idle_of(comm_send(kernel, "comm_msg", {"comm_id": "theirs", "data": {"n": 2}})))
    assert value(kernel.run("got[-1]['content']['data']")) == ["{'n': 2}"]
    # Its comms end with it.
    os.kill(companion(kernel), signal.SIGKILL)
    seen = kernel.until(lambda m: m["msg_type"] == "comm_close")
    assert seen[-1]["content"]["comm_id"] == "theirs"
    assert reply_to(kernel, kernel.client.comm_info())["content"]["comms"] == {}


def test_comms_beside_a_cell_that_awaits(kernel):
    """ipykernel hands them on at once, and says no busy and idle then: the front end has them all the same."""
    kernel.run("import asyncio, comm\ngo = asyncio.Event()\n"
               "c = comm.create_comm(target_name='tests.front', comm_id='beside')\n"
               "c.on_msg(lambda m: (c.send('heard'), go.set()))").ok()
    cell = kernel.send("print('going', flush=True)\nawait go.wait()")
    kernel.until(stream_of("going"))
    sent = comm_send(kernel, "comm_msg", {"comm_id": "beside", "data": {}})
    assert reply_to(kernel, cell)["content"]["status"] == "ok"
    seen = kernel.until(idle_of(sent))
    assert value(kernel.run("40 + 2")) == ["42"]
    assert sorted(m["msg_type"] for m in seen if m["parent_header"]["msg_id"] == sent) == ["comm_msg", "status", "status"]


def debug(kernel, command, seq, **arguments):
    return control(kernel, "debug_request", {"type": "request", "seq": seq, "command": command, "arguments": arguments})


def test_debugger(kernel):
    """What JupyterLab's debugger says at its start, and a breakpoint that is met and left."""
    info = debug(kernel, "debugInfo", 0)
    assert info["success"] and info["body"]["isStarted"] is False
    started = debug(kernel, "initialize", 1, clientID="jupyterlab", clientName="JupyterLab", adapterID="", pathFormat="path",
                    linesStartAt1=True, columnsStartAt1=True, supportsVariableType=True, supportsVariablePaging=True,
                    supportsRunInTerminalRequest=True, locale="en")
    assert started["success"], started
    assert debug(kernel, "attach", 2)["success"]
    assert debug(kernel, "debugInfo", 3)["body"]["isStarted"] is True
    code = "here = 1\nhere += 1\nhere"
    path = debug(kernel, "dumpCell", 4, code=code)["body"]["sourcePath"]
    assert debug(kernel, "setBreakpoints", 5, breakpoints=[{"line": 2}], source={"path": path}, sourceModified=False)["success"]
    assert debug(kernel, "configurationDone", 6)["success"]
    cell = kernel.send(code)
    seen = kernel.until(lambda m: m["msg_type"] == "debug_event" and m["content"]["event"] == "stopped")
    thread = seen[-1]["content"]["body"]["threadId"]
    assert debug(kernel, "stackTrace", 7, threadId=thread)["body"]["stackFrames"][0]["line"] == 2
    assert debug(kernel, "continue", 8, threadId=thread)["success"]
    assert reply_to(kernel, cell)["content"]["status"] == "ok"
    assert debug(kernel, "disconnect", 9, restart=False, terminateDebuggee=True)["success"]
    assert value(kernel.run("here")) == ["2"]


def test_usage(kernel):
    kernel.run("1").ok()
    usage = control(kernel, "usage_request")
    held = int(pathlib.Path(f"/proc/{companion(kernel)}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert usage["pid"] == kernel.pid and usage["kernel_memory"] > held
    kernel.run("held = bytearray(200_000_000)").ok()
    assert control(kernel, "usage_request")["kernel_memory"] > usage["kernel_memory"] + 190_000_000


# --- at random ---------------------------------------------------------------------------------------------------------


CELLS = ["for i in range(10**4): print(i)", "%runs", "sum(range(10**5))", "import time; time.sleep(0.05)", "input()",
         "!echo x"]


def test_killed_at_random(place, sockets):
    """A hundred times one of the two is killed while cells run: no orphan, no hang, an honest message."""
    seed = int(os.environ.get("SKIFF_SEED", random.randrange(10**9)))
    print("SKIFF_SEED =", seed)
    chance = random.Random(seed)
    kernel, pids = place.start(), set()
    for _ in range(100):
        pids.update(found := children(kernel.pid))
        ids = [kernel.send(code, allow_stdin=False) for code in chance.choices(CELLS, k=4)]
        time.sleep(chance.random() * 0.2)  # wherever it is by then
        pids.update(found := children(kernel.pid) or found)
        if chance.random() < 0.1:
            pids.add(kernel.pid)
            kernel.kill()
            kernel = place.start()
            continue
        if found:
            try:
                os.kill(found[0], signal.SIGKILL)
            except ProcessLookupError:
                pass
        for msg_id in ids:
            reply = reply_to(kernel, msg_id)["content"]
            if reply["status"] == "error" and reply["ename"] != "StdinNotImplementedError":
                said = "".join(reply["traceback"])
                assert any(word in said for word in ("signal 9", "NameError")), said
        kernel.until(idle_of(ids[-1]))
    assert value(kernel.run("40 + 2")) == ["42"]
    pids.add(companion(kernel))
    kernel.stop()
    gone(*pids)
    assert folders(sockets) == []
