# SPDX-License-Identifier: BSD-3-Clause
"""Kernels to be measured, the least client of them, and how figures are printed."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

import zmq
from jupyter_client.session import Session

PATIENCE_MS = 60_000  # an answer that takes longer is not coming


# --- a kernel and the least client of it ---------------------------------------------------------------

class Kernel:
    """A kernel on a connection file of ours, over ipc, without a server between."""

    def __init__(self, command, folder, env):
        folder.mkdir(parents=True)
        key = os.urandom(16).hex()
        self.session = Session(key=key.encode())
        self.file = folder / "connection.json"
        connection = {"transport": "ipc", "ip": str(folder / "k"), "key": key,
                      "signature_scheme": "hmac-sha256", "kernel_name": "bench"}
        ports = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
        connection.update({port: number for number, port in enumerate(ports, 1)})
        self.file.write_text(json.dumps(connection))
        self.context = zmq.Context()
        self.shell = self.connect(zmq.DEALER, 1)
        self.iopub = self.connect(zmq.SUB, 2)
        self.iopub.subscribe(b"")
        self.control = self.connect(zmq.DEALER, 4)
        begin = time.perf_counter()
        self.process = subprocess.Popen([*command, str(self.file)], env=env, cwd=folder,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.ask("kernel_info_request", {})
        self.started_ms = (time.perf_counter() - begin) * 1e3

    def connect(self, kind, number):
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.reconnect_ivl = 1  # the kernel binds after we connect: look for it every millisecond
        socket.connect(f"ipc://{self.file.parent / 'k'}-{number}")
        return socket

    def receive(self, socket):
        if not socket.poll(PATIENCE_MS):
            sys.exit(f"bench: no answer from {self.process.args[0]}")
        return self.session.deserialize(self.session.feed_identities(socket.recv_multipart())[1])

    def ask(self, kind, content, socket=None):
        socket = socket or self.shell
        message = self.session.send(socket, kind, content)
        while True:
            reply = self.receive(socket)
            if reply["parent_header"].get("msg_id") == message["msg_id"]:
                return reply["content"]

    def settle(self):
        """Until the subscription to IOPub is known to have arrived."""
        while not self.iopub.poll(100):
            self.ask("kernel_info_request", {})
        while self.iopub.poll(100):
            self.iopub.recv_multipart()

    def execute(self, code, store_history=False, allow_stdin=False):
        """Seconds from the request to its idle on IOPub, and what was shown."""
        begin = time.perf_counter()
        content = {"code": code, "silent": False, "store_history": store_history, "user_expressions": {},
                   "allow_stdin": allow_stdin, "stop_on_error": False}
        message = self.session.send(self.shell, "execute_request", content)
        shown = []
        while True:
            said = self.receive(self.iopub)
            if said["parent_header"].get("msg_id") != message["msg_id"]:
                continue
            shown.append(said["content"])
            if said["content"].get("execution_state") == "idle":
                took = time.perf_counter() - begin
                self.receive(self.shell)
                return took, shown

    def memory_mb(self):
        """RSS and PSS."""
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        fields = {line.split(":")[0]: line.split()[1] for line in text.splitlines()[1:]}
        return int(fields["Rss"]) / 1024, int(fields["Pss"]) / 1024

    def wakes(self, seconds):
        """How often the main thread was woken while nothing was asked of it."""
        def switches():
            text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
            return int(text.split("voluntary_ctxt_switches:")[1].split()[0])
        time.sleep(1)  # what the start left to do
        before = switches()
        time.sleep(seconds)
        return switches() - before

    def stop(self):
        self.ask("shutdown_request", {"restart": False}, self.control)
        self.process.wait(timeout=60)
        self.context.destroy(linger=0)


class Bench:
    """Where everything of one run of the bench lives, and how its kernels are started."""

    def __init__(self, build, folder):
        self.build = build
        self.folder = folder
        self.count = 0
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("SKIFF_", "JPY_"))}
        self.env["SKIFF_HOME"] = str(folder / "home")
        self.env["IPYTHONDIR"] = str(folder / "ipython")
        self.env["PATH"] = f"{pathlib.Path(sys.executable).parent}:{self.env['PATH']}"
        self.commands = {
            "skiff": [str(build / "skiff"), "kernel", "-f"],
            "skiff alone": [str(build / "skiff"), "kernel", "--companion", "none", "-f"],
            "bare C loop": [str(build / "bare_loop"), "-f"],
            "ipykernel": [sys.executable, "-m", "ipykernel_launcher", "-f"],
        }

    @contextlib.contextmanager
    def kernel(self, name):
        self.count += 1
        kernel = Kernel(self.commands[name], self.folder / f"{self.count}", self.env)
        try:
            yield kernel
        finally:
            kernel.stop()


# --- rows -------------------------------------------------------------------------------------------------

def head(title):
    print(f"\n{title}\n{'':2}{'what':<34}{'figure':>12}  {'beside':<28}{'figure':>12}{'ratio':>8}  bar")


def row(what, figure, peer="", peer_figure=None, bar="", unit="ms"):
    beside = f"{peer_figure:.2f} {unit}" if peer_figure is not None else ""
    ratio = f"{figure / peer_figure:.2f}" if peer_figure else ""
    print(f"{'':2}{what:<34}{f'{figure:.2f} {unit}':>12}  {peer:<28}{beside:>12}{ratio:>8}  {bar}", flush=True)


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]
