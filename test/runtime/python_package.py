"""Tests of the Python package against the hand-written models: python_package.py PATH/fake.so (needs numpy only)."""

import gc
import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "python"))
import tegula
from tegula import dtypes

FAKE = sys.argv.pop(1)
X = np.arange(4096, dtype=np.float32).reshape(4, 1024)


class Load(unittest.TestCase):
    def test_says_what_it_takes(self):
        model = tegula.load(FAKE, threads=1)
        self.assertEqual(model.inputs, [tegula.TensorInfo("x", np.dtype("float32"), (4, 1024))])
        self.assertEqual([port.name for port in model.outputs], ["y", "sums"])
        self.assertEqual(tegula.load(FAKE, name="fake_filter").inputs[0].shape, (None,))
        self.assertEqual(model.info["workspace_bytes"], 16384)

    def test_refuses_what_is_no_artifact(self):
        with self.assertRaisesRegex(tegula.RunError, "not an artifact"):
            tegula.load(__file__)
        with self.assertRaisesRegex(tegula.RunError, "exports no other_model"):
            tegula.load(FAKE, name="other")
        with self.assertRaises(FileNotFoundError):
            tegula.load("none.so")

    def test_finds_model_of_renamed_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = shutil.copy(FAKE, os.path.join(folder, "renamed.so"))
            with self.assertRaisesRegex(tegula.RunError, "several models.*fake"):
                tegula.load(path)

    def test_large_file_is_not_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = shutil.copy(FAKE, os.path.join(folder, "large.so"))
            os.truncate(path, 1 << 30)  # a hole behind the last section, as long as a large model's weights
            start = time.perf_counter()
            self.assertEqual(sorted(tegula.abi.exported_models(path)), ["fake_filter_model", "fake_model"])
            tegula.load(path, name="fake")
            self.assertLess(time.perf_counter() - start, 0.1)

    def test_symbols_of_broken_files(self):
        with open(FAKE, "rb") as file:
            data = file.read()
        with tempfile.TemporaryDirectory() as folder:
            for text in (b"", b"\x7fELF", data[:1000], data[:len(data) // 2], b"\x7fELF\2\2" + data[6:],
                         data[:40] + b"\xff" * 24):
                path = os.path.join(folder, f"broken{len(text)}.so")
                with open(path, "wb") as file:
                    file.write(text)
                self.assertEqual(tegula.abi.exported_models(path), [])
                with self.assertRaisesRegex(tegula.RunError, "not an artifact"):
                    tegula.load(path, name="fake")

    def test_replaced_file_is_not_mistaken(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "fake.so")
            shutil.copy(FAKE, path)
            first = tegula.load(path)
            with open(FAKE, "rb") as file:
                data = file.read().replace(b"written by hand", b"changed by hand")
            with open(path + ".tmp", "wb") as file:
                file.write(data)
            os.replace(path + ".tmp", path)
            self.assertEqual(tegula.load(path).info["producer"], "changed by hand")
            self.assertEqual(first.info["producer"], "written by hand")


class Run(unittest.TestCase):
    def setUp(self):
        self.model = tegula.load(FAKE, threads=2)

    def check(self, got, x=X):
        self.assertEqual(list(got), ["y", "sums"])
        np.testing.assert_array_equal(got["y"], 2 * x + 1)
        np.testing.assert_allclose(got["sums"], (2 * x + 1).sum(1), rtol=1e-4)

    def test_dict_list_and_layouts(self):
        self.check(self.model.run({"x": X}))
        self.check(self.model.run([X]))
        self.check(self.model.run([np.asfortranarray(X)]))
        self.check(self.model.run([np.repeat(X, 2, axis=1)[:, ::2]]))
        self.check(self.model.run([X.tolist()]))

    def test_into_callers_memory(self):
        y = np.zeros_like(X)
        got = self.model.run({"x": X}, out={"y": y})
        self.assertIs(got["y"], y)
        self.check(got)
        with self.assertRaisesRegex(tegula.RunError, "output 'y': the array in out must be C-contiguous"):
            self.model.run({"x": X}, out={"y": np.asfortranarray(y)})
        with self.assertRaisesRegex(tegula.RunError, "no output 'z'"):
            self.model.run({"x": X}, out={"z": y})

    def test_refusals_name_the_tensor(self):
        for value, text in ((X.astype(np.float64), "input 'x': expected float32, got float64"),
                            (X[:3], r"input 'x': expected shape \[4, 1024\], got \[3, 1024\]"),
                            (X.reshape(-1), r"got \[4096\]"), (None, "input 'x': expected")):
            with self.assertRaisesRegex(tegula.RunError, text):
                self.model.run({"x": value})
        with self.assertRaisesRegex(tegula.RunError, "input 'x' is missing"):
            self.model.run({})
        with self.assertRaisesRegex(tegula.RunError, "no input 'q'"):
            self.model.run({"x": X, "q": X})
        with self.assertRaisesRegex(tegula.RunError, "expected 1 inputs, got 2"):
            self.model.run([X, X])

    def test_threads_take_turns(self):
        def work(k):
            for _ in range(50):
                self.check(self.model.run({"x": X + np.float32(k)}), X + np.float32(k))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_profile(self):
        model = tegula.load(FAKE, profile=True)
        model.run([X])
        self.assertEqual([unit["node"] for unit in model.profile()], ["scale, shift", "sum"])
        self.assertGreater(model.profile()[1]["ns"], 0)
        with self.assertRaisesRegex(tegula.RunError, "without options.profile"):
            self.model.profile()

    def test_results_outlive_the_model(self):
        model = tegula.load(FAKE)
        got = model.run([X])
        del model
        gc.collect()
        self.check(got)


class Dynamic(unittest.TestCase):
    def setUp(self):
        self.model = tegula.load(FAKE, name="fake_filter")

    def test_shapes_follow_the_data(self):
        for x in ([1, -2, 3], [-1], [], [5] * 1000):
            x = np.array(x, np.float32)
            np.testing.assert_array_equal(self.model.run({"x": x})["y"], x[x > 0])

    def test_into_callers_memory(self):
        y = np.zeros(8, np.float32)
        got = self.model.run({"x": np.array([1, -2, 3], np.float32)}, out={"y": y})["y"]
        np.testing.assert_array_equal(got, [1, 3])
        self.assertTrue(np.shares_memory(got, y))

    def test_large_results_lie_where_nobody_looks_any_more(self):
        kept = []
        for value in range(1, 6):  # growing, as the caches of a decoder do
            kept.append(self.model.run([np.full(30000 + value, value, np.float32)])["y"])
        for value, y in enumerate(kept, 1):
            np.testing.assert_array_equal(y, np.full(30000 + value, value))
        part = kept[-1][100:200]
        del kept, y
        places = {self.model.run([np.ones(30006, np.float32)])["y"].ctypes.data for _ in range(8)}
        np.testing.assert_array_equal(part, np.full(100, 5))
        if sys.implementation.name == "cpython":
            self.assertEqual(len(places), 1)

    def test_error_of_the_model(self):
        with self.assertRaisesRegex(tegula.RunError, r"node 'keep' \(Compress\): x has a NaN"):
            self.model.run([np.array([np.nan], np.float32)])


class Pack(unittest.TestCase):
    def test_round_trip(self):
        values = np.array([[-8, 7, 3], [-1, 0, 5]], np.int8)
        packed = dtypes.pack(values, 4)
        self.assertEqual(packed.tolist(), [0x78, 0xF3, 0x50])
        np.testing.assert_array_equal(dtypes.unpack(packed, 4, values.dtype, values.shape), values)


class Compile(unittest.TestCase):
    """The driver is replaced by a script that records its arguments and answers as told."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(os.environ.pop, "TEGULA_BIN_DIR", None)
        os.environ["TEGULA_BIN_DIR"] = self.folder

    def answer(self, code, stderr=""):
        path = os.path.join(self.folder, "tegulac")
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > '{self.folder}/args'\ncat >&2 <<'END'\n{stderr}\nEND\n{code}\n")
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def test_flags(self):
        self.answer("exit 0")
        done = tegula.compile("m.onnx", "m.so", device="cpu", cpu="native", shapes={"x": (1, None, 3), "s": ()},
                              dims={"batch": "1..32"}, opt=3, target="t", attr="+a,-b", threads=2, name="n",
                              emit="shared", extra=["--time-passes"])
        self.assertEqual(done, "m.so")
        with open(os.path.join(self.folder, "args")) as file:
            self.assertEqual(file.read().split(), [
                "m.onnx", "-o", "m.so", "--diagnostics=json", "--progress=none", "--shape=x:1x?x3", "--shape=s:",
                "--dim=batch=1..32", "-O3", "--device=cpu", "-mcpu=native", "--target=t", "-mattr=+a,-b",
                "--threads=2", "--name=n", "--emit=shared", "--time-passes"])

    def test_diagnostics(self):
        record = {"file": "m.onnx", "node": "head/frob", "index": 1, "op": "com.acme::Frob", "code": "T0101",
                  "severity": "error", "message": "operator not supported", "notes": ["x: tensor<1xf32>"], "help": ["h"]}
        self.answer("exit 1", "noise\n" + json.dumps(record))
        with self.assertRaises(tegula.CompileError) as caught:
            tegula.compile("m.onnx", "m.so")
        self.assertEqual(caught.exception.exit_code, 1)
        self.assertEqual(caught.exception.diagnostics, [record])
        self.assertEqual(str(caught.exception).splitlines()[0],
                         "m.onnx: node 'head/frob' (#1, com.acme::Frob): error[T0101]: operator not supported")

    def test_crash_and_absence(self):
        self.answer("kill -SEGV $$")
        with self.assertRaisesRegex(tegula.CompilerCrash, "signal 11"):
            tegula.compile("m.onnx", "m.so")
        self.answer("exit 70", "internal error")
        with self.assertRaisesRegex(tegula.CompileError, "internal error"):
            tegula.compile("m.onnx", "m.so")


if __name__ == "__main__":
    unittest.main()
