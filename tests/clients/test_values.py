# SPDX-License-Identifier: BSD-3-Clause
"""Values across: {{ expressions }} of Python in Skiff's cells, and Skiff's runs in Python."""

import ast
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, until

SHOW = ("import json, sys\nprint(json.dumps(sys.argv[1:]))\n"
        "for step in range(3):\n    print(f'epoch: {step} loss: {1 / (step + 1)}')\n")
SLOW = "import os, sys, time\nwhile os.path.exists(sys.argv[1]):\n    time.sleep(0.02)\nsys.exit(int(sys.argv[2]))\n"


def python(kernel, expression):
    """The value of an expression in the notebook's Python, by what it prints."""
    return ast.literal_eval(kernel.run(f"print(repr({expression}))").ok().splitlines()[-1])


def plain(text):
    return re.sub("\x1b\\[[0-9;]*m", "", text)


def given(place):
    """The arguments that reached the script of the newest run."""
    run = max(place.runs(), key=lambda path: json.loads((path / "run.json").read_text())["created_at"])
    return json.loads((run / "user_logs/std_log.txt").read_text().splitlines()[0])


@pytest.fixture
def script(place):
    place.write("train.py", SHOW)


def test_each_type_arrives(place, kernel, script):
    kernel.run("version, n, rate, yes, text = '3.10', 3, 1e-05, True, 'a: [b, #c\"'\n"
               "class Like:\n    shape = ()\n    def __init__(self, value): self.value = value\n"
               "    def item(self): return self.value\n").ok()
    kernel.run("%%submit values --wait\nscript: train.py\n"
               "arguments: [{{ version }}, {{ n * 2 }}, {{ rate }}, {{ yes }}, {{ text }}, {{ Like(0.5) }},\n"
               "  '{{ n }}', x{{ n }}y, --rate={{ rate }}]\n").ok()
    assert given(place) == ["3.10", "6", "1e-05", "true", 'a: [b, #c"', "0.5", "3", "x3y", "--rate=1e-05"]
    kernel.run("%%submit {{ 'of-' + version[0] }} --wait\nscript: train.py\n"
               "arguments: {{ ['a b', n, Like(2), yes, 'é\\u2028\\n{{ n }}'] }} # {{ undefined }}\n"
               "description: ${{inputs.x}}\ninputs: {x: 1}\n").ok()
    assert given(place) == ["a b", "3", "2", "true", "é\u2028\n{{ n }}"]
    run = python(kernel, "skiff.last_run.id")
    assert json.loads((place.home / "runs" / run / "run.json").read_text())["experiment"] == "of-3"
    assert run in kernel.run("%status {{ skiff.last_run.id[:8] }}").ok()


NO_VALUES = [
    ("undefined", "NameError: name 'undefined' is not defined"),
    ("1 +", "SyntaxError"),
    ("{'a': 1}['b']", "KeyError: 'b'"),
    ("{'a': 1}", "InvalidError: the value of this expression is of type dict"),
    ("None", "is of type NoneType"),
    ("b'x'", "is of type bytes"),
    ("[[1]]", "whose items is of type list"),
    ("float('nan')", "is the number nan"),
    ("[float('inf')]", "whose items is the number inf"),
    ("2 ** 64", "more than 64 bits"),
    ("'\\ud800'", "half a character"),
    ("'a\\0'", "NUL"),
    ("'x' * 200000", "at most 100000"),
    ("[1] * 200000", "longer than 100000"),
    ("input()", "EOFError"),
    ("__import__('os')._exit(3)", "DeadKernelError: Python ended"),
    ("", "no expression between"),
    ("'", "not closed in its line"),
]


def test_nothing_is_done_without_a_value(place, kernel, script):
    for expression, said in NO_VALUES:
        text = plain(kernel.run(f"%%submit bad --wait\nscript: train.py\ndescription: {{{{ {expression} }}}}\n").failed())
        assert said in text, text
        assert "line 3" in text and "description: {{" in text and "→" in text, text
    assert place.runs() == []
    assert python(kernel, "skiff.last_run") is None  # and there is a Python to ask


def test_a_dry_run_has_the_values(place, kernel, script):
    text = kernel.run("%%submit dry --dry-run\nscript: train.py\narguments: [{{ 6 * 7 }}]\n").ok()
    assert "42" in text and place.runs() == []
    assert python(kernel, "skiff.last_run") is None


def test_errors_after_it_have_their_lines(kernel):
    text = kernel.run("%%compute c-c\nvm_size: {{ 'STANDARD_NC6' }}\nmax_nodes: {{ 10 ** 9 }}\n").failed()
    assert "1000000000" in text and "line 3, column 12" in text and "max_nodes: {{ 10 ** 9 }}" in text


def test_without_python(place, script):
    kernel = place.start(PATH="/nowhere")
    text = kernel.run("%%submit x\nscript: train.py\narguments: [{{ 1 }}]\n").failed()
    assert "NoCompanionError" in text and "line 3" in text and "%skiff" in text
    assert place.runs() == []
    text = kernel.run("%skiff").ok()
    assert "pip install ipykernel" in text and "python3" in text


def children(pid):
    return [int(word) for word in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True).stdout.split()]


def test_a_cell_without_expressions_starts_no_python(place):
    kernel = place.start()
    companions = children(kernel.pid)  # it may have been started for the front end
    kernel.run("%%compute c-c --dry-run\nmax_nodes: 2 # {{ x }}\ndescription: ${{ y }}\n").ok()
    said = kernel.run("%skiff").ok()
    if "not started" in said:
        assert children(kernel.pid) == companions == []


def test_which_python(kernel):
    kernel.run("pass").ok()
    text = kernel.run("%skiff").ok()
    version = ".".join(str(part) for part in sys.version_info[:3])
    assert f"python {version}" in text and "python3 on PATH" in text and "running" in text
    assert version in kernel.run("%skiff").html()


def test_a_hanging_expression_is_interrupted(place, kernel, script):
    began = place.work / "began"
    kernel.run(f"import pathlib, time\ndef hang():\n    pathlib.Path({str(began)!r}).touch()\n    time.sleep(1000)").ok()
    cell = kernel.send("%%submit x\nscript: train.py\narguments: [{{ hang() }}]\n")
    until(began.exists)
    kernel.manager.interrupt_kernel()
    seen = kernel.until(lambda m: m["msg_type"] == "status" and m["parent_header"].get("msg_id") == cell
                        and m["content"]["execution_state"] == "idle")
    (error,) = [m["content"] for m in seen if m["msg_type"] == "error"]
    assert error["ename"] == "KeyboardInterrupt" and "nothing was done" in error["evalue"]
    kernel.client.get_shell_msg(timeout=60)
    assert python(kernel, "time.sleep(0)") is None  # Python is free again
    assert place.runs() == []


def test_magics_among_python_explain_themselves(kernel):
    for cell in "x = 1\n%runs", "x = 1\n%%submit a\n", "if True:\n    %status a":
        assert "a cell of its own" in kernel.run(cell).failed()
    assert kernel.run("x = 1\n%who").ok().split() == ["x"]
    # What IPython has itself stays what it was: the list of its magics, names that are no magics.
    assert not python(kernel, "'runs' in get_ipython().magics_manager.lsmagic()['line']")
    assert "NameError" in kernel.run("runs").failed()
    kernel.run("status = 3\n").ok()
    kernel.run("status\n").ok()
    assert python(kernel, "get_ipython().find_line_magic('history').__name__") == "history"


# --- the module ------------------------------------------------------------------------------------------------

def test_last_run(place, kernel, script):
    assert python(kernel, "skiff.last_run") is None and python(kernel, "skiff.runs()") == []
    assert kernel.run("%who").ok().strip() == "Interactive namespace is empty."
    assert "last_run" in kernel.client.complete("skiff.la", 8, reply=True, timeout=60)["content"]["matches"]
    kernel.run("%%submit one --wait\nscript: train.py\narguments: [a]\n").ok()
    (folder,) = place.runs()
    kernel.run("import skiff as imported; run = imported.last_run").ok()
    assert python(kernel, "(run.id, run.state, run.reason)") == (folder.name, "Completed", None)
    assert python(kernel, "[str(p) for p in (run.path, run.outputs_path, run.log_path)]") == [
        str(folder), str(folder / "outputs"), str(folder / "user_logs/std_log.txt")]
    assert python(kernel, "run.log()") == (folder / "user_logs/std_log.txt").read_text()
    assert python(kernel, "run.wait()") == "Completed"
    assert python(kernel, "run.metrics()") == {"loss": [{"step": float(i), "value": 1 / (i + 1)} for i in range(3)]}
    assert python(kernel, "repr(run)") == f"<Run {folder.name}: Completed>"
    html = python(kernel, "run._repr_html_()")
    assert folder.name in html and "Completed" in html and str(folder) in html
    kernel.run("%%submit two --wait\nscript: train.py\n").ok()
    assert python(kernel, "(run == skiff.last_run, run in skiff.runs(), len(skiff.runs()))") == (False, True, 2)
    assert python(kernel, "skiff.runs()[0] == skiff.last_run")
    assert python(kernel, f"skiff.run({folder.name[:-3]!r}).id") == folder.name
    assert "there is no run 'zz'" in kernel.run("skiff.run('zz')").failed()
    assert "several runs" in kernel.run("skiff.run('')").failed()
    kernel.run("skiff.last_run.cancel()").ok()  # it has ended: nothing happens


def test_names_of_the_user_win(place):
    startup = place.folder / "ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "mine.py").write_text("skiff = 'mine'\n")
    kernel = place.start(IPYTHONDIR=str(place.folder / "ipython"))
    assert python(kernel, "skiff") == "mine"
    assert python(kernel, "__import__('skiff').last_run") is None


@pytest.fixture
def slow(place, kernel):
    """A run that goes on until `place.go` is gone."""
    place.go = place.write("go", "")
    place.write("src/train.py", SLOW)
    kernel.run(f"%%submit slow --no-wait\ncode: src\nscript: train.py\narguments: [{place.go}, {{{{ 3 }}}}]\n", stdin=[]).ok()
    (folder,) = place.runs()
    until(lambda: place.states(folder)[-1] == "Running")
    yield folder
    place.go.unlink(missing_ok=True)
    until(lambda: place.processes() == [])


def test_waiting(place, kernel, slow):
    assert "TimeoutError" in kernel.run("skiff.last_run.wait(timeout=0)").failed()
    cell = kernel.send("print('waits', flush=True); skiff.last_run.wait()")
    kernel.until(lambda m: m["msg_type"] == "stream")
    kernel.manager.interrupt_kernel()
    assert kernel.client.get_shell_msg(timeout=60)["content"]["ename"] == "KeyboardInterrupt", cell
    assert place.states(slow)[-1] == "Running"
    kernel.send("print('waits', flush=True); skiff.last_run.wait()")
    kernel.until(lambda m: m["msg_type"] == "stream" and "waits" in m["content"]["text"])
    place.go.unlink()
    content = kernel.client.get_shell_msg(timeout=60)["content"]
    assert content["ename"] == "RunFailedError" and "status 3" in content["evalue"]
    assert python(kernel, "skiff.last_run.wait(raise_on_error=False)") == "Failed"
    assert "status 3" in python(kernel, "skiff.last_run.reason")


def test_cancel(place, kernel, slow):
    kernel.run("skiff.last_run.cancel()").ok()
    text = kernel.run("skiff.last_run.wait()").failed()
    assert "RunCanceledError" in text
    assert place.states(slow)[-1] == "Canceled" and place.processes() == []


def kill_python(kernel):
    pid = python(kernel, "__import__('os').getpid()")
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in children(kernel.pid))


def test_a_new_python_is_told_again(place, kernel, script):
    kernel.run("%%submit one --wait\nscript: train.py\n").ok()
    (folder,) = place.runs()
    kill_python(kernel)
    assert python(kernel, "skiff.last_run.id") == folder.name
    kill_python(kernel)
    assert folder.name in kernel.run("%status {{ skiff.last_run.id }}").ok()
    assert "a cell of its own" in kernel.run("x = 1\n%runs").failed()


PANDAS = """class Index:
    name = None
class DataFrame:
    def __init__(self, columns): self.columns, self.index = columns, Index()
    def sort_index(self): return self
"""


def test_metrics_are_a_frame_where_pandas_is(place, kernel, script):
    kernel.run("%%submit one --wait\nscript: train.py\n").ok()
    place.write("modules/pandas.py", PANDAS)  # of the test's own
    kernel.run(f"import sys; sys.path.insert(0, {str(place.work / 'modules')!r})").ok()
    assert python(kernel, "skiff.last_run.metrics().columns") == {"loss": {0.0: 1.0, 1.0: 0.5, 2.0: 1 / 3}}
    assert python(kernel, "skiff.last_run.metrics().index.name") == "step"
    assert python(kernel, "skiff.last_run.metrics(dataframe=False)")["loss"][1] == {"step": 1.0, "value": 0.5}


# --- the commands ----------------------------------------------------------------------------------------------

def skiff(place, *words):
    return subprocess.run([str(BUILD / "skiff"), *words], env=place.env(), capture_output=True, text=True)


def test_commands(place, kernel, slow):
    (slow / "metrics.jsonl").write_text('{"loss": NaN}\n{"loss": 1e-7}\n{"loss": -Infinity}\n{"lr": 3}\n')
    metrics = json.loads(skiff(place, "metrics", slow.name[:-3]).stdout)
    assert str(metrics["loss"][0]["value"]) == "nan" and metrics["loss"][1] == {"step": 1.0, "value": 1e-07}
    assert metrics["loss"][2]["value"] == float("-inf") and metrics["lr"] == [{"step": 0.0, "value": 3.0}]
    kernel.kill()  # nobody else cancels it
    done = skiff(place, "cancel", slow.name)
    assert done.returncode == 0 and done.stdout == f"run {slow.name} was asked to end\n"
    until(lambda: place.processes() == [])
    done = skiff(place, "cancel", slow.name)
    assert done.returncode == 0 and done.stdout == f"run {slow.name} has ended already\n"
    assert place.states(slow)[-1] == "Canceled"
    for words in ("cancel", "nope"), ("metrics", "nope"):
        done = skiff(place, *words)
        assert done.returncode == 1 and "nope" in done.stderr and done.stdout == ""
    for words in ("cancel",), ("metrics", "a", "b"), ("metrics", "--help"):
        done = skiff(place, *words)
        assert done.returncode == 2 and "usage" in done.stderr
    for command in "metrics", "cancel":
        assert f"skiff {command} RUN" in skiff(place, "help").stdout


# --- the documentation -----------------------------------------------------------------------------------------

def test_the_example_of_the_documentation(place, kernel):
    text = (ROOT / "docs/magics.md").read_text()
    section = text[text.index("\n## Python's values"):]
    section = section[:section.index("\n## ", 1)]
    cells = re.findall(r"```(?:python|yaml)\n(.*?)```", section, re.DOTALL)
    place.write("src/train.py", SHOW)
    assert len(cells) == 3
    results = [kernel.run(cell) for cell in cells]
    for result in results:
        result.ok()
    assert given(place) == ["--epochs", "6", "--layers=64,64", "3.10", "resnet", "vit"]
    assert "Completed" in results[2].text() and "0.333" in results[2].text()
