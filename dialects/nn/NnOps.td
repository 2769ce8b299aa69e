// All ops of the nn dialect, one include per family.
include "tegula/dialects/nn/Elementwise.td"
include "tegula/dialects/nn/Shape.td"
include "tegula/dialects/nn/Index.td"
include "tegula/dialects/nn/Reduce.td"
include "tegula/dialects/nn/Linear.td"
include "tegula/dialects/nn/Pool.td"
include "tegula/dialects/nn/Normalize.td"
include "tegula/dialects/nn/Recurrent.td"
