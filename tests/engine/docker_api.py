# SPDX-License-Identifier: BSD-3-Clause
"""Docker's API as tests look at it: beside Skiff, and not by its code."""

import base64
import http.client
import json
import os
import socket
import urllib.parse

VERSION = "/v1.41"


class _Socket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=300)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Docker:
    """The engine that DOCKER_HOST names."""

    def __init__(self, address=None):
        self.path = (address or os.environ["DOCKER_HOST"]).removeprefix("unix://")

    def ask(self, method, path, body=None, headers=None, **query):
        connection = _Socket(self.path)
        if query:
            path += "?" + urllib.parse.urlencode(query)
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, VERSION + path, body=body, headers=headers or {})
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        connection.close()
        assert response.status < 400, f"{method} {path}: {response.status} {text}"
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        for line in lines:
            assert not (isinstance(line, dict) and "error" in line), line["error"]
        return lines[0] if len(lines) == 1 else lines

    def load(self, tar, repository, tag="latest"):
        """An image of one layer from a tar file."""
        with open(tar, "rb") as stream:
            self.ask("POST", "/images/create", body=stream, headers={"Content-Type": "application/x-tar"},
                     fromSrc="-", repo=repository, tag=tag)

    def push(self, repository, tag, username, password):
        auth = base64.urlsafe_b64encode(json.dumps({"username": username, "password": password}).encode())
        self.ask("POST", f"/images/{repository}/push", headers={"X-Registry-Auth": auth.decode()}, tag=tag)

    def remove_image(self, name):
        self.ask("DELETE", f"/images/{name}", force=1)

    def images(self, label=None):
        filters = {"label": [label]} if label else {}
        images = self.ask("GET", "/images/json", filters=json.dumps(filters))
        return images if isinstance(images, list) else [images]

    def containers(self, label="skiff.run"):
        return self.ask("GET", "/containers/json", all=1, filters=json.dumps({"label": [label]}))

    def inspect(self, container):
        return self.ask("GET", f"/containers/{container}/json")
