"""ONNX's own backend tests through tegula.backend, each in a worker that may crash or hang without harm.

  run_onnx.py --build DIR [--jobs N] [--filter REGEX] [--timeout S] [--kinds node,simple,...] [--write-expected]
              [--device CUDA:sm_75] [--part K/N]

What counts:
  passed   the outputs agree within the tolerance of the test
  failed   wrong, crashed or timed out; or refused though every operator of the test has a row in the importer; or
           passed although expected_failures.txt lists it
  skipped  refused, with an operator that has no row; or listed in expected_failures.txt
With --device CUDA, tests run on the GPU, or where there is none in its emulation, which fails a test with a race, an
access out of bounds or a read of what was not written. --part 1/3 runs every third test, from the first on.
DIR/onnx/results.json keeps all results (tools/docs.py makes OpCoverage.md of them). --write-expected writes
expected_failures.txt anew with the tests that are refused now as not supported (never with wrong results or crashes);
read the difference before committing it.
"""

import argparse
import collections
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import subprocess
import sys
import time
import warnings

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, "expected_failures.txt")
RECYCLE = 200  # tests after which a worker is replaced, so that memory of loaded artifacts does not pile up


def load_cases(kinds):
    """Name -> test. The suite draws its data when it is imported, so the seed makes them the same each time."""
    warnings.filterwarnings("ignore")
    np.random.seed(0)
    from onnx.backend.test.loader import load_model_tests

    cases = {}
    for kind in kinds:
        for case in load_model_tests(kind=kind):
            if case.data_sets is not None or case.model_dir is not None:
                cases[case.name if kind == "node" else f"{kind}/{case.name}"] = case
    return cases


def model_of(case):
    import onnx

    return case.model if case.model is not None else onnx.load(os.path.join(case.model_dir, "model.onnx"))


def operators(graph):
    for node in graph.node:
        yield (node.domain + "." if node.domain not in ("", "ai.onnx") else "") + node.op_type
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from operators(attribute.g)


def data_sets(case, model):
    """Pairs of inputs and expected outputs."""
    if case.data_sets is not None:
        return case.data_sets
    import onnx
    from onnx import numpy_helper

    def read(folder, kind, count):
        arrays = []
        for i in range(count):
            proto = onnx.TensorProto()
            with open(os.path.join(folder, f"{kind}_{i}.pb"), "rb") as file:
                proto.ParseFromString(file.read())
            arrays.append(numpy_helper.to_array(proto))
        return arrays

    sets = []
    for name in sorted(os.listdir(case.model_dir)):
        folder = os.path.join(case.model_dir, name)
        if name.startswith("test_data_set"):
            count = len([file for file in os.listdir(folder) if file.startswith("input_")])
            sets.append((read(folder, "input", count), read(folder, "output", len(model.graph.output))))
    return sets


def as_array(value):
    """Some tests hold short floats as TensorProto."""
    import onnx

    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def run_case(case, device):
    """Status and message of one test."""
    from onnx.backend.test.runner import Runner
    import tegula

    model = model_of(case)
    try:
        compiled = tegula.backend.prepare(model, device)
    except tegula.CompilerCrash as error:
        return "crash", str(error)
    except tegula.CompileError as error:
        return ("refused" if error.exit_code == 1 else "internal error"), str(error)
    except tegula.RunError as error:
        return "load error", str(error)
    try:
        for inputs, expected in data_sets(case, model):
            outputs = compiled.run([as_array(value) for value in inputs])
            Runner.assert_similar_outputs([as_array(value) for value in expected], outputs, rtol=case.rtol, atol=case.atol)
    except tegula.RunError as error:
        return "run error", str(error)
    except Exception as error:  # a mismatch, or an output of a strange type
        return "wrong", " ".join(str(error).split())
    return "passed", ""


def work(cases, device, channel):
    os.setpgid(0, 0)
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 2)
    warnings.filterwarnings("ignore")
    while True:
        name = channel.recv()
        if name is None:
            return
        try:
            result = run_case(cases[name], device)
        except Exception as error:
            result = ("crash", f"{type(error).__name__}: {error}")
        channel.send(result)


class Worker:
    """A process that runs one test after the other; `name` is the one it has now."""

    def __init__(self, cases, device):
        self.channel, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=work, args=(cases, device, other), daemon=True)
        self.process.start()
        other.close()
        self.name, self.begin, self.count = None, 0.0, 0

    def send(self, name):
        self.name, self.begin = name, time.monotonic()
        self.count += 1
        self.channel.send(name)

    def end(self):
        """Ends the process and what it started (its group is its own)."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.join()
        self.channel.close()


def run_all(cases, device, names, jobs, limit):
    """Name -> (status, message)."""
    results, todo, begin, shown = {}, list(reversed(names)), time.monotonic(), 0.0
    workers = [Worker(cases, device) for _ in range(min(jobs, len(todo)))]
    while workers:
        for i, worker in enumerate(workers):
            if worker.name is None and todo:
                if worker.count >= RECYCLE:
                    worker.end()
                    worker = workers[i] = Worker(cases, device)
                worker.send(todo.pop())
        for worker in [worker for worker in workers if worker.name is None]:
            worker.end()
            workers.remove(worker)
        ready = multiprocessing.connection.wait([worker.channel for worker in workers], timeout=1) if workers else []
        for i, worker in enumerate(workers):
            result = None
            if worker.channel in ready:
                try:
                    result = worker.channel.recv()
                except (EOFError, ConnectionResetError):
                    worker.process.join(5)
                    result = ("crash", f"the process that ran it ended with {worker.process.exitcode}")
            elif time.monotonic() - worker.begin > limit:
                result = ("timeout", f"not done within {limit:g} s")
            if result is None:
                continue
            results[worker.name] = result
            worker.name = None
            if result[0] == "timeout" or not worker.process.is_alive():
                worker.end()
                workers[i] = Worker(cases, device)
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(f"{len(results)} of {len(names)}, {shown - begin:.0f} s", flush=True)
    return results


def read_expected():
    """Name -> reason, from lines `name: reason`; `#` starts a comment line."""
    expected = {}
    if os.path.exists(EXPECTED):
        with open(EXPECTED, encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    name, _, reason = line.strip().partition(": ")
                    expected[name] = reason
    return expected


def short(message, length=150):
    """The message of the first error, without the file's name."""
    line = message.split("\n")[0]
    line = re.sub(r"^.*?error(\[|:)", r"error\1", line)
    line = re.sub(r"^error: ", "", line)
    return line if len(line) <= length else line[:length - 3] + "..."


def write_expected(results, judged, kept):
    """`kept`: entries of tests that did not run now."""
    entries = {name: reason for name, reason in kept.items() if name not in results}
    old = {name: reason for name, reason in kept.items() if name in results}
    for name, (status, message) in results.items():
        if status == "refused" and judged[name] != "no row" and re.search(r"error\[T01\d\d\]", message):
            entries[name] = f"refused, {short(message)}"
        elif status != "passed" and name in old:
            entries[name] = old[name]
    with open(EXPECTED, "w", encoding="utf-8") as file:
        file.write("# Tests of ONNX's suite that may fail though each of their operators has a row: `name: why`. One that\n"
                   "# passes must leave this list. run_onnx.py --write-expected writes those that are refused with a code\n"
                   "# T01xx; anything else that may fail is added by hand, with its reason.\n")
        file.writelines(f"{name}: {reason}\n" for name, reason in sorted(entries.items()))


def judge(results, rows, cases_operators, expected):
    """Name -> passed | failed | surprise (passed, but listed) | expected | no row."""
    judged = {}
    for name, (status, _) in results.items():
        if status == "passed":
            judged[name] = "surprise" if name in expected else "passed"
        elif name in expected and status in ("refused", "wrong"):
            judged[name] = "expected"
        elif status == "refused" and not rows.issuperset(cases_operators[name]):
            judged[name] = "no row"
        else:
            judged[name] = "failed"
    return judged


def emulate(build, device):
    """Without a GPU, its emulation; where it finds a fault, the run fails."""
    if os.path.exists("/dev/nvidia0") or "TEGULA_CUDA_DRIVER" in os.environ:
        return
    os.environ.update(TEGULA_CUDA_DRIVER=os.path.join(os.path.abspath(build), "lib", "ptxsim", "libcuda.so.1"),
                      PTXSIM_SM=(re.findall(r"sm_(\d+)", device) or ["75"])[-1], PTXSIM_FAIL="1", PTXSIM_THREADS="1",
                      TEGULA_PTXAS="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--filter", default="")
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--kinds", default="node,simple,pytorch-converted,pytorch-operator")
    parser.add_argument("--write-expected", action="store_true")
    parser.add_argument("--device", default="CPU")
    parser.add_argument("--part", default="1/1")
    args = parser.parse_args()
    if args.device.startswith("CUDA"):
        emulate(args.build, args.device)
    listing = subprocess.run([os.path.join(args.build, "bin", "tegulac"), "--supported-ops=json"], check=True,
                             stdout=subprocess.PIPE).stdout
    rows = {row["op"] for row in json.loads(listing)}
    cases = load_cases(args.kinds.split(","))
    first, step = (int(number) for number in args.part.split("/"))
    names = [name for name in sorted(cases) if re.search(args.filter, name)][first - 1::step]
    used = {name: sorted(set(operators(model_of(cases[name]).graph))) for name in names}
    results = run_all(cases, args.device, names, args.jobs, args.timeout)
    expected = read_expected()
    judged = judge(results, rows, used, expected)
    for name in names:
        if judged[name] in ("failed", "surprise"):
            status, message = results[name]
            listed = judged[name] == "surprise"
            why = "passes, but is listed in expected_failures.txt" if listed else short(message, 300)
            print(f"FAIL {name} ({status}): {why}")
    os.makedirs(os.path.join(args.build, "onnx"), exist_ok=True)
    if not args.filter and args.device == "CPU" and step == 1:
        with open(os.path.join(args.build, "onnx", "results.json"), "w", encoding="utf-8") as file:
            json.dump({name: {"status": results[name][0], "message": results[name][1], "verdict": judged[name],
                              "operators": used[name]} for name in names}, file, indent=1)
    if args.write_expected:
        write_expected(results, judged, expected)
    count = collections.Counter(judged.values())
    status = collections.Counter(status for status, _ in results.values())
    print(", ".join(f"{number} {word}" for word, number in status.most_common()))
    failed = count["failed"] + count["surprise"]
    print(f"{count['expected']} expected failures, {count['no row']} with operators that have no row")
    print(f"{count['passed']} passed, {failed} failed, {count['expected'] + count['no row']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
