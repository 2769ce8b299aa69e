#!/usr/bin/env bash
# From a fresh clone to networks at work: sets up, builds, compiles real models and uses them on a picture and some files.
#
#   tools/demo.sh        run it again at any time; what is up to date is left alone
#
# Variables as in tools/setup.sh.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

step "Build" build "$BUILD" -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22

export PYTHONPATH=$BUILD/python${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1
echo "==> Demo: PP-OCRv4 and magika, compiled for this CPU"
"$PYTHON" "$ROOT/tools/demo/demo.py" --models "$BUILD/models" --out "$BUILD/demo" --source "$ROOT"
