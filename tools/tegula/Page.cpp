//===- Page.cpp - The words and tables of the page ------------------------===//
#include "Page.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/StringSaver.h"
#include <cmath>

using namespace llvm;
using namespace tegula;

std::string tegula::escaped(StringRef text) {
  std::string clean;
  for (size_t i = 0; i < text.size(); ++i) {
    StringRef rest = text.drop_front(i);
    bool isControl = static_cast<unsigned char>(text[i]) < ' ' && text[i] != '\t' && text[i] != '\n';
    bool isNoCharacter = rest.starts_with("\xEF\xBF\xBE") || rest.starts_with("\xEF\xBF\xBF"); // U+FFFE, U+FFFF
    if (isControl || isNoCharacter)
      clean += "\xEF\xBF\xBD";
    else
      clean += text[i];
    i += isNoCharacter ? 2 : 0;
  }
  std::string result;
  raw_string_ostream out(result);
  printHTMLEscaped(clean, out);
  return result;
}

double tegula::numberOf(const json::Object &object, StringRef key) {
  double value = object.getNumber(key).value_or(0);
  return std::fabs(value) < 1e30 ? value : 0;
}

std::vector<const json::Object *> tegula::objectsOf(const json::Object &object, StringRef key) {
  std::vector<const json::Object *> objects;
  if (const json::Array *list = object.getArray(key))
    for (const json::Value &value : *list)
      if (const json::Object *entry = value.getAsObject())
        objects.push_back(entry);
  return objects;
}

std::vector<StringRef> tegula::stringsOf(const json::Array *list) {
  std::vector<StringRef> strings;
  if (list)
    for (const json::Value &value : *list)
      if (auto text = value.getAsString())
        strings.push_back(*text);
  return strings;
}

std::string tegula::numberText(double value) {
  double size = std::fabs(value);
  return formatv(size >= 100 || value == 0 ? "{0:f0}" : size >= 10 ? "{0:f1}" : size >= 1 ? "{0:f2}" : "{0:f4}", value);
}

std::string tegula::countText(double value) { return formatv("{0:f0}", value); }

std::string tegula::bytesText(double bytes) {
  return bytes < 1e3   ? formatv("{0:f0} B", bytes).str()
         : bytes < 1e6 ? numberText(bytes / 1e3) + " kB"
                       : numberText(bytes / 1e6) + " MB";
}

StringRef tegula::colourOf(const json::Object &node) {
  double percent = numberOf(node, "roofline_percent");
  if (numberOf(node, "bytes") <= 0)
    return "cn";
  return percent < 25 ? "c0" : percent < 50 ? "c1" : percent < 75 ? "c2" : "c3";
}

void tegula::writeLegend(raw_ostream &out) {
  out << "<p class=\"soft legend\">Share of the roofline:<span class=\"c0\"></span>below 25 %<span "
         "class=\"c1\"></span>25 to "
         "50 %<span class=\"c2\"></span>50 to 75 %<span class=\"c3\"></span>from 75 %<span "
         "class=\"cn\"></span>unknown</p>\n";
}

static void writeCard(raw_ostream &out, StringRef what, const Twine &value, const Twine &more = "") {
  out << "<div class=\"card\"><span>" << what << "</span><b>" << value << "</b><span>" << more << "</span></div>\n";
}

static void writeMeasuredCards(raw_ostream &out, const json::Object &measured) {
  static const json::Object none;
  auto part = [&](StringRef key) -> const json::Object & {
    const json::Object *object = measured.getObject(key);
    return object ? *object : none;
  };
  const json::Object &latency = part("latency_ms"), &memory = part("memory"), &peak = part("machine_peak");
  auto ms = [&](const json::Object &object, StringRef key) { return numberText(numberOf(object, key)); };
  double threads = numberOf(measured, "threads");
  writeCard(out, "latency, p50", ms(latency, "p50") + " ms",
            "min " + ms(latency, "min") + ", p90 " + ms(latency, "p90") + ", p99 " + ms(latency, "p99") + " ms; " +
                countText(numberOf(measured, "runs")) + " runs on " + countText(threads) +
                (threads == 1 ? " thread" : " threads"));
  bool isKnown = measured.getNumber("gflops").has_value();
  writeCard(out, "rate", isKnown ? numberText(numberOf(measured, "gflops")) + " GFLOP/s" : "unknown",
            (isKnown ? numberText(numberOf(measured, "peak_percent")) + " % of " : "extents are dynamic; peak ") +
                numberText(numberOf(peak, "gflops")) + " GFLOP/s measured with " +
                escaped(peak.getString("isa").value_or("?")));
  double tool = numberOf(memory, "tool_resident_bytes");
  writeCard(out, "memory", bytesText(std::max(0.0, numberOf(memory, "peak_resident_bytes") - tool)),
            "resident at most; workspace " + bytesText(numberOf(memory, "workspace_bytes")) + ", weights " +
                bytesText(numberOf(memory, "weight_bytes")) + ", file " +
                bytesText(numberOf(memory, "artifact_bytes")));
  writeCard(out, "start", ms(measured, "load_ms") + " ms to load",
            "create " + ms(measured, "create_ms") + ", first run " + ms(measured, "first_run_ms") + " ms");
}

static void writePorts(raw_ostream &out, const json::Object &compiled, StringRef key) {
  for (const json::Object *port : objectsOf(compiled, key)) {
    std::string dynamic = join(stringsOf(port->getArray("dynamic")), ", ");
    out << "<p>" << key.drop_back() << " <code>" << escaped(port->getString("name").value_or(""))
        << "</code>: " << escaped(port->getString("type").value_or(""));
    if (!dynamic.empty())
      out << ", dynamic: " << escaped(dynamic);
    out << "</p>\n";
  }
}

void tegula::writeSummary(raw_ostream &out, const json::Object *compiled, const json::Object *measured) {
  if (measured) {
    auto [triple, rest] = measured->getString("target").value_or("").split(' ');
    out << "<p class=\"soft\">for " << escaped(triple) << " " << escaped(rest.split(' ').first) << "</p>\n";
  }
  out << "<div class=\"cards\">\n";
  if (measured)
    writeMeasuredCards(out, *measured);
  if (compiled) {
    auto text = [&](StringRef key) { return countText(numberOf(*compiled, key)); };
    writeCard(out, "model", numberText(numberOf(*compiled, "parameters") / 1e6) + " M parameters",
              bytesText(numberOf(*compiled, "parameter_bytes")) + "; " + text("nodes_in_file") + " nodes, IR " +
                  text("ir_version") + ", " + escaped(compiled->getString("producer").value_or("unknown producer")));
    writeCard(out, "compiled", countText(objectsOf(*compiled, "units").size()) + " units",
              "of " + countText(objectsOf(*compiled, "nodes").size()) + " nodes that compute; " +
                  numberText(numberOf(*compiled, "unit_flops") / 1e9) + " GFLOP, workspace " +
                  bytesText(numberOf(*compiled, "workspace_bytes")));
  }
  out << "</div>\n";
  if (!compiled)
    return;
  writePorts(out, *compiled, "inputs");
  writePorts(out, *compiled, "outputs");
}

void tegula::writeTimes(raw_ostream &out, const json::Object &measured) {
  std::vector<const json::Object *> nodes = objectsOf(measured, "nodes");
  auto msOf = [](const json::Object *node) { return numberOf(*node, "ms"); };
  llvm::sort(nodes, [&](auto *x, auto *y) {
    return std::make_tuple(-msOf(x), x->getString("node")) < std::make_tuple(-msOf(y), y->getString("node"));
  });
  double sum = 0;
  for (const json::Object *node : nodes)
    sum += msOf(node);
  double longest = nodes.empty() ? 0 : msOf(nodes.front());
  out << "<p>Nodes that were fused are one row. The longest come first; a click on a heading sorts.</p>\n";
  writeLegend(out);
  out << "<div class=\"scroll\"><table><thead><tr><th>node (operator)</th><th>time</th><th class=\"n\">ms</th>"
         "<th class=\"n\">share</th><th class=\"n\">GFLOP/s</th><th class=\"n\">GB/s</th><th class=\"n\">% "
         "roofline</th>"
         "<th>mark</th></tr></thead><tbody>\n";
  for (const json::Object *node : nodes) {
    bool isKnown = numberOf(*node, "bytes") > 0;
    auto number = [&](StringRef key) { return isKnown ? numberText(numberOf(*node, key)) : "?"; };
    out << "<tr><td class=\"name\">" << escaped(node->getString("node").value_or("")) << " <span class=\"soft\">("
        << escaped(node->getString("op").value_or("")) << ")</span></td><td class=\"time\"><div class=\"bar "
        << colourOf(*node)
        << formatv("\" style=\"width:{0:f1}%\"></div></td>", longest > 0 ? 100 * msOf(node) / longest : 0)
        << formatv("<td class=\"n\">{0:f4}</td><td class=\"n\">{1:f1} %</td>", msOf(node),
                   sum > 0 ? 100 * msOf(node) / sum : 0);
    for (StringRef key : {"gflops", "gbytes_per_s", "roofline_percent"})
      out << "<td class=\"n\">" << number(key) << "</td>";
    out << "<td>"
        << (node->getBoolean("is_slow").value_or(false) ? "<span class=\"mark\">\xE2\x96\xB2 slow</span>" : "")
        << "</td></tr>\n";
  }
  out << "</tbody></table></div>\n<p class=\"soft\">\xE2\x96\xB2 slow: takes a twentieth of the time at less than a "
         "quarter "
         "of the roofline.</p>\n";
}

namespace {
/// What the page says of one node.
struct Fate {
  SetVector<StringRef> partners, reasons, groups; // groups: the units' names as bench has them
  std::string units;
};
} // namespace

static Fate fateOf(const json::Object &node, ArrayRef<const json::Object *> units, StringSaver &saver) {
  Fate fate;
  StringRef name = node.getString("node").value_or("");
  const json::Array *indices = node.getArray("units");
  for (const json::Value &value : indices ? *indices : json::Array()) {
    int64_t index = value.getAsInteger().value_or(-1);
    if (index < 0 || index >= static_cast<int64_t>(units.size()))
      continue;
    fate.units += (fate.units.empty() ? "" : ", ") + std::to_string(index);
    std::vector<StringRef> names = stringsOf(units[index]->getArray("nodes"));
    fate.groups.insert(saver.save(join(names, ", ")));
    for (StringRef other : names)
      if (other != name)
        fate.partners.insert(other);
    // A unit ends with the last of its nodes.
    std::string prefix = indices->size() > 1 ? std::to_string(index) + ": " : "";
    if (!names.empty() && names.back() == name)
      for (StringRef reason : stringsOf(units[index]->getArray("ends_because")))
        fate.reasons.insert(saver.save(prefix + reason));
  }
  for (StringRef reason : stringsOf(node.getArray("real_because")))
    fate.reasons.insert(saver.save("computed with real numbers: " + reason));
  if (fate.units.empty())
    fate.reasons.insert(
        "no code of its own: computed at compile time, part of others, or only another view of its input");
  return fate;
}

void tegula::writeFusion(raw_ostream &out, const json::Object &compiled, const json::Object *measured) {
  BumpPtrAllocator memory;
  StringSaver saver(memory);
  StringMap<double> times;
  for (const json::Object *node : measured ? objectsOf(*measured, "nodes") : std::vector<const json::Object *>())
    times[node->getString("node").value_or("")] += numberOf(*node, "ms");
  std::vector<const json::Object *> nodes = objectsOf(compiled, "nodes"), units = objectsOf(compiled, "units");
  std::vector<Fate> fates;
  for (const json::Object *node : nodes)
    fates.push_back(fateOf(*node, units, saver));
  size_t fused = count_if(fates, [](const Fate &fate) { return !fate.partners.empty(); });
  size_t free = count_if(fates, [](const Fate &fate) { return fate.units.empty(); });
  out << formatv(
             "<p>A unit is code that passes once over its result. Of {0} nodes {1} share a unit with others, and {2} "
             "need "
             "no code of their own. The last column says why the node that ends a unit was not fused with what reads "
             "its result, and why a product of a quantized network is not one of integers.</p>\n",
             nodes.size(), fused, free)
      << "<div class=\"scroll\"><table><thead><tr><th class=\"n\">#</th><th>node "
         "(operator)</th><th>output</th><th>units</th>"
      << (measured ? "<th class=\"n\">ms of its units</th>" : "")
      << "<th>fused with</th><th>why it ends</th></tr></thead>"
      << "<tbody>\n";
  for (auto [index, node, fate] : enumerate(nodes, fates)) {
    double ms = 0;
    for (StringRef group : fate.groups)
      ms += times.lookup(group);
    out << formatv("<tr><td class=\"n\">{0}</td><td class=\"name\">{1} <span class=\"soft\">({2})</span></td>", index,
                   escaped(node->getString("node").value_or("")), escaped(node->getString("op").value_or("")))
        << "<td>" << escaped(join(stringsOf(node->getArray("outputs")), ", ")) << "</td><td>" << fate.units << "</td>";
    if (measured)
      out << "<td class=\"n\">" << (ms > 0 ? formatv("{0:f4}", ms).str() : "") << "</td>";
    out << "<td class=\"name\">" << escaped(join(fate.partners, ", ")) << "</td><td>"
        << escaped(join(fate.reasons, "; ")) << "</td></tr>\n";
  }
  out << "</tbody></table></div>\n";
}
