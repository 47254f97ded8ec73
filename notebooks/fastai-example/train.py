# SPDX-License-Identifier: BSD-3-Clause
"""Trains a classifier of two spirals with what every Python has, so that it runs in any image with one.

With fastai in the image, this is the place of `vision_learner(...).fine_tune(...)`."""

import argparse
import json
import math
import pathlib
import platform
import random

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--hidden", type=int, default=12)
parser.add_argument("--seed", type=int, default=7)
options = parser.parse_args()
draw = random.Random(options.seed)


def spiral(arm, step, steps):
    angle = 1.5 * math.pi * step / steps + arm * math.pi
    radius = 0.2 + 0.8 * step / steps
    return [radius * math.cos(angle) + draw.gauss(0, 0.03), radius * math.sin(angle) + draw.gauss(0, 0.05)]


points = [(spiral(arm, step, 100), arm) for arm in (0, 1) for step in range(100)]
draw.shuffle(points)
held_out, points = points[:40], points[40:]

# One hidden layer: weights of the inputs, then those of the hidden units, each with its bias last.
first = [[draw.gauss(0, 1.5) for _ in range(3)] for _ in range(options.hidden)]
second = [draw.gauss(0, 0.5) for _ in range(options.hidden + 1)]


def forward(point):
    hidden = [math.tanh(w[0] * point[0] + w[1] * point[1] + w[2]) for w in first]
    score = sum(w * h for w, h in zip(second, hidden)) + second[-1]
    return hidden, 1 / (1 + math.exp(-max(-30, min(30, score))))


def learn(point, label, rate):
    hidden, guess = forward(point)
    error = guess - label
    for i, h in enumerate(hidden):
        back = error * second[i] * (1 - h * h) * rate
        second[i] -= rate * error * h
        for j, x in enumerate((*point, 1)):
            first[i][j] -= back * x
    second[-1] -= rate * error
    return -math.log(max(1e-12, guess if label else 1 - guess))


def accuracy(of):
    return sum((forward(point)[1] > 0.5) == bool(label) for point, label in of) / len(of)


print(f"Python {platform.python_version()} on {platform.platform()}")
for epoch in range(1, options.epochs + 1):
    draw.shuffle(points)
    for _ in range(8):  # rounds of an epoch: the set is small
        loss = sum(learn(point, label, 0.1) for point, label in points) / len(points)
    print(f"epoch: {epoch} loss: {loss:.4f} accuracy: {accuracy(held_out):.3f}", flush=True)

outputs = pathlib.Path("outputs")
outputs.mkdir(exist_ok=True)
(outputs / "model.json").write_text(json.dumps({"first": first, "second": second}))
print("saved", outputs / "model.json")
