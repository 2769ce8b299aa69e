"""Small networks of the common kinds with seeded weights: what is compiled and compared where no public model is at hand.

Each function returns an ONNX model; NETWORKS lists them with the inputs to run them on. Weights are scaled so that
activations keep their size through the layers, which makes errors visible at the end.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Graph:
    """Collects nodes and weights. Values are names; each op gets the name of its kind and a number."""

    def __init__(self, name, seed):
        self.name, self.random = name, np.random.Generator(np.random.PCG64(seed))
        self.nodes, self.weights, self.inputs = [], [], []

    def input(self, name, shape, dtype=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def constant(self, array):
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def normal(self, *shape, scale=1.0, mean=0.0):
        return self.constant((self.random.standard_normal(shape) * scale + mean).astype(np.float32))

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def op(self, kind, *inputs, outputs=1, **attributes):
        number = len(self.nodes)
        names = [f"{kind.lower()}_{number}" + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind.lower()}_{number}", **attributes))
        return names[0] if outputs == 1 else names

    def finish(self, outputs, opset=OPSET):
        """`outputs`: value -> shape."""
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, results, self.weights)
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8 if opset == OPSET else 10)

    # Layers.

    def dense(self, x, inputs, outputs):
        weight = self.normal(inputs, outputs, scale=inputs ** -0.5)
        return self.op("Add", self.op("MatMul", x, weight), self.normal(outputs, scale=0.1))

    def conv(self, x, inputs, outputs, kernel=3, stride=1, group=1):
        weight = self.normal(outputs, inputs // group, kernel, kernel, scale=(inputs // group * kernel ** 2) ** -0.5)
        return self.op("Conv", x, weight, kernel_shape=[kernel] * 2, strides=[stride] * 2, group=group,
                       pads=[kernel // 2] * 4)

    def batch_norm(self, x, channels):
        scale, shift = self.normal(channels, scale=0.1, mean=1.0), self.normal(channels, scale=0.1)
        mean = self.normal(channels, scale=0.1)
        variance = self.constant(self.random.uniform(0.5, 1.5, channels).astype(np.float32))
        return self.op("BatchNormalization", x, scale, shift, mean, variance)

    def layer_norm(self, x, width):
        return self.op("LayerNormalization", x, self.normal(width, scale=0.1, mean=1.0), self.normal(width, scale=0.1),
                       axis=-1)

    def split_heads(self, x, sizes, perm):
        return self.op("Transpose", self.op("Reshape", x, self.ints(*sizes)), perm=perm)


def mlp(batch=4):
    g = Graph("mlp", 1)
    x = g.input("x", [batch, 64])
    for inputs, outputs in ((64, 128), (128, 96)):
        weight = g.normal(outputs, inputs, scale=inputs ** -0.5)
        x = g.op("Relu", g.op("Gemm", x, weight, g.normal(outputs, scale=0.1), transB=1))
    x = g.op("Softmax", g.dense(x, 96, 10), axis=-1)
    return g.finish({x: [batch, 10]})


def resnet(batch=1):
    """Convolution, batch norm and residual blocks, one with a strided shortcut, global pooling, a classifier."""
    g = Graph("resnet", 2)
    x = g.op("Relu", g.batch_norm(g.conv(g.input("image", [batch, 3, 32, 32]), 3, 16), 16))
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for inputs, outputs, stride in ((16, 16, 1), (16, 32, 2), (32, 48, 2)):
        y = g.op("Relu", g.batch_norm(g.conv(x, inputs, outputs, 3, stride), outputs))
        y = g.batch_norm(g.conv(y, outputs, outputs), outputs)
        if stride != 1:
            x = g.batch_norm(g.conv(x, inputs, outputs, 1, stride), outputs)
        x = g.op("Relu", g.op("Add", y, x))
    x = g.op("Flatten", g.op("GlobalAveragePool", x), axis=1)
    return g.finish({g.dense(x, 48, 10): [batch, 10]})


def mobilenet(batch=1):
    """Inverted residuals with depthwise convolutions, clipped ReLU, hard swish, squeeze and excitation."""
    g = Graph("mobilenet", 3)
    low, high = g.constant(np.float32(0)), g.constant(np.float32(6))

    def relu6(x):
        return g.op("Clip", x, low, high)

    x = relu6(g.batch_norm(g.conv(g.input("image", [batch, 3, 48, 40]), 3, 8, 3, 2), 8))
    for inputs, outputs, kernel, stride, squeeze in ((8, 12, 3, 2, False), (12, 12, 5, 1, True), (12, 20, 3, 2, True)):
        wide = inputs * 4
        y = relu6(g.batch_norm(g.conv(x, inputs, wide, 1), wide))
        y = g.op("HardSwish", g.batch_norm(g.conv(y, wide, wide, kernel, stride, group=wide), wide))
        if squeeze:
            s = g.op("Relu", g.conv(g.op("GlobalAveragePool", y), wide, wide // 4, 1))
            y = g.op("Mul", y, g.op("HardSigmoid", g.conv(s, wide // 4, wide, 1), alpha=1 / 6, beta=0.5))
        y = g.batch_norm(g.conv(y, wide, outputs, 1), outputs)
        x = g.op("Add", y, x) if inputs == outputs and stride == 1 else y
    x = g.op("Reshape", g.op("ReduceMean", x, axes=[2, 3], keepdims=0), g.ints(batch, 20))
    return g.finish({g.dense(x, 20, 12): [batch, 12]})


def encoder(batch=2, length=24, width=64, heads=4, layers=2, dynamic=False):
    """A BERT-like encoder: embeddings, masked attention, GELU by Erf, layer norms, a pooled output."""
    g = Graph("encoder", 4)
    shape = ["batch", "length"] if dynamic else [batch, length]
    ids, mask = g.input("ids", shape, TensorProto.INT64), g.input("mask", shape, TensorProto.INT64)
    x = g.op("Gather", g.normal(100, width), ids, axis=0)
    if dynamic:
        positions = g.op("Slice", g.normal(1, 64, width), g.ints(0), g.op("Shape", ids, start=1, end=2), g.ints(1))
    else:
        positions = g.normal(1, length, width)
    x = g.layer_norm(g.op("Add", x, positions), width)
    open_ = g.op("Cast", g.op("Unsqueeze", mask, g.ints(1, 2)), to=TensorProto.FLOAT)
    bias = g.op("Mul", g.op("Sub", g.constant(np.float32(1)), open_), g.constant(np.float32(-10000)))
    for _ in range(layers):
        sizes, head = (0, 0, heads, width // heads), width // heads
        query, value = (g.split_heads(g.dense(x, width, width), sizes, [0, 2, 1, 3]) for _ in range(2))
        key = g.split_heads(g.dense(x, width, width), sizes, [0, 2, 3, 1])
        scores = g.op("Div", g.op("MatMul", query, key), g.constant(np.float32(head ** 0.5)))
        mixed = g.op("MatMul", g.op("Softmax", g.op("Add", scores, bias), axis=-1), value)
        mixed = g.op("Reshape", g.op("Transpose", mixed, perm=[0, 2, 1, 3]), g.ints(0, 0, width))
        x = g.layer_norm(g.op("Add", g.dense(mixed, width, width), x), width)
        wide = g.dense(x, width, 4 * width)
        erf = g.op("Erf", g.op("Div", wide, g.constant(np.float32(2 ** 0.5))))
        gelu = g.op("Mul", g.op("Mul", wide, g.op("Add", erf, g.constant(np.float32(1)))), g.constant(np.float32(0.5)))
        x = g.layer_norm(g.op("Add", g.dense(gelu, 4 * width, width), x), width)
    first = g.op("Gather", x, g.constant(np.int64(0)), axis=1)
    return g.finish({x: shape + [width], g.op("Tanh", g.dense(first, width, width)): shape[:1] + [width]})


def recurrent(kind, gates, steps=12, batch=2):
    """Two layers, the first in both directions, then a classifier for each step."""
    g = Graph(kind.lower(), 5 + gates)
    x, width, hidden = g.input("x", [steps, batch, 20]), 20, 24
    for directions, direction in ((2, "bidirectional"), (1, "forward")):
        weights = [g.normal(directions, gates * hidden, width, scale=width ** -0.5),
                   g.normal(directions, gates * hidden, hidden, scale=hidden ** -0.5),
                   g.normal(directions, 2 * gates * hidden, scale=0.1)]
        y = g.op(kind, x, *weights, outputs=1, hidden_size=hidden, direction=direction)
        width = hidden * directions
        x = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ints(steps, batch, width))
    return g.finish({g.op("LogSoftmax", g.dense(x, width, 9), axis=-1): [steps, batch, 9]})


def unet(batch=1):
    """Down and up again: strided and transposed convolutions, concatenation of skips, group norm by parts, resize."""
    g = Graph("unet", 11)
    x = g.op("LeakyRelu", g.conv(g.input("image", [batch, 2, 24, 32]), 2, 8), alpha=0.1)
    down = g.op("Sigmoid", g.conv(x, 8, 16, 3, 2))
    down = g.op("InstanceNormalization", down, g.normal(16, scale=0.1, mean=1.0), g.normal(16, scale=0.1))
    weight = g.normal(16, 8, 2, 2, scale=64 ** -0.5)
    up = g.op("ConvTranspose", g.op("Relu", down), weight, g.normal(8, scale=0.1), kernel_shape=[2, 2], strides=[2, 2])
    x = g.conv(g.op("Concat", up, x, axis=1), 16, 8)
    scales = g.constant(np.array([1, 1, 2, 2], np.float32))
    x = g.op("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
    return g.finish({g.conv(x, 8, 3, 1): [batch, 3, 48, 64]})


class Quantized(Graph):
    """Layers of 8-bit tensors as QDQ, between real inputs and outputs."""

    def start(self, shape):
        self.scale, self.zero = self.constant(np.float32(0.02)), self.constant(np.uint8(131))
        return self.op("QuantizeLinear", self.input("x", shape), self.scale, self.zero)

    def layer(self, kind, x, *shape, **attributes):
        """Weights of `shape`, a scale of each output; the result has about a third of the range as deviation."""
        outputs, axis = (shape[1], 1) if kind == "MatMul" else (shape[0], 0)
        summed = np.prod(shape) // outputs
        weights = self.constant(self.random.integers(-127, 128, shape).astype(np.int8))
        scales = self.constant((self.random.uniform(0.8, 1.2, outputs) / (73 * np.sqrt(summed))).astype(np.float32))
        real = self.op("DequantizeLinear", weights, scales, axis=axis)
        y = self.op(kind, self.op("DequantizeLinear", x, self.scale, self.zero), real, **attributes)
        return self.op("QuantizeLinear", y, self.scale, self.zero)

    def end(self, y, shape):
        return self.finish({self.op("DequantizeLinear", y, self.scale, self.zero): shape})


def quantized_convolutions():
    g = Quantized("quantized_convolutions", 11)
    x = g.layer("Conv", g.start([1, 3, 45, 73]), 64, 3, 3, 3, pads=[1, 1, 1, 1])
    x = g.layer("Conv", x, 40, 64, 3, 3, strides=[2, 2])
    x = g.layer("Conv", x, 40, 1, 3, 3, group=40, pads=[1, 1, 1, 1])
    x = g.layer("Conv", x, 24, 40, 1, 1)
    x = g.layer("Conv", x, 72, 24, 3, 3, dilations=[2, 2])
    return g.end(g.layer("Conv", x, 17, 72, 1, 1), [1, 17, 18, 32])


def quantized_products(rows="rows"):
    g = Quantized("quantized_products", 12)
    return g.end(g.layer("MatMul", g.layer("MatMul", g.start([rows, 192]), 192, 40), 40, 100), [rows, 100])


def quantized_attention(length=70, width=96, heads=3):
    """All products of two quantized sides, those with one another as well."""
    g = Quantized("quantized_attention", 14)
    x = g.start([1, length, width])
    part = width // heads

    def rows(perm):
        y = g.op("DequantizeLinear", g.layer("MatMul", x, width, width), g.scale, g.zero)
        return g.op("Transpose", g.op("Reshape", y, g.constant(np.array([1, length, heads, part]))), perm=perm)

    scores = g.op("MatMul", rows([0, 2, 1, 3]), rows([0, 2, 3, 1]))
    scale, zero = g.constant(np.float32(1 / 256)), g.constant(np.uint8(0))
    shares = g.op("Softmax", g.op("Mul", scores, g.constant(np.float32(0.3))), axis=-1)
    shares = g.op("DequantizeLinear", g.op("QuantizeLinear", shares, scale, zero), scale, zero)
    y = g.op("Transpose", g.op("MatMul", shares, rows([0, 2, 1, 3])), perm=[0, 2, 1, 3])
    y = g.op("Reshape", y, g.constant(np.array([1, length, width])))
    scale, zero = g.constant(np.float32(0.01)), g.constant(np.uint8(120))
    y = g.op("DequantizeLinear", g.op("QuantizeLinear", y, scale, zero), scale, zero)
    return g.finish({y: [1, length, width]})


def packed_weights(rows=3):
    """Products by weights alone quantized: 4 bits in blocks with zero points, then 8 bits with a scale for each column."""
    g = Graph("packed_weights", 13)
    w = g.random.integers(-8, 8, (192, 80)).astype(np.int8)
    scale = g.constant((g.random.uniform(0.8, 1.2, (6, 80)) / 64).astype(np.float32))
    zero = g.constant(g.random.integers(-2, 3, (6, 80)).astype(np.int8))
    real = g.op("DequantizeLinear", g.constant(w), scale, zero, axis=0, block_size=32)
    h = g.op("Relu", g.op("MatMul", g.input("x", [rows, 192]), real))
    w = g.constant(g.random.integers(-127, 128, (80, 37)).astype(np.int8))
    scale = g.constant((g.random.uniform(0.8, 1.2, 37) / 640).astype(np.float32))
    return g.finish({g.op("MatMul", h, g.op("DequantizeLinear", w, scale, axis=1)): [rows, 37]}, opset=21)


def floats(name, *shape):
    return lambda random: {name: random.standard_normal(shape).astype(np.float32)}


def tokens(batch, length):
    return lambda random: {"ids": random.integers(0, 100, (batch, length)),
                           "mask": (np.arange(length) < random.integers(1, length + 1, (batch, 1))).astype(np.int64)}


# Name, model, inputs drawn from a random generator.
NETWORKS = [
    ("mlp", mlp, floats("x", 4, 64)),
    ("mlp_batch_dynamic", lambda: mlp("batch"), floats("x", 7, 64)),
    ("resnet", resnet, floats("image", 1, 3, 32, 32)),
    ("resnet_batch_2", lambda: resnet(2), floats("image", 2, 3, 32, 32)),
    ("mobilenet", mobilenet, floats("image", 1, 3, 48, 40)),
    ("encoder", encoder, tokens(2, 24)),
    ("encoder_dynamic", lambda: encoder(dynamic=True), tokens(3, 17)),
    ("lstm", lambda: recurrent("LSTM", 4), floats("x", 12, 2, 20)),
    ("gru", lambda: recurrent("GRU", 3), floats("x", 12, 2, 20)),
    ("rnn", lambda: recurrent("RNN", 1), floats("x", 12, 2, 20)),
    ("unet", unet, floats("image", 1, 2, 24, 32)),
]
