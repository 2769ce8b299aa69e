"""Models with real weights, taken from Python packages that carry them as ONNX.

Both packages are under Apache-2.0: rapidocr-onnxruntime (PP-OCRv4) and magika.
"""

import os
import subprocess
import sys
import zipfile

# Requirement -> {file in the package: name that it gets here}.
PACKAGES = {
    "rapidocr-onnxruntime==1.4.4": {
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx": "ppocrv4_det.onnx",
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx": "ppocrv4_rec.onnx",
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx": "ppocr_cls.onnx",
    },
    "magika==1.0.3": {
        "magika/models/standard_v3_3/model.onnx": "magika_v3_3.onnx",
        "magika/models/standard_v3_3/config.min.json": "magika_v3_3.json",
    },
}


def fetch(folder):
    """Downloads the packages that are missing in `folder` and unpacks their models there. Returns `folder`."""
    for requirement, files in PACKAGES.items():
        if all(os.path.exists(os.path.join(folder, name)) for name in files.values()):
            continue
        wheels = os.path.join(folder, "wheels")
        os.makedirs(wheels, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "-q", "--no-deps",
                        "--only-binary", ":all:", "-d", wheels, requirement], check=True)
        package = requirement.split("==")[0].replace("-", "_")
        wheel, = [name for name in os.listdir(wheels) if name.lower().startswith(package + "-")]
        with zipfile.ZipFile(os.path.join(wheels, wheel)) as archive:
            for source, name in files.items():
                partial = os.path.join(folder, name + ".part")
                with open(partial, "wb") as file:
                    file.write(archive.read(source))
                os.replace(partial, os.path.join(folder, name))
        os.remove(os.path.join(wheels, wheel))
    return folder


if __name__ == "__main__":
    print(fetch(sys.argv[1]))
