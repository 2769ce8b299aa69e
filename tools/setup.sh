#!/usr/bin/env bash
# Installs what the build needs: Debian's packages, a Python environment (build/venv) and the ONNX library (build/deps).
#
#   tools/setup.sh        does only what is missing; run it again at any time
#
# TEGULA_BUILD (default: build) is the folder for all outputs, TEGULA_JOBS (default: all cores) the parallelism. Logs go
# to build/log. demo.sh and test.sh source this file, and use its functions.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${TEGULA_BUILD:-$ROOT/build}
JOBS=${TEGULA_JOBS:-$(nproc)}
LOGS=$BUILD/log
PYTHON=$BUILD/venv/bin/python
ONNX_VERSION=1.23.2
PACKAGES="libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools lld-22 liblld-22-dev clang-22 clang-format-22
  libprotobuf-dev protobuf-compiler libgtest-dev libbenchmark-dev ninja-build ccache cmake g++ python3-venv git valgrind file
  zlib1g-dev libzstd-dev libclc-22 libclang-rt-22-dev libminizip-dev
  qemu-user libc6-dev-arm64-cross libgcc-12-dev-arm64-cross libc6-dev-riscv64-cross libgcc-12-dev-riscv64-cross"

# step TITLE COMMAND...: runs a command with its output in a log ($STEP_LOG), shows the log's last line every ten seconds,
# and what it calls errors and its end when the command fails.
step() {
  local title=$1 log begin=$SECONDS next=$((SECONDS + 10)) pid
  shift
  log=$LOGS/$(tr -cs '[:alnum:]' '-' <<<"$title" | sed 's/^-*//; s/-*$//' | tr '[:upper:]' '[:lower:]').log
  STEP_LOG=$log
  printf '==> %s\n' "$title"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS >= next)); then
      next=$((SECONDS + 10))
      printf '    %3d s  %s\n' $((SECONDS - begin)) "$(tail -n 1 "$log" | cut -c 1-100)"
    fi
  done
  if wait "$pid"; then
    printf '    done in %d s\n' $((SECONDS - begin))
    return 0
  fi
  printf '    FAILED after %d s; errors in, and the end of, %s:\n' $((SECONDS - begin)) "$log"
  { grep -iE '(error|fatal): |no space left' "$log" | head -n 10 || true; tail -n 40 "$log"; } | sed 's/^/    | /'
  return 1
}

# stamped NAME KEY: whether the part NAME was finished with this KEY. stamp NAME KEY: it now is.
stamped() { [[ -f $BUILD/deps/$1.stamp && $(<"$BUILD/deps/$1.stamp") == "$2" ]]; }
stamp() { printf '%s\n' "$2" >"$BUILD/deps/$1.stamp"; }

missing_packages() {
  local package
  for package in $PACKAGES; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
  done
}

install_packages() {
  local sudo=
  ((EUID == 0)) || sudo=sudo
  $sudo apt-get update -q
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# Debian's own python3 where it can make environments, so that the result does not depend on the user's shell.
make_environment() {
  local python=/usr/bin/python3
  "$python" -c 'import ensurepip, venv' 2>/dev/null || python=python3
  # One that works is brought up to date in place: somebody may be using it.
  if ! "$PYTHON" -m pip --version >/dev/null 2>&1; then
    rm -rf "$BUILD/venv"
    "$python" -m venv "$BUILD/venv"
  fi
  "$PYTHON" -m pip install --disable-pip-version-check --progress-bar off -r "$ROOT/tools/requirements.txt"
  # NVIDIA's assembler, where tegulac looks for it.
  mkdir -p "$BUILD/bin"
  local packages
  packages=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
  ln -sfn "$packages/nvidia/cuda_nvcc/bin/ptxas" "$BUILD/bin/ptxas"
}

# The source comes with ONNX's Python package; only it may not be taken as a wheel, its build tools may.
build_onnx() {
  local work=$BUILD/deps/onnx-build
  rm -rf "$work"
  mkdir -p "$work/source"
  "$PYTHON" -m pip download --disable-pip-version-check --progress-bar off --no-deps --no-binary onnx -d "$work" \
    "onnx==$ONNX_VERSION"
  tar -xzf "$work/onnx-$ONNX_VERSION.tar.gz" -C "$work/source" --strip-components=1
  "$BUILD/venv/bin/cmake" -G Ninja -S "$work/source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" -DCMAKE_CXX_COMPILER=/usr/bin/g++ -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
    -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF -DONNX_ML=ON -DONNX_BUILD_PYTHON=OFF \
    -DONNX_BUILD_TESTS=OFF -DONNX_USE_PROTOBUF_SHARED_LIBS=ON -DCMAKE_INSTALL_PREFIX="$BUILD/deps/onnx"
  ninja -C "$work/build" -j "$JOBS" install
  rm -rf "$work"
}

# build FOLDER CMAKE-OPTIONS...: configures once, and builds; a warning is an error.
build() {
  local folder=$1
  shift
  if [[ ! -f $folder/build.ninja ]]; then
    /usr/bin/cmake -G Ninja -S "$ROOT" -B "$folder" -DCMAKE_BUILD_TYPE=Release -DTEGULA_DEPS="$BUILD/deps" \
      -DCMAKE_COMPILE_WARNING_AS_ERROR=ON "$@" || return
  fi
  # shellcheck disable=SC2086  # one word a target
  ninja -C "$folder" -j "$JOBS" ${TARGETS:-}
}

setup() {
  local missing key lock
  mkdir -p "$LOGS" "$BUILD/deps"
  # One at a time: two would delete each other's work in build/deps.
  exec {lock}>"$BUILD/deps/lock"
  if ! flock -n "$lock"; then
    echo "==> Waiting for another set-up of this folder"
    flock "$lock"
  fi
  if ! command -v dpkg-query >/dev/null; then
    echo "error: this is not a Debian system; install the equivalents of: $PACKAGES" >&2
    return 1
  fi
  missing=$(missing_packages)
  if [[ -n $missing ]]; then
    # shellcheck disable=SC2086  # one word a package
    step "Debian packages: $(wc -w <<<"$missing") to install" install_packages $missing
  fi
  key=$(sha256sum <"$ROOT/tools/requirements.txt")
  if ! stamped venv "$key" || [[ ! -x $PYTHON ]]; then
    step "Python environment" make_environment
    stamp venv "$key"
  fi
  key="onnx $ONNX_VERSION, protobuf $(dpkg-query -W -f '${Version}' libprotobuf-dev), O2"
  if ! stamped onnx "$key" || [[ ! -f $BUILD/deps/onnx/lib/libonnx.a ]]; then
    step "ONNX library $ONNX_VERSION" build_onnx
    stamp onnx "$key"
  fi
  exec {lock}>&-
  echo "==> Set-up is complete"
}

setup
