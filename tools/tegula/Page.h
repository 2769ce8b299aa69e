//===- Page.h - The sections of the page that `tegula report` writes -------*- C++ -*-===//
//
// What is written is HTML that is also well-formed XML. All text from a model goes through `escaped`.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_TEGULA_PAGE_H
#define TEGULA_TOOLS_TEGULA_PAGE_H

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace tegula {

/// Text for elements and attributes; a control character, which HTML cannot hold, becomes U+FFFD.
std::string escaped(llvm::StringRef text);

/// The number of that name; 0 if there is none, or one beyond all that is counted here (so that sums stay finite).
double numberOf(const llvm::json::Object &object, llvm::StringRef key);

/// The objects of a list, those that are none left out.
std::vector<const llvm::json::Object *> objectsOf(const llvm::json::Object &object, llvm::StringRef key);

/// The strings of a list.
std::vector<llvm::StringRef> stringsOf(const llvm::json::Array *list);

/// "12.3": three digits that count, below 1 four after the point. countText: a whole number.
std::string numberText(double value);
std::string countText(double value);

/// "1.23 MB"
std::string bytesText(double bytes);

/// The class that colours what runs at `percent` of the roofline: "c0" (below a quarter) to "c3", "cn" if unknown.
llvm::StringRef colourOf(const llvm::json::Object &node);

/// The begin of a page with its style, and its end; `title` is escaped already. A click on a table's head sorts it:
/// class "n" marks columns of numbers.
void beginPage(llvm::raw_ostream &out, const llvm::Twine &title);
void endPage(llvm::raw_ostream &out);

/// A legend of these classes.
void writeLegend(llvm::raw_ostream &out);

// Of `measured`, what bench writes.
void writeSummary(llvm::raw_ostream &out, const llvm::json::Object *compiled, const llvm::json::Object *measured);
void writeTimes(llvm::raw_ostream &out, const llvm::json::Object &measured);
void writeRoofline(llvm::raw_ostream &out, const llvm::json::Object &measured);

// Of `compiled`, what the compiler writes.
void writeMemory(llvm::raw_ostream &out, const llvm::json::Object &compiled);
void writeFusion(llvm::raw_ostream &out, const llvm::json::Object &compiled, const llvm::json::Object *measured);

} // namespace tegula

#endif // TEGULA_TOOLS_TEGULA_PAGE_H
