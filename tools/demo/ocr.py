"""Text from a picture: PP-OCRv4 finds the lines (det), then reads each of them (rec)."""

import numpy as np
import onnx
from PIL import Image, ImageDraw, ImageFont

LINE_HEIGHT, LINE_WIDTH = 48, 640  # what rec is compiled for; shorter lines are padded


def draw(lines, size=(640, 256)):
    """A picture with dark text on light ground, one line below the other."""
    image = Image.new("RGB", size, (250, 250, 245))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(34)
    for i, line in enumerate(lines):
        pen.text((24 + 20 * i, 20 + i * 76), line, fill=(15, 15, 30), font=font)
    return image


def tensor(image):
    """x: [1, 3, H, W] in [-1, 1], channels blue, green, red as the models were trained."""
    pixels = np.asarray(image.convert("RGB"), np.float32)[..., ::-1]
    return np.ascontiguousarray((pixels / 255 - 0.5).transpose(2, 0, 1)[None] / 0.5, np.float32)


def components(mask):
    """Bounding boxes (left, top, right, bottom) of the connected true areas, by spreading labels until none changes."""
    label = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        grown = np.pad(label, 1)
        grown = np.maximum.reduce([grown[1:-1, 1:-1], grown[:-2, 1:-1], grown[2:, 1:-1], grown[1:-1, :-2],
                                   grown[1:-1, 2:]])
        # Along rows and columns at once: the largest label of each unbroken stretch.
        grown = np.where(mask, grown, 0)
        for axis in (0, 1):
            grown = spread(grown, mask, axis)
        if np.array_equal(grown, label):
            break
        label = grown
    boxes = []
    for value in np.unique(label[label > 0]):
        rows, columns = np.nonzero(label == value)
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    return boxes


def spread(label, mask, axis):
    """Gives each unbroken stretch of `mask` along `axis` its largest label."""
    label, mask = np.moveaxis(label, axis, 1).copy(), np.moveaxis(mask, axis, 1)
    for row, open_ in zip(label, mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], open_.astype(np.int8), [0]])))
        for begin, end in zip(edges[::2], edges[1::2]):
            row[begin:end] = row[begin:end].max()
    return np.moveaxis(label, 1, axis)


def find_lines(probability, size, threshold=0.3, grow=1.6):
    """Boxes of the text lines, top to bottom. `probability`: [H, W], det's output; a box is grown as in training, where
    the target was the text shrunk by area * ratio / perimeter."""
    boxes = []
    for left, top, right, bottom in components(probability > threshold):
        width, height = right - left, bottom - top
        if min(width, height) < 4 or probability[top:bottom, left:right].mean() < 0.4:
            continue
        margin = width * height * grow / (2 * (width + height))
        boxes.append((max(0, int(left - margin)), max(0, int(top - margin)),
                      min(size[0], int(right + margin + 1)), min(size[1], int(bottom + margin + 1))))
    return sorted(boxes, key=lambda box: box[1])


def characters(path):
    """The classes of rec: the blank of CTC, the characters in the model's metadata, the space."""
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return [""] + metadata["character"].splitlines() + [" "]


def line_tensor(image):
    """A line's picture at rec's height, padded on the right with the neutral value to its width."""
    width = min(LINE_WIDTH, max(1, round(image.width * LINE_HEIGHT / image.height)))
    x = np.zeros((1, 3, LINE_HEIGHT, LINE_WIDTH), np.float32)
    x[..., :width] = tensor(image.resize((width, LINE_HEIGHT), Image.Resampling.BILINEAR))
    return x


def decode(scores, alphabet):
    """CTC: the best class of each step, repeats merged, blanks dropped. Returns the text and its mean confidence."""
    best = scores.argmax(-1)
    keep = (best != 0) & np.concatenate([[True], best[1:] != best[:-1]])
    text = "".join(alphabet[i] for i in best[keep])
    return text, float(scores.max(-1)[keep].mean()) if keep.any() else 0.0
