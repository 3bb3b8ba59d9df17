#!/usr/bin/env bash
# Builds the solution, runs every test suite, and ends with one line of counts.
#   ./test.sh                 all suites
#   ./test.sh Core            only the suites whose name contains "Core"
#   ./test.sh Benchmarks      only the smoke runs of the benchmarks
#   ./test.sh --coverage      also prints line and branch coverage per project (slower); a suite's name may follow
# In CI (CI=true) the formatting is verified too.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

coverage=
if [ "${1:-}" = --coverage ]; then
    coverage=1
    shift
fi
only=${1:-}
configuration=Release
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0

say() { printf '\n== %s\n' "$*"; }

finish() {
    printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# A step that must succeed. If it fails, its output is shown and it counts as one failure.
must() {
    local what=$1
    shift
    if ! "$@" >"$log/step" 2>&1; then
        cat "$log/step"
        say "$what failed"
        failed=$((failed + 1))
        finish
    fi
}

say "restore and build (one to three minutes the first time)"
must restore dotnet restore OrleansPd.sln ${CI:+--locked-mode}
must build dotnet build OrleansPd.sln --no-restore -c "$configuration" -v quiet -nologo

if [ "${CI:-}" = true ]; then
    say "formatting"
    must "dotnet format" dotnet format OrleansPd.sln --no-restore --verify-no-changes
fi

if ! command -v redis-server >/dev/null; then
    say "redis-server is not on the PATH: tests that need it are skipped (Debian: apt-get install redis-server)"
fi

for project in tests/*.Tests/*.csproj; do
    suite=$(basename "$project" .csproj)
    [[ "$suite" == *"$only"* ]] || continue
    say "$suite"
    dotnet test "$project" --no-build -c "$configuration" -nologo \
        ${coverage:+--collect "XPlat Code Coverage" --results-directory "$log/coverage"} >"$log/$suite" 2>&1
    code=$?
    summary=$(grep -E '(Passed|Failed|Skipped)! +- Failed:' "$log/$suite" | tail -n 1)
    if [ -z "$summary" ] || { [ $code -ne 0 ] && [[ "$summary" == Passed* ]]; }; then
        cat "$log/$suite"
        failed=$((failed + 1))
        continue
    fi
    [ $code -eq 0 ] || cat "$log/$suite"
    echo "$summary"
    count() { grep -oE "$1: +[0-9]+" <<<"$summary" | grep -oE '[0-9]+$'; }
    passed=$((passed + $(count Passed)))
    failed=$((failed + $(count Failed)))
    skipped=$((skipped + $(count Skipped)))
done

if [ -n "$coverage" ]; then
    say "coverage of src by the suites above"
    dotnet run .ci/coverage.cs "$log/coverage" || failed=$((failed + 1))
    finish
fi

if [[ "OrleansPd.Benchmarks" == *"$only"* ]]; then
    say "OrleansPd.Benchmarks (each benchmark once, without measuring)"
    must "smoke run of the benchmarks" dotnet run --no-build -c "$configuration" --project tests/OrleansPd.Benchmarks -- --smoke
    tail -n 1 "$log/step"
    passed=$((passed + 1))
fi

if [[ "OrleansPd.Cluster.Benchmarks" == *"$only"* ]]; then
    if command -v redis-server >/dev/null; then
        say "OrleansPd.Cluster.Benchmarks (each alternative with few rooms, without measuring)"
        must "smoke run of the cluster benchmarks" \
            dotnet run --no-build -c "$configuration" --project tests/OrleansPd.Cluster.Benchmarks -- --smoke
        passed=$((passed + 1))
    else
        say "OrleansPd.Cluster.Benchmarks: skipped, it needs redis-server"
        skipped=$((skipped + 1))
    fi
fi

finish
