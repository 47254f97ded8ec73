# SPDX-License-Identifier: BSD-3-Clause
"""What a submit does for its user, and what it refuses."""

import json
import subprocess

import pytest

from test_crash import until

JOB = "code: src\nscript: train.py\ncompute: local\n"


def submit(kernel, body=JOB, options="--wait", name="exp"):
    return kernel.run(f"%%submit {name} {options}\n{body}")


def tree(folder):
    """Every path below a folder with its contents, but for what SQLite keeps beside its file."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() and not p.is_symlink() else None
            for p in folder.rglob("*") if not p.name.endswith(("-wal", "-shm"))}


# --- the script and what it sees ---------------------------------------------------------------------

def test_arguments_and_folders(place, kernel):
    place.write("src/train.py", "import os, sys\nprint(sys.argv[1:])\nprint(os.getcwd())\n"
                "open('outputs/a.txt', 'w').write('x')\nos.makedirs('logs', exist_ok=True)\n")
    submit(kernel, JOB + "arguments: [--epochs, 3, --name, 'a b']\n").ok()
    run = place.runs()[0]
    log = (run / "user_logs/std_log.txt").read_text()
    assert "['--epochs', '3', '--name', 'a b']" in log and str(run / "code") in log
    assert (run / "outputs/a.txt").read_text() == "x"


def test_a_command_with_inputs_and_outputs(place, kernel):
    place.write("src/data.txt", "42")
    submit(kernel, "code: src\ncompute: local\n"
           "command: >-\n  python -c \"print('the input is ${{inputs.size}}')\" &&"
           " cp data.txt ${{outputs.result}}/copy.txt\n"
           "inputs: {size: 7}\noutputs: {result: {type: uri_folder}}\n").ok()
    run = place.runs()[0]
    assert "the input is 7" in (run / "user_logs/std_log.txt").read_text()
    assert (run / "outputs/result/copy.txt").read_text() == "42"


def test_nothing_of_ours_leaks_into_the_script(place):
    kernel = place.start(LEAKED_BY_THE_KERNEL="yes", JUPYTER_TOKEN="t")
    place.write("src/train.py", "import json, os\nprint(json.dumps(dict(os.environ)))\n")
    submit(kernel, JOB + "environment_variables: {MINE: '1'}\n").ok()
    run = place.runs()[0]
    seen = json.loads((run / "user_logs/std_log.txt").read_text())
    assert seen["MINE"] == "1" and seen["AZUREML_RUN_ID"] == run.name
    assert not {"LEAKED_BY_THE_KERNEL", "JUPYTER_TOKEN", "JPY_PARENT_PID", "SKIFF_HOME"} & set(seen)


def test_secrets_reach_the_script_and_nothing_else(place):
    sealed, plain = "canary-sealed-7d1f", "canary-environ-93ab"
    kernel = place.start(TOKEN_OF_MINE=plain)
    kernel.run("%secret api", stdin=[sealed]).ok()
    place.write("src/train.py", "import os, time\nprint(len(os.environ['A']), len(os.environ['B']))\n"
                "open('outputs/done', 'w').close()\ntime.sleep(0.3)\n")
    shown = kernel.run(f"%%submit s --wait\n{JOB}environment_variables: {{A: 'secret:api', "
                       "B: 'env:TOKEN_OF_MINE'}\n")
    shown.ok()
    run = place.runs()[0]
    assert f"{len(sealed)} {len(plain)}" in (run / "user_logs/std_log.txt").read_text()
    for canary in (sealed.encode(), plain.encode()):
        assert canary not in json.dumps(shown.outputs, default=str).encode()
        for path in place.home.rglob("*"):
            assert not path.is_file() or canary not in path.read_bytes(), path
    assert oct((place.home / "secrets/key").stat().st_mode & 0o777) == "0o600"


def test_a_literal_password_is_refused_and_not_repeated(place, kernel):
    said = kernel.run("%%environment e\nimage: r.example.com/a:1\nregistry:\n  address: r.example.com\n"
                      "  username: sam\n  password: hunter2-canary\n")
    text = said.failed()
    for way in ("env:", "file:", "secret:"):
        assert way in text, text
    shown = [m for m in said.outputs if m["msg_type"] != "execute_input"]
    assert "hunter2" not in json.dumps(shown, default=str)


def test_the_snapshot_obeys_the_ignore_file(place, kernel):
    place.write("src/train.py", "import os\nprint(sorted(os.listdir('.')))\n")
    place.write("src/.amlignore", "*.bin\n!keep.bin\n")
    place.write("src/.gitignore", "keep.bin\n")
    for name in ("big.bin", "keep.bin"):
        place.write(f"src/{name}", "x")
    submit(kernel).ok()
    log = (place.runs()[0] / "user_logs/std_log.txt").read_text()
    assert "keep.bin" in log and "big.bin" not in log


def test_a_script_cannot_reach_the_store(place, kernel):
    place.write("src/train.py", "open('data.txt', 'w').write('spoiled')\n")
    place.write("src/data.txt", "precious")
    submit(kernel).ok()
    place.write("src/train.py", "print(open('data.txt').read())\n")
    submit(kernel).ok()
    logs = [(run / "user_logs/std_log.txt").read_text() for run in place.runs()]
    assert "precious\n" in logs


# --- ends ------------------------------------------------------------------------------------------------

def test_a_signal_is_told(place, kernel):
    place.write("src/train.py", "import os\nos.kill(os.getpid(), 11)\n")
    assert "SIGSEGV" in submit(kernel).failed()


def test_a_time_limit(place, kernel):
    place.write("src/train.py", "import time\ntime.sleep(3600)\n")
    submit(kernel, JOB + "limits: {timeout: 1}\n").failed()
    assert place.states(place.runs()[0])[-1] == "Canceled"
    assert place.processes() == []


def test_cancel_leaves_nothing(place, kernel):
    """A script that ignores SIGTERM and whose children have left its session."""
    place.write("src/train.py", "import os, signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                "for i in range(3):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork(): os._exit(0)\n"
                "        signal.signal(signal.SIGHUP, signal.SIG_IGN)\n        time.sleep(3600)\n"
                "print('on', flush=True)\ntime.sleep(3600)\n")
    submit(kernel, options="--no-wait").ok()
    run = until(place.runs)[0]
    until(lambda: (run / "user_logs/std_log.txt").exists()
          and "on" in (run / "user_logs/std_log.txt").read_text())
    assert len(place.processes()) >= 5
    kernel.run(f"%cancel {run.name}").ok()
    kernel.run(f"%wait {run.name}").failed()
    assert place.states(run)[-1] == "Canceled"
    until(lambda: place.processes() == [])


# --- environments ----------------------------------------------------------------------------------------

ENVIRONMENT = "%%environment six\npip:\n  - six==1.17.0\n"


def test_two_kernels_build_one_environment(place):
    place.write("src/train.py", "import six, sys\nprint(six.__version__, sys.prefix)\n")
    kernels = [place.start(), place.start()]
    kernels[0].run(ENVIRONMENT).ok()
    messages = [k.send(f"%%submit e --wait\n{JOB}environment: six\n") for k in kernels]
    for kernel, message in zip(kernels, messages):
        kernel.until(lambda m: m["msg_type"] == "status" and m["content"]["execution_state"] == "idle"
                     and m["parent_header"].get("msg_id") == message)
    assert [place.states(run)[-1] for run in place.runs()] == ["Completed", "Completed"]
    built = [p for p in (place.home / "venvs").iterdir() if p.is_dir()]
    assert len(built) == 1
    logs = {(run / "user_logs/std_log.txt").read_text() for run in place.runs()}
    assert logs == {f"1.17.0 {built[0]}/env\n"}
    assert "six" in kernels[0].run("%environments").ok()


def test_a_build_that_fails_says_why_and_is_tried_again(place, kernel):
    place.write("src/train.py", "print('never')\n")
    kernel.run("%%environment broken\npip:\n  - six==0.0.0.dev999\n").ok()
    for _ in range(2):
        said = submit(kernel, JOB + "environment: broken\n").failed()
        assert "six==0.0.0.dev999" in said and "build.log" in said
    assert all(place.states(run) == ["NotStarted", "Preparing", "Failed"] for run in place.runs())


def test_an_image_is_refused_with_an_offer(place, kernel):
    place.write("src/train.py", "")
    kernel.run("%%environment img\nimage: mcr.microsoft.com/azureml/base:latest\n").ok()
    said = submit(kernel, JOB + "environment: img\n").failed()
    assert "container engine" in said and "pip:" in said
    assert place.runs() == []


def test_an_equal_definition_makes_no_new_version(place, kernel):
    assert "version 1" in kernel.run(ENVIRONMENT).ok()
    assert "version 1" in kernel.run(ENVIRONMENT).ok()
    assert "version 2" in kernel.run(ENVIRONMENT + "  - idna==3.10\n").ok()


# --- dry runs and refusals: nothing is lost or half done -----------------------------------------------------

@pytest.mark.parametrize("cell", [
    "%%environment e --dry-run\npip: [six==1.17.0]\n",
    "%%compute cluster --dry-run\nvm_size: STANDARD_DS3_V2\n",
    f"%%submit s --dry-run\n{JOB}",
], ids=["environment", "compute", "submit"])
def test_a_dry_run_changes_nothing(place, kernel, cell):
    place.write("src/train.py", "")
    place.write("src/.amlignore", "*.log\n")
    place.write("src/a.log", "")
    kernel.run("%runs").ok()
    before = tree(place.home)
    shown = kernel.run(cell).ok()
    after = tree(place.home)
    after.pop("history.db", None), before.pop("history.db", None)
    assert after == before
    if "submit" in cell:
        assert "train.py" in shown and "*.log" in shown and "a.log" in shown


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(7))

REFUSALS = {
    "yaml bomb": (f"%%submit e\n{BOMB}", ["alias"]),
    "duplicate key": (f"%%submit e\n{JOB}script: other.py\n", ["script", "line 3", "line 5"]),
    "tab": ("%%submit e\ncode:\tsrc\n\tscript: train.py\n", ["tab", "line 3"]),
    "indentation": ("%%submit e\ncode: src\n   script: train.py\n", ["line 3"]),
    "unknown key": (f"%%submit e\n{JOB}epochs: 3\n", ["epochs", "line 5"]),
    "both spellings": (f"%%submit e\n{JOB}source_directory: src\n", ["code", "source_directory"]),
    "missing script": ("%%submit e\ncode: src\nscript: tran.py\n", ["tran.py"]),
    "script outside": ("%%submit e\ncode: src\nscript: ../x.py\n", ["../x.py"]),
    "no such folder": ("%%submit e\ncode: scr\nscript: train.py\n", ["scr"]),
    "a file as the folder": ("%%submit e\ncode: src/train.py\nscript: train.py\n", ["folder"]),
    "empty folder": ("%%submit e\ncode: empty\ncommand: echo 1\n", ["empty"]),
    "unknown compute": ("%%submit e\ncode: src\nscript: train.py\ncompute: clutser\n",
                        ["clutser", "cluster", "line 4"]),
    "unknown environment": (f"%%submit e\n{JOB}environment: playn\n", ["playn", "plain"]),
    "compute name": ("%%compute gpu-1\nvm_size: STANDARD_DS3_V2\n", ["gpu-1"]),
    "wrong type": ("%%compute big\nmax_nodes: many\n", ["many", "line 2"]),
    "unknown run": ("%status nothing_like_it", ["nothing_like_it"]),
    "ambiguous run": ("%status a_run", ["a_run_one", "a_run_two"]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_with_a_clear_error(place, kernel, name):
    cell, parts = REFUSALS[name]
    place.write("src/train.py", "")
    (place.work / "empty").mkdir()
    kernel.run("%%environment plain\npython: python3\n").ok()
    kernel.run("%%compute cluster\nvm_size: STANDARD_DS3_V2\n").ok()
    if name == "ambiguous run":
        kernel.run(f"%%submit e --wait\n{JOB}").ok()
        kernel.stop()
        run = place.runs()[0]
        for other in ("a_run_one", "a_run_two"):
            text = (run / "run.json").read_text().replace(run.name, other)
            copy = run.parent / other
            copy.mkdir()
            (copy / "run.json").write_text(text)
            (copy / "events.jsonl").write_bytes((run / "events.jsonl").read_bytes())
            (copy / "status.json").write_bytes((run / "status.json").read_bytes())
        kernel = place.start()
    before = len(place.runs())
    said = kernel.run(cell).failed()
    for part in parts:
        assert part in said, said
    assert len(place.runs()) == before


# --- disks -----------------------------------------------------------------------------------------------------

@pytest.fixture
def small_disk(place):
    """$SKIFF_HOME on a file system of a few MB."""
    place.home.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place.home)], check=True)
    yield place
    for kernel in place.kernels:
        kernel.stop()
    subprocess.run(["umount", "-l", str(place.home)], check=True)


def test_a_full_home(small_disk):
    place = small_disk
    kernel = place.start()
    place.write("src/train.py", "print('hello')\n")
    kernel.run("%runs").ok()
    filler = place.home / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    said = submit(kernel).failed()
    assert "space" in said.lower(), said
    filler.unlink()
    submit(kernel).ok()


def test_a_read_only_home(small_disk):
    place = small_disk
    subprocess.run(["mount", "-o", "remount,ro", str(place.home)], check=True)
    kernel = place.start()
    place.write("src/train.py", "")
    said = submit(kernel).failed()
    assert str(place.home) in said and ("Read-only" in said or "SKIFF_HOME" in said), said


# --- many at once ----------------------------------------------------------------------------------------------

def test_two_kernels_share_two_nodes(place):
    mark = place.folder / "marks"
    mark.mkdir()
    place.write("src/train.py", f"import os, time\nmine = os.path.join({str(mark)!r}, str(os.getpid()))\n"
                "open(mine, 'w').close()\ntime.sleep(0.1)\n"
                f"print('beside', len(os.listdir({str(mark)!r})))\nos.unlink(mine)\n")
    kernels = [place.start(), place.start()]
    kernels[0].run("%%compute pair\nvm_size: STANDARD_DS3_V2\nmax_nodes: 2\n").ok()
    for _ in range(5):
        for kernel in kernels:
            submit(kernel, JOB.replace("local", "pair"), "--no-wait").ok()
    until(lambda: len(place.runs()) == 10)
    until(lambda: all(place.states(run)[-1] == "Completed" for run in place.runs()))
    beside = [int((run / "user_logs/std_log.txt").read_text().split()[-1]) for run in place.runs()]
    assert max(beside) <= 2, beside
