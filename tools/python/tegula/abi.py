"""The structures of runtime/tegula.h for ctypes, ABI version 1, and the finding of a model in a shared object."""

import ctypes
import mmap
import os
import re
import struct
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32, c_uint64
from ctypes import c_void_p

ABI_VERSION = 1
MAX_RANK = 16
OK = 0
STATUS = {1: "invalid argument", 2: "out of memory", 3: "unsupported CPU", 4: "ABI mismatch", 5: "busy", 6: "run error"}


class Tensor(Structure):
    _fields_ = [("data", c_void_p), ("bytes", c_size_t), ("shape", c_int64 * MAX_RANK), ("rank", c_int32),
                ("dtype", c_int32)]


class TensorInfo(Structure):
    _fields_ = [("name", c_char_p), ("shape", POINTER(c_int64)), ("rank", c_int32), ("dtype", c_int32)]


class UnitInfo(Structure):
    _fields_ = [("node", c_char_p), ("op", c_char_p), ("flops", c_double), ("bytes", c_double)]


AllocOutput = CFUNCTYPE(c_void_p, c_void_p, c_int32, c_size_t)


class Options(Structure):
    _fields_ = [("abi_version", c_uint32), ("threads", c_int32), ("workspace", c_void_p),
                ("workspace_bytes", c_size_t), ("parallel_for", c_void_p), ("parallel_ctx", c_void_p),
                ("alloc_output", AllocOutput), ("alloc_ctx", c_void_p), ("profile", c_int32)]


class Model(Structure):
    pass


Model._fields_ = [
    ("abi_version", c_uint32), ("flags", c_uint32), ("name", c_char_p), ("target", c_char_p), ("required", c_char_p),
    ("producer", c_char_p), ("inputs", POINTER(TensorInfo)), ("outputs", POINTER(TensorInfo)),
    ("units", POINTER(UnitInfo)), ("input_count", c_uint32), ("output_count", c_uint32), ("unit_count", c_uint32),
    ("reserved", c_uint32), ("workspace_bytes", c_uint64), ("weight_bytes", c_uint64), ("entry", c_void_p),
    ("create", CFUNCTYPE(c_int32, POINTER(Model), POINTER(Options), POINTER(c_void_p))),
    ("destroy", CFUNCTYPE(None, c_void_p)),
    # The arrays go as plain addresses: ctypes converts those fastest, and a run is where time counts.
    ("run", CFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p)),
    ("message", CFUNCTYPE(c_char_p, c_void_p)),
    ("profile", CFUNCTYPE(c_int32, c_void_p, POINTER(c_uint64), POINTER(c_uint64))),
]


def symbol_of(stem):
    """The symbol that the compiler gives a model: `stem` with all but [A-Za-z0-9_] replaced, never led by a digit."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", stem)
    return "_" + name if name[:1].isdigit() else name


def exported_models(path):
    """Names of the symbols NAME_model that an ELF shared object of this byte order defines; [] if it is not one.

    Mapped, not read: the weights beside the symbols may be gigabytes."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return [name for name in _defined_symbols(data) if name.endswith("_model")]
    except (OSError, struct.error, IndexError, ValueError, OverflowError):
        return []


def _defined_symbols(data):
    """Names in the dynamic symbol table of an ELF file that the file defines."""
    if data[:4] != b"\x7fELF" or data[5] != 1:
        return
    is64 = data[4] == 2
    table, = struct.unpack_from("<Q" if is64 else "<I", data, 0x28 if is64 else 0x20)
    size, count = struct.unpack_from("<HH", data, 0x3A if is64 else 0x2E)
    sections = [struct.unpack_from("<IIQQQQIIQQ" if is64 else "<IIIIIIIIII", data, table + i * size)
                for i in range(count)]
    for section in sections:
        if section[1] != 11:  # SHT_DYNSYM
            continue
        strings = sections[section[6]]
        step = 24 if is64 else 16
        for at in range(section[4], section[4] + section[5], step):
            if is64:
                name, _, _, home = struct.unpack_from("<IBBH", data, at)
            else:
                name, _, _, _, _, home = struct.unpack_from("<IIIBBH", data, at)
            if home:  # defined here
                start = strings[4] + name
                end = data.find(b"\0", start, strings[4] + strings[5])
                yield data[start:end].decode("utf-8", "replace")


def is_cut(path):
    """Whether an ELF file of this byte order ends before its segments do: the loader would crash on it."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != b"\x7fELF" or data[5] != 1:
                return False
            is64 = data[4] == 2
            table, = struct.unpack_from("<Q" if is64 else "<I", data, 0x20 if is64 else 0x1C)
            size, count = struct.unpack_from("<HH", data, 0x36 if is64 else 0x2A)
            for at in range(table, table + size * count, size):
                offset, _, _, length = struct.unpack_from("<8xQQQQ" if is64 else "<4xIIII", data, at)
                if offset + length > len(data):
                    return True
            return False
    except (struct.error, IndexError, OverflowError):
        return True
    except (OSError, ValueError):
        return False  # for the loader to say


_opened = {}  # path -> (inode and device when last opened, how often it was replaced)


def open_library(path):
    """dlopen, of what lies at `path` now: the loader knows libraries by path, and a recompiled one must not be mistaken
    for the one that is still mapped. A replaced file is opened by another spelling of its path."""
    path = os.path.abspath(path)
    status = os.stat(path)
    identity = (status.st_dev, status.st_ino)
    last, replaced = _opened.get(path, (identity, 0))
    if last != identity:
        replaced += 1
    _opened[path] = (identity, replaced)
    folder, name = os.path.split(path)
    return ctypes.CDLL(os.path.join(folder, *["."] * replaced, name), mode=os.RTLD_LOCAL | os.RTLD_NOW)
