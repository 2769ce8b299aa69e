//===- Report.cpp - what was found, as text and as JSON -----------------------===//

#include "Driver.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdio>

namespace ptxsim {

static const char *nameOf(FaultKind kind) {
  switch (kind) {
  case FaultKind::Race:
    return "race";
  case FaultKind::Barrier:
    return "barrier";
  case FaultKind::Bounds:
    return "bounds";
  case FaultKind::Alignment:
    return "alignment";
  case FaultKind::Uninitialised:
    return "uninitialised";
  case FaultKind::AsyncWait:
    return "async-wait";
  case FaultKind::Other:
    return "other";
  }
  return "other";
}

static std::string triple(const std::array<uint32_t, 3> &at) {
  return "(" + std::to_string(at[0]) + "," + std::to_string(at[1]) + "," + std::to_string(at[2]) + ")";
}

void printLine(const Driver &driver, const std::string &text) {
  if (!driver.isQuiet)
    std::fprintf(stderr, "ptxsim: %s\n", text.c_str());
}

static std::string placeOf(const Fault &fault) {
  return std::string(nameOf(fault.kind)) + ": kernel '" + fault.kernel + "' line " + std::to_string(fault.line);
}

bool printFindings(Driver &driver) {
  Report report = driver.machine.report();
  uint64_t count = 0;
  for (const Fault &fault : report.faults) {
    count += fault.count;
    std::string place = placeOf(fault);
    if (driver.printedFaults.insert(place).second)
      printLine(driver,
                place + ": block " + triple(fault.block) + " thread " + triple(fault.thread) + ": " + fault.text);
  }
  bool hasMore = count > driver.faultCount;
  driver.faultCount = count;
  return hasMore;
}

void addFinding(Driver &driver, const Fault &fault) {
  for (Fault &known : driver.findings)
    if (known.kind == fault.kind && known.kernel == fault.kernel && known.text == fault.text) {
      ++known.count;
      return;
    }
  driver.findings.push_back(fault);
  std::string place = fault.kernel.empty() ? std::string(nameOf(fault.kind)) : placeOf(fault);
  printLine(driver, place + ": " + fault.text);
}

static void writeKernel(llvm::json::OStream &out, const KernelCounts &counts) {
  const std::pair<const char *, uint64_t> fields[] = {
      {"launches", counts.launches},
      {"instructions", counts.instructions},
      {"global_load_bytes", counts.globalLoadBytes},
      {"global_store_bytes", counts.globalStoreBytes},
      {"shared_load_bytes", counts.sharedLoadBytes},
      {"shared_store_bytes", counts.sharedStoreBytes},
      {"dram_read_bytes", counts.sectorsRead * 32},
      {"dram_write_bytes", counts.sectorsWritten * 32},
      {"shared_bank_conflicts", counts.sharedConflicts},
      {"tensor_instructions", counts.tensorInstructions},
  };
  for (const auto &[name, value] : fields)
    out.attribute(name, int64_t(value));
}

static void writeFault(llvm::json::OStream &out, const Fault &fault) {
  out.attribute("kind", nameOf(fault.kind));
  out.attribute("kernel", llvm::json::fixUTF8(fault.kernel));
  out.attribute("line", int64_t(fault.line));
  out.attributeArray("block", [&] {
    for (uint32_t at : fault.block)
      out.value(int64_t(at));
  });
  out.attributeArray("thread", [&] {
    for (uint32_t at : fault.thread)
      out.value(int64_t(at));
  });
  out.attribute("text", llvm::json::fixUTF8(fault.text));
  out.attribute("count", int64_t(fault.count));
}

void writeReport(Driver &driver) {
  if (driver.settings.reportPath.empty())
    return;
  std::error_code error;
  llvm::raw_fd_ostream file(driver.settings.reportPath, error);
  if (error) {
    printLine(driver, "cannot write " + driver.settings.reportPath + ": " + error.message());
    return;
  }
  uint64_t leakCount = driver.leakCount, leakBytes = driver.leakBytes;
  for (const auto &[address, allocation] : driver.allocations) {
    if (allocation.isFreePending)
      continue;
    ++leakCount;
    leakBytes += allocation.bytes;
  }
  Report report = driver.machine.report();
  report.faults.insert(report.faults.end(), driver.findings.begin(), driver.findings.end());
  llvm::json::OStream out(file, 2);
  out.object([&] {
    out.attribute("device", "ptxsim sm_" + std::to_string(driver.settings.sm));
    out.attributeObject("kernels", [&] {
      for (const auto &[name, counts] : report.kernels)
        out.attributeObject(llvm::json::fixUTF8(name), [&, &counts = counts] { writeKernel(out, counts); });
    });
    out.attributeArray("faults", [&] {
      for (const Fault &fault : report.faults)
        out.object([&] { writeFault(out, fault); });
    });
    out.attributeObject("leaks", [&] {
      out.attribute("allocations", int64_t(leakCount));
      out.attribute("bytes", int64_t(leakBytes));
    });
    out.attribute("host_reads_of_uninitialised_bytes", int64_t(driver.uninitialisedReads.load()));
    out.attribute("work_never_waited_for", int64_t(driver.pending.size()));
  });
  file << "\n";
}

} // namespace ptxsim
