#!/usr/bin/env bash
# The demo, then every test. Ends with the counts of each part and their sum.
#
#   tools/test.sh                 all parts
#   tools/test.sh PART...         only these parts, without the demo: format house gcc unit lit networks real quantized
#                                 onnx cuda assembled docs shared (the build must be there; `tools/demo.sh` makes it)
#
# Variables as in tools/setup.sh. The logs of the parts are in build/log.
HERE=$(dirname "${BASH_SOURCE[0]}")
PARTS=("$@")
set --
DEMO=skipped
if ((${#PARTS[@]} == 0)); then
  PARTS=(format house unit lit networks real quantized docs onnx cuda assembled gcc shared)
  DEMO=passed
  # In a process of its own: a demo that fails must not keep the tests from running.
  "$HERE/demo.sh" || DEMO=failed
fi
source "$HERE/setup.sh"
export PYTHONPATH=$BUILD/python${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1

TOTAL=(0 0 0)
SUMMARY=()

# add NAME PASSED FAILED SKIPPED
add() {
  SUMMARY+=("$(printf '%-10s %5d passed, %d failed, %d skipped' "$@")")
  TOTAL=($((TOTAL[0] + $2)) $((TOTAL[1] + $3)) $((TOTAL[2] + $4)))
}

# part NAME TITLE COMMAND...: runs a part; its counts are the last line `N passed, N failed, N skipped` of its output, or
# one test where it prints none. A command that fails without a failed test counts as one.
part() {
  local name=$1 counts code=0
  step "${@:2}" || code=1
  counts=$(grep -oE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$STEP_LOG" | tail -n 1 | tr -cd '0-9 ') || true
  read -r -a counts <<<"${counts:-$((1 - code)) $code 0}"
  ((code == 0 || counts[1] > 0)) || counts[1]=1
  printf '    %d passed, %d failed, %d skipped\n' "${counts[@]}"
  add "$name" "${counts[@]}"
}

sources() { git -C "$ROOT" ls-files -co --exclude-standard -- '*.c' '*.h' '*.cpp' | while read -r file; do
  [[ ! -f $ROOT/$file ]] || printf '%s\n' "$ROOT/$file"
done; }

part_format() {
  local files
  mapfile -t files < <(sources)
  part format "Format of ${#files[@]} sources" clang-format-22 --dry-run -Werror "${files[@]}"
}
part_house() { part house "Rules of the house" "$PYTHON" "$ROOT/tools/check-house.py"; }
part_docs() { part docs "Generated documents" "$PYTHON" "$ROOT/tools/docs.py" --build "$BUILD" --check; }

# The second compiler reads sources of the compiler itself, with all warnings, and makes no code of them. Not all, to
# save time: neither the importer and the files beside it, nor those that use NVVM's operations, for whose declarations g++
# needs half a minute each time.
gcc() {
  TARGETS=TegulaPrecompiled build "$BUILD/gcc" -DCMAKE_C_COMPILER=/usr/bin/gcc -DCMAKE_CXX_COMPILER=/usr/bin/g++ \
    -DCMAKE_CXX_FLAGS_RELEASE="-O0 -DNDEBUG" || return
  # Headers that are generated.
  # shellcheck disable=SC2046  # one word a target
  ninja -C "$BUILD/gcc" -j "$JOBS" $(ninja -C "$BUILD/gcc" -t targets all |
    sed -n 's/^\(cmake_object_order_depends_target_[^:]*\): .*/\1/p') || return
  "$PYTHON" - "$BUILD/gcc" "$ROOT" "$JOBS" <<'END'
import json, os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
folder, root, jobs = sys.argv[1:]
PARTS = "compiler/buffer", "compiler/emit", "compiler/graph", "compiler/tile", "dialects", "targets", "tools/tegulac"
parts = tuple(os.path.join(root, part, "") for part in PARTS)
with open(os.path.join(folder, "compile_commands.json")) as file:
    commands = [c for c in json.load(file) if c["file"].startswith(parts) and c["file"].endswith(".cpp")]

def needs_nvvm(path):
    with open(path, encoding="utf-8") as file:
        return "LLVMIR/NVVMDialect.h" in file.read()

commands = [c for c in commands if not needs_nvvm(c["file"])]

def read(command):
    done = subprocess.run(command["command"] + " -fsyntax-only", shell=True, cwd=command["directory"],
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr

with ThreadPoolExecutor(int(jobs)) as pool:
    results = list(pool.map(read, commands))
failed = [text for code, text in results if code]
print("".join(failed), f"{len(commands)} sources")
sys.exit(bool(failed) or not commands)
END
}
part_gcc() { part gcc "g++ reads the compiler's sources, without warnings" gcc; }

unit() {
  local code=0
  rm -f "$BUILD/log/unit.xml"
  ctest --test-dir "$BUILD" -j "$JOBS" --timeout 600 --output-on-failure --no-tests=error \
    --output-junit "$BUILD/log/unit.xml" || code=$?
  # The runner's own counts, from its report.
  "$PYTHON" - "$BUILD/log/unit.xml" <<'END'
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
total, failed = int(suite.get("tests")), int(suite.get("failures"))
skipped = int(suite.get("skipped", 0)) + int(suite.get("disabled", 0))
print(f"{total - failed - skipped} passed, {failed} failed, {skipped} skipped")
END
  return $code
}
part_unit() { part unit "Unit tests" unit; }

run_lit() {
  local code=0
  rm -f "$BUILD/log/lit.json"
  "$BUILD/venv/bin/lit" -v -j "$JOBS" --timeout 300 -o "$BUILD/log/lit.json" "$BUILD/test" || code=$?
  "$PYTHON" - "$BUILD/log/lit.json" <<'END'
import collections, json, sys
codes = collections.Counter(test["code"] for test in json.load(open(sys.argv[1]))["tests"])
passed = codes["PASS"] + codes["XFAIL"] + codes["FLAKYPASS"]
skipped = codes["UNSUPPORTED"] + codes["SKIPPED"] + codes["EXCLUDED"]
print(f"{passed} passed, {sum(codes.values()) - passed - skipped} failed, {skipped} skipped")
END
  return $code
}
part_lit() { part lit "Tests of ops, passes, stages and tools (lit)" run_lit; }

part_networks() {
  part networks "Whole networks with seeded weights" "$PYTHON" "$ROOT/test/models/run_models.py" --out "$BUILD/networks"
}
part_real() {
  part real "Networks with real weights" "$PYTHON" "$ROOT/test/models/real_models.py" --models "$BUILD/models" \
    --out "$BUILD/real"
}
part_quantized() {
  part quantized "What quantizing costs on tasks" "$PYTHON" "$ROOT/test/models/quantized.py" --models "$BUILD/models" \
    --out "$BUILD/quantized"
}
part_onnx() {
  part onnx "ONNX's own node tests" "$PYTHON" "$ROOT/test/onnx/run_onnx.py" --build "$BUILD" --jobs "$JOBS"
}
# Every twelfth of them; `run_onnx.py --device CUDA:sm_75 --kinds node` runs all, in a quarter of an hour.
part_cuda() {
  part cuda "ONNX's node tests on a GPU, or its emulation" "$PYTHON" "$ROOT/test/onnx/run_onnx.py" --build "$BUILD" \
    --jobs "$JOBS" --device CUDA:sm_75 --kinds node --part 1/12
}
# One of the networks with real weights; --models takes any folder of models, such as of the public ones.
part_assembled() {
  part assembled "Kernels of networks through NVIDIA's assembler" "$PYTHON" "$ROOT/test/models/assembled.py" \
    --build "$BUILD" --models "$BUILD/models" --out "$BUILD/assembled" --jobs "$JOBS" --part 2/6
}
part_shared() {
  part shared "Public models, if they lie beside the source" "$PYTHON" "$ROOT/test/models/shared_models.py" \
    --out "$BUILD/shared"
}

case $DEMO in
  passed) add demo 1 0 0 ;;
  failed) add demo 0 1 0 ;;
esac
for name in "${PARTS[@]}"; do
  if ! declare -F "part_$name" >/dev/null; then
    echo "error: no part is named '$name'" >&2
    exit 2
  fi
  "part_$name"
done

echo
printf '%s\n' "${SUMMARY[@]}"
echo "${TOTAL[0]} passed, ${TOTAL[1]} failed, ${TOTAL[2]} skipped"
((TOTAL[1] == 0))
