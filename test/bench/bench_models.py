"""Latency of whole models against other engines, interleaved on one machine; prints the table of README.md.

  bench_models.py --out DIR [--only REGEX] [--threads 1,2] [--peers ort,openvino,iree] [--rounds N] [--tune SECONDS]
                  [--quantised] [--json FILE]

The models are the public ones that may lie beside the source (../shared/models), without quantised ones, those of the
demo, some of them at batch 8, two products, and one of test/models/networks.py of each kind; with --quantised the public
ones of 4 and 8 bits, each after its f32 one. With --tune there is a column
of artifacts tuned for that long on one thread. Each is compiled with -mcpu=native -O3 for the shapes of its inputs;
files of earlier runs in DIR are reused unless the compiler is newer. For each model and number of threads there is a
process in which the engines take turns (A B C A B C ...): a turn is a pause, an untimed run, then runs for 30 ms at least,
whose mean counts. The figure is the median over the rounds, over those in which nobody took the processor away where
these are three at least. Outputs are compared with ONNX Runtime's.
"""

import argparse
import json
import multiprocessing
import os
import platform
import re
import resource
import sys
import time

import numpy as np
import onnx

import peers

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path[:0] = [os.path.join(ROOT, "test", "models"), os.path.join(ROOT, "tools", "demo")]
import compare  # noqa: E402
import networks  # noqa: E402
import real_models  # noqa: E402
import shared_models  # noqa: E402

TURN_SECONDS = 0.03
FEW_INTERRUPTIONS = 2
PAUSE_SECONDS = 0.02  # threads of the engine before go to sleep meanwhile
BATCH, BATCHED = 8, ("resnet18", "mobilenetv2", "unet_256")
PRODUCTS = ((1024, 1024, 1024), (128, 4096, 4096))  # rows, sum, columns
OWN = ("resnet", "mobilenet", "encoder", "lstm", "gru", "unet")


def is_quantised(entry):
    return entry["quantised"] and bool({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"} & set(entry["ops"]))


def is_f32(entry):
    return not entry["quantised"] and not {"FLOAT16", "BFLOAT16"} & set(entry["params_by_dtype"])


def own(args):
    """(name, path, inputs) of the project's small networks."""
    for name, make, draw in networks.NETWORKS:
        if name in OWN:
            def write(path, make=make):
                onnx.save(make(), path)
            yield "small_" + name, write, lambda draw=draw: draw(np.random.default_rng(0))


def real(args):
    for name, key, draw in real_models.MODELS:
        def write(path, name=name):
            folder = real_models.packages.fetch(os.path.join(args.out, "packages"))
            os.link(os.path.join(folder, name + ".onnx"), path)
        yield name, write, lambda key=key, draw=draw: {key: np.ascontiguousarray(draw(np.random.default_rng(7)))}


def public(args):
    listing = os.path.join(args.shared, "models", "models.json")
    if not os.path.exists(listing):
        return
    materialize = shared_models.load_module(os.path.join(args.shared, "models", "materialize.py"))
    with open(listing, encoding="utf-8") as file:
        entries = json.load(file)
    if args.quantised:
        names = [entry["name"] for entry in entries if is_quantised(entry)]
        entries = [entry for entry in entries if any(name.startswith(entry["name"]) for name in names)]
        entries = [entry for entry in entries if is_f32(entry) or is_quantised(entry)]
    else:
        entries = [entry for entry in entries if is_f32(entry)]
    for entry in entries:
        stripped = os.path.join(args.shared, "models", entry["name"] + ".onnx")

        def write(path, stripped=stripped):
            onnx.save(materialize.materialize(materialize.load(stripped))[0], path)
        yield entry["name"], write, lambda stripped=stripped: materialize.make_inputs(materialize.load(stripped))


def batched(args):
    for name, write, draw in public(args):
        if name in BATCHED:
            def write_batch(path, write=write):
                write(path)
                model = onnx.load(path)
                for value in (*model.graph.input, *model.graph.output):
                    value.type.tensor_type.shape.dim[0].dim_value = BATCH
                del model.graph.value_info[:]
                onnx.save(model, path)
            yield f"{name}_batch{BATCH}", write_batch, lambda draw=draw: {
                key: np.concatenate([value] * BATCH) for key, value in draw().items()}


def products(args):
    for rows, extent, columns in PRODUCTS:
        def write(path, rows=rows, extent=extent, columns=columns):
            weight = np.random.default_rng(0).standard_normal((extent, columns)).astype(np.float32)
            values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
                      for name, shape in (("x", (rows, extent)), ("y", (rows, columns)))]
            graph = onnx.helper.make_graph([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "product", values[:1],
                                           values[1:], [onnx.numpy_helper.from_array(weight, "w")])
            onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
        yield f"product_{rows}x{extent}x{columns}", write, lambda rows=rows, extent=extent: {
            "x": np.random.default_rng(1).standard_normal((rows, extent)).astype(np.float32)}


def prepare(args, name, write, draw):
    """Model, artifact and inputs as files in args.out; seconds to compile, if it was compiled now."""
    import tegula
    from tegula import driver

    base = os.path.join(args.out, name)
    if not os.path.exists(base + ".onnx"):
        write(base + ".onnx")
        np.savez(base + ".npz", **draw())
    begin = time.perf_counter()
    compiler = os.path.getmtime(driver.find_tool("tegulac"))
    with np.load(base + ".npz") as arrays:
        options = {"cpu": "native", "opt": 3, "shapes": {key: arrays[key].shape for key in arrays.files}}
    seconds = None
    if not os.path.exists(base + ".so") or os.path.getmtime(base + ".so") < compiler:
        tegula.compile(base + ".onnx", base + ".so", timeout=600, **options)
        seconds = time.perf_counter() - begin
    if args.tune:
        tegula.compile(base + ".onnx", base + ".tuned.so", threads=1, tune=args.tune, timeout=600 + 2 * args.tune, **options)
    return seconds


def interruptions():
    """How often this process lost a processor, and what the host machine took of them."""
    with open("/proc/stat", encoding="utf-8") as file:
        stolen = int(file.readline().split()[8])
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw + stolen


def turn(engine):
    """Seconds a run, and whether the turn was disturbed."""
    time.sleep(PAUSE_SECONDS)
    engine()
    before = interruptions()
    begin, runs = time.perf_counter(), 0
    while runs == 0 or time.perf_counter() - begin < TURN_SECONDS:
        engine()
        runs += 1
    return (time.perf_counter() - begin) / runs, interruptions() - before > FEW_INTERRUPTIONS


def median(turns):
    calm = [seconds for seconds, is_disturbed in turns if not is_disturbed]
    return float(np.median(calm if len(calm) >= 3 else [seconds for seconds, _ in turns]))


def race(args, name, threads, channel):
    """Sends {engine: median ms, "error": of Tegula's outputs}; engines that cannot run the model are left out."""
    base = os.path.join(args.out, name)
    with np.load(base + ".npz") as arrays:
        inputs = {key: np.ascontiguousarray(arrays[key]) for key in arrays.files}
    engines = {"tegula": peers.Tegula(base + ".so", threads, inputs)}
    if args.tune:
        engines["tuned"] = peers.Tegula(base + ".tuned.so", threads, inputs)
    for peer in args.peers:
        try:
            engine = peers.PEERS[peer](base + ".onnx", threads, inputs)
            engine()
            engines[peer] = engine
        except Exception as problem:  # whatever another engine raises: the table shows that it is missing
            print(f"{name}: {peer}: {type(problem).__name__}: {str(problem).splitlines()[0][:120]}", file=sys.stderr)
    times = {engine: [] for engine in engines}
    for _ in range(args.rounds):
        for engine, call in engines.items():
            times[engine].append(turn(call))
    result = {engine: median(turns) * 1e3 for engine, turns in times.items()}
    if "ort" in engines:
        result["error"] = max(compare.relative_error(got, want)
                              for got, want in zip(engines["tegula"].outputs(), engines["ort"].outputs()))
    if threads == 1:
        found = peers.profile(base + ".so", inputs, args.out)
        result["flops"] = sum(node["flops"] for node in found["nodes"])
        result["peak_gflops"], result["isa"] = found["machine_peak"]["gflops"], found["machine_peak"]["isa"]
    channel.send(result)


def isolated(args, name, threads):
    channel, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=race, args=(args, name, threads, other))
    process.start()
    other.close()
    try:
        return channel.recv()
    except EOFError:
        return None
    finally:
        process.join()


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.machine()


def table(rows, threads, peer_names, engine_names):
    """Markdown; ratios are the best peer's time over ours. % of peak at one thread only."""
    lines = ["| model | " + " | ".join(f"{n}t: " + " | ".join(f"{engine} ms" for engine in engine_names) + " | speed"
                                       for n in threads) + " | % of peak |"]
    lines.append("|---" * (lines[0].count("|") - 1) + "|")
    ratios = {n: [] for n in threads}
    for name, results in rows:
        cells = [name]
        for n in threads:
            found = results.get(n) or {}
            best = min((found[peer] for peer in peer_names if peer in found), default=None)
            cells += [f"{found[engine]:.3g}" if engine in found else "-" for engine in engine_names]
            cells.append(f"{best / found['tegula']:.2f}" if best else "-")
            if best:
                ratios[n].append(best / found["tegula"])
        one = results.get(1)
        cells.append(f"{one['flops'] / one['tegula'] / 1e6 / one['peak_gflops'] * 100:.0f}" if one else "-")
        lines.append("| " + " | ".join(cells) + " |")
    cells = ["geomean"]
    for n in threads:
        mean = f"{np.exp(np.mean(np.log(ratios[n]))):.2f}" if ratios[n] else "-"
        cells += [""] * len(engine_names) + [mean]
    return "\n".join([*lines, "| " + " | ".join(cells) + " | |"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--peers", type=lambda text: text.split(","), default=list(peers.PEERS))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--tune", type=float, default=0)
    parser.add_argument("--quantised", action="store_true")
    parser.add_argument("--shared", default=os.path.join(ROOT, "..", "shared"))
    parser.add_argument("--json")
    args = parser.parse_args()
    args.out = os.path.abspath(args.out)
    os.makedirs(args.out, exist_ok=True)
    rows = []
    engine_names = ("tegula", *(["tuned"] if args.tune else []), *args.peers)
    for source in (public,) if args.quantised else (public, real, batched, products, own):
        for name, write, draw in source(args):
            if not re.search(args.only, name):
                continue
            compiled = prepare(args, name, write, draw)
            results = {n: isolated(args, name, n) for n in args.threads}
            rows.append((name, results))
            parts = [f"{n}t " + " ".join(f"{key} {found[key]:.3g}" for key in engine_names if key in found)
                     for n, found in results.items() if found]
            error = max((found.get("error", 0) for found in results.values() if found), default=float("nan"))
            print(f"{name:24} {'  '.join(parts)}  error {error:.0e}"
                  + (f"  compiled in {compiled:.1f} s" if compiled else ""), file=sys.stderr, flush=True)
    isa = next((results[1]["isa"] for _, results in rows if results.get(1)), "")
    print(f"{cpu_name()}, {os.cpu_count()} CPUs, {isa}, {time.strftime('%Y-%m-%d')}\n")
    print(table(rows, args.threads, args.peers, engine_names))
    if args.tune:
        ratios = [found["tegula"] / found["tuned"] for _, results in rows for found in results.values() if found]
        print(f"\nUntuned over tuned: {np.exp(np.mean(np.log(ratios))):.3f} (geomean)")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"cpu": cpu_name(), "isa": isa, "models": dict(rows)}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
