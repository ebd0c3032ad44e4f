#!/bin/sh
# Parity and all benchmarks on a bare Linux GPU machine, with one command and no network:
#
#   bench/gpu.sh [FOLDER]
#
# writes its log, the results as JSON and a summary into FOLDER, .bench when left out. What the
# machine needs, and what has to be brought to it, beside this repository:
#
#   deno      on the PATH, or as .deno/*/deno in the repository, where ./nada leaves it
#   packages  in .deno/cache, where `DENO_DIR=.deno/cache deno install` puts npm's; or in another
#             cache of Deno's, named by DENO_DIR
#   Vulkan    the GPU's driver and the loader, libvulkan.so.1; where the driver's manifest lies in no
#             usual place, name it in VK_DRIVER_FILES
#   fixtures  the reference numbers, for parity: named by NADA_FIXTURES, or as shared/fixtures in the
#             repository or beside it; without them the tests that need them are left out, as the
#             summary says
#   PyTorch   optional: with python3 and torch there, the benchmarks take turns with it
#   Dawn      optional, for tensor cores: `DENO_DIR=.deno/cache NADA_GPU=dawn ./nada doctor` brings it
#
# On a machine with a network `./nada doctor` brings Deno and, but for NVIDIA's, the driver. Then the
# folder of the repository is all that has to be taken along.
set -u
cd "$(dirname "$0")/.."
root=$PWD
out=${1:-$root/.bench}
mkdir -p "$out"
: >"$out/summary.txt"

say() { printf '%s\n' "$*" | tee -a "$out/summary.txt"; }

die() {
  say "$*"
  exit 2
}

for folder in "$root"/.deno/*/; do
  [ ! -x "$folder/deno" ] || PATH=$folder:$PATH
done
export PATH DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
if [ -z "${DENO_DIR-}" ] && [ -d "$root/.deno/cache" ]; then export DENO_DIR="$root/.deno/cache"; fi
command -v deno >/dev/null || die "Cannot start: there is no deno on the PATH or in .deno"

if [ -z "${NADA_FIXTURES-}" ] && [ -d "$root/shared/fixtures" ]; then
  export NADA_FIXTURES="$root/shared/fixtures"
fi

# Runs a step and keeps what it prints; a step that fails does not keep the next from running.
failed=0
step() {
  name=$1
  shift
  start=$(date +%s)
  if "$@" >"$out/$name.log" 2>&1; then verdict=ok; else verdict=failed; fi
  [ $verdict = ok ] || failed=1
  say "$verdict  $name  $(($(date +%s) - start)) s"
}

peer() { python3 -c 'import torch' 2>/dev/null && echo --peer torch; }

say "$(date -u '+%Y-%m-%d %H:%M UTC')  $(deno --version | head -n 1)  commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
say "$(nvidia-smi --query-gpu=name,driver_version,power.limit --format=csv,noheader 2>/dev/null || echo 'no nvidia-smi')"

# What computes: without an adapter nothing below makes sense.
step doctor deno run -q -P --cached-only main.ts doctor
[ $failed -eq 0 ] || die "Cannot go on: $(tail -n 1 "$out/doctor.log")"
grep -m 1 Adapter "$out/doctor.log" | tee -a "$out/summary.txt"

# Parity: ops against float64, models and training against the reference numbers.
step parity deno run -q -P=runner --cached-only tests/run.ts --cached-only \
  tests/lib/graph tests/lib/gpu tests/models tests/bench
grep -E '[0-9]+ passed' "$out/parity.log" | tail -n 1 | tee -a "$out/summary.txt"

# Each section alone, so that one that fails does not take the others with it.
for section in matmul conv filter generator clip step sample start load dispatch; do
  # shellcheck disable=SC2046 # words
  step "bench-$section" deno run -q -P=bench --cached-only bench/main.ts "$section" --kernels \
    $(peer) --json "$out/$section.json"
done

# By the kernels that are measured to be the fastest, in place of those that are counted to be.
for section in matmul conv generator clip step sample; do
  step "bench-$section-tuned" deno run -q -P=bench --cached-only bench/main.ts "$section" --kernels \
    --tune --json "$out/$section-tuned.json"
done

# What has feature maps, again with these in half precision; adapters without f16 refuse it.
for section in generator clip step sample; do
  step "bench-$section-f16" deno run -q -P=bench --cached-only bench/main.ts "$section" --kernels \
    --precision f16 --json "$out/$section-f16.json"
done

# The same in f16 on tensor cores, which Dawn offers.
dawn() {
  permissions=$1
  shift
  NADA_GPU=dawn deno run -q "-P=$permissions" --allow-ffi --no-lock --cached-only "$@"
}
if dawn default main.ts doctor >"$out/doctor-dawn.log" 2>&1; then
  NADA_GPU=dawn step parity-dawn deno run -q -P=runner --cached-only tests/run.ts --cached-only \
    tests/lib/graph/ops_test.ts tests/lib/graph/matrix_test.ts
  grep -E '[0-9]+ passed' "$out/parity-dawn.log" | tail -n 1 | tee -a "$out/summary.txt"
  for section in matmul conv generator clip step sample; do
    step "bench-$section-dawn-f16" dawn bench bench/main.ts "$section" --kernels \
      --precision f16 --json "$out/$section-dawn-f16.json"
  done
else
  say "left out  Dawn and with it tensor cores: see $out/doctor-dawn.log"
fi

say "figures: $out/bench-*.log, $out/*.json"
exit $failed
