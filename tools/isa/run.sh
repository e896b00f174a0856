#!/bin/sh
# run.sh BUILD: the tests of the kernel families on instruction sets that this machine lacks, as many at a time as there are cores. Prints
# what passed.
#   x86-64   AVX512, AVX512-VNNI and AVX-VNNI files as plain C (libsimde-dev)
#            (AMX has no emulation: its rows are left out here, build/etch-tests runs them where the machine has it)
#   aarch64  everything, cross-compiled, under qemu-user
# A family is a folder of kern/ with a kernels.def; a new file of an instruction set is found by its name.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
warn="-Wall -Wextra -Wno-psabi -Wno-maybe-uninitialized -Wno-uninitialized"
plain="-std=gnu11 -I. -ffp-contract=off -fno-strict-aliasing -fno-math-errno -fno-trapping-math $warn"

# An emulated multiply-add is a call of fmaf(); with the instruction of the machine, where it has one, tests take a twentieth of the time.
native=
! grep -qw fma /proc/cpuinfo || ! grep -qw avx2 /proc/cpuinfo || ! grep -qw f16c /proc/cpuinfo || native="-mavx2 -mfma -mf16c"

# The flags of one file; the same as in CMakeLists.txt.
flags() {
    case $1:$2 in
    x86-64:*/x86_avx512*.c | x86-64:*/x86_avxvnni.c) echo "-O1 -Itools/isa/emulated $native" ;;
    x86-64:*/x86_avx2.c) echo "-O1 -mavx2 -mfma -mf16c" ;;
    aarch64:*/arm_dotprod.c) echo "-O1 -march=armv8.2-a+dotprod" ;;
    *) echo "-O2" ;;
    esac
}

# target NAME COMPILER FEATURES RUNNER: builds the tests; `jobs` gets a line for each.
target() {
    dir=$build/isa/$1
    mkdir -p "$dir"
    sources=$(ls base/pool.c base/fpmode.c base/num.c tools/isa/cpu.c; for d in kern/*/kernels.def; do ls "${d%kernels.def}"*.c; done)
    sources=$(printf '%s\n' $sources | grep -v -e _bench.c)
    tests=$(printf '%s\n' $sources | grep _test.c)
    names=$(cat $tests | sed -n 's/^void \(test_[A-Za-z0-9_]*\)(void \*\*state).*/\1/p')
    {
        echo '#include <string.h>'
        for n in $names; do echo "void $n(void **state);"; done
        echo "int main(int argc, char **argv) {"
        echo "if (argc != 2) return 2;"
        for n in $names; do echo "if (!strcmp(argv[1], \"$n\")) return $n(0), 0;"; done
        echo "return 2; }"
    } >"$dir/main.c"
    {
        printf 'CC = %s\nCFLAGS = %s -Itools/isa/include -DEMULATED=%s\n' "$2" "$plain" "$3"
        printf '%s/tests: %s/main.c' "$dir" "$dir"
        for f in $sources; do printf ' %s/%s.o' "$dir" "$(echo "$f" | tr / _)"; done
        # shellcheck disable=SC2016
        printf '\n\t$(CC) -static -o $@ $^ -lm -lpthread\n'
        headers=$(ls base/*.h tools/isa/include/*.h tools/isa/emulated/*.h kern/*.inc kern/*/*.h kern/*/*.inc kern/*/*.def)
        for f in $sources; do
            # shellcheck disable=SC2016
            printf '%s/%s.o: %s %s\n\t$(CC) $(CFLAGS) %s -c -o $@ $<\n' "$dir" "$(echo "$f" | tr / _)" "$f" "$(echo $headers)" \
                "$(flags "$1" "$f")"
        done
    } >"$dir/Makefile"
    make -s -j"$(nproc)" -f "$dir/Makefile" "$dir/tests"
    for n in $names; do echo "$4 $dir/tests $n" >>"$jobs"; done
    summary="$summary; $1 ($(echo "$names" | wc -w) tests)"
}

jobs=$build/isa/jobs
summary=
mkdir -p "$build/isa"
: >"$jobs"

machine=$(uname -m)
if [ "$machine" = x86_64 ]; then
    target x86-64 "${CC:-cc}" 14 ""                                      # AVX512 | AVX512VNNI | AVXVNNI
    target aarch64 aarch64-linux-gnu-gcc 48 qemu-aarch64                 # NEON | DOTPROD
    # The long ones, which try every size, come first. A test speaks when it fails; xargs stops then.
    { grep -e equals -e every -e blocks "$jobs"; grep -v -e equals -e every -e blocks "$jobs"; } |
        xargs -P "$(nproc)" -I{} sh -c '{} || { echo "isa: {} fails" >&2; exit 255; }'
    echo "isa: passes: ${summary#; }"
else
    echo "isa: skipped, written for x86-64 (this is $machine)"
fi
