//===- Emit.h - from PTX to LLVM IR -------------------------------------------===//
//
// One kernel becomes one function that runs a warp. Values of a register are vectors of 32 lanes. Between blocks they
// lie in the warp's frame; within a block they are SSA values, and lanes that do not run compute too, to no effect:
// only the stores to the frame at the end of a block are under the mask of active lanes.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_EMIT_H
#define TEGULA_TOOLS_PTXSIM_EMIT_H

#include "Instructions.h"
#include "Matrix.h"
#include "Runtime.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include <deque>

namespace ptxsim {

/// Where a variable lies: a device address, or an offset in shared, local or parameter memory.
struct Symbol {
  Space space;
  uint64_t address, bytes;
};
using Symbols = std::map<std::string, Symbol>;

/// What the code of a kernel points to.
struct Constants {
  std::deque<Site> sites;
  std::deque<MatrixShape> shapes;
};

class Emitter {
public:
  Emitter(const Function &function, const Symbols &symbols, llvm::Module &module, Constants &constants,
          bool splitsAtMemory, std::string &error);
  /// Emits the function `name`. False with "line N: ..." in the error.
  bool run(llvm::StringRef name);
  uint32_t frameBytes() const { return frameSize; }
  /// The most 32-bit registers that are live at the end of a block.
  uint32_t liveWords() const;

  //===--- For the functions of the table ---===//
  llvm::IRBuilder<> b;

  /// A lane type: i1, iN, half, float or double. A bf16 is an i16; a vector of two is one integer.
  llvm::Type *laneType(Type type);
  llvm::FixedVectorType *vector(llvm::Type *element, unsigned count = warpSize);
  llvm::FixedVectorType *vector(unsigned bits) { return vector(b.getIntNTy(bits)); }
  llvm::Value *splat(llvm::Type *element, uint64_t value, unsigned count = warpSize);
  llvm::Value *splat(unsigned bits, uint64_t value) { return splat(b.getIntNTy(bits), value); }

  /// The value of an operand as lanes of `type`. Null after an error.
  llvm::Value *read(const Operand &operand, Type type);
  /// As lanes of the integer type of that width.
  llvm::Value *readBits(const Operand &operand, unsigned bits) {
    return read(operand, {Type::Bits, 1, static_cast<uint16_t>(bits)});
  }
  /// Writes lanes to a register (or nothing, for `_`); narrower values are extended.
  bool write(const Operand &operand, llvm::Value *value, bool isSigned = false);
  bool writeRegister(int reg, llvm::Value *value, bool isSigned = false);
  unsigned registerBits(int reg) const { return function.registers[reg].type.totalBits(); }

  /// Lanes in which the instruction has effect, as bits and as a vector of i1.
  llvm::Value *mask();
  llvm::Value *maskLanes();
  llvm::Value *toBits(llvm::Value *lanes) { return b.CreateBitCast(lanes, b.getInt32Ty()); }
  llvm::Value *toLanes(llvm::Value *bits) { return b.CreateBitCast(bits, vector(1)); }

  /// The address operand as lanes of i64, in its own space.
  llvm::Value *address(const Operand &operand);
  /// Space that an address operand certainly is in, from a symbol.
  const Symbol *findSymbol(llvm::StringRef name) const;

  Site *site(const Instruction &instruction);
  MatrixShape *keep(const MatrixShape &shape) { return &constants.shapes.emplace_back(shape); }
  /// A field of the warp: its address.
  llvm::Value *field(size_t offset);
  llvm::Value *loadField(size_t offset, llvm::Type *type);
  void storeAddresses(llvm::Value *lanes);
  void storeValue(size_t offset, llvm::Value *lanes);
  llvm::Value *loadValue(size_t offset, llvm::Type *type);
  /// Calls a helper: void or i32 (Warp *, const Site *, i32...).
  llvm::Value *callHelper(llvm::StringRef name, const Site *site, llvm::ArrayRef<llvm::Value *> arguments,
                          bool hasResult = false);
  /// A helper that computes lanes from lanes: operand k in slot k, the result in slot 0.
  llvm::Value *callLanes(llvm::StringRef name, const Site *site, llvm::ArrayRef<llvm::Value *> operands,
                         llvm::Type *result);
  llvm::Value *lanesOf32(llvm::ArrayRef<uint32_t> values);

  bool fail(const Instruction &instruction, const llvm::Twine &what);
  bool wants(const Instruction &instruction, size_t least, size_t most);

  // Ends of blocks.
  void jump(int target);
  void branch(llvm::Value *taken, int target, int next);
  void exitLanes(llvm::Value *bits);
  /// Before a terminator that is made by hand: stores the registers.
  void finishBlock() { flush(); }
  /// Tells the race detector that the lanes of these masks have met.
  void synchronise(const Instruction &instruction, llvm::Value *members);
  int blockOf(int instruction) const { return blockAt[instruction]; }
  int nextBlock() const { return current + 1; }
  llvm::Value *activeBits() { return active; }
  void goToDispatch();
  const Function &source() const { return function; }
  /// The condition code: a predicate that has no name.
  int carryRegister() const { return static_cast<int>(function.registers.size()) - 1; }
  llvm::Value *readRegister(int reg);

private:
  struct Range {
    int first, last;
    llvm::BasicBlock *code = nullptr;
  };
  void findBlocks();
  void findLive();
  void layOutFrame();
  void emitDispatch();
  bool emitBlock(int index);
  void emitLaneCheck(const Instruction &instruction, int index);
  bool emitInstruction(const Instruction &instruction);
  void flush();
  llvm::Value *special(llvm::StringRef name, unsigned bits);
  llvm::Value *pointerTo(const void *host);
  llvm::Value *frameSlot(int reg);

  const Function &function;
  const Symbols &symbols;
  llvm::Module &module;
  Constants &constants;
  bool splitsAtMemory;
  std::string &error;
  llvm::Function *code = nullptr;
  llvm::Value *warp = nullptr, *frame = nullptr, *active = nullptr;
  llvm::BasicBlock *dispatch = nullptr;
  std::vector<Range> blocks;
  std::vector<int> blockAt;             ///< by instruction
  std::vector<llvm::BitVector> liveOut; ///< by block
  std::vector<uint32_t> frameOffset;    ///< by register
  uint32_t frameSize = 0;
  int current = 0;
  llvm::DenseMap<int, llvm::Value *> values; ///< of registers, in this block
  llvm::BitVector dirty;
  llvm::Value *guard = nullptr; ///< lanes of the guard, of this instruction
  const Instruction *instruction = nullptr;
  std::string failure;
};

} // namespace ptxsim

#endif
