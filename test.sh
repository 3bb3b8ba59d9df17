#!/usr/bin/env bash
# Restores, builds and runs every test suite whose packages can be had here, and ends with one line of counts.
#   ./test.sh            all suites
#   ./test.sh Core       only the suites whose name contains "Core"
#   ./test.sh Benchmarks only the smoke run of the benchmarks
# In CI (CI=true) the formatting is verified too.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

only=${1:-}
configuration=Release
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0
left_out=()

say() { printf '\n== %s\n' "$*"; }

finish() {
    for suite in ${left_out[@]+"${left_out[@]}"}; do
        printf '\n!! LEFT OUT: %s\n' "$suite"
    done
    printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# A step that must work: what went wrong is shown, and counts as one failure.
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

say "restore and build (everything that needs no Orleans package)"
must restore dotnet restore OrleansPd.Standalone.slnf
must build dotnet build OrleansPd.Standalone.slnf --no-restore -c "$configuration" -v quiet -nologo

if [ "${CI:-}" = true ]; then
    say "formatting"
    must "dotnet format" dotnet format OrleansPd.Standalone.slnf --no-restore --verify-no-changes
fi

for project in tests/*.Tests/*.csproj; do
    suite=$(basename "$project" .csproj)
    [[ "$suite" == *"$only"* ]] || continue
    if ! grep -q "${project//\//\\\\\\\\}" OrleansPd.Standalone.slnf; then
        # Suites outside of the standalone tree need packages that not every machine can restore.
        if ! dotnet restore "$project" >"$log/restore" 2>&1; then
            reason=$(grep -oE 'error NU[0-9]+: [^[]*' "$log/restore" | head -n 1)
            left_out+=("$suite (${reason:-restore failed})")
            continue
        fi
        must "build of $suite" dotnet build "$project" --no-restore -c "$configuration" -v quiet -nologo
    fi
    say "$suite"
    dotnet test "$project" --no-build -c "$configuration" -nologo >"$log/$suite" 2>&1
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

if [[ "OrleansPd.Benchmarks" == *"$only"* ]]; then
    say "OrleansPd.Benchmarks (every body once, nothing is measured)"
    must "smoke run of the benchmarks" dotnet run --no-build -c "$configuration" --project tests/OrleansPd.Benchmarks -- --smoke
    tail -n 1 "$log/step"
    passed=$((passed + 1))
fi

benchmarks=OrleansPd.Cluster.Benchmarks
if [[ "$benchmarks" == *"$only"* ]]; then
    if ! dotnet restore "tests/$benchmarks" >"$log/restore" 2>&1; then
        reason=$(grep -oE 'error NU[0-9]+: [^[]*' "$log/restore" | head -n 1)
        left_out+=("$benchmarks (${reason:-restore failed})")
    elif ! command -v redis-server >/dev/null; then
        left_out+=("$benchmarks (there is no redis-server on the PATH)")
    else
        say "$benchmarks (every alternative with few rooms, nothing is measured)"
        must "build of $benchmarks" dotnet build "tests/$benchmarks" --no-restore -c "$configuration" -v quiet -nologo
        must "smoke run of $benchmarks" dotnet run --no-build -c "$configuration" --project "tests/$benchmarks" -- --smoke
        passed=$((passed + 1))
    fi
fi

finish
