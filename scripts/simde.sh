#!/usr/bin/env bash
# Prints an include folder with SIMDe (simde/wasm/simd128.h). SIMDe compiles WebAssembly's intrinsics for this machine.
# The system's SIMDe comes first. Without it, this unpacks libsimde-dev of Debian 13 into .toolchain/, once.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
advice='install SIMDe (Debian: libsimde-dev)'

# shellcheck source=private-apt.sh
. "$root/scripts/private-apt.sh"

install_private() {
  local work
  have_apt || fail "SIMDe is missing: $advice."
  note "Unpacking Debian's libsimde-dev into .toolchain/ (once)."
  work=$(temporary_folder) || exit 1
  # shellcheck disable=SC2064 # the present value of $work
  trap "rm -rf '$work'" EXIT
  select_suite "$work"
  download "$work" libsimde-dev
  dpkg-deb -x "$work"/packages/libsimde-dev_*.deb "$work/simde"
  publish "$work/simde" "$toolchain/simde"
}

for folder in /usr/include /usr/local/include; do
  if [ -f "$folder/simde/wasm/simd128.h" ]; then
    echo "$folder"
    exit
  fi
done
[ -d "$toolchain/simde" ] || install_private
echo "$toolchain/simde/usr/include"
