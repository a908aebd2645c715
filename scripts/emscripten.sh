#!/usr/bin/env bash
# Prints the path of an emcc that this project can use; messages go to stderr.
#
# The usual way is emsdk: `emcc` on PATH, or $EMSDK. Without either, Debian machines get a private copy in .toolchain/,
# unpacked once from the packages of Debian 13. That needs apt-get but no root, and changes nothing outside .toolchain/.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
minimum=3.1.50 # the first with the final relaxed SIMD opcodes
advice='install emsdk (https://emscripten.org), then put emcc on PATH or set EMSDK'

# shellcheck source=private-apt.sh
. "$root/scripts/private-apt.sh"

# is_recent EMCC: succeeds if EMCC runs and is not older than $minimum; otherwise says why not.
is_recent() {
  local version
  version=$("$1" --version 2>/dev/null | sed -nE '1s/.*[ )]([0-9]+\.[0-9]+\.[0-9]+).*/\1/p') || true
  if [ -z "$version" ]; then
    note "$1 does not run: it is not used."
    return 1
  fi
  if [ "$(printf '%s\n' "$minimum" "$version" | sort -V | head -n 1)" != "$minimum" ]; then
    note "$1 is version $version, older than $minimum: it is not used."
    return 1
  fi
}

# Packages that emscripten depends on, but that a compilation to WebAssembly never runs or reads: Node (the machine has
# it), headers and runtimes for native programs, system tools. If a name is missing here, only the download is larger.
unneeded='^(nodejs|libnode[0-9]+|node-.*|ccache|debconf|dpkg|tar|tzdata|netbase|media-types|rpcsvc-proto|binutils.*'
unneeded+='|libbinutils|libgprofng0|libctf.*|libsframe.*|.*-dev|libc-dev-bin|linux-libc-dev|libcurl.*|libgnutls.*'
unneeded+='|lib(asan|lsan|tsan|ubsan|hwasan|quadmath|itm|gomp|atomic|objc|ldap|sasl|ssh|rtmp|nghttp|krb5|k5|gssapi).*)$'

# package_names DIR: prints the packages to unpack. Of the -dev packages only clang's headers are needed.
package_names() {
  local names
  names=$(private_apt "$1" -s install emscripten | awk '/^Inst/ { print $2 }')
  [ -n "$names" ] || fail "apt-get cannot resolve Debian's package emscripten: $advice."
  grep -vE "$unneeded" <<< "$names"
  grep -E '^libclang-common-[0-9]+-dev$' <<< "$names"
}

# unpack DIR: unpacks DIR/packages into DIR/root, without large files that are never read.
unpack() {
  local dir=$1 package
  mkdir "$dir/root"
  for package in "$dir"/packages/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$dir/root" --no-same-owner \
      --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/emscripten/test' \
      --exclude='*/wasm32-emscripten/pic' --exclude='*/wasm32-emscripten/lto-pic' --exclude='*-asan*.a'
  done
}

# write_wrapper NAME PROGRAM ARGV0 [ARGUMENTS]: writes a script that runs an unpacked program with the unpacked loader
# and libraries, because the machine's C library may be older. Its paths are relative: the folder can be moved.
write_wrapper() {
  local up
  up=$(sed -E 's|[^/]+$||; s|[^/]+|..|g' <<< "$1")
  cat > "$1" << EOF
#!/bin/sh
top=\$(cd "\${0%/*}/$up" && pwd)
exec "\$top/$loader" --argv0 "\$top/$3" --library-path "\$top/${loader%/*}" "\$top/$2" ${4:-} "\$@"
EOF
  chmod +x "$1"
}

# write_wrappers DIR
write_wrappers() (
  cd "$1"
  loader=$(echo root/usr/lib/*-linux-gnu*/ld-linux*.so.*)
  llvm=$(echo root/usr/lib/llvm-*)
  mkdir -p bin llvm/bin binaryen/bin
  # Under a loader, clang cannot find itself by /proc/self/exe. It must use argv[0], and needs the path of its headers.
  clang_options="-no-canonical-prefixes -resource-dir \"\$top/$(echo "$llvm"/lib/clang/*)\""
  for tool in clang clang++; do
    write_wrapper "llvm/bin/$tool" "$llvm/bin/$tool" "$llvm/bin/$tool" "$clang_options"
  done
  for tool in wasm-ld llvm-ar llvm-nm llvm-objcopy llvm-ranlib llvm-strip llvm-dwarfdump; do
    write_wrapper "llvm/bin/$tool" "$llvm/bin/$tool" "$llvm/bin/$tool"
  done
  for tool in root/usr/bin/wasm*; do
    write_wrapper "binaryen/bin/${tool##*/}" "$tool" "$tool"
  done
  # Python finds its library by argv[0] and runs argv[0] for child processes, so the wrapper replaces the link.
  python=root/usr/bin/$(readlink root/usr/bin/python3)
  rm root/usr/bin/python3
  write_wrapper root/usr/bin/python3 "$python" root/usr/bin/python3

  cat > config << 'EOF'
import os
import shutil
top = os.path.dirname(os.environ['EM_CONFIG'])
LLVM_ROOT = top + '/llvm/bin'
BINARYEN_ROOT = top + '/binaryen'
NODE_JS = shutil.which('node')
CACHE = top + '/root/usr/share/emscripten/cache'
FROZEN_CACHE = True
EOF
  cat > bin/emcc << 'EOF'
#!/bin/sh
top=$(cd "${0%/*}/.." && pwd)
unset EM_LLVM_ROOT EM_BINARYEN_ROOT EM_NODE_JS EM_CACHE EM_FROZEN_CACHE EMCC_CFLAGS PYTHON
export EM_CONFIG="$top/config" EMSDK_PYTHON="$top/root/usr/bin/python3"
exec "$top/root/usr/share/emscripten/emcc" "$@"
EOF
  chmod +x bin/emcc
)

# install_private: makes .toolchain/emscripten. Works in another folder and renames that folder when it is complete. An
# interrupted run leaves nothing that looks finished.
install_private() {
  local work names
  have_apt || fail "no emcc of version $minimum or newer: $advice."
  note "No emcc of version $minimum or newer on PATH or in EMSDK."
  note "Installing a private copy from Debian's packages into .toolchain/ (once; about 350 MB to download)."
  work=$(temporary_folder) || exit 1
  # shellcheck disable=SC2064 # the present value of $work
  trap "rm -rf '$work'" EXIT
  select_suite "$work"
  names=$(package_names "$work") || exit 1
  note "  downloading the packages"
  # shellcheck disable=SC2086 # a list of names
  download "$work" $names
  note "  unpacking them"
  unpack "$work"
  mkdir "$work/emscripten"
  mv "$work/root" "$work/emscripten/root"
  write_wrappers "$work/emscripten"
  is_recent "$work/emscripten/bin/emcc" || fail "the private copy does not run on this machine: $advice."
  publish "$work/emscripten" "$toolchain/emscripten"
  note "  done"
}

for candidate in "$(command -v emcc || true)" "${EMSDK:+$EMSDK/upstream/emscripten/emcc}"; do
  if [ -n "$candidate" ] && is_recent "$candidate"; then
    echo "$candidate"
    exit
  fi
done
[ -x "$toolchain/emscripten/bin/emcc" ] || install_private
echo "$toolchain/emscripten/bin/emcc"
