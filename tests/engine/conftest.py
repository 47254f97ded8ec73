# SPDX-License-Identifier: BSD-3-Clause
"""Runs in containers of a real Docker Engine, with images from a private registry: with-docker and with-registry
have started both (DOCKER_HOST, REGISTRY). Kernels are those of tests/clients."""

import importlib.util
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
from docker_api import Docker  # noqa: E402

spec = importlib.util.spec_from_file_location("clients", HERE.parent / "clients/conftest.py")
clients = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clients)
until, Place, BUILD = clients.until, clients.Place, clients.BUILD

BASE = HERE.parents[1] / "build/engine/base.tar"
USER, PASSWORD = "sam", "letmein"
REGISTRY = os.environ["REGISTRY"]


class ContainerPlace(Place):
    """Kernels that have the registry's password in a variable, and cells of the article."""

    def __init__(self, folder, docker):
        super().__init__(folder)
        self.docker = docker

    def env(self, **more):
        return super().env(**{"REGISTRY_PASSWORD": PASSWORD, **more})

    def kernel(self, compute="container: {network: none}", **env):
        """A kernel with the compute gpu-cluster."""
        kernel = self.start(**env)
        kernel.run(f"%%compute gpu-cluster\nvm_size: STANDARD_NC6\nmax_nodes: 4\n{compute}").ok()
        return kernel

    def environment(self, kernel, text, name="fastai2"):
        return kernel.run(f"%%environment {name}\n{text}").ok()

    def submit(self, kernel, script=None, options="--wait", name="fastai2", more=""):
        """Runs a script (its text) in the environment of that name."""
        if script is not None:
            self.write("src/train.py", script)
        return kernel.run(f"%%submit fastai-custom-image {options}\nsource_directory: src\nscript: train.py\n"
                          f"compute_target: gpu-cluster\nenvironment: {name}\n{more}")

    def command(self, kernel, command, options="--wait", name="fastai2", more=""):
        return kernel.run(f"%%submit fastai-custom-image {options}\ncommand: {command}\n"
                          f"compute_target: gpu-cluster\nenvironment: {name}\n{more}")

    def containers(self):
        """Of this home."""
        return self.docker.containers(f"skiff.home={self.home}")

    def log(self, run):
        return (run / "user_logs/std_log.txt").read_text()

    def state(self, run):
        return self.states(run)[-1]


def pytest_configure(config):
    config.addinivalue_line("markers", "docker: needs Docker's own daemon")


@pytest.fixture(scope="session")
def docker():
    return Docker()


@pytest.fixture(scope="session")
def base(docker):
    """An image with Python in the private registry: its name there. The engine does not have it."""
    assert BASE.exists(), "run `make containers`, which makes it"
    repository = f"{REGISTRY}/fastdotai/fastai2"
    docker.load(BASE, repository, "latest")
    docker.push(repository, "latest", USER, PASSWORD)
    return f"{repository}:latest"


@pytest.fixture
def image(docker, base):
    """The same, and the engine has it."""
    if not any(base in (image["RepoTags"] or []) for image in docker.images()):
        docker.load(BASE, base.rsplit(":", 1)[0], "latest")
    return base


@pytest.fixture
def place(tmp_path, docker):
    place = ContainerPlace(tmp_path, docker)
    yield place
    for kernel in place.kernels:
        kernel.stop()
    for container in place.containers():
        docker.ask("DELETE", f"/containers/{container['Id']}", force=1)


def private(image, password="env:REGISTRY_PASSWORD"):
    """A definition of an image of the private registry, its own Python as it is."""
    return (f"image: {image}\nuser_managed_dependencies: true\n"
            f"registry: {{address: \"{REGISTRY}\", username: {USER}, password: \"{password}\"}}\n")
