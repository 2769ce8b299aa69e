"""tegula.compile: the driver `tegulac` as a function."""

import itertools
import json
import os
import shutil
import subprocess
import tempfile


class CompileError(Exception):
    """The compiler refused the model, or failed.

    `diagnostics`: list of dicts with file, node, index, op, code, severity, message, notes, help (as far as known).
    `exit_code`: that of tegulac: 1 the model, 2 usage, 3 reading or writing, 4 a limit, 6 an outside tool, 70 internal.
    """

    def __init__(self, message, diagnostics=(), exit_code=None):
        super().__init__(message)
        self.diagnostics = list(diagnostics)
        self.exit_code = exit_code


class CompilerCrash(CompileError, ChildProcessError):
    """The compiler was ended by a signal: a bug of the compiler, whatever the model."""


def find_tool(name):
    """The path of a tool of the project: in $TEGULA_BIN_DIR, in the build or install tree of this package, or in $PATH."""
    folders = []
    if os.environ.get("TEGULA_BIN_DIR"):
        folders.append(os.environ["TEGULA_BIN_DIR"])
    # Both with links resolved and without: a build tree links to the package's sources.
    for here in (os.path.abspath(__file__), os.path.realpath(__file__)):
        package = os.path.dirname(here)
        folders.append(os.path.join(package, "bin"))
        folders.append(os.path.join(os.path.dirname(os.path.dirname(package)), "bin"))
    for folder in folders:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    path = shutil.which(name)
    if path:
        return path
    raise CompileError(f"{name} not found: not in $TEGULA_BIN_DIR, not beside this package, not in $PATH", exit_code=3)


def _shape_flag(name, shape):
    extents = ["?" if extent is None or extent == -1 else str(extent) for extent in shape]
    return f"--shape={name}:{'x'.join(extents)}"


def _flags(shapes, dims, opt, precision, fp, device, cpu, target, attr, threads, name, emit, tune, tune_db, extra):
    flags = [_shape_flag(key, shape) for key, shape in (shapes or {}).items()]
    flags += [f"--dim={key}={value}" for key, value in (dims or {}).items()]
    if opt is not None:
        flags.append(f"-O{opt}")
    pairs = {"--device": device, "-mcpu": cpu, "--target": target, "-mattr": attr, "--threads": threads}
    pairs.update({"--name": name, "--emit": emit, "--tune": tune, "--tune-db": tune_db,
                  "--precision": precision, "--fp": fp})
    flags += [f"{flag}={value}" for flag, value in pairs.items() if value is not None]
    return flags + [str(flag) for flag in extra]


def _parse_diagnostics(text):
    """The JSON records among the lines, and the other lines."""
    records, rest = [], []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict) and "message" in record:
                records.append(record)
                continue
        rest.append(line)
    return records, rest


def _format(record):
    where = str(record.get("file") or "tegulac") + ": "
    if record.get("node") or record.get("op"):
        index = record.get("index")
        inside = ", ".join(str(x) for x in (None if index is None else f"#{index}", record.get("op")) if x)
        where += f"node '{record.get('node', '')}'" + (f" ({inside})" if inside else "") + ": "
    code = f"[{record['code']}]" if record.get("code") else ""
    lines = [f"{where}{record.get('severity', 'error')}{code}: {record['message']}"]
    lines += [f"  note: {note}" for note in record.get("notes") or ()]
    help_lines = record.get("help") or ()
    lines += [f"  help: {line}" for line in ([help_lines] if isinstance(help_lines, str) else help_lines)]
    return "\n".join(lines)


def _run(command, timeout, what):
    """The ended process. Raises CompileError when it could not be started, or not within `timeout` seconds."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        raise CompileError(f"{what} within {timeout} s", exit_code=4) from None
    except OSError as error:
        raise CompileError(f"cannot start {command[0]}: {error}", exit_code=3) from error


def compile(model, output, *, device=None, cpu=None, shapes=None, dims=None, opt=None, precision=None, fp=None,
            target=None, attr=None, threads=None, name=None, emit=None, tune=None, tune_db=None, extra=(), timeout=None):
    """Compiles the ONNX file `model` to `output`, whose suffix picks the kind (.so, .o, .a, .h, .ll, .s, .mlir).

    device: "cpu". cpu: a CPU's name or "native". target: a triple. attr: "+avx2,-fma".
    shapes: {"x": (1, 3, None)}, None for a dynamic extent. dims: {"batch": 1} or {"batch": "1..32"}. opt: 0 to 3.
    precision: of products with weights, "f32", "f16" or "bf16". fp: "contract" or "fast" (tf32 on GPUs).
    tune: seconds to measure other plans here. tune_db: the file of measured plans.
    threads, name (the symbol), emit, extra (more flags): as in tegulac --help. timeout: seconds.

    Returns `output` as a string. Raises CompileError, with the compiler's message, when it refuses the model.
    """
    model, output = os.fspath(model), os.fspath(output)
    command = [find_tool("tegulac"), model, "-o", output, "--diagnostics=json", "--progress=none"]
    command += _flags(shapes, dims, opt, precision, fp, device, cpu, target, attr, threads, name, emit, tune, tune_db, extra)
    done = _run(command, timeout, f"{model}: not compiled")
    if done.returncode == 0:
        return output
    records, rest = _parse_diagnostics(done.stderr.decode("utf-8", "replace"))
    errors = [record for record in records if record.get("severity", "error") == "error"] or records
    text = "\n".join(map(_format, errors)) or "\n".join(rest[-20:])
    if done.returncode < 0:
        raise CompilerCrash(f"tegulac was ended by signal {-done.returncode}\n{text}".rstrip(), records, done.returncode)
    raise CompileError(text or f"tegulac failed with exit code {done.returncode}", records, done.returncode)


def quantize(model, output, calibration, *, quant="int8", asymmetric=False, method=None, keep_fp=(), accuracy_budget=None,
             samples=None, shapes=None, dims=None, threads=None, timeout=None):
    """Quantizes the ONNX file `model` to `output`, standard ONNX, with inputs to run it on.

    calibration: a .npz file, a folder of such files, or an iterable of dicts {input name: array}, each a sample; an
    iterable is read once, one sample at a time, into a temporary folder. samples: use at most so many (default 128).
    quant: "int8", or weights alone: "int8w", "int4b32", "int8b64" and so on. asymmetric: weights
    with zero points. method: "minmax", "percentile", "mse",
    "entropy"; None tries all. keep_fp: patterns of node names or operators that stay real. accuracy_budget: "rms<=0.02",
    "cosine>=0.999" or "top1>=0.995". shapes, dims, timeout: as in compile. threads: of a run.

    Returns the report: a dict with the error, and for each node range, error, decision and reason. Raises CompileError.
    """
    model, output = os.fspath(model), os.fspath(output)
    with tempfile.TemporaryDirectory(prefix="tegula-samples") as folder:
        if not isinstance(calibration, (str, os.PathLike)):
            import numpy

            count = 0
            for sample in itertools.islice(calibration, 128 if samples is None else samples):
                numpy.savez(os.path.join(folder, f"{count:08}.npz"), **sample)
                count += 1
            calibration = folder
        report = os.path.join(folder, "report.json")
        command = [find_tool("tegula-quantize"), model, "-o", output, f"--calib={os.fspath(calibration)}",
                   f"--quant={quant}", f"--report={report}", "--progress=none"]
        command += [_shape_flag(key, shape) for key, shape in (shapes or {}).items()]
        command += [f"--dim={key}={value}" for key, value in (dims or {}).items()]
        command += [f"--keep-fp={pattern}" for pattern in keep_fp] + ["--asymmetric"] * asymmetric
        pairs = {"--calib-method": method, "--accuracy-budget": accuracy_budget, "--samples": samples,
                 "--threads": threads}
        command += [f"{flag}={value}" for flag, value in pairs.items() if value is not None]
        done = _run(command, timeout, f"{model}: not quantized")
        text = done.stderr.decode("utf-8", "replace").strip()
        if done.returncode < 0:
            raise CompilerCrash(f"tegula-quantize was ended by signal {-done.returncode}\n{text}", (), done.returncode)
        if done.returncode:
            raise CompileError(text or f"tegula-quantize failed with exit code {done.returncode}", (), done.returncode)
        with open(report, encoding="utf-8") as file:
            return json.load(file)
