//===- ProgressLine.h - how far a tool has come ---------------------------------------===//
//
// Shared by the tools; header-only, so that the companion tool stays free of the compiler's libraries.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PROGRESSLINE_H
#define TEGULA_TOOLS_PROGRESSLINE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <mutex>

namespace tegula {

/// Steps of a tool on standard error. "auto": on a terminal one line that is rewritten, and gone at the end; nothing
/// elsewhere. "plain": one line a finished step. "none": nothing. Thread-safe.
class ProgressLine {
public:
  ProgressLine(llvm::StringRef tool, llvm::StringRef mode)
      : tool(tool), isPlain(mode == "plain"),
        isLive(mode == "auto" && llvm::sys::Process::StandardErrIsDisplayed() && !isDumb()) {}
  ~ProgressLine() { clear(); }

  bool isShown() const { return isPlain || isLive; }

  /// Step `number` of `count`. The times are those since the step before it ended.
  void show(int number, int count, llvm::StringRef name, llvm::StringRef detail, bool isDone) {
    std::lock_guard<std::mutex> lock(mutex);
    auto now = Clock::now();
    std::string text = llvm::formatv("{0}: [{1}/{2}] {3}{4}{5}, {6:f2} s", tool, number, count, name,
                                     detail.empty() ? "" : ": ", detail, seconds(start, now));
    if (isDone)
      start = now;
    if (isPlain && isDone)
      llvm::errs() << text << "\n";
    if (isPlain || !isLive || (!isDone && seconds(drawn, now) < 0.05))
      return;
    drawn = now;
    llvm::errs() << "\r" << llvm::StringRef(text).take_front(79) << "\x1b[K";
    isDrawn = true;
  }

  /// Takes the live line away, before other text is printed.
  void clear() {
    std::lock_guard<std::mutex> lock(mutex);
    if (isDrawn)
      llvm::errs() << "\r\x1b[K";
    isDrawn = false;
  }

private:
  using Clock = std::chrono::steady_clock;
  static double seconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  }
  /// Whether the terminal cannot erase a line.
  static bool isDumb() {
    std::optional<std::string> term = llvm::sys::Process::GetEnv("TERM");
    return !term || *term == "dumb";
  }

  llvm::StringRef tool;
  bool isPlain, isLive, isDrawn = false;
  Clock::time_point start = Clock::now(), drawn = start;
  std::mutex mutex;
};

} // namespace tegula

#endif
