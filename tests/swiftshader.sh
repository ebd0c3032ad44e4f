#!/bin/sh
# The tests of all ops on an adapter unlike Mesa's: SwiftShader, with subgroups of 4, fewer bindings
# and a sine of 11 bits. Debian's package chromium-common has it; where that is not installed, its
# library is taken from the archive for the while of the test (27 MB, nothing is installed).
set -eu
cd "$(dirname "$0")/.."

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

icd=/usr/lib/chromium/vk_swiftshader_icd.json
if [ ! -f "$icd" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  (
    cd "$folder"
    apt-get -qq download chromium-common && dpkg -x chromium-common_*.deb .
  ) || die "Cannot bring SwiftShader: apt-get and dpkg, as on Debian, have to give chromium-common"
  icd=$folder$icd
fi
export VK_ICD_FILENAMES="$icd"

# Where a driver cannot be loaded, another may answer.
./nada doctor | grep -q SwiftShader || die "Cannot test on SwiftShader: $icd gives no adapter"
./nada test tests/lib/graph/ops_test.ts
