//===- Tgl.td - decisions that travel with the IR ---------------------------===//
#ifndef TEGULA_DIALECTS_TGL_TGL_TD
#define TEGULA_DIALECTS_TGL_TGL_TD
include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Tgl_Dialect : Dialect {
  let name = "tgl";
  let cppNamespace = "::tegula::tgl";
  let summary = "Attributes only: the target and the plan";
  let description = [{
    `#tgl.target` on the module says what is compiled for; `#tgl.plan` on a linalg op says how the shared passes tile it.
    Policies write these attributes, mechanical passes obey them.
  }];
  let useDefaultAttributePrinterParser = 1;
}

class Tgl_Attr<string name, string keyword> : AttrDef<Tgl_Dialect, name> { let mnemonic = keyword; }

def Tgl_TargetAttr : Tgl_Attr<"Target", "target"> {
  let summary = "What the module is compiled for";
  let description = [{
    `name` is the folder under targets/; `triple`, `cpu` and `features` are LLVM's; `vectorBytes` and `registers` describe the
    vector registers, `cacheKiB` the private second-level cache, `threads` the number the plan reckons with. `dot` says which
    products of small integers the target adds to 32-bit ones several at a time: `u8s8` four of unsigned and signed 8-bit
    ones and, on x86, pairs of signed 16-bit ones, `s8s8` four of signed 8-bit ones, `s16s16` such pairs only, or none. `tiles` is the number of matrix registers, each
    of up to 16 rows of 64 bytes, whose products of unsigned and signed bytes, and of bf16, are summed at once (AMX; 0: none). `realDot`
    says of which real numbers it adds several products at a time to 32-bit ones: `bf16`, `f16`, several (`f16,bf16,tf32`: f32 may be rounded to tf32), or none. With `mmla`, two rows of eight bytes
    are also multiplied by two columns at a time (FEAT_I8MM). `chips` are the accelerators, separated by commas, where `triple` and
    `cpu` are of the host; `cacheKiB` is 0 where rows of a tensor do not wait in a cache for their next reader.

    Example: `#tgl.target<name = "cpu", triple = "x86_64-unknown-linux-gnu", cpu = "x86-64-v3", features = "+avx2", vectorBytes = 32, registers = 16, cacheKiB = 512, threads = 2>`
  }];
  let parameters = (ins StringRefParameter<"">:$name, StringRefParameter<"">:$triple, StringRefParameter<"">:$cpu, StringRefParameter<"">:$features,
                        "int64_t":$vectorBytes, "int64_t":$registers, "int64_t":$cacheKiB, "int64_t":$threads,
                        StringRefParameter<"", "\"\"">:$dot, DefaultValuedParameter<"int64_t", "0">:$tiles,
                        StringRefParameter<"", "\"\"">:$realDot, DefaultValuedParameter<"bool", "false">:$mmla,
                        StringRefParameter<"", "\"\"">:$chips);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tgl_PlanAttr : Tgl_Attr<"Plan", "plan"> {
  let summary = "How one linalg op is tiled";
  let description = [{
    `vectorLoop` is the loop whose iterations become vector lanes (-1: none, scalar code); `vectors` of `lanes` lanes each are
    live at a time; `unrollLoop` (-1: none) is the parallel loop of which `unroll` iterations are held in registers, `by` as many
    (`outer`) of the loop around it where `unroll` is all of it (short rows of an image: two at a time);
    `block` gives per parallel loop the extent of one scf.forall iteration (0: whole extent), then for one of the reduction loops
    the extent of a block that is summed for the whole tile before the next, with partial sums in the result; missing entries are 0.
    `dot` neighbours along the innermost reduction loop, or places of a depthwise window, are multiplied and summed at a time (1 if
    it isn't there; 8: of two rows by two columns). With `depth`,
    the sums of `rows` iterations of the unrolled loop and of a vector are one matrix register, and `depth` such neighbours are
    taken at a time; `unroll` is a multiple of `rows`, and what is left of the loop beyond multiples of `rows` is done by vectors.
    With `threads`, so many threads share a block of a product: `block` is its rows (all loops of the left side alone, as one), columns
    and depth, and each thread holds `unroll` rows by `vectors` columns of sums (with `dot`, each warp does, by matrix
    instructions on `dot` neighbours along the depth); of a depth of 1, they share the depth itself for a few rows. With a fourth
    entry, `block` is of an attention: rows of queries, keys, and depth and columns filled up. Without a `block` each warp of them
    shares a row of a reduction.

    Example: `#tgl.plan<vectorLoop = 1, lanes = 8, vectors = 2, unrollLoop = 0, unroll = 6, block = [48, 0]>`
  }];
  let parameters = (ins "int64_t":$vectorLoop, "int64_t":$lanes, "int64_t":$vectors, "int64_t":$unrollLoop, "int64_t":$unroll, ArrayRefParameter<"int64_t">:$block, DefaultValuedParameter<"int64_t", "1">:$dot,
                        DefaultValuedParameter<"int64_t", "0">:$rows, DefaultValuedParameter<"int64_t", "0">:$depth, DefaultValuedParameter<"int64_t", "1">:$outer, DefaultValuedParameter<"int64_t", "0">:$threads);
  let assemblyFormat = "`<` `vectorLoop` `=` $vectorLoop `,` `lanes` `=` $lanes `,` `vectors` `=` $vectors `,` `unrollLoop` `=` $unrollLoop `,` `unroll` `=` $unroll (`by` $outer^)? `,` `block` `=` custom<Sizes>($block) (`over` $threads^)? (`,` `dot` `=` $dot^)? (`,` `rows` `=` $rows^)? (`,` `depth` `=` $depth^)? `>`";
}
#endif
