# SPDX-License-Identifier: BSD-3-Clause
"""Channels encrypted by CurveZMQ, as jupyter_client asks for them with transport_encryption."""

import json
import pathlib
import subprocess

import pytest
import zmq
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from conftest import BUILD, NO_HURRY


@pytest.fixture
def encrypted(place):
    manager = KernelManager(kernel_name="skiff", transport_encryption="required")
    manager.kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(place.folder / "kernels")])
    manager.start_kernel(cwd=str(place.work), env=place.env())
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=NO_HURRY)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel()


def test_all_channels(encrypted):
    manager, client = encrypted
    said = []
    reply = client.execute_interactive("print(input('? '))", allow_stdin=True, timeout=NO_HURRY,
                                       stdin_hook=lambda m: client.input("here"),
                                       output_hook=lambda m: said.append(m["content"].get("text", "")))
    assert reply["content"]["status"] == "ok" and "here" in "".join(said)
    client.hb_channel.unpause()
    assert client.hb_channel.is_beating()


def test_nothing_goes_in_the_clear(encrypted):
    """A client with the HMAC key and without the CURVE key is not heard."""
    manager, _ = encrypted
    info = json.loads(pathlib.Path(manager.connection_file).read_text())
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(f"tcp://{info['ip']}:{info['shell_port']}")
        manager.session.send(socket, "kernel_info_request", {})
        assert not socket.poll(1000)


@pytest.mark.parametrize("change, said", [
    ({"curve_secretkey": None}, "belong together"),
    ({"curve_publickey": "short"}, "curve_publickey"),
    ({"curve_secretkey": 7}, "curve_secretkey"),
])
def test_bad_keys(place, tmp_path, change, said):
    public, secret = (key.decode() for key in zmq.curve_keypair())
    connection = {"transport": "ipc", "ip": str(tmp_path / "k"), "key": "a", "signature_scheme": "hmac-sha256",
                  "shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5,
                  "curve_publickey": public, "curve_secretkey": secret, **change}
    path = tmp_path / "connection.json"
    path.write_text(json.dumps(connection))
    done = subprocess.run([str(BUILD / "skiff"), "kernel", "-f", str(path)], env=place.env(), capture_output=True,
                          text=True, timeout=NO_HURRY)
    assert done.returncode != 0
    assert said in done.stderr and secret not in done.stderr
