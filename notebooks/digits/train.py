"""Trains a classifier of handwritten digits, on scikit-learn's own data."""

import argparse
import pathlib

import joblib
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

OUTPUTS = pathlib.Path("outputs")  # kept by Skiff, as on Azure ML
CELL = 28  # pixels of one field of the picture


def picture(matrix):
    """The confusion matrix as an image: darker is more, rows are what was shown."""
    share = matrix / matrix.sum(axis=1, keepdims=True)
    blue = np.stack([255 - 208 * share, 255 - 128 * share, 255 - 41 * share], axis=-1)
    return Image.fromarray(np.kron(blue.astype(np.uint8), np.ones((CELL, CELL, 1), np.uint8)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--hidden", type=int, default=32, help="width of the hidden layer")
    parser.add_argument("--learning-rate", type=float, default=0.003)
    options = parser.parse_args()

    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        digits.data, digits.target, test_size=0.25, random_state=0, stratify=digits.target)
    scaler = StandardScaler().fit(x_train)
    x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    print(f"{len(x_train)} images to learn from, {len(x_test)} to test with")

    model = MLPClassifier(hidden_layer_sizes=(options.hidden,), learning_rate_init=options.learning_rate,
                          batch_size=64, random_state=0)
    for epoch in range(1, options.epochs + 1):
        model.partial_fit(x_train, y_train, classes=digits.target_names)
        loss = log_loss(y_test, model.predict_proba(x_test))
        accuracy = accuracy_score(y_test, model.predict(x_test))
        print(f"epoch: {epoch} loss: {loss:.4f} accuracy: {accuracy:.4f}")

    OUTPUTS.mkdir(exist_ok=True)
    joblib.dump((scaler, model), OUTPUTS / "model.joblib")
    picture(confusion_matrix(y_test, model.predict(x_test))).save(OUTPUTS / "confusion.png")
    print("saved the model and the confusion matrix")


if __name__ == "__main__":
    main()
