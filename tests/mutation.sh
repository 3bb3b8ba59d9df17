#!/usr/bin/env bash
# Mutation tests of Core: changes one expression at a time and reports the changes that no test of Core notices.
#   tests/mutation.sh [FOLDER...]     folders: Admission, Attempts, Credits, Workers; default: all, 4 to 8 minutes each on 2 cores
# Fails when a folder's score (percent of the changes that are noticed) falls below its threshold. The thresholds are what was
# reached; the aim is 90. Raise them with the tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/OrleansPd.Core.Tests"
declare -A threshold=([Admission]=0 [Attempts]=0 [Credits]=51 [Workers]=0)

# Stryker cannot control xunit v3 through VSTest: every change would end in a time-out and count as noticed.
export UseMicrosoftTestingPlatformRunner=true
dotnet tool restore >/dev/null
[ $# -gt 0 ] || set -- "${!threshold[@]}"
for folder in "$@"; do
    [ -n "${threshold[$folder]:-}" ] || { echo "no such folder: $folder (${!threshold[*]})" >&2; exit 2; }
    dotnet stryker --test-runner mtp --mutate "$folder/**/*.cs" --break-at "${threshold[$folder]}"
done
