//===- Report.cpp - tegula report -----------------------------------------===//
#include "Report.h"
#include "Arguments.h"
#include "Command.h"
#include "Page.h"
#include "tegula/compiler/emit/Output.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace tegula;

static constexpr char style[] = R"(
:root{--paper:#fff;--ink:#1b1f24;--soft:#626b76;--line:#d8dde3;--tint:#f4f6f8;--c0:#c8401b;--c1:#e39a26;--c2:#6fa8d6;
--c3:#1f6aa5;--cn:#9aa3ad}
@media (prefers-color-scheme:dark){:root{--paper:#15181c;--ink:#e5e8eb;--soft:#9aa3ad;--line:#363c44;--tint:#1e2228;
--c0:#e8653f;--c1:#e9ad4a;--c2:#5b93c0;--c3:#4aa3e8;--cn:#737c87}}
body{font:15px/1.5 system-ui,sans-serif;background:var(--paper);color:var(--ink);max-width:1200px;margin:2em auto;
padding:0 1.2em}
h1{font-size:1.5em;margin:0}h2{font-size:1.15em;margin:2.2em 0 .4em;border-bottom:1px solid var(--line)}
p{margin:.4em 0}.soft,.lack{color:var(--soft)}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));gap:.7em;margin:1em 0}
.card{background:var(--tint);border-radius:6px;padding:.5em .8em}.card b{display:block;font-size:1.25em}
.card span{color:var(--soft);font-size:.87em}
.scroll{overflow:auto;max-height:75vh}table{border-collapse:collapse;width:100%;font-size:.87em}
th{position:sticky;top:0;background:var(--paper);text-align:left;cursor:pointer;border-bottom:1px solid var(--ink)}
th,td{padding:.2em .6em;vertical-align:top}td{border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.name{overflow-wrap:anywhere;min-width:16em}td.time{min-width:9em;width:26%}.bar{height:1em;min-width:1px;border-radius:2px}
.mark{color:var(--c0);font-weight:600;white-space:nowrap}
.c0{background:var(--c0);fill:var(--c0)}.c1{background:var(--c1);fill:var(--c1)}.c2{background:var(--c2);fill:var(--c2)}
.c3{background:var(--c3);fill:var(--c3)}.cn{background:var(--cn);fill:var(--cn)}
.legend span{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 1em}
svg{width:100%;height:auto;max-width:1100px}svg text{fill:var(--ink);font:12px system-ui,sans-serif}
.grid{stroke:var(--line)}.roof{stroke:var(--ink);fill:none;stroke-width:1.5}.dash{stroke-dasharray:5 4}
.dot{fill-opacity:.75;stroke:var(--paper)}.place{fill-opacity:.8;stroke:var(--paper);stroke-width:.5}
.live{stroke:var(--c0);fill:none;stroke-width:1.5}
)";

/// Sorts a table by the column that is clicked: numbers downwards, words upwards. Free of what XML would escape.
static constexpr char script[] = R"(
document.querySelectorAll('th').forEach(function (head) {
  head.addEventListener('click', function () {
    var body = head.closest('table').tBodies[0], column = head.cellIndex, isNumber = head.className == 'n';
    function key(row) {
      var text = row.cells[column].textContent;
      return isNumber ? parseFloat(text) || 0 : text;
    }
    Array.from(body.rows).sort(function (x, y) {
      return isNumber ? key(y) - key(x) : key(x).localeCompare(key(y));
    }).forEach(function (row) { body.appendChild(row); });
  });
});
)";

void tegula::beginPage(raw_ostream &out, const Twine &title) {
  out << "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
      << "<meta name=\"viewport\" content=\"width=device-width\"/><title>" << title << "</title><style>" << style
      << "</style></head><body>\n<h1>" << title << "</h1>\n";
}

void tegula::endPage(raw_ostream &out) { out << "<script>" << script << "</script>\n</body></html>\n"; }

static void writePage(raw_ostream &out, const json::Object *compiled, const json::Object *measured) {
  StringRef model = measured ? measured->getString("model").value_or("") : "";
  beginPage(out, "Tegula" + (model.empty() ? "" : ": " + escaped(model)));
  writeSummary(out, compiled, measured);
  out << "<h2>Time per node</h2>\n";
  if (measured)
    writeTimes(out, *measured);
  else
    out << "<p class=\"lack\">Not measured. <code>tegula bench ARTIFACT --json</code> measures; give its output with "
           "<code>--bench</code>.</p>\n";
  if (measured) {
    out << "<h2>Roofline</h2>\n";
    writeRoofline(out, *measured);
  }
  out << "<h2>Memory over time</h2>\n";
  if (compiled)
    writeMemory(out, *compiled);
  else
    out << "<p class=\"lack\">What the compiler decided is not here. <code>tegulac MODEL --emit=report -o "
           "compiled.json</code> writes it, with the options that the artifact was compiled with, and <code>tegula "
           "report compiled.json --bench bench.json -o page.html</code> shows both.</p>\n";
  if (compiled) {
    out << "<h2>Nodes and units</h2>\n";
    writeFusion(out, *compiled, measured);
  }
  endPage(out);
}

Error tegula::writeReport(StringRef path, const json::Object *compiled, const json::Object *measured) {
  std::string why;
  bool ok = writeFile(path, why, [&](raw_ostream &out) { writePage(out, compiled, measured); });
  return ok ? Error::success() : fail(Exit::Io, why);
}

/// Reads a JSON file that has all of `lists`; `writer` is the command that makes such files.
static Expected<json::Value> readJson(StringRef path, ArrayRef<StringRef> lists, StringRef writer) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> file = MemoryBuffer::getFile(path);
  if (!file)
    return fail(Exit::Io, path + ": " + file.getError().message());
  Expected<json::Value> value = json::parse((*file)->getBuffer());
  if (!value)
    return fail(Exit::Io, path + ": " + toString(value.takeError()));
  const json::Object *object = value->getAsObject();
  for (StringRef list : lists)
    if (!object || !object->getArray(list))
      return fail(Exit::Io, path + ": not what " + writer + " writes: it has no list '" + list + "'");
  return value;
}

/// Refuses measurements of another model: they share no unit with what was compiled.
static Error checkSame(StringRef compiledPath, const json::Object &compiled, StringRef path,
                       const json::Object &measured) {
  StringSet<> units;
  for (const json::Object *unit : objectsOf(compiled, "units"))
    units.insert(join(stringsOf(unit->getArray("nodes")), ", "));
  std::vector<const json::Object *> nodes = objectsOf(measured, "nodes");
  if (nodes.empty() ||
      any_of(nodes, [&](const json::Object *node) { return units.contains(node->getString("node").value_or("")); }))
    return Error::success();
  return fail(Exit::Model, path + ": measures another model than " + compiledPath + " tells of: no node is in both");
}

Error tegula::reportCommand(ArrayRef<StringRef> words) {
  OptionSpec specs[] = {{"bench", "BENCH.json", "what 'tegula bench --json' measured, for times and the roofline"},
                        {"o", "FILE", "the page, one HTML file that needs no other (- is standard output)"}};
  Expected<Arguments> arguments =
      Arguments::parse("report COMPILED.json [--bench BENCH.json] -o PAGE.html", specs, words);
  if (!arguments || arguments->isHelp)
    return arguments.takeError();
  Expected<StringRef> path = arguments->only("report of the compiler (tegulac MODEL --emit=report)");
  if (!path)
    return path.takeError();
  StringRef page = arguments->get("o"), bench = arguments->get("bench");
  if (page.empty())
    return fail(Exit::Usage, "-o: expected the page to write; see --help");
  Expected<json::Value> compiled = readJson(*path, {"nodes", "units"}, "tegulac --emit=report");
  if (!compiled)
    return compiled.takeError();
  if (bench.empty())
    return writeReport(page, compiled->getAsObject(), nullptr);
  Expected<json::Value> measured = readJson(bench, {"nodes"}, "tegula bench --json");
  if (!measured)
    return measured.takeError();
  if (!measured->getAsObject()->getObject("latency_ms"))
    return fail(Exit::Io, bench + ": not what tegula bench --json writes: it has no 'latency_ms'");
  if (Error error = checkSame(*path, *compiled->getAsObject(), bench, *measured->getAsObject()))
    return error;
  return writeReport(page, compiled->getAsObject(), measured->getAsObject());
}
