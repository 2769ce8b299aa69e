//===- Plots.cpp - The drawings of the page: roofline and arena -----------===//
#include "Page.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

namespace {
/// Where a plot lies in its drawing, and what its corners stand for.
struct Frame {
  double left = 64, right = 980, top = 16, bottom = 420; // in the drawing
  double x0, x1, y0, y1;                                 // what is drawn

  double x(double value) const { return left + (value - x0) / (x1 - x0) * (right - left); }
  double y(double value) const { return bottom - (value - y0) / (y1 - y0) * (bottom - top); }

  void open(raw_ostream &out, StringRef label, StringRef across, StringRef upwards) const {
    out << formatv("<svg viewBox=\"0 0 1000 470\" role=\"img\" aria-label=\"{0}\">\n", label)
        << formatv("<text x=\"{0:f1}\" y=\"462\" text-anchor=\"middle\">{1}</text>\n", (left + right) / 2, across)
        << formatv("<text transform=\"translate(14 {0:f1}) rotate(-90)\" text-anchor=\"middle\">{1}</text>\n",
                   (top + bottom) / 2, upwards);
  }
  void tickX(raw_ostream &out, double value, StringRef text) const {
    out << formatv("<path class=\"grid\" d=\"M{0:f1} {1:f1}V{2:f1}\"/><text x=\"{0:f1}\" y=\"{3:f1}\" "
                   "text-anchor=\"middle\">{4}</text>\n",
                   x(value), top, bottom, bottom + 18, text);
  }
  void tickY(raw_ostream &out, double value, StringRef text) const {
    out << formatv("<path class=\"grid\" d=\"M{0:f1} {1:f1}H{2:f1}\"/><text x=\"{3:f1}\" y=\"{4:f1}\" "
                   "text-anchor=\"end\">{5}</text>\n",
                   left, y(value), right, left - 6, y(value) + 4, text);
  }
};

/// A node in the roofline plot.
struct Dot {
  const json::Object *node;
  double intensity, gflops, ms; // FLOP/byte
};
} // namespace

static std::string powerText(double power) {
  return power < 0 ? "0." + std::string(static_cast<size_t>(-power) - 1, '0') + "1" : countText(std::pow(10.0, power));
}

/// The roof of one rate, from the left edge up to the peak; in logarithms.
static void writeRoof(raw_ostream &out, const Frame &frame, double gbytes, double peak, StringRef name, bool isUpper) {
  if (gbytes <= 0)
    return;
  double rate = std::log10(gbytes), top = std::log10(peak), ridge = top - rate;
  double begin = std::max(frame.x0, frame.y0 - rate), end = std::min(ridge, frame.x1);
  if (begin >= end)
    return;
  double middle = begin + (end - begin) * 0.45;
  out << formatv("<path class=\"roof{0}\" d=\"M{1:f1} {2:f1}L{3:f1} {4:f1}\"/>\n", isUpper ? "" : " dash",
                 frame.x(begin), frame.y(begin + rate), frame.x(end), frame.y(end + rate))
      << formatv("<text x=\"{0:f1}\" y=\"{1:f1}\" text-anchor=\"{2}\">{3} {4} GB/s</text>\n",
                 frame.x(middle) + (isUpper ? -10 : 10), frame.y(middle + rate) + (isUpper ? -4 : 14),
                 isUpper ? "end" : "start", name, numberText(gbytes));
}

static Frame frameOf(ArrayRef<Dot> dots, double peak, double slowest) {
  double least = std::log10(peak), lowest = least, highest = least - std::log10(slowest);
  least = highest;
  for (const Dot &dot : dots) {
    least = std::min(least, std::log10(dot.intensity));
    highest = std::max(highest, std::log10(dot.intensity));
    lowest = std::min(lowest, std::log10(dot.gflops));
  }
  Frame frame;
  frame.x0 = std::max(-6.0, std::floor(least - 0.1));
  frame.x1 = std::max(frame.x0 + 1, std::ceil(highest + 0.1));
  frame.y0 = std::max(-6.0, std::floor(lowest - 0.1));
  frame.y1 = std::max(frame.y0 + 1, std::log10(peak) + 0.2);
  return frame;
}

void tegula::writeRoofline(raw_ostream &out, const json::Object &measured) {
  const json::Object *machine = measured.getObject("machine_peak");
  double peak = machine ? numberOf(*machine, "gflops") : 0;
  double memory = machine ? numberOf(*machine, "memory_gbytes_per_s") : 0;
  std::vector<Dot> dots;
  double sum = 0;
  size_t count = 0;
  for (const json::Object *node : objectsOf(measured, "nodes")) {
    double flops = numberOf(*node, "flops"), bytes = numberOf(*node, "bytes"), ms = numberOf(*node, "ms");
    sum += ms;
    ++count;
    Dot dot{node, flops / bytes, flops / ms / 1e6, ms};
    if (flops > 0 && bytes > 0 && ms > 0 && std::isfinite(dot.intensity) && std::isfinite(dot.gflops))
      dots.push_back(dot);
  }
  if (peak <= 0 || memory <= 0) {
    out << "<p class=\"lack\">The peaks of the machine were not measured.</p>\n";
    return;
  }
  out << formatv(
      "<p>A dot is a node; its area is its share of the time. {0} of {1} nodes only move data, or their work is "
      "not known, and are not drawn.</p>\n",
      count - dots.size(), count);
  writeLegend(out);
  Frame frame = frameOf(dots, peak, memory);
  frame.open(out, "roofline", "FLOP per byte", "GFLOP/s");
  for (double power = frame.x0; power <= frame.x1; ++power)
    frame.tickX(out, power, powerText(power));
  for (double power = frame.y0; power <= frame.y1; ++power)
    frame.tickY(out, power, powerText(power));
  double top = std::log10(peak), fastest = std::max(memory, numberOf(*machine, "cache_gbytes_per_s"));
  out << formatv("<path class=\"roof\" d=\"M{0:f1} {1:f1}H{2:f1}\"/>\n",
                 frame.x(std::max(frame.x0, top - std::log10(fastest))), frame.y(top), frame.right)
      << formatv("<text x=\"{0:f1}\" y=\"{1:f1}\" text-anchor=\"end\">peak {2} GFLOP/s</text>\n", frame.right - 6,
                 frame.y(top) - 6, numberText(peak));
  writeRoof(out, frame, numberOf(*machine, "cache_gbytes_per_s"), peak, "caches", true);
  writeRoof(out, frame, memory, peak, "memory", false);
  // Small ones on top.
  llvm::sort(dots,
             [](const Dot &x, const Dot &y) { return std::tie(y.ms, x.intensity) < std::tie(x.ms, y.intensity); });
  for (const Dot &dot : dots)
    out << formatv("<circle class=\"dot {0}\" cx=\"{1:f1}\" cy=\"{2:f1}\" r=\"{3:f1}\">", colourOf(*dot.node),
                   frame.x(std::clamp(std::log10(dot.intensity), frame.x0, frame.x1)),
                   frame.y(std::clamp(std::log10(dot.gflops), frame.y0, frame.y1)), 3 + 25 * std::sqrt(dot.ms / sum))
        << formatv(
               "<title>{0} ({1}): {2} GFLOP/s at {3} FLOP/byte, {4:f4} ms, {5} % of the roofline</title></circle>\n",
               escaped(dot.node->getString("node").value_or("")), escaped(dot.node->getString("op").value_or("")),
               numberText(dot.gflops), numberText(dot.intensity), dot.ms,
               numberText(numberOf(*dot.node, "roofline_percent")));
  out << "</svg>\n";
}

namespace {
/// A place of the arena, in use from step `first` to step `last`.
struct Place {
  double offset, bytes;
  size_t first, last;
};

struct Arena {
  std::vector<std::string> steps; // the nodes of each
  std::vector<Place> places;
  std::vector<double> live; // bytes in use at each step
};
} // namespace

static Arena arenaOf(const json::Object &compiled) {
  Arena arena;
  if (const json::Array *steps = compiled.getArray("steps"))
    for (const json::Value &step : *steps) {
      std::string nodes = escaped(join(stringsOf(step.getAsArray()), ", "));
      arena.steps.push_back(nodes.empty() ? "a copy" : nodes);
    }
  arena.live.resize(arena.steps.size());
  for (const json::Object *buffer : objectsOf(compiled, "buffers")) {
    double first = numberOf(*buffer, "first"), last = numberOf(*buffer, "last"), bytes = numberOf(*buffer, "bytes");
    if (!(first >= 0 && first <= last && last < static_cast<double>(arena.steps.size()) && bytes > 0))
      continue;
    arena.places.push_back({numberOf(*buffer, "offset"), bytes, static_cast<size_t>(first), static_cast<size_t>(last)});
    for (size_t i = arena.places.back().first; i <= arena.places.back().last; ++i)
      arena.live[i] += bytes;
  }
  return arena;
}

/// The largest buffers in use at step `when`.
static void writeLargest(raw_ostream &out, const Arena &arena, size_t when) {
  std::vector<Place> alive;
  copy_if(arena.places, std::back_inserter(alive),
          [&](const Place &place) { return place.first <= when && when <= place.last; });
  llvm::sort(alive,
             [](const Place &x, const Place &y) { return std::tie(y.bytes, x.offset) < std::tie(x.bytes, y.offset); });
  out << formatv("<p>The largest of the {0} buffers in use at step {1}:</p>\n", alive.size(), when)
      << "<div class=\"scroll\"><table><thead><tr><th class=\"n\">MB</th><th class=\"n\">from step</th><th "
         "class=\"n\">to step"
         "</th><th>first written by</th></tr></thead><tbody>\n";
  for (const Place &place : ArrayRef(alive).take_front(8))
    out << formatv(
        "<tr><td class=\"n\">{0:f3}</td><td class=\"n\">{1}</td><td class=\"n\">{2}</td><td class=\"name\">{3}</td>"
        "</tr>\n",
        place.bytes / 1e6, place.first, place.last, arena.steps[place.first]);
  out << "</tbody></table></div>\n";
}

void tegula::writeMemory(raw_ostream &out, const json::Object &compiled) {
  double workspace = numberOf(compiled, "workspace_bytes");
  Arena arena = arenaOf(compiled);
  if (arena.places.empty() || workspace <= 0) {
    out << "<p class=\"lack\">"
        << (compiled.getArray("buffers") ? "No buffer of known size lives between units."
                                         : "The compiler's report does not say where buffers live; write it anew.")
        << "</p>\n";
    return;
  }
  size_t when = max_element(arena.live) - arena.live.begin();
  out << formatv(
      "<p>An arena of {0} holds all results between units; at most {1} are in use at once, at step {2} "
      "(<code>{3}</code>). A box is a buffer: its place in the arena, and the steps from its first to its last "
      "use. The line is what is in use. Inputs, outputs, weights and buffers whose size is known at run time only "
      "lie elsewhere.</p>\n",
      bytesText(workspace), bytesText(arena.live[when]), when, arena.steps[when]);
  Frame frame;
  frame.x0 = frame.y0 = 0;
  frame.x1 = static_cast<double>(arena.steps.size());
  frame.y1 = workspace / 1e6;
  frame.open(out, "memory over time", "steps of a run: units, and copies between them", "MB");
  for (int i = 0; i <= 4; ++i)
    frame.tickY(out, frame.y1 * i / 4, numberText(frame.y1 * i / 4));
  for (size_t i = 0, step = std::max<size_t>(1, arena.steps.size() / 10); i < arena.steps.size(); i += step)
    frame.tickX(out, static_cast<double>(i), std::to_string(i));
  for (auto [index, place] : enumerate(arena.places)) {
    double left = frame.x(static_cast<double>(place.first)), right = frame.x(static_cast<double>(place.last + 1));
    double above = frame.y((place.offset + place.bytes) / 1e6), below = frame.y(place.offset / 1e6);
    out << formatv("<rect class=\"place\" x=\"{0:f1}\" y=\"{1:f1}\" width=\"{2:f1}\" height=\"{3:f1}\" "
                   "style=\"fill:hsl({4},38%,58%)\">",
                   left, above, right - left, below - above, 47 * index % 360)
        << formatv("<title>{0} at {1}, steps {2} to {3}: {4}</title></rect>\n", bytesText(place.bytes),
                   bytesText(place.offset), place.first, place.last, arena.steps[place.first]);
  }
  out << "<path class=\"live\" d=\"";
  for (auto [step, bytes] : enumerate(arena.live))
    out << formatv("{0}{1:f1} {2:f1}H{3:f1}", step ? "L" : "M", frame.x(static_cast<double>(step)),
                   frame.y(bytes / 1e6), frame.x(static_cast<double>(step + 1)));
  out << "\"/>\n</svg>\n";
  writeLargest(out, arena, when);
}
