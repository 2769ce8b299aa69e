//===- QuantizePage.cpp - the report as a page --------------------------------===//
#include "Quantizer.h"
#include "tegula/compiler/emit/Output.h"
#include "tegula/tools/tegula/Command.h"
#include "tegula/tools/tegula/Page.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

static StringRef textOf(const json::Object &object, StringRef key) { return object.getString(key).value_or(""); }

static void writeCard(raw_ostream &out, StringRef title, const Twine &text) {
  out << "<div class=\"card\"><span>" << title << "</span><b>" << text << "</b></div>";
}

static void writeCards(raw_ostream &out, const json::Object &report) {
  const json::Object &error = *report.getObject("error");
  std::map<StringRef, int> decisions;
  for (const json::Object *node : objectsOf(report, "nodes"))
    ++decisions[textOf(*node, "decision")];
  out << "<div class=\"cards\">";
  writeCard(out, "error of the outputs (rms / deviation)", formatv("{0:f2} %", 100 * numberOf(error, "rms")).str());
  writeCard(out, "cosine", formatv("{0:f6}", numberOf(error, "cosine")).str());
  writeCard(out, "rows with the same largest", formatv("{0:f2} %", 100 * numberOf(error, "top1")).str());
  writeCard(out, "samples", countText(numberOf(report, "samples")));
  for (const auto &[decision, count] : decisions)
    writeCard(out, formatv("nodes: {0}", escaped(decision)).str(), Twine(count));
  if (const json::Object *methods = report.getObject("errors_of_methods"))
    for (const auto &[name, value] : *methods)
      writeCard(out, formatv("all ranges by {0}", escaped(StringRef(name))).str(),
                formatv("{0:f2} %", 100 * value.getAsNumber().value_or(0)).str());
  out << "</div>\n";
}

static std::string numberCell(const json::Object &node, StringRef key, double factor = 1) {
  std::optional<double> value = node.getNumber(key);
  return value ? formatv("<td class=\"n\">{0:f2}</td>", *value * factor).str() : "<td class=\"n\"></td>";
}

static std::string rangeCell(const json::Object &node, StringRef key) {
  const json::Array *range = node.getArray(key);
  if (!range || range->size() != 2)
    return "<td></td>";
  return formatv("<td>{0:f4} to {1:f4}</td>", (*range)[0].getAsNumber().value_or(0),
                 (*range)[1].getAsNumber().value_or(0));
}

/// A bar as long as the square root of the share of the largest: errors of one tenth are still to be seen.
static std::string barCell(double value, double largest, StringRef colour) {
  double percent = largest > 0 ? 100 * std::sqrt(value / largest) : 0;
  return formatv("<td class=\"time\"><div class=\"bar {0}\" style=\"width:{1:f1}%\"></div></td>", colour, percent);
}

static void writeNodes(raw_ostream &out, const json::Object &report) {
  std::vector<const json::Object *> nodes = objectsOf(report, "nodes");
  double largest = 0;
  for (const json::Object *node : nodes)
    largest = std::max(largest, numberOf(*node, "error_alone"));
  out << "<div class=\"scroll\"><table><thead><tr><th>node</th><th>operator</th><th>decision</th><th class=\"n\">error "
         "alone, %</th><th></th><th class=\"n\">input, dB</th><th class=\"n\">weights, dB</th><th>range</th>"
         "<th>seen</th><th>tensor</th><th>reason</th></tr></thead><tbody>\n";
  for (const json::Object *node : nodes) {
    StringRef decision = textOf(*node, "decision");
    out << "<tr><td class=\"name\">" << escaped(textOf(*node, "node")) << "</td><td>" << escaped(textOf(*node, "op"))
        << "</td><td>" << escaped(decision) << "</td>" << numberCell(*node, "error_alone", 100)
        << barCell(numberOf(*node, "error_alone"), largest, decision == "float" ? "c0" : "c3")
        << numberCell(*node, "input_snr_db") << numberCell(*node, "weight_snr_db") << rangeCell(*node, "range")
        << rangeCell(*node, "seen") << "<td class=\"name\">" << escaped(textOf(*node, "tensor")) << "</td><td>"
        << escaped(textOf(*node, "reason")) << "</td></tr>\n";
  }
  out << "</tbody></table></div>\n";
}

Error tegula::writeQuantizePage(StringRef path, const json::Object &report) {
  std::string why;
  bool ok = writeFile(path, why, [&](raw_ostream &out) {
    beginPage(out, "Tegula: " + escaped(textOf(report, "model")) + " in " + escaped(textOf(report, "kind")));
    writeCards(out, report);
    out << "<h2>Nodes</h2>\n<p class=\"soft\">Error alone: of the outputs (before a last Softmax or Sigmoid), when "
           "this tensor and the weights that "
           "multiply it are the only ones rounded. Signal to noise of what the node reads and of its weights in dB; "
           "below 20 dB a tenth is noise. Nodes without numbers have nothing that is rounded.</p>\n";
    writeNodes(out, report);
    endPage(out);
  });
  return ok ? Error::success() : fail(Exit::Io, why);
}
