//===- ExpandCalls.cpp - put the bodies of functions where they are called ----===//
//
//   call (retval0), f, (param0);   ->   the instructions of f, in which f's parameters are the caller's param0 and
//   retval0,
//                                       and `ret` is a jump to their end
//
// Also makes jumps of the guards of instructions at which lanes wait, and two instructions of bar.red: the second one
// fetches the result after the wait. Adds the register of the condition code as the last one.
//
//===----------------------------------------------------------------------===//
#include "Flow.h"
#include "Instructions.h"
#include "llvm/ADT/Twine.h"

using llvm::StringRef;
using llvm::Twine;

namespace ptxsim {

namespace {
using Names = std::map<std::string, std::string>;

class Expander {
public:
  Expander(const Text &text, Function &out, std::string &error) : text(text), out(out), error(error) {}
  bool append(const Function &function, Names names, int depth);

private:
  void declare(const Function &function, const std::string &suffix, Names &names);
  bool appendCall(Instruction call, const Names &names, int depth);
  bool appendExternal(const Instruction &call, StringRef name, const std::vector<Operand> &results);
  void appendMove(const Instruction &like, Type type, Operand to, Operand from);
  Instruction make(const Instruction &like, StringRef mnemonic);
  int appendSkip(Instruction &guarded);
  static void rebase(Operand &operand, int base, const Names &names);
  bool fail(const Instruction &at, const Twine &what) {
    error = ("line " + Twine(at.line) + ": " + what).str();
    return false;
  }
  const Text &text;
  Function &out;
  std::string &error;
  unsigned instances = 0;
};
} // namespace

void Expander::rebase(Operand &operand, int base, const Names &names) {
  if (operand.reg >= 0)
    operand.reg += base;
  if (operand.pair >= 0)
    operand.pair += base;
  auto found = names.find(operand.symbol);
  if (found != names.end())
    operand.symbol = found->second;
  for (Operand &element : operand.elements)
    rebase(element, base, names);
}

Instruction Expander::make(const Instruction &like, StringRef mnemonic) {
  Instruction result;
  std::string ignored;
  lookUp(mnemonic, result, ignored);
  result.line = like.line;
  return result;
}

void Expander::appendMove(const Instruction &like, Type type, Operand to, Operand from) {
  Instruction move = make(like, "mov.b32");
  move.types[0] = type.kind == Type::Pred ? type : Type{Type::Bits, 1, static_cast<uint16_t>(type.totalBits())};
  move.operands = {std::move(to), std::move(from)};
  out.instructions.push_back(std::move(move));
}

/// Turns the guard of an instruction into a jump around it. Returns the jump's index, to be given its target.
int Expander::appendSkip(Instruction &guarded) {
  Instruction skip = make(guarded, "bra");
  skip.guard = guarded.guard;
  skip.isGuardNegated = !guarded.isGuardNegated;
  Operand label;
  label.kind = Operand::Label;
  skip.operands.push_back(label);
  guarded.guard = -1;
  out.instructions.push_back(std::move(skip));
  return static_cast<int>(out.instructions.size()) - 1;
}

bool Expander::appendExternal(const Instruction &call, StringRef name, const std::vector<Operand> &results) {
  if (name == "__assertfail" || name == "__assert_fail" || name == "__trap") {
    out.instructions.push_back(make(call, "trap"));
    return true;
  }
  if (name != "vprintf")
    return fail(call, "the function '" + name + "' has no body");
  if (!results.empty() && results[0].kind == Operand::Symbol) {
    Instruction store = make(call, "st.param.b32");
    Operand address = results[0], zero;
    address.kind = Operand::Address;
    zero.kind = Operand::Integer;
    store.operands = {address, zero};
    out.instructions.push_back(std::move(store));
  }
  return true;
}

bool Expander::appendCall(Instruction call, const Names &names, int depth) {
  std::vector<Operand> results, arguments;
  size_t at = 0;
  if (at < call.operands.size() && call.operands[at].kind == Operand::Vector)
    results = call.operands[at++].elements;
  if (at >= call.operands.size() || call.operands[at].kind != Operand::Symbol)
    return fail(call, "calls through pointers are not known");
  StringRef name = call.operands[at++].symbol;
  if (at < call.operands.size() && call.operands[at].kind == Operand::Vector)
    arguments = call.operands[at].elements;
  const Function *callee = text.find(name);
  if (!callee)
    return fail(call, "unknown function '" + name + "'");
  if (!callee->hasBody)
    return appendExternal(call, name, results);
  if (depth > 30)
    return fail(call, "calls are nested too deep (recursion is not known)");
  if (arguments.size() != callee->parameters.size() || results.size() != callee->results.size())
    return fail(call, "wrong number of arguments or results of '" + name + "'");
  int base = static_cast<int>(out.registers.size());
  Names inner;
  for (size_t i = 0; i < arguments.size(); ++i) {
    int reg = callee->parameterRegisters[i];
    if (reg < 0) {
      inner[callee->parameters[i].name] = arguments[i].symbol;
      continue;
    }
    Operand to;
    to.kind = Operand::Register;
    to.reg = base + reg;
    appendMove(call, callee->registers[reg].type, to, arguments[i]);
  }
  for (size_t i = 0; i < results.size(); ++i)
    if (callee->resultRegisters[i] < 0)
      inner[callee->results[i].name] = results[i].symbol;
  if (!append(*callee, inner, depth + 1))
    return false;
  for (size_t i = 0; i < results.size(); ++i) {
    int reg = callee->resultRegisters[i];
    if (reg < 0)
      continue;
    Operand from;
    from.kind = Operand::Register;
    from.reg = base + reg;
    appendMove(call, callee->registers[reg].type, results[i], from);
  }
  (void)names;
  return true;
}

/// The names of an instance's variables and lists.
void Expander::declare(const Function &function, const std::string &suffix, Names &names) {
  out.registers.insert(out.registers.end(), function.registers.begin(), function.registers.end());
  for (const Variable &variable : function.variables) {
    // Shared variables of a function are the same ones in all its calls.
    Variable copy = variable;
    copy.name = variable.space == Space::Shared ? function.name + ":" + variable.name : variable.name + suffix;
    names[variable.name] = copy.name;
    out.variables.push_back(std::move(copy));
  }
  for (auto &[name, targets] : function.branchTargets)
    names[name] = name + suffix;
}

bool Expander::append(const Function &function, Names names, int depth) {
  int base = static_cast<int>(out.registers.size());
  std::string suffix = depth ? "@" + std::to_string(instances++) : "";
  declare(function, suffix, names);
  std::vector<int> placeOf, mine, returns;
  for (const Instruction &instruction : function.instructions) {
    placeOf.push_back(static_cast<int>(out.instructions.size()));
    Instruction copy = instruction;
    copy.guard += copy.guard >= 0 ? base : 0;
    for (Operand &operand : copy.operands)
      rebase(operand, base, names);
    StringRef name = copy.info->name;
    bool isCall = name == "call";
    int skip = -1;
    if (copy.guard >= 0 && (isCall || waitsForLanes(copy) || isBarrier(copy)))
      skip = appendSkip(copy);
    if (isCall) {
      if (!appendCall(copy, names, depth))
        return false;
    } else if (name == "ret" && depth) {
      Instruction jump = make(copy, "bra");
      jump.guard = copy.guard;
      jump.isGuardNegated = copy.isGuardNegated;
      jump.operands.emplace_back().kind = Operand::Label;
      returns.push_back(static_cast<int>(out.instructions.size()));
      out.instructions.push_back(std::move(jump));
    } else if (isBarrier(copy) && name.ends_with("red")) {
      Instruction result = make(copy, "barrier.result");
      result.types = copy.types;
      result.operands = {copy.operands[0]};
      out.instructions.push_back(std::move(copy));
      out.instructions.push_back(std::move(result));
    } else {
      mine.push_back(static_cast<int>(out.instructions.size()));
      out.instructions.push_back(std::move(copy));
    }
    if (skip >= 0)
      out.instructions[skip].operands[0].target = static_cast<int>(out.instructions.size());
  }
  int end = static_cast<int>(out.instructions.size());
  placeOf.push_back(end);
  for (int index : returns)
    out.instructions[index].operands[0].target = end;
  for (int index : mine)
    for (Operand &operand : out.instructions[index].operands)
      if (operand.kind == Operand::Label)
        operand.target = placeOf[operand.target];
  for (auto &[name, targets] : function.branchTargets)
    for (int target : targets)
      out.branchTargets[name + suffix].push_back(placeOf[target]);
  return true;
}

bool expandCalls(const Text &text, const Function &kernel, Function &expanded, std::string &error) {
  expanded.name = kernel.name;
  expanded.line = kernel.line;
  expanded.isEntry = expanded.hasBody = true;
  expanded.parameters = kernel.parameters;
  expanded.maxThreads = kernel.maxThreads;
  Expander expander(text, expanded, error);
  if (!expander.append(kernel, {}, 0))
    return false;
  // Jumps to the very end have to arrive somewhere.
  Instruction end;
  std::string ignored;
  lookUp("ret", end, ignored);
  end.line = expanded.instructions.empty() ? kernel.line : expanded.instructions.back().line;
  expanded.instructions.push_back(std::move(end));
  expanded.registers.push_back({"%cc", {Type::Pred, 1, 1}});
  return true;
}

} // namespace ptxsim
