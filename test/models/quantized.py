"""Quantizes networks with real weights and measures what that costs on their tasks.

  quantized.py --models DIR --out DIR        DIR/*.onnx are downloaded where they are missing

Digits: a small convolutional network, trained here on scikit-learn's digits; the share of digits that it tells right.
Text: PP-OCRv4 finds and reads rendered lines; the share of characters that are read right. Sentences: which of two is
nearer to a third, by MiniLM, where `../shared` can make it. The loss against f32 is printed and bounded, and the error of
the outputs is at most that of ONNX Runtime's static quantization, whose best variant is taken.
"""

import argparse
import difflib
import logging
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image, ImageDraw, ImageFont

import compare
import tegula

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(SOURCE, "tools", "demo"))
import ocr  # noqa: E402
import packages  # noqa: E402

SHARED = os.path.join(SOURCE, "..", "shared", "models", "real.py")
WORDS = """the quick brown fox jumps over a lazy dog compile once run anywhere weights tensor kernel invoice total amount
paid date street model network light speed river mountain music market price garden window paper summer winter school
teacher doctor engine""".split()
MAX_LOSS = 0.005  # of a task's accuracy


# Models' outputs, and how far they are apart.


def outputs_of(path, feeds):
    """Of each feed; the model as it is written, without the runtime's own rewriting."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [session.run(None, feed) for feed in feeds]


def error_between(expected, got):
    """Relative to the deviation of each output; the mean square over the outputs."""
    shares = []
    for i in range(len(expected[0])):
        x = np.concatenate([sample[i].ravel() for sample in expected]).astype(np.float64)
        y = np.concatenate([sample[i].ravel() for sample in got]).astype(np.float64)
        shares.append(np.mean((x - y) ** 2) / max(np.var(x), 1e-30))
    return float(np.sqrt(np.mean(shares)))


class Reader(CalibrationDataReader):
    def __init__(self, feeds):
        self.feeds = iter(feeds)

    def get_next(self):
        return next(self.feeds, None)


def peers_error(path, folder, calibration, tests, expected):
    """The least error of ONNX Runtime's variants, each by channel."""
    model, prepared = onnx.load(path), os.path.join(folder, "peer_prepared.onnx")
    if model.opset_import[0].version < 13:
        model = version_converter.convert_version(model, 13)
    onnx.save(model, prepared)
    quant_pre_process(prepared, prepared, skip_symbolic_shape=True)
    errors = {}
    for method in (CalibrationMethod.MinMax, CalibrationMethod.Percentile):
        for types in (None, ["Conv", "MatMul", "Gemm"]):
            output = os.path.join(folder, "peer.onnx")
            quantize_static(prepared, output, Reader(calibration), calibrate_method=method, per_channel=True,
                            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=types)
            errors[method.name + ("" if types is None else " of products")] = error_between(expected,
                                                                                            outputs_of(output, tests))
    return min(errors.items(), key=lambda entry: entry[1])


def quantize(path, folder, calibration, tests):
    """Path of the quantized model; a text with its error and the peer's, which must not be smaller."""
    quantized = os.path.join(folder, os.path.basename(path))
    tegula.quantize(path, quantized, iter(calibration))
    expected = outputs_of(path, tests)
    error = error_between(expected, outputs_of(quantized, tests))
    name, peer = peers_error(path, folder, calibration, tests, expected)
    text = f"error {error:.4f}, ONNX Runtime's {peer:.4f} ({name})"
    if error > peer:
        raise AssertionError(f"the peer's error is smaller: {text}")
    return quantized, text


def lost(task, before, after, text):
    summary = f", {task} {before:.4f} -> {after:.4f}; {text}"
    if after < before - MAX_LOSS:
        raise AssertionError("too much is lost" + summary)
    return max(0.0, before - after), summary


# Digits.


def windows(x):
    """[n, h, w, c] -> [n, h, w, 9 c]: the 3x3 window of each place, zero outside."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    return np.concatenate([padded[:, i:i + height, j:j + width] for i in range(3) for j in range(3)], axis=-1)


def scatter(gradient, channels):
    """The transpose of `windows`."""
    n, height, width, _ = gradient.shape
    padded = np.zeros((n, height + 2, width + 2, channels), gradient.dtype)
    for index in range(9):
        i, j = divmod(index, 3)
        padded[:, i:i + height, j:j + width] += gradient[..., index * channels:(index + 1) * channels]
    return padded[:, 1:-1, 1:-1]


def train_digits(images, labels, random, epochs=30, batch=64):
    """Two convolutions and a product, by Adam on the cross entropy. Weights: [9, 16], [144, 32], [512, 10] and biases."""
    shapes = [(9, 16), (16,), (9 * 16, 32), (32,), (512, 10), (10,)]
    weights = [random.standard_normal(s) * np.sqrt(2 / s[0]) if len(s) > 1 else np.zeros(s) for s in shapes]
    first, second = [np.zeros(s) for s in shapes], [np.zeros(s) for s in shapes]
    step = 0
    for _ in range(epochs):
        order = random.permutation(len(images))
        for begin in range(0, len(images), batch):
            chosen = order[begin:begin + batch]
            x, target = images[chosen], labels[chosen]
            w1, b1, w2, b2, w3, b3 = weights
            c1 = windows(x)
            a1 = np.maximum(c1 @ w1 + b1, 0)
            c2 = windows(a1[:, ::2, ::2])
            a2 = np.maximum(c2 @ w2 + b2, 0)
            flat = a2.reshape(len(x), -1)
            scores = flat @ w3 + b3
            p = np.exp(scores - scores.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(x)), target] -= 1
            p /= len(x)
            g2 = (p @ w3.T).reshape(a2.shape) * (a2 > 0)
            g1 = np.zeros_like(a1)
            g1[:, ::2, ::2] = scatter(g2 @ w2.T, 16)
            g1 *= a1 > 0
            gradients = [c1.reshape(-1, 9).T @ g1.reshape(-1, 16), g1.sum((0, 1, 2)),
                         c2.reshape(-1, 144).T @ g2.reshape(-1, 32), g2.sum((0, 1, 2)), flat.T @ p, p.sum(0)]
            step += 1
            for weight, gradient, m, v in zip(weights, gradients, first, second):
                m += 0.1 * (gradient - m)
                v += 0.001 * (gradient ** 2 - v)
                weight -= 2e-3 * (m / (1 - 0.9 ** step)) / (np.sqrt(v / (1 - 0.999 ** step)) + 1e-8)
    return weights


def digits_model(weights, path):
    w1, b1, w2, b2, w3, b3 = (w.astype(np.float32) for w in weights)
    # [9 in, out] -> [out, in, 3, 3]; the last product reads [4, 4, 32], the model's tensor is [32, 4, 4].
    tensors = {"w1": w1.reshape(3, 3, 1, 16).transpose(3, 2, 0, 1), "b1": b1,
               "w2": w2.reshape(3, 3, 16, 32).transpose(3, 2, 0, 1), "b2": b2,
               "w3": w3.reshape(16, 32, 10).transpose(1, 0, 2).reshape(512, 10), "b3": b3}
    nodes = [helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="conv1", pads=[1] * 4),
             helper.make_node("Relu", ["c1"], ["r1"], name="relu1"),
             helper.make_node("MaxPool", ["r1"], ["p1"], name="thin", kernel_shape=[1, 1], strides=[2, 2]),
             helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], name="conv2", pads=[1] * 4),
             helper.make_node("Relu", ["c2"], ["r2"], name="relu2"),
             helper.make_node("Flatten", ["r2"], ["f"], name="flatten"),
             helper.make_node("Gemm", ["f", "w3", "b3"], ["scores"], name="dense")]
    graph = helper.make_graph(nodes, "digits", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])],
                              [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])],
                              [numpy_helper.from_array(np.ascontiguousarray(t), name) for name, t in tensors.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def check_digits(folder):
    from sklearn.datasets import load_digits

    random = np.random.Generator(np.random.PCG64(11))
    data = load_digits()
    images, order = (data.images / 16 - 0.3)[..., None], random.permutation(len(data.images))
    train, test = order[:1297], order[1297:]
    path = os.path.join(folder, "f32_digits.onnx")
    digits_model(train_digits(images[train], data.target[train], random), path)
    feeds = [{"x": images[i].transpose(2, 0, 1)[None].astype(np.float32)} for i in order]
    quantized, text = quantize(path, os.path.join(folder, "int8"), feeds[:128], feeds[1297:])

    def accuracy(model):
        answers = [outputs[0].argmax() for outputs in outputs_of(model, feeds[1297:])]
        return float(np.mean(np.array(answers) == data.target[test]))

    before, after = accuracy(path), accuracy(quantized)
    if before < 0.95:
        raise AssertionError(f"the network was not trained: {before:.3f}")
    return lost("digits told right", before, after, text)


# Text.


def draw_line(random, size=(320, 48)):
    """A line of three words, and its picture as large as the network takes it."""
    words = " ".join(random.choice(WORDS, 3))
    image = Image.new("RGB", (700, 64), tuple(int(c) for c in random.integers(200, 255, 3)))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(int(random.integers(26, 36)))
    pen.text((6, 8), words, fill=tuple(int(c) for c in random.integers(0, 90, 3)), font=font)
    right = int(pen.textlength(words, font=font)) + 12
    return words, image.crop((0, 0, right, 54)).resize(size, Image.Resampling.BILINEAR)


def read(probabilities, letters):
    """The text of CTC's most probable path."""
    best = probabilities.argmax(-1)
    return "".join(letters[c] for i, c in enumerate(best) if c and (i == 0 or best[i - 1] != c))


def check_reading(models, folder):
    path, random = os.path.join(models, "ppocrv4_rec.onnx"), np.random.Generator(np.random.PCG64(5))
    letters = ocr.characters(path)
    lines = [draw_line(random) for _ in range(64)]
    feeds = [{"x": ocr.tensor(image)} for _, image in lines]
    quantized, text = quantize(path, folder, feeds[:24], feeds[24:])

    def accuracy(model):
        shares = []
        for (words, _), outputs in zip(lines[24:], outputs_of(model, feeds[24:])):
            matcher = difflib.SequenceMatcher(None, words, read(outputs[0][0], letters), autojunk=False)
            shares.append(sum(block.size for block in matcher.get_matching_blocks()) / len(words))
        return float(np.mean(shares))

    return lost("characters read right", accuracy(path), accuracy(quantized), text)


def check_finding(models, folder):
    path, random = os.path.join(models, "ppocrv4_det.onnx"), np.random.Generator(np.random.PCG64(6))
    feeds = [{"x": ocr.tensor(ocr.draw([" ".join(random.choice(WORDS, 4)) for _ in range(3)]))} for _ in range(18)]
    quantized, text = quantize(path, folder, feeds[:12], feeds[12:])
    masks = [[outputs[0] > 0.3 for outputs in outputs_of(model, feeds[12:])] for model in (path, quantized)]
    same = float(np.mean([np.mean(a == b) for a, b in zip(*masks)]))
    return lost("pixels told text or not as before", 1.0, same, text)


# Sentences.


def tokens(sentence, vocabulary, length=128):
    """WordPiece: of each word the longest known beginning, and so on."""
    ids = [vocabulary["[CLS]"]]
    for word in sentence.split():
        begin = 0
        while begin < len(word):
            pieces = (("##" if begin else "") + word[begin:end] for end in range(len(word), begin, -1))
            piece = next((p for p in pieces if p in vocabulary), None)
            if piece is None:
                break
            ids.append(vocabulary[piece])
            begin += len(piece) - (2 if begin else 0)
    ids = ids[:length - 1] + [vocabulary["[SEP]"]]
    row = np.zeros((1, length), np.int64)
    mask = row.copy()
    row[0, :len(ids)], mask[0, :len(ids)] = ids, 1
    return {"input_ids": row, "attention_mask": mask, "token_type_ids": np.zeros_like(row)}


def check_sentences(models, folder):
    subprocess.run([sys.executable, SHARED, models], check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(models, "minilm_vocab.txt"), encoding="utf-8") as file:
        vocabulary = {line.rstrip("\n"): i for i, line in enumerate(file)}
    path, random = os.path.join(models, "minilm_s128.onnx"), np.random.Generator(np.random.PCG64(8))
    sentences = [" ".join(random.choice(WORDS, int(random.integers(4, 30)))) for _ in range(64)]
    feeds = [tokens(sentence, vocabulary) for sentence in sentences]
    quantized, text = quantize(path, folder, feeds[:24], feeds[24:])

    def nearer(model):
        """Of all triples: whether the first is nearer to the second than to the third, where that is no close call."""
        embeddings = np.concatenate([outputs[1] for outputs in outputs_of(model, feeds[24:])])
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        cosines = embeddings @ embeddings.T
        return cosines[:, :, None] - cosines[:, None, :]

    before, after = nearer(path), nearer(quantized)
    clear = np.abs(before) > 0.05
    return lost("triples ranked as before", 1.0, float(np.mean((before > 0)[clear] == (after > 0)[clear])), text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    folder = os.path.join(args.out, "int8")
    os.makedirs(folder, exist_ok=True)
    packages.fetch(args.models)
    tally = compare.Tally()
    tally.check("digits", MAX_LOSS, lambda: check_digits(args.out), "of the task")
    tally.check("ppocrv4_rec", MAX_LOSS, lambda: check_reading(args.models, folder), "of the task")
    tally.check("ppocrv4_det", MAX_LOSS, lambda: check_finding(args.models, folder), "of the task")
    if os.path.exists(SHARED):
        tally.check("minilm", MAX_LOSS, lambda: check_sentences(args.models, folder), "of the task")
    else:
        tally.add("skipped", "minilm", "../shared, which makes it, is not there")
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
