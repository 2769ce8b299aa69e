"""tegula.load: an artifact as a Python object."""

import ctypes
import itertools
import math
import os
import sys
import threading
from collections import namedtuple

import numpy as np

from . import abi, dtypes


class RunError(Exception):
    """A model could not be loaded, was given tensors that do not fit, or failed while it ran."""


#: What a model says of an input or output; `dtype` is a numpy type, `shape` a tuple with None for a dynamic extent.
TensorInfo = namedtuple("TensorInfo", "name dtype shape")


def _address_reader():
    """A function that gives the address of an array's data. `__array_interface__` describes the whole array, which takes
    longer than a small network; the address is also the first field of NumPy's array object (PyArrayObject in its C API),
    behind what each Python object begins with. Used where a sample shows that it is there."""
    offset, read = object.__basicsize__, ctypes.c_void_p.from_address
    sample = np.empty(1)

    def described(array):
        return array.__array_interface__["data"][0]

    def direct(array):
        return read(id(array) + offset).value

    is_there = sys.implementation.name == "cpython" and direct(sample) == described(sample)
    return direct if is_there else described


_address = _address_reader()


#: Results of so many bytes are put where earlier ones of the port were: fresh pages would be filled with zeros first.
_LARGE_BYTES = 1 << 16
_SPARES = 2  # the results at hand and those of the run before, which many callers still hold


def _references(arrays, index):
    """Of an array of a list; each view of it is one."""
    return sys.getrefcount(arrays[index])


_IDLE = _references([np.empty(1, np.uint8)], 0)  # where the list alone holds it


class _Port:
    """An input or output, with what is needed in each run at hand."""

    def __init__(self, kind, info):
        self.kind = kind
        self.name = info.name.decode("utf-8", "replace")
        self.onnx_dtype = info.dtype
        self.dtype = dtypes.numpy_dtype(info.dtype)
        self.bits = dtypes.packed_bits(info.dtype)
        if self.dtype is None:
            raise RunError(f"{kind} '{self.name}': element type {info.dtype} is not supported")
        extents = [info.shape[axis] for axis in range(info.rank)]
        self.shape = tuple(None if extent < 0 else extent for extent in extents)
        self.is_static = None not in self.shape
        self.bytes = math.prod(self.shape) * np.dtype(self.dtype).itemsize if self.is_static else 0
        self.spares = []  # memory of large results, which arrays of the caller may still view

    def memory(self, size):
        """An array of `size` bytes or more that nobody else holds or views."""
        for index in range(len(self.spares)):
            if size <= self.spares[index].nbytes <= 2 * size and _references(self.spares, index) == _IDLE:
                return self.spares[index]
        # Sequences grow by an element in each run.
        memory = np.empty(size + size // 8 if size >= _LARGE_BYTES and not self.is_static else size, np.uint8)
        if size >= _LARGE_BYTES and sys.implementation.name == "cpython":
            self.spares = [memory, *self.spares][:_SPARES]
        return memory

    def complain(self, text):
        return RunError(f"{self.kind} '{self.name}': {text}")

    def check(self, array):
        """Raises RunError unless the array has this port's type and shape."""
        if array.dtype != self.dtype:
            raise self.complain(f"expected {self.dtype}, got {array.dtype}")
        if array.shape != self.shape and (len(array.shape) != len(self.shape) or any(
                want is not None and want != got for want, got in zip(self.shape, array.shape))):
            want = ", ".join("?" if extent is None else str(extent) for extent in self.shape)
            raise self.complain(f"expected shape [{want}], got [{', '.join(map(str, array.shape))}]")


class Model:
    """A loaded artifact with one instance. Runs from several threads take turns; load it once per thread to overlap."""

    def __init__(self, path, threads=0, name=None, profile=False):
        self._handle = None
        self._open(os.fspath(path), name)
        model = self._model
        self._ins = [_Port("input", model.inputs[i]) for i in range(model.input_count)]
        self._outs = [_Port("output", model.outputs[i]) for i in range(model.output_count)]
        self._in_names, self._out_names = [port.name for port in self._ins], [port.name for port in self._outs]
        self._out_set = frozenset(self._out_names)
        self._is_plain = all(port.is_static and not port.bits for port in self._outs)
        self._create(threads, profile)
        self._lock = threading.Lock()

    def _open(self, path, name):
        if abi.is_cut(path):
            raise RunError(f"{path}: not an artifact that this machine can load: the file is cut short")
        try:
            self._library = abi.open_library(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise RunError(f"{path}: not an artifact that this machine can load: {error}") from error
        stem = os.path.basename(path).split(".so")[0]
        symbols = [f"{name}_model"] if name else [f"{abi.symbol_of(stem)}_model"]
        function = getattr(self._library, symbols[0], None)
        if function is None and not name:
            symbols = abi.exported_models(path)
            if len(symbols) > 1:
                raise RunError(f"{path}: several models, choose by name: {', '.join(s[:-6] for s in symbols)}")
            function = getattr(self._library, symbols[0], None) if symbols else None
        if function is None:
            raise RunError(f"{path}: exports no {symbols[0] if symbols else 'NAME_model'}, so it is no artifact")
        function.restype = ctypes.POINTER(abi.Model)
        self._pointer = function()
        self._model = self._pointer.contents
        if self._model.abi_version != abi.ABI_VERSION:
            raise RunError(f"{path}: ABI version {self._model.abi_version}, this package reads {abi.ABI_VERSION}")
        self.path = path

    def _create(self, threads, profile):
        count_in, count_out = len(self._ins), len(self._outs)
        self._inputs = (abi.Tensor * count_in)()
        self._outputs = (abi.Tensor * count_out)()
        self._inputs_at, self._outputs_at = ctypes.addressof(self._inputs), ctypes.addressof(self._outputs)
        # ctypes makes a new view at each access of an array's element: keep them.
        self._in_tensors, self._out_tensors = list(self._inputs), list(self._outputs)
        for port, tensor in zip(self._ins, self._in_tensors):
            tensor.rank, tensor.dtype = len(port.shape), port.onnx_dtype
            for axis, extent in enumerate(port.shape):
                tensor.shape[axis] = extent or 0
        self._fresh = {}  # output index -> memory that alloc_output gave in this run
        fresh, ports = self._fresh, self._outs

        def alloc_output(_, index, size):
            memory = fresh[index] = ports[index].memory(size)[:size]
            return memory.ctypes.data

        self._options = abi.Options(abi_version=abi.ABI_VERSION, threads=threads, profile=int(profile))
        self._options.alloc_output = abi.AllocOutput(alloc_output)
        handle = ctypes.c_void_p()
        status = self._model.create(self._pointer, ctypes.byref(self._options), ctypes.byref(handle))
        if status != abi.OK:
            raise self._error(status, None)
        self._handle = handle.value
        self._run, self._destroy = self._model.run, self._model.destroy

    def _error(self, status, handle):
        text = self._model.message(handle).decode("utf-8", "replace")
        error = RunError(text or abi.STATUS.get(status, f"status {status}"))
        error.status = status
        return error

    def __del__(self):
        if getattr(self, "_handle", None):
            self._destroy(self._handle)
            self._handle = None

    def __repr__(self):
        return f"<tegula.Model {self.name!r}: {', '.join(p.name for p in self._ins)} -> " \
               f"{', '.join(p.name for p in self._outs)}>"

    @property
    def inputs(self):
        return [TensorInfo(port.name, port.dtype, port.shape) for port in self._ins]

    @property
    def outputs(self):
        return [TensorInfo(port.name, port.dtype, port.shape) for port in self._outs]

    @property
    def name(self):
        return self._model.name.decode("utf-8", "replace")

    @property
    def info(self):
        """Provenance and sizes: target, required, producer, workspace_bytes, weight_bytes."""
        texts = {key: getattr(self._model, key).decode("utf-8", "replace") for key in ("target", "required", "producer")}
        return {**texts, "workspace_bytes": self._model.workspace_bytes, "weight_bytes": self._model.weight_bytes}

    def run(self, inputs, out=None):
        """Runs the model. `inputs`: a dict of arrays by name, or a list in the order of `inputs`. Types must be exact;
        arrays need not be contiguous; lists and Python numbers are converted.

        `out`: a dict of C-contiguous arrays by name that take the results (all or some of them; for an output with a
        dynamic shape one that is large enough). Returns a dict of arrays in the order of the graph's outputs; large ones lie
        where an earlier result was, once no array views that any more."""
        ordered = self._in_order(inputs)
        if out and not self._out_set.issuperset(out):
            raise RunError(f"out: the model has no output '{next(name for name in out if name not in self._out_set)}'")
        with self._lock:
            # `keep` holds what the tensors point to until the run is over.
            keep = list(map(self._bind_input, self._ins, self._in_tensors, ordered))
            results = list(map(self._bind_output, self._outs, self._out_tensors, itertools.repeat(out)))
            self._fresh.clear()
            status = self._run(self._handle, self._inputs_at, self._outputs_at)
            del keep
            if status != abi.OK:
                self._fresh.clear()
                raise self._error(status, self._handle)
            if not self._is_plain:
                results = [result if port.is_static and not port.bits else self._collect(i, result, out)
                           for i, (port, result) in enumerate(zip(self._outs, results))]
            return dict(zip(self._out_names, results))

    def _in_order(self, inputs):
        if isinstance(inputs, dict):
            try:
                ordered = [inputs[name] for name in self._in_names]
            except KeyError as error:
                raise RunError(f"input '{error.args[0]}' is missing") from None
            if len(inputs) != len(ordered):
                name = next(name for name in inputs if name not in self._in_names)
                raise RunError(f"the model has no input '{name}'; its inputs are {', '.join(self._in_names) or 'none'}")
            return ordered
        if len(inputs) != len(self._ins):
            raise RunError(f"expected {len(self._ins)} inputs, got {len(inputs)}")
        return inputs

    @staticmethod
    def _bind_input(port, tensor, value):
        if isinstance(value, np.ndarray):
            array = value
        elif isinstance(value, np.generic) or hasattr(value, "__array__"):
            array = np.asarray(value)
        else:
            try:
                array = np.asarray(value, dtype=port.dtype)
            except (TypeError, ValueError, OverflowError) as error:
                raise port.complain(f"expected {port.dtype}: {error}") from None
        if array.dtype != port.dtype or array.shape != port.shape:
            port.check(array)
        if not port.is_static:
            tensor.shape[:array.ndim] = array.shape
        flags = array.flags
        if port.bits:
            array = dtypes.pack(array, port.bits)
        elif not (flags.c_contiguous and flags.aligned):
            array = np.array(array, order="C")
        tensor.data = _address(array)
        tensor.bytes = array.nbytes
        return array

    @staticmethod
    def _bind_output(port, tensor, out):
        array = out.get(port.name) if out else None
        tensor.dtype = port.onnx_dtype
        if array is None:
            if not port.is_static:
                tensor.data, tensor.bytes = None, 0
                return None
            if port.bits:
                count = math.prod(port.shape)
                array = np.empty((count * port.bits + 7) // 8, np.uint8)
            elif port.bytes >= _LARGE_BYTES:
                array = port.memory(port.bytes)[:port.bytes].view(port.dtype).reshape(port.shape)
            else:
                array = np.empty(port.shape, port.dtype)
        else:
            if not isinstance(array, np.ndarray):
                raise port.complain("out holds no numpy array")
            if port.is_static:
                if array.dtype != port.dtype or array.shape != port.shape:
                    port.check(array)
            elif array.dtype != port.dtype:
                raise port.complain(f"expected {port.dtype}, got {array.dtype}")
            if not array.flags.carray or port.bits:
                raise port.complain("the array in out must be C-contiguous, aligned, writeable and of whole bytes")
        tensor.data = _address(array)
        tensor.bytes = array.nbytes
        return array

    def _collect(self, index, given, out):
        """The array of an output with a dynamic shape or packed elements."""
        port, tensor = self._outs[index], self._out_tensors[index]
        shape = tuple(tensor.shape[:tensor.rank])
        memory = self._fresh.pop(index, given)
        if memory is None:  # without elements
            return np.empty(shape, port.dtype)
        if memory is given and given.dtype == port.dtype and given.shape == shape and not port.bits:
            return given
        if port.bits:
            return dtypes.unpack(memory.reshape(-1).view(np.uint8), port.bits, port.dtype, shape)
        count = math.prod(shape)
        return memory.reshape(-1).view(port.dtype)[:count].reshape(shape)

    def profile(self):
        """Per unit, of a model loaded with profile=True: dicts with node, op, flops, bytes and ns (mean of a run)."""
        count = self._model.unit_count
        times, runs = (ctypes.c_uint64 * count)(), ctypes.c_uint64()
        with self._lock:
            status = self._model.profile(self._handle, times, ctypes.byref(runs))
            if status != abi.OK:
                raise self._error(status, self._handle)
        units = [self._model.units[i] for i in range(count)]
        return [{"node": unit.node.decode("utf-8", "replace"), "op": unit.op.decode("utf-8", "replace"),
                 "flops": unit.flops, "bytes": unit.bytes, "ns": times[i] / max(1, runs.value)}
                for i, unit in enumerate(units)]


def load(path, threads=0, name=None, profile=False):
    """Loads an artifact (.so). `threads`: 0 for one per CPU. `name`: of the model, if the file holds several."""
    return Model(path, threads=threads, name=name, profile=profile)
