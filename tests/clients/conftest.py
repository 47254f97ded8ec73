# SPDX-License-Identifier: BSD-3-Clause
"""Kernels started by the real jupyter_client, each with a home and a working folder of its own."""

import contextlib
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import time

import pytest
from jupyter_client.manager import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

BUILD = pathlib.Path(os.environ.get("SKIFF_BUILD", "build/default")).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
NO_HURRY = 60  # seconds: a wait this long has failed


def until(what):
    """Looks until what() is true, at things that send no message; its value."""
    end = time.monotonic() + NO_HURRY
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail("it did not come to that")


class Result:
    """What one cell gave: its reply and everything IOPub said about it."""

    def __init__(self, reply, outputs):
        self.reply = reply
        self.outputs = outputs
        self.status = reply["content"]["status"]

    def text(self):
        """Streams and the plain twins of displays, in order; updates replace what they update."""
        shown = {}
        parts = []
        for message in self.outputs:
            content = message["content"]
            kind = message["msg_type"]
            if kind == "stream":
                parts.append([content["text"]])
            elif kind in ("display_data", "update_display_data"):
                plain = content["data"].get("text/plain", "") + "\n"
                key = content.get("transient", {}).get("display_id")
                if key in shown:
                    shown[key][0] = plain
                else:
                    parts.append([plain])
                    if key is not None:
                        shown[key] = parts[-1]
            elif kind == "error":
                parts.append(["\n".join(content["traceback"]) + "\n"])
        return "".join(part[0] for part in parts)

    def html(self):
        return "".join(m["content"]["data"].get("text/html", "") for m in self.outputs
                       if m["msg_type"] in ("display_data", "update_display_data"))

    def ok(self):
        assert self.status == "ok", self.text()
        return self.text()

    def failed(self):
        assert self.status == "error", self.text()
        return self.text()


class Kernel:
    """One kernel process and a client of it."""

    def __init__(self, folder, env):
        self.manager = KernelManager(kernel_name="skiff")
        self.manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
        self.manager.start_kernel(cwd=str(folder / "work"), env=env)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=NO_HURRY)

    @property
    def pid(self):
        return self.manager.provisioner.process.pid

    def run(self, code, stdin=None, **options):
        """Executes a cell; `stdin` answers what it asks, and says that somebody is there."""
        answers = list(stdin) if stdin is not None else []
        outputs = []
        reply = self.client.execute_interactive(
            code, allow_stdin=stdin is not None, timeout=NO_HURRY, output_hook=outputs.append,
            stdin_hook=lambda message: self.client.input(answers.pop(0)), **options)
        return Result(reply, outputs)

    def send(self, code, **options):
        return self.client.execute(code, **options)

    def until(self, what):
        """IOPub messages until one for which what(message) is true; all of them."""
        seen = []
        end = time.monotonic() + NO_HURRY
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                assert self.manager.is_alive(), "the kernel died"
                continue
            seen.append(message)
            if what(message):
                return seen
        pytest.fail("nothing of the kind came")

    def kill(self):
        """kill -9, and wait until it is gone; the IOPub messages it had sent still."""
        self.manager.provisioner.process.kill()
        self.manager.provisioner.process.wait()
        rest = []
        while self.client.iopub_channel.socket.poll(500):
            rest.append(self.client.get_iopub_msg(timeout=1))
        self.client.stop_channels()
        return rest

    def wait_dead(self):
        self.manager.provisioner.process.wait(timeout=NO_HURRY)
        self.client.stop_channels()

    def stop(self):
        if self.manager.has_kernel and self.manager.is_alive():
            self.client.stop_channels()
            self.manager.shutdown_kernel()
        self.manager.cleanup_resources()


class Place:
    """A home, a working folder and an installed kernelspec, in which kernels are started."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.work = folder / "work"
        self.work.mkdir()
        self.kernels = []
        subprocess.run([str(BUILD / "skiff"), "install", "--prefix", str(folder / "prefix")], check=True,
                       stdout=subprocess.DEVNULL)
        (folder / "kernels").symlink_to(folder / "prefix/share/jupyter/kernels")

    def env(self, **more):
        base = {k: v for k, v in os.environ.items() if not k.startswith("SKIFF_")}
        # Scripts run with the Python that runs the tests.
        base["PATH"] = f"{pathlib.Path(sys.executable).parent}:{base['PATH']}"
        return {**base, "SKIFF_HOME": str(self.home), **more}

    def start(self, **env):
        kernel = Kernel(self.folder, self.env(**env))
        self.kernels.append(kernel)
        return kernel

    def write(self, name, text):
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def runs(self):
        folder = self.home / "runs"
        return sorted(p for p in folder.iterdir() if not p.name.startswith(".")) if folder.exists() else []

    def states(self, run):
        lines = (run / "events.jsonl").read_text().splitlines()
        return [json.loads(line)["state"] for line in lines if "state" in json.loads(line)]

    def processes(self):
        """Living processes that belong to runs of this place."""
        mark = f"SKIFF_RUN_DIR={self.home}".encode()
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
        return found


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    for kernel in place.kernels:
        kernel.stop()
    for pid in place.processes():  # runs that a test leaves going
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def kernel(place):
    return place.start()
