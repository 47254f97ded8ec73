# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong outside: a registry that is cut off, a disk that is full."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from conftest import BASE, HERE, REGISTRY, private, until
from docker_api import Docker
from test_containers import SLOW


class Cut:
    """A way to the registry that ends in the middle: each connection after `most` bytes of answers, until mended."""

    def __init__(self, most):
        self.most = most
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            host, port = REGISTRY.split(":")
            registry = socket.create_connection((host, int(port)))
            threading.Thread(target=self.carry, args=(client, registry, None), daemon=True).start()
            threading.Thread(target=self.carry, args=(registry, client, self.most), daemon=True).start()

    def carry(self, source, target, most):
        try:
            while data := source.recv(65536):
                if most is not None and self.most is not None:
                    most -= len(data)
                    if most < 0:
                        break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@pytest.mark.docker
def test_a_registry_cut_in_mid_pull(place, docker, base):
    for image in docker.images():
        docker.remove_image(image["Id"])
    way = Cut(10_000_000)
    name = base.replace(REGISTRY, way.address)
    kernel = place.kernel()
    place.environment(kernel, private(name).replace(f'"{REGISTRY}"', f'"{way.address}"'))
    text = place.submit(kernel, "print('through')").failed()
    assert place.state(place.runs()[0]) == "Failed"
    assert "→" in text and "pulling" in text.lower()
    assert place.containers() == []
    way.most = None  # mended
    assert "through" in place.submit(kernel).ok()


class OwnEngine:
    """One beside the tests', with flags of its own, in a folder of its own."""

    def __init__(self, folder, told, flags=""):
        self.told = told
        self.process = subprocess.Popen(
            [str(HERE / "with-docker"), "sh", "-c",
             f"echo $DOCKER_HOST $WITH_DOCKER_PIDFILE $WITH_DOCKER_START >{told}; sleep 1000"],
            env={**os.environ, "TMPDIR": str(folder), "WITH_DOCKER_FLAGS": flags}, start_new_session=True)
        until(lambda: told.exists() and told.read_text().endswith("\n"))
        self.address, self.pidfile, self.start = told.read_text().split()

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()


@pytest.mark.docker
def test_an_engine_with_live_restore_gives_its_containers_back(place, tmp_path):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="d"))  # paths of sockets are short
    engine = OwnEngine(folder, tmp_path / "engine", "--live-restore")
    try:
        docker = Docker(engine.address)
        docker.load(BASE, f"{REGISTRY}/fastdotai/fastai2")
        kernel = place.kernel(DOCKER_HOST=engine.address)
        place.environment(kernel, private(f"{REGISTRY}/fastdotai/fastai2:latest"))
        place.submit(kernel, SLOW.replace("3000", "600"), options="--no-wait").ok()
        run = until(place.runs)[0]
        until(lambda: place.state(run) == "Running" and "line 10" in place.log(run))
        os.kill(int(pathlib.Path(engine.pidfile).read_text()), signal.SIGKILL)
        until(lambda: place.state(run) == "NotResponding")
        subprocess.Popen([engine.start])
        until(lambda: place.state(run) in ("Running", "Completed"))
        until(lambda: place.state(run) == "Completed")
        assert place.log(run) == "".join(f"line {i}\n" for i in range(600))
        until(lambda: docker.containers() == [])
    finally:
        engine.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small_engine(tmp_path):
    """An engine of its own on a disk of 320 MB; its address."""
    disk = pathlib.Path(tempfile.mkdtemp(prefix="d"))  # paths of sockets are short
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320m", "tmpfs", str(disk)], check=True)
    engine = OwnEngine(disk, tmp_path / "engine")
    yield engine.address
    engine.stop()
    subprocess.run(["umount", "-l", str(disk)], check=True)
    disk.rmdir()


@pytest.mark.docker
def test_a_disk_that_is_full_while_building(place, small_engine):
    docker = Docker(small_engine)
    docker.load(BASE, f"{REGISTRY}/fastdotai/fastai2")
    kernel = place.kernel(DOCKER_HOST=small_engine)
    place.environment(kernel, f"dockerfile: |\n  FROM {REGISTRY}/fastdotai/fastai2:latest\n"
                              "  RUN head -c 400000000 /dev/zero > /fill\n")
    text = place.submit(kernel, "print(1)").failed()
    assert "No space left on device" in text
    assert place.state(place.runs()[0]) == "Failed"
    place.environment(kernel, f"dockerfile: |\n  FROM {REGISTRY}/fastdotai/fastai2:latest\n  RUN echo small\n")
    place.submit(kernel, "print('fits')").ok()
