"""Tests of the tool `tegula` on the hand-written models: tool.py PATH/tegula PATH/fake.so (needs numpy only)."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np

TEGULA, FAKE = sys.argv.pop(1), sys.argv.pop(1)
X = np.arange(4096, dtype=np.float32).reshape(4, 1024)


def tegula(*words):
    return subprocess.run([TEGULA, *map(str, words)], capture_output=True, text=True)


class Tool(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def fails(self, code, text, *words):
        done = tegula(*words)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertTrue(done.stderr.startswith("tegula: error: "))

    def test_run_reads_and_writes_npy(self):
        for order in "CF":
            np.save(self.path("x.npy"), np.array(X, order=order))
            done = tegula("run", FAKE, "--in", f"x=@{self.path('x.npy')}", "--out", self.path("out"))
            self.assertEqual(done.returncode, 0, done.stderr)
            np.testing.assert_array_equal(np.load(self.path("out/y.npy")), 2 * X + 1)
            self.assertEqual(np.load(self.path("out/sums.npy")).shape, (4,))

    def test_run_reads_tensor_proto(self):
        # dims: 4, 1024; data_type: 1; raw_data
        header = b"\x08\x04\x08\x80\x08\x10\x01\x4a\x80\x80\x01"
        with open(self.path("x.pb"), "wb") as file:
            file.write(header + X.tobytes())
        done = tegula("run", FAKE, f"--in=x=@{self.path('x.pb')}", "--out", self.path("out"))
        self.assertEqual(done.returncode, 0, done.stderr)
        np.testing.assert_array_equal(np.load(self.path("out/y.npy")), 2 * X + 1)
        with open(self.path("x.pb"), "wb") as file:
            file.write(header + X.tobytes()[:-1])
        self.fails(3, "not an ONNX tensor", "run", FAKE, f"--in=x=@{self.path('x.pb')}")

    def test_random_is_the_same_every_time(self):
        for name in "ab":
            tegula("run", FAKE, "--in", "x=random:5", "--out", self.path(name))
        np.testing.assert_array_equal(np.load(self.path("a/y.npy")), np.load(self.path("b/y.npy")))

    def test_dynamic_shapes(self):
        done = tegula("run", FAKE, "--name", "fake_filter", "--in", "x=random:3", "--shape", "x:20", "--out",
                      self.path("out"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(np.load(self.path("out/y.npy")).ndim, 1)

    def test_exit_codes(self):
        np.save(self.path("x.npy"), X.astype(np.float64))
        self.fails(1, "input 'x': expected float32 elements, got float64", "run", FAKE, f"--in=x=@{self.path('x.npy')}")
        self.fails(2, "input 'x' is missing", "run", FAKE)
        self.fails(2, "names no input; the model has x", "run", FAKE, "--in", "q=random:1")
        self.fails(2, "unknown option '--frob'", "bench", FAKE, "--frob")
        self.fails(2, "at least 0", "bench", FAKE, "--threads", "many")
        self.fails(2, "unknown command", "frob")
        self.fails(3, "No such file", "run", self.path("none.so"))
        self.fails(3, "not an artifact", "inspect", __file__)
        self.fails(3, "not a NumPy file", "run", FAKE, f"--in=x=@{FAKE}")
        self.fails(3, "/proc", "run", FAKE, "--in=x=random:1", "--out", "/proc/none")

    def test_wrong_tensors(self):
        for x, text in ((X[:3], "input 'x': expected shape [4, 1024], got [3, 1024]"),
                        (X.reshape(-1), "input 'x': expected shape [4, 1024], got [4096]"),
                        (X.astype(np.int8), "input 'x': expected float32 elements, got int8")):
            np.save(self.path("x.npy"), x)
            for command in ("run", "bench"):
                self.fails(1, text, command, FAKE, f"--in=x=@{self.path('x.npy')}")
        self.fails(1, "expected shape [4, 1024], got [2, 2]", "run", FAKE, "--in=x=random:1", "--shape=x:2x2")
        self.fails(2, "expected @FILE or random:SEED, got 'x.npy'", "run", FAKE, "--in=x=x.npy")
        self.fails(2, "is not a shape such as", "run", FAKE, "--in=x=random:1", "--shape=x:2,2")
        self.fails(3, "none.npy", "run", FAKE, "--in=x=@none.npy")

    def test_usage(self):
        self.fails(2, "expected one artifact (.so), got 0", "run")
        self.fails(2, "expected one artifact (.so), got 2", "bench", FAKE, FAKE)
        self.fails(2, "option '--repeat' takes R", "bench", FAKE, "--repeat")
        self.fails(2, "option '--json' takes no value", "bench", FAKE, "--json=1")
        self.fails(2, "--repeat: expected a whole number of at least 1, got '0'", "bench", FAKE, "--repeat", 0)
        self.fails(2, "--progress: expected auto, plain or none", "bench", FAKE, "--progress=loud")
        self.fails(3, "exports no other_model", "run", FAKE, "--name", "other")
        for words in (["--help"], ["run", "--help"], ["bench", "--help"], ["inspect", "--help"]):
            done = tegula(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("usage: tegula", done.stdout)

    def test_several_models_need_a_name(self):
        path = shutil.copy(FAKE, self.path("renamed.so"))
        self.fails(2, "holds several models, choose one with --name (without _model): ", "run", path)
        self.assertEqual(tegula("run", path, "--name=fake", "--in=x=random:1").returncode, 0)

    def test_cut_and_empty_files(self):
        with open(FAKE, "rb") as file:
            data = file.read()
        for text in (b"", data[:100], data[:len(data) // 2]):
            with open(self.path("cut.so"), "wb") as file:
                file.write(text)
            self.fails(3, "not an artifact", "run", self.path("cut.so"), "--in=x=random:1")

    def test_bench_progress(self):
        lines = tegula("bench", FAKE, "--repeat", 7, "--warmup", 0, "--progress=plain").stderr.splitlines()
        self.assertEqual([line[:13] for line in lines], [f"tegula: [{i}/4]" for i in range(1, 5)])
        self.assertIn("measure: 7 runs, ", lines[1])
        self.assertEqual(tegula("bench", FAKE, "--repeat", 1).stderr, "")

    def test_bench_numbers(self):
        result = json.loads(tegula("bench", FAKE, "--json", "--repeat", 200, "--threads", 1).stdout)
        times, peak = result["latency_ms"], result["machine_peak"]["gflops"]
        order = [times[key] for key in ("min", "p50", "p90", "p99", "max")]
        self.assertEqual(order, sorted(order))
        self.assertTrue(times["min"] <= times["mean"] <= times["max"])
        flops = 0
        for node in result["nodes"]:
            self.assertAlmostEqual(node["gflops"], node["flops"] / node["ms"] / 1e6, places=6)
            self.assertAlmostEqual(node["gbytes_per_s"], node["bytes"] / node["ms"] / 1e6, places=6)
            self.assertAlmostEqual(node["peak_percent"], 100 * node["gflops"] / peak, places=6)
            least = max(node["flops"] / peak, node["bytes"] / result["machine_peak"]["cache_gbytes_per_s"]) / 1e6
            self.assertAlmostEqual(node["roofline_percent"], 100 * least / node["ms"], places=6)
            flops += node["flops"]
        self.assertAlmostEqual(result["gflops"], flops / times["p50"] / 1e6, places=6)
        memory = result["memory"]
        self.assertEqual(memory["artifact_bytes"], os.path.getsize(FAKE))
        # The buffers that measure the machine's peak do not count.
        self.assertLess(memory["peak_resident_bytes"] - memory["tool_resident_bytes"], 8e6)
        self.assertEqual(memory["workspace_bytes"], 16384)
        self.assertGreater(memory["peak_resident_bytes"], memory["tool_resident_bytes"])

    def test_bench_json(self):
        done = tegula("bench", FAKE, "--json", "--repeat", 20, "--threads", 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)
        times = result["latency_ms"]
        self.assertLessEqual(times["min"], times["p50"])
        self.assertLessEqual(times["p90"], times["p99"])
        self.assertEqual(result["runs"], 20)
        self.assertEqual({node["node"] for node in result["nodes"]}, {"scale, shift", "sum"})
        self.assertGreater(result["machine_peak"]["gflops"], 0)
        self.assertIn("latency  min", tegula("bench", FAKE, "--repeat", 3).stdout)

    def test_inspect(self):
        result = json.loads(tegula("inspect", FAKE, "--json").stdout)
        self.assertEqual(result["inputs"], [{"name": "x", "dtype": "float32", "shape": [4, 1024]}])
        self.assertEqual(result["workspace_bytes"], 16384)
        self.assertIn("output     sums: float32[4]", tegula("inspect", FAKE).stdout)


if __name__ == "__main__":
    unittest.main()
