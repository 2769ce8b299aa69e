"""ONNX element types as numpy types.

Types that numpy lacks come from ml_dtypes if it is installed; without it bfloat16 and float8 travel as unsigned integers
of their size. Types of less than a byte are one element a byte in numpy, and packed (low bits first) in a tensor.
"""

import math

import numpy as np

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

_PLAIN = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
          10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128"}
_EXTENDED = {16: ("bfloat16", "uint16"), 17: ("float8_e4m3fn", "uint8"), 18: ("float8_e4m3fnuz", "uint8"),
             19: ("float8_e5m2", "uint8"), 20: ("float8_e5m2fnuz", "uint8"), 21: ("uint4", "uint8"),
             22: ("int4", "int8"), 23: ("float4_e2m1fn", "uint8"), 24: ("float8_e8m0fnu", "uint8"),
             25: ("uint2", "uint8"), 26: ("int2", "int8")}
_BITS = {21: 4, 22: 4, 23: 4, 25: 2, 26: 2}


def numpy_dtype(dtype):
    """The numpy type of an ONNX element type, or None."""
    if dtype in _PLAIN:
        return np.dtype(_PLAIN[dtype])
    if dtype in _EXTENDED:
        name, plain = _EXTENDED[dtype]
        return np.dtype(getattr(ml_dtypes, name, plain))
    return None


def packed_bits(dtype):
    """Bits of an element that is packed into bytes, or None for whole bytes."""
    return _BITS.get(dtype)


def pack(array, bits):
    """A flat uint8 array with the elements of `array` packed."""
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8) & np.uint8((1 << bits) - 1)
    per = 8 // bits
    flat = np.concatenate([flat, np.zeros(-flat.size % per, np.uint8)]).reshape(-1, per)
    packed = np.zeros(flat.shape[0], np.uint8)
    for k in range(per):
        packed |= flat[:, k] << np.uint8(bits * k)
    return packed


def unpack(packed, bits, dtype, shape):
    """The inverse of `pack`."""
    count = math.prod(shape)
    parts = [(packed >> np.uint8(shift)) & np.uint8((1 << bits) - 1) for shift in range(0, 8, bits)]
    flat = np.stack(parts, 1).reshape(-1)[:count]
    if dtype.name.startswith("int"):  # extend the sign
        flat = (flat.astype(np.int8) ^ np.int8(1 << (bits - 1))) - np.int8(1 << (bits - 1))
    return flat.astype(np.int8).view(np.uint8).view(dtype).reshape(shape)
