# SPDX-License-Identifier: BSD-3-Clause
"""The three cells for real: what reaches the script, what it leaves, how it ends, and what is kept secret."""

import hashlib
import json
import pathlib

from conftest import until

CANARY = "canary-7f3a9c51e2"
SHOW = "import json, os, sys\nprint(json.dumps([sys.argv, dict(os.environ), os.getcwd()]))\n"


def tree(folder):
    """Every file below a folder with its size, less what SQLite keeps for its open connections."""
    return sorted((str(p.relative_to(folder)), p.stat().st_size if p.is_file() else -1)
                  for p in folder.rglob("*") if not p.name.endswith(("-wal", "-shm")) and "history.db" not in p.name)


def submit(kernel, definition, options="--wait", **more):
    return kernel.run(f"%%submit try {options}\n{definition}", **more)


def log(place):
    return (place.runs()[-1] / "user_logs/std_log.txt").read_text()


def reached(place):
    """What SHOW saw: arguments, environment, folder."""
    return json.loads(log(place).splitlines()[-1])


def test_three_cells(place, kernel):
    place.write("src/train.py", SHOW + "for step in range(3):\n    print(f'epoch: {step} loss: {1 / (step + 1)}')\n"
                "open('outputs/model.txt', 'w').write('weights')\n")
    place.write("src/.amlignore", "data/\n*.bin\n!keep.bin\n")
    for name in ("data/big.csv", "drop.bin", "keep.bin", "lib/part.py"):
        place.write(f"src/{name}", "x")
    place.write("iris.csv", "1,2\n")
    kernel.run("%%environment plain\nenvironment_variables: {FROM_ENVIRONMENT: e, BOTH: e}\n").ok()
    kernel.run("%%compute cpu\nvm_size: STANDARD_DS3_V2\nmax_nodes: 1\n").ok()
    text = submit(kernel, "source_directory: src\nscript: train.py\ncompute_target: cpu\nenvironment: plain\n"
                          "arguments: [--epochs, 3, 'two words', \"$HOME;`id`\", '${{inputs.data}}']\n"
                          "inputs: {data: {type: uri_file, path: ./iris.csv}}\n"
                          "environment_variables: {BOTH: job}\n").ok()
    (run,) = place.runs()
    # The argument with "$HOME" is as it was written: no shell has seen it.
    argv, variables, cwd = json.loads(log(place).splitlines()[0])
    assert argv[0].endswith("train.py")
    assert argv[1:5] == ["--epochs", "3", "two words", "$HOME;`id`"]
    assert pathlib.Path(argv[5]).read_text() == "1,2\n"
    assert cwd == str(run / "code")
    assert variables["FROM_ENVIRONMENT"] == "e" and variables["BOTH"] == "job"
    assert variables["AZUREML_RUN_ID"] == run.name
    code = {str(p.relative_to(run / "code")) for p in (run / "code").rglob("*") if p.is_file()}
    assert code >= {"train.py", "keep.bin", "lib/part.py"} and not code & {"drop.bin", "data/big.csv"}
    assert (run / "outputs/model.txt").read_text() == "weights"
    for wanted in ("Completed", "epoch: 2 loss: 0.3333333333333333", "model.txt", run.name):
        assert wanted in text
    assert "loss" in kernel.run("%metrics").ok()
    assert "model.txt" in kernel.run("%outputs").ok()


def test_metrics_outlive_the_run(place, kernel):
    place.write("train.py", "import json, os\nwith open(os.environ['SKIFF_METRICS'], 'a') as m:\n"
                "    for i in range(5):\n        m.write(json.dumps({'accuracy': i / 10}) + '\\n')\n")
    submit(kernel, "script: train.py\n").ok()
    result = kernel.run("%metrics")
    assert "accuracy" in result.ok() and "0.4" in result.text()


def test_command_is_a_shell_line(place, kernel):
    place.write("src/words.txt", "b\na\n")
    submit(kernel, "code: src\ncommand: sort words.txt | head -n ${{inputs.count}} > ${{outputs.top}}/first && "
                   "echo \"$AZUREML_RUN_ID\"\ninputs: {count: 1}\noutputs: {top: {type: uri_folder}}\n").ok()
    (run,) = place.runs()
    assert (run / "outputs/top/first").read_text() == "a\n"
    assert log(place) == f"{run.name}\n"


def test_nothing_of_the_kernel_leaks_in(place):
    place.write("train.py", SHOW)
    kernel = place.start(PRIVATE_TO_THE_KERNEL=CANARY, JPY_SESSION_NAME="a notebook", PYTHONPATH="/nowhere")
    submit(kernel, "script: train.py\n").ok()
    _, variables, _ = reached(place)
    for name in ("PRIVATE_TO_THE_KERNEL", "JPY_SESSION_NAME", "JPY_PARENT_PID", "PYTHONPATH", "SKIFF_HOME"):
        assert name not in variables
    assert CANARY not in json.dumps(variables)


def cmdlines():
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:
            pass


def test_secrets_reach_the_script_alone(place):
    stored, from_kernel = CANARY + "-stored", CANARY + "-env"
    go = place.write("go", "")
    place.write("src/train.py", "import hashlib, os, time\n"
                "for name in ('STORED', 'GIVEN'):\n"
                "    print(hashlib.sha256(os.environ[name].encode()).hexdigest(), flush=True)\n"
                f"while os.path.exists({str(go)!r}):\n    time.sleep(0.02)\n")
    kernel = place.start(API_KEY=from_kernel)
    results = [kernel.run("%secret api-token", stdin=[stored])]
    results.append(submit(kernel, "code: src\nscript: train.py\nenvironment_variables: "
                                  "{STORED: 'secret:api-token', GIVEN: 'env:API_KEY'}\n", "--no-wait", stdin=[]))
    (run,) = place.runs()
    until(lambda: place.states(run)[-1] == "Running" and len(log(place).splitlines()) == 2)
    assert not [line for line in cmdlines() if CANARY.encode() in line]
    go.unlink()
    results += [kernel.run(cell) for cell in (f"%wait {run.name}", "%runs", f"%status {run.name}", "%secret --list",
                                              f"%logs {run.name}")]
    for result in results:
        result.ok()
        assert CANARY not in json.dumps([m["content"] for m in result.outputs] + [result.reply["content"]])
    assert log(place).split() == [hashlib.sha256(v.encode()).hexdigest() for v in (stored, from_kernel)]
    holders = [p for p in place.home.rglob("*") if p.is_file() and CANARY.encode() in p.read_bytes()]
    assert holders == []


def test_literal_secret_is_refused(place, kernel):
    before = tree(place.home)
    text = kernel.run(f"%%environment e\nimage: r.io/x:1\nregistry: {{username: u, password: {CANARY}}}\n").failed()
    assert "secret:" in text and "env:" in text
    assert tree(place.home) == before


def test_exit_code_and_traceback(place, kernel):
    place.write("train.py", "import sys\nprint('so far so good')\n{}['key']\n")
    text = submit(kernel, "script: train.py\n").failed()
    for wanted in ("RunFailedError", "Traceback", "KeyError: 'key'", "line 3", "status 1"):
        assert wanted in text
    place.write("train.py", "import sys\nsys.exit(7)\n")
    assert "status 7" in submit(kernel, "script: train.py\n").failed()
    assert all(place.states(run)[-1] == "Failed" for run in place.runs())


def test_killed_by_a_signal(place, kernel):
    place.write("train.py", "import os\nos.kill(os.getpid(), 11)\n")
    text = submit(kernel, "script: train.py\n").failed()
    assert "SIGSEGV" in text or "signal 11" in text


def test_timeout(place, kernel):
    place.write("train.py", "import time\nwhile True:\n    time.sleep(1)\n")
    assert "stopped at its time limit" in submit(kernel, "script: train.py\nlimits: {timeout: 1}\n").failed()
    assert place.processes() == []


STUBBORN = """import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(1)
        os._exit(0)
print("ready", flush=True)
while True:
    time.sleep(1)
"""


def test_cancel_leaves_nothing(place, kernel):
    place.write("train.py", STUBBORN)
    submit(kernel, "script: train.py\n", "--no-wait", stdin=[]).ok()
    (run,) = place.runs()
    until(lambda: (run / "user_logs/std_log.txt").exists() and log(place) == "ready\n")
    until(lambda: place.states(run)[-1] == "Running")
    until(lambda: len(place.processes()) >= 4)
    kernel.run(f"%cancel {run.name}").ok()
    until(lambda: place.states(run)[-1] == "Canceled")
    assert place.processes() == []
    assert "CancelRequested" in place.states(run)
    text = kernel.run(f"%wait {run.name}").failed()
    assert "RunCanceledError" in text


def test_dry_run_changes_nothing(place, kernel):
    place.write("src/train.py", SHOW)
    kernel.run("%%compute cpu\nmax_nodes: 1\n").ok()
    before = tree(place.folder)
    kernel.run("%%environment e --dry-run\npip: [six]\n").ok()
    kernel.run("%%compute other --dry-run\nmax_nodes: 1\n").ok()
    text = submit(kernel, "code: src\nscript: train.py\ncompute: cpu\n", "--dry-run").ok()
    assert "train.py" in text and "cpu" in text
    assert tree(place.folder) == before
    kernel.run("%%submit try\ncode: src\nscript: train.py\ncompute: other\n").failed()


def test_file(place, kernel):
    place.write("src/train.py", SHOW)
    place.write("jobs/job.yml", "# Paths in the file begin at the notebook's folder.\n"
                "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\n"
                "command: python train.py --rate 0.5\ncode: src\ncompute: azureml:cpu\n")
    kernel.run("%%compute cpu --file cpu.yml").failed()
    place.write("cpu.yml", "max_instances: 1\n")
    kernel.run("%%compute cpu --file cpu.yml").ok()
    kernel.run("%%submit from-file --wait --file jobs/job.yml").ok()
    assert reached(place)[0][1:] == ["--rate", "0.5"]
    place.write("bad.yml", "command: ls\nnonsense: 1\n")
    text = kernel.run("%%submit from-file --file bad.yml").failed()
    assert "bad.yml" in text and "line 2" in text


def test_an_image_without_an_engine_is_refused(place):
    kernel = place.start(DOCKER_HOST=f"unix://{place.folder}/docker.sock")
    place.write("train.py", SHOW)
    kernel.run("%%environment boxed\nimage: python:3.11\n").ok()
    text = submit(kernel, "script: train.py\nenvironment: boxed\n").failed()
    assert f"{place.folder}/docker.sock" in text and "DOCKER_HOST" in text and "→" in text
    assert place.runs() == []


def test_two_kernels_build_an_environment_once(place):
    place.write("train.py", "import six\nprint(six.__version__)\n")
    kernels = [place.start(), place.start()]
    kernels[0].run("%%environment packages\npip: [six==1.17.0]\n").ok()
    cells = [kernel.send("%%submit try --wait\nscript: train.py\nenvironment: packages\n") for kernel in kernels]
    for kernel, cell in zip(kernels, cells):
        reply = kernel.client.get_shell_msg(timeout=120)
        assert reply["parent_header"]["msg_id"] == cell
        assert reply["content"]["status"] == "ok", reply["content"]
    assert [(run / "user_logs/std_log.txt").read_text() for run in place.runs()] == ["1.17.0\n"] * 2
    assert len(list((place.home / "venvs").glob("*/env/bin/python"))) == 1
    (build,) = (place.home / "venvs").glob("*/build.log")
    assert build.read_text().count("Successfully installed six-1.17.0") == 1
    packages = kernels[0].run("%environments").ok().splitlines()[-1].split()
    assert packages[0] == "packages" and packages[-1] == "yes"  # cached
    # A build that fails says what pip said.
    text = kernels[0].run("%%submit try --wait\nscript: train.py\n"
                          "environment: {pip: [six==1.17.0, './none']}\n").failed()
    assert "none" in text


# A conda of the test's own: makes the folder that was asked for, as conda does, and notes how it was asked.
CONDA = """#!/bin/sh
set -e
echo "$@" >"$HOME/asked"
while [ "$1" != -p ]; do shift; done
python3 -m venv --without-pip "$2"
"""


def test_conda_packages_go_through_conda(place):
    tool = place.write("bin/conda", CONDA)
    tool.chmod(0o755)
    place.write("src/train.py", "import sys\nprint(sys.prefix)\n")
    kernel = place.start(PATH=f"{tool.parent}:{place.env()['PATH']}", HOME=str(place.work))
    kernel.run("%%environment c\nconda_file:\n  channels: [conda-forge]\n  dependencies: [numpy]\n").ok()
    kernel.run("%%submit conda --wait\ncode: src\nscript: train.py\ncompute: local\nenvironment: c\n").ok()
    asked = (place.work / "asked").read_text().split()
    assert asked[:2] == ["env", "create"] and asked[-2] == "-f"
    assert "numpy" in pathlib.Path(asked[-1]).read_text()
    assert str(place.home / "venvs") in (place.runs()[0] / "user_logs/std_log.txt").read_text()


def test_conda_packages_without_conda_are_refused(place, kernel):
    place.write("src/train.py", "")
    kernel.run("%%environment c\nconda_file:\n  dependencies: [numpy]\n").ok()
    said = kernel.run("%%submit conda\ncode: src\nscript: train.py\ncompute: local\nenvironment: c\n").failed()
    assert "conda on PATH" in said and "pip:" in said
    assert place.runs() == []


def test_rerun_takes_what_the_run_had(place, kernel):
    place.write("src/train.py", "print('the first text')\n")
    submit(kernel, "code: src\nscript: train.py\n").ok()
    (first,) = place.runs()
    place.write("src/train.py", "print('another text')\n")
    text = kernel.run(f"%rerun {first.name[:-3]} --wait").ok()
    assert "the first text" in text and "another text" not in text
    (second,) = [run for run in place.runs() if run != first]
    assert json.loads((second / "run.json").read_text())["rerun_of"] == first.name
    assert place.states(second)[-1] == "Completed"
    missing = first / "snapshot.json"
    missing.unlink()
    text = kernel.run(f"%rerun {first.name} --wait").failed()
    assert str(missing) in text and "%%submit" in text
    assert len(place.runs()) == 2


def test_runs_are_narrowed(place, kernel):
    place.write("train.py", "import sys\nsys.exit(int(sys.argv[1]))\n")
    for code in (0, 3):
        submit(kernel, f"script: train.py\narguments: [{code}]\n")
    done, failed = sorted(place.runs(), key=lambda run: place.states(run)[-1])
    for options, wanted in (("", {done, failed}), ("--state FAILED", {failed}), ("--state Completed", {done}),
                            (f"--text {done.name.upper()}", {done}), ("--text LOCAL --experiment try", {done, failed}),
                            ("--text nowhere", set()), ("--state Running", set())):
        text = kernel.run(f"%runs {options}").ok()
        assert {run for run in place.runs() if run.name in text} == wanted, options
    text = kernel.run("%runs --state canceld").failed()
    assert "did you mean Canceled" in text and "NotResponding" in text
