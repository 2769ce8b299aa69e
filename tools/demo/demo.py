"""Reads text off a picture and tells kinds of files apart, with networks that Tegula compiled.

  demo.py --models DIR --out DIR [--source DIR] [--threads N] [--peer ort]

Fails (exit code 1) when a text or a kind is wrong. --peer ort runs the same through ONNX Runtime, for comparison.
"""

import argparse
import os
import sys

import kinds
import ocr
import packages
from engine import Engine

TEXT = ["Tegula compiles models", "Order 48213 ships in 2026", "ONNX in, native code out"]


def read_picture(models, args, engines):
    """Prints and compares what is read off a picture; returns the number of wrong lines."""
    image = ocr.draw(TEXT)
    image.save(os.path.join(args.out, "picture.png"))
    path = os.path.join(models, "ppocrv4_rec.onnx")
    detect = Engine("ppocrv4_det", os.path.join(models, "ppocrv4_det.onnx"), {"x": (1, 3, image.height, image.width)},
                    args.out, args.peer, args.threads)
    engines.append(detect)
    read = Engine("ppocrv4_rec", path, {"x": (1, 3, ocr.LINE_HEIGHT, ocr.LINE_WIDTH)}, args.out, args.peer, args.threads)
    engines.append(read)
    boxes = ocr.find_lines(detect(ocr.tensor(image))[0, 0], image.size)
    alphabet = ocr.characters(path)
    print(f"\nText in {os.path.join(args.out, 'picture.png')}: {len(boxes)} lines found")
    found = []
    for box in boxes:
        text, confidence = ocr.decode(read(ocr.line_tensor(image.crop(box)))[0], alphabet)
        found.append(text)
        # A blank more or less depends on the spacing of the font, so it is not counted.
        good = any(text.replace(" ", "") == line.replace(" ", "") for line in TEXT)
        print(f"  {'ok   ' if good else 'WRONG'} {text!r:34} confidence {confidence:.2f}, at {', '.join(map(str, box))}")
    lost = [line for line in TEXT if line.replace(" ", "") not in [text.replace(" ", "") for text in found]]
    for line in lost:
        print(f"  WRONG {line!r} was drawn, but not read")
    return max(len(lost), len(found) - len(TEXT) + len(lost))


def samples(args):
    """Label as magika gives it -> bytes of a file."""
    def content(*path):
        with open(os.path.join(args.source, *path), "rb") as file:
            return file.read()

    with open(sys.executable, "rb") as file:
        program = file.read()
    json_text = b'{\n  "name": "tegula",\n  "stages": ["import", "graph", "tile", "buffer", "emit"],\n  "stable": false\n}\n'
    return [("python", "ocr.py", content("tools", "demo", "ocr.py")),
            ("cpp", "Pipeline.cpp", content("compiler", "Pipeline.cpp")),
            ("c", "pool.c", content("runtime", "core", "pool.c")),
            ("shell", "setup.sh", content("tools", "setup.sh")),
            ("markdown", "README.md", content("runtime", "README.md")),
            ("json", "stages.json", json_text),
            ("png", "gradient.png", kinds.png()),
            ("elf", os.path.basename(os.path.realpath(sys.executable)), program)]


def tell_kinds(models, args, engines):
    """Prints and compares the kinds of some files; returns the number of wrong ones."""
    config = kinds.load_config(os.path.join(models, "magika_v3_3.json"))
    classify = Engine("magika_v3_3", os.path.join(models, "magika_v3_3.onnx"), {"bytes": (1, 2048)}, args.out, args.peer,
                      args.threads)
    engines.append(classify)
    wrong = 0
    print("\nKinds of files")
    for kind, name, data in samples(args):
        score = classify(kinds.features(data, config))[0]
        got = config["target_labels_space"][int(score.argmax())]
        wrong += got != kind
        print(f"  {'ok   ' if got == kind else 'WRONG'} {name:14} {got:10} confidence {score.max():.2f}"
              + ("" if got == kind else f", expected {kind}"))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--source", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--peer", choices=["ort"])
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    models, engines, wrong = packages.fetch(args.models), [], 0
    for part in (read_picture, tell_kinds):
        try:
            wrong += part(models, args, engines)
        except Exception as error:  # one part that fails must not hide the other
            print(f"  WRONG {type(error).__name__}: {error}")
            wrong += 1
    print(f"\n  {'network':14}{'artifact':>12}{'compile':>12}{'load':>12}{'run':>12}")
    for name, size, *times in (engine.row() for engine in engines):
        print(f"  {name:14}{size:9.0f} KB" + "".join(f"{time:9.1f} ms" for time in times))
    print(f"\nDemo: {'everything right' if not wrong else f'{wrong} wrong'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
