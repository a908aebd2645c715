#!/usr/bin/env bash
# Builds dynakernel. `./build.sh --help` lists the targets.
set -euo pipefail
export LC_ALL=C # files sort in the same order on every machine

cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat << 'EOF'
usage: ./build.sh [--force] [TARGET...]

  release   the shipped files: dist/dynakernel-{baseline,relaxed}[-threads].wasm, dist/*.js and dist/types/
            (the default)
  wasm      of those, the WebAssembly only
  bundle    of those, the JavaScript only: wrapper.js and others with the entries index.js, beside the WebAssembly and
            the worker, inline.js, with the WebAssembly inside, dite-hrnet.js, worker.js and serve.js
  types     of those, the TypeScript declarations only
  debug     baseline and relaxed without threads, with debug information and assertions, in build/debug/
  check     tests/native/*.c with the library, as WASI programs, in build/check/
  native    the same programs for this machine under AddressSanitizer and UBSan, and one with threads under
            ThreadSanitizer, all with assertions, in build/native/
  measured  the same programs for this machine with counters for clang's coverage, in build/measured/ (npm run coverage)
  fit       baseline with the planner's constants as variables, for `npm run bench -- --planner --fit`, in build/fit/
  named     the modules without threads with their functions' names, for `npm run bench -- --pairs`, in build/named/
  clean     removes dist/ and build/ (not .toolchain/, the private Emscripten)
  peak      the loop that the benchmark measures the processor's peak with, in dist/bench/; wasm builds it too, packages
            leave it out

  --force   builds again even when no source has changed
  --help    prints this

Emscripten: install emsdk, then `emcc` on PATH or $EMSDK. Without it, Debian machines get a private copy in .toolchain/.
The native target takes $CC, else clang, else gcc, and SIMDe (scripts/simde.sh); measured takes clang and SIMDe.
The exit status is 1 for a failure, 2 if the native or the measured target lacks a tool.
EOF
}

fail() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }
missing() { printf 'build.sh: %s\n' "$*" >&2; exit 2; }

mapfile -t sources < <(find src -name '*.c' | sort)
mapfile -t headers < <(find src -name '*.h' | sort)
threads=tests/native/threads.c # WASI has no threads: built for this machine only
mapfile -t programs < <(grep -lE '^int main\(' tests/native/*.c 2>/dev/null | grep -vxF "$threads")
mapfile -t shared < <(grep -LE '^int main\(' tests/native/*.c 2>/dev/null) # linked into every program

# --- flags ------------------------------------------------------------------------------------------------------------

common=(
  -std=c11                # the sources are C11, with attributes and pragmas that clang and gcc know
  -ffp-contract=off       # a*b+c is fused only if the source says so: every compiler gives the same numbers
  -Wall -Wextra -Werror   # a warning is an error
  -Wshadow                # readers mistake an inner name for the outer name that it hides
  -Wpointer-arith         # arithmetic on void pointers is an extension of gcc
  -Wstrict-prototypes     # f() takes any arguments in C11; f(void) takes none
  -Wmissing-prototypes    # every function is static, or a header declares it
  -Wundef                 # #if reads a misspelt macro as 0
  -Wvla                   # workspaces are allocated: a caller never decides the length of an array on the stack
  -Wconversion            # a conversion to a narrower number needs a cast
  -Wno-sign-conversion    # 500 places multiply an int32_t with a size_t; all are checked for overflow before
  -Wno-shorten-64-to-32   # sizes are uint64_t until a check shows that they fit (round_up in sizes.h)
  -Wno-enum-float-conversion # constants are enums, including those of costs
  -Wno-unknown-pragmas    # the loop pragmas are for LLVM's WebAssembly; gcc does not know them
  -Isrc                   # includes name the folder: "convolution/mixing.h"
  "-ffile-prefix-map=$PWD=." # no path of this machine in the output
)
# shellcheck disable=SC2034 # the two are used by name
simd_baseline=(
  -msimd128               # 128-bit SIMD: every engine since 2021 (Safari: 2023)
)
# shellcheck disable=SC2034
simd_relaxed=(
  -msimd128
  -mrelaxed-simd          # fused multiply-add if the processor has it
)
module=(
  -sSTRICT                # no deprecated behaviour, no implicit settings
  -sERROR_ON_UNDEFINED_SYMBOLS # a missing function fails here, not in the browser
  -sALLOW_MEMORY_GROWTH   # memory grows with the images
  -sABORTING_MALLOC=0     # malloc returns NULL if memory cannot grow; the caller reports it
  -sMALLOC=emmalloc       # the small allocator: allocations are few and large
)
standalone=(
  -sSTANDALONE_WASM       # needs no generated JavaScript: the wrapper is written by hand
  -sPURE_WASI             # imports only WASI; the library itself imports nothing
  -sMAXIMUM_MEMORY=2GB    # every address fits a signed 32-bit integer
)
# shellcheck disable=SC2054
threaded=(
  -matomics               # the threads of src/base/parallel.c
  -mbulk-memory           # the first instance fills the shared memory, once
  -sSHARED_MEMORY         # the instances of all workers share one memory
  -sIMPORTED_MEMORY       # the wrapper makes that memory
  -sMAXIMUM_MEMORY=1GB    # phones reserve all of it; if that fails, the wrapper asks for less
  --oformat=bare          # the module alone; the wrapper starts it and its workers by hand
  -Wno-experimental       # emcc still calls the bare format experimental
  -Wno-pthreads-mem-growth # growth slows views in generated JavaScript; this build has none
  -Wl,--export=__stack_pointer # the wrapper gives each worker its own stack
  -Wl,--strip-all         # no names of functions; emcc drops them from the other builds by itself
)
library=(
  --no-entry              # a library: no main
  -sINITIAL_MEMORY=256KB  # static data and stack; the rest grows on demand
  -sSTACK_SIZE=64KB       # no large arrays live on the stack
)
asserting=(
  -DDK_ASSERTS            # checks the conditions that comments demand of callers (src/base/assert.h)
)
program=(
  -sINITIAL_MEMORY=64MB   # no check waits for memory to grow
  -sSTACK_SIZE=1MB        # checks keep their small arrays there
)
optimised=(
  -O2                     # as fast as -O3; -O3 unrolls more and makes the code an eighth larger
  -fno-vectorize -fno-slp-vectorize # hot code is vectorised by hand; the rest would only grow by a fortieth
  -mllvm -unroll-runtime=0          # nor unrolled: loops whose length is a constant still are,
  -mllvm -unroll-allow-partial=0    # and the others would only grow by an eightieth
)
# shellcheck disable=SC2054
compact=(                 # emcc runs wasm-opt on the builds without threads only: the others are of the bare format
  -sBINARYEN_EXTRA_PASSES=--ssa-nomerge,--merge-locals,-O2 # new locals, in a second pass: a 150th smaller gzipped
)
named=(
  --profiling-funcs       # names of functions; the code is that of the shipped module
)
debuggable=(
  -O1                     # readable, and each intrinsic is still one instruction
  -g                      # names and lines for the browser's debugger
)
# shellcheck disable=SC2054
sanitized=(
  -O1 -g -fno-omit-frame-pointer # quick enough, with whole stack traces
  -fsanitize=address,undefined   # out-of-bounds, leaks, overflow, misalignment, ...
  -fno-sanitize-recover=all      # the first finding ends the program with an error
)
# shellcheck disable=SC2054
watched=(
  -O1 -g -pthread
  -fsanitize=thread       # data races
)
measured=(
  -O1 -g                              # quick enough
  -fprofile-instr-generate -fcoverage-mapping # counts how often each region of the source runs
)

# --- helpers ----------------------------------------------------------------------------------------------------------

# up_to_date OUTPUT KEY: succeeds if OUTPUT was built from the same content. KEY is a hash of all inputs.
up_to_date() {
  [ -z "$force" ] && [ -f "$1" ] && [ "$(cat "build/stamps/${1//\//_}" 2>/dev/null)" = "$2" ]
}
remember() { mkdir -p build/stamps && printf '%s\n' "$2" > "build/stamps/${1//\//_}"; }
key() { sha256sum build.sh "$@" | sha256sum | cut -d ' ' -f 1; }

# each FUNCTION ITEM...: calls FUNCTION with every ITEM, on all processors. Fails if one call fails.
each() {
  local function=$1 processors worker status=0 workers=()
  shift
  processors=$(getconf _NPROCESSORS_ONLN)
  for ((worker = 1; worker <= processors && worker <= $#; worker++)); do
    # The workers take the items in turn. A worker continues after a failure, because all errors must be shown.
    {
      local item failed=0
      for ((item = worker; item <= $#; item += processors)); do "$function" "${!item}" || failed=1; done
      exit "$failed"
    } &
    workers+=($!)
  done
  for worker in ${workers[@]+"${workers[@]}"}; do wait "$worker" || status=1; done
  return "$status"
}

# compile_all FOLDER COMMAND...: compiles the library and the files that the test programs share, once for all programs.
# Sets $objects to the names of the objects.
compile_all() {
  local folder=$1 inputs=(${shared[@]+"${shared[@]}"} "${sources[@]}") compiler=("${@:2}") included input
  included=$(sha256sum "${headers[@]}" tests/native/*.h | sha256sum)
  objects=()
  for input in "${inputs[@]}"; do objects+=("$(object_of "$input")"); done
  mkdir -p "$folder"
  each compile_one "${inputs[@]}"
}

# An object's name contains the folders of its source, because two sources may have the same file name.
object_of() {
  local name=${1%.c}
  echo "$folder/${name//\//-}.o"
}

# compile_one SOURCE: runs inside compile_all and reads its variables.
compile_one() {
  local object key
  object=$(object_of "$1")
  key=$(key "$1")" ${included%% *} ${compiler[0]}"
  if up_to_date "$object" "$key"; then return; fi
  "${compiler[@]}" -c "$1" -o "$object.new" && mv "$object.new" "$object" && remember "$object" "$key"
}

need_sources() { [ -f "${sources[0]:-}" ] || fail "there are no sources in src/ yet."; }

find_emcc() {
  [ -n "${emcc:-}" ] || emcc=$(scripts/emscripten.sh) || exit 1
}

# emscripten OUTPUT ARGUMENTS...: compiles in a separate folder, then moves the result. OUTPUT is never incomplete.
emscripten() {
  local output=$1 work
  shift
  echo "building $output"
  mkdir -p build "$(dirname "$output")"
  work=$(mktemp -d build/work.XXXXXX)
  if ! "$emcc" "$@" -o "$work/${output##*/}"; then
    rm -rf "$work"
    return 1
  fi
  case $output in *-baseline*) sign "$work/${output##*/}" baseline ;; *-relaxed*) sign "$work/${output##*/}" relaxed ;; esac
  chmod 644 "$work/${output##*/}"
  mv "$work/${output##*/}" "$output"
  rm -rf "$work"
}

# sign FILE VARIANT: adds a custom section (0) named "dynakernel" that holds VARIANT. The wrapper shows it as info.simd.
sign() {
  local size
  size=$(printf '%02x' $((1 + 10 + ${#2})))
  printf '\x00%b\x0adynakernel%s' "\\x$size" "$2" >> "$1"
}

# wasm_pair STEM SUFFIX KEY ARGUMENTS...: builds STEM-baselineSUFFIX.wasm and STEM-relaxedSUFFIX.wasm in parallel.
wasm_pair() {
  local stem=$1 suffix=$2 key=$3 status=0 jobs=()
  shift 3
  for variant in baseline relaxed; do
    local output=$stem-$variant$suffix.wasm
    local -n simd=simd_$variant
    if up_to_date "$output" "$key"; then continue; fi
    find_emcc
    { emscripten "$output" "${common[@]}" "${simd[@]}" "$@" && remember "$output" "$key"; } &
    jobs+=($!)
  done
  for job in ${jobs[@]+"${jobs[@]}"}; do wait "$job" || status=1; done
  [ "$status" = 0 ] || fail "$stem: compilation failed."
}

# --- targets ----------------------------------------------------------------------------------------------------------

build_wasm() {
  need_sources
  local key
  key=$(key "${sources[@]}" "${headers[@]}")
  wasm_pair dist/dynakernel "" "$key" "${optimised[@]}" "${compact[@]}" "${module[@]}" "${standalone[@]}" "${library[@]}" \
    "${sources[@]}"
  wasm_pair dist/dynakernel -threads "$key" "${optimised[@]}" "${module[@]}" "${threaded[@]}" "${library[@]}" "${sources[@]}"
  build_peak
}

build_debug() {
  need_sources
  wasm_pair build/debug/dynakernel "" "$(key "${sources[@]}" "${headers[@]}")" \
    "${debuggable[@]}" "${asserting[@]}" "${module[@]}" "${standalone[@]}" "${library[@]}" "${sources[@]}"
}

build_named() {
  need_sources
  wasm_pair build/named/dynakernel "" "$(key "${sources[@]}" "${headers[@]}")" \
    "${optimised[@]}" "${compact[@]}" "${named[@]}" "${module[@]}" "${standalone[@]}" "${library[@]}" "${sources[@]}"
}

build_check() {
  need_sources
  local key file output variant objects
  key=$(key "${sources[@]}" "${headers[@]}" tests/native/*.[ch])
  for variant in baseline relaxed; do
    local pending=()
    for file in ${programs[@]+"${programs[@]}"}; do
      output=build/check/$(basename "$file" .c)-$variant.wasm
      up_to_date "$output" "$key" || pending+=("$output")
    done
    [ ${#pending[@]} -gt 0 ] || continue
    find_emcc
    local -n simd=simd_$variant
    echo "compiling the library for build/check/*-$variant.wasm"
    compile_all "build/check/objects-$variant" "$emcc" "${common[@]}" "${simd[@]}" "${optimised[@]}" ||
      fail "check: compilation failed."
    each link_check "${pending[@]}" || fail "check: linking failed."
  done
}

# link_check OUTPUT: runs inside build_check and reads its variables.
link_check() {
  local name=${1##*/}
  emscripten "$1" "${common[@]}" "${simd[@]}" "${optimised[@]}" "${module[@]}" "${standalone[@]}" "${program[@]}" \
    "tests/native/${name%-*}.c" "${objects[@]}" && remember "$1" "$key"
}

build_fit() {
  need_sources
  local output=build/fit/dynakernel.wasm key
  key=$(key "${sources[@]}" "${headers[@]}" bench/planner/fit.c)
  if up_to_date "$output" "$key"; then return; fi
  find_emcc
  emscripten "$output" "${common[@]}" "${simd_baseline[@]}" -DDK_FIT "${optimised[@]}" -Wno-missing-prototypes \
    "${module[@]}" "${standalone[@]}" "${library[@]}" bench/planner/fit.c "${sources[@]}" ||
    fail "fit: compilation failed."
  remember "$output" "$key"
}

# Only JavaScript calls its functions, so no header declares them.
build_peak() {
  wasm_pair dist/bench/peak "" "$(key web/bench/peak.c)" \
    "${optimised[@]}" -Wno-missing-prototypes "${module[@]}" "${standalone[@]}" "${library[@]}" web/bench/peak.c
}

# find_cc: sets $cc to the first compiler that can link sanitized programs. clang's runtimes may be a separate package.
find_cc() {
  local candidate
  for candidate in ${CC:-clang gcc}; do
    if links "$candidate" -fsanitize=address,undefined && links "$candidate" -fsanitize=thread; then
      cc=$candidate
      return
    fi
  done
  missing "no C compiler with sanitizers for the native build: apt-get install clang, or set CC."
}

links() {
  echo 'int main(void) { return 0; }' | "$@" -x c - -o build/native/.probe 2> /dev/null && rm -f build/native/.probe
}

build_native() {
  local cc
  mkdir -p build/native
  find_cc
  native_programs build/native "${sanitized[*]}" ${programs[@]+"${programs[@]}"}
  native_programs build/native "${watched[*]}" "$threads"
}

build_measured() {
  local cc=${CC:-clang}
  mkdir -p build/native
  links "$cc" "${measured[@]}" || missing "no clang with its profiling runtime: apt-get install clang, or set CC."
  native_programs build/measured "${measured[*]}" ${programs[@]+"${programs[@]}"} "$threads"
}

# native_programs FOLDER FLAGS PROGRAM...: compiles the library with FLAGS once, then links it with each PROGRAM.
native_programs() {
  need_sources
  local folder=$1 simde key file flags objects pending=()
  read -ra flags <<< "$2"
  shift 2
  key=$(key "${sources[@]}" "${headers[@]}" tests/native/*.[ch])
  for file in "$@"; do
    up_to_date "$folder/$(basename "$file" .c)" "$key" || pending+=("$file")
  done
  [ ${#pending[@]} -gt 0 ] || return 0
  simde=$(scripts/simde.sh) || exit 2
  echo "compiling the library for $folder: ${flags[*]}"
  # SIMDe replaces wasm_simd128.h. -isystem turns off our warnings in its headers.
  compile_all "$folder/objects-$(sha256sum <<< "${flags[*]}" | cut -c 1-8)" \
    "$cc" "${common[@]}" "${asserting[@]}" "${flags[@]}" -isystem "$simde" || fail "${folder#build/}: compilation failed."
  each link_native "${pending[@]}" || fail "${folder#build/}: linking failed."
}

# link_native PROGRAM: runs inside native_programs and reads its variables.
link_native() {
  local output
  output=$folder/$(basename "$1" .c)
  echo "building $output"
  "$cc" "${common[@]}" "${asserting[@]}" "${flags[@]}" -isystem "$simde" "$1" "${objects[@]}" -lm -o "$output.new" &&
    mv "$output.new" "$output" && remember "$output" "$key"
}

need_packages() {
  if [ -x node_modules/.bin/tsc ] && [ -x node_modules/.bin/esbuild ] && [ -x node_modules/.bin/rollup ]; then return; fi
  echo "installing the development packages"
  npm ci --no-audit --no-fund
}

# Builds the wrapper as two files, and its entries. A page fetches two files at once, not thirty one after another.
build_bundle() {
  local key scripts wasm=(dist/dynakernel-{baseline,relaxed}.wasm)
  mapfile -t scripts < <(find web/dynakernel -name '*.js' -o -name '*.cjs' | sort)
  if [ ! -f "${wasm[0]}" ] || [ ! -f "${wasm[1]}" ]; then build_wasm; fi
  key=$(key package-lock.json scripts/bundle.mjs scripts/pack_lzma.py "${scripts[@]}" "${wasm[@]}")
  if up_to_date dist/index.js "$key"; then return; fi
  need_packages
  echo "building dist/*.js"
  rm -rf dist/bundle dist/*.js dist/*.cjs
  node scripts/bundle.mjs || fail "bundle: esbuild failed."
  remember dist/index.js "$key"
}

build_types() {
  [ -f web/dynakernel/index.js ] || fail "there is no web/dynakernel/index.js yet."
  local key scripts
  mapfile -t scripts < <(find web/dynakernel -name '*.js' | sort)
  key=$(key scripts/types.mjs tsconfig.json package-lock.json "${scripts[@]}")
  if up_to_date dist/types/index.d.ts "$key"; then return; fi
  need_packages
  echo "building dist/types"
  node scripts/types.mjs || fail "types: TypeScript found errors."
  remember dist/types/index.d.ts "$key"
}

# --- command line -----------------------------------------------------------------------------------------------------

force=
targets=()
for argument in "$@"; do
  case $argument in
    release | wasm | bundle | types | peak | debug | check | native | measured | fit | named | clean) targets+=("$argument") ;;
    --force) force=1 ;;
    --help | -h) usage; exit ;;
    *) fail "unknown argument '$argument' (see ./build.sh --help)." ;;
  esac
done
[ ${#targets[@]} -gt 0 ] || targets=(release)
for target in "${targets[@]}"; do
  case $target in
    release) build_wasm; build_bundle; build_types ;;
    clean) rm -rf dist build ;;
    *) "build_$target" ;;
  esac
done
