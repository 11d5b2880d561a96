# Sourced by .ci/run and .ci/nightly: the stages, and what runs them. The two differ in the variables
# that they set before they call run_stages:
#
# STAGES           the stages that run without arguments, in their order
# FULL_SUITES      `ends`: the whole suite on the oldest and the newest Python, CORE_TESTS on the
#                  others; `all`: the whole suite on each
# SANITIZED_TESTS  what `make asan` runs: files, folders and options of pytest
# DEBUGGED_TESTS   the same for `make debug`
# STRESS_SEEDS     the number of runs of the stage stress
# FUZZ_OPTIONS     of the stage fuzz: for how long new inputs are tried, and their seed

readonly PACKAGES_TIME_LIMIT=600 # seconds
readonly PYTHONS=(3.11 3.12 3.13 3.14 3.15)
# What depends on the Python version most: everything that is compiled, and asyncio's promises.
readonly CORE_TESTS=(tests/core tests/transports tests/http tests/aio tests/conformance)

work=$(mktemp --directory)
stage=start

# Each background job is a process group of its own, see tests().
finish() {
    local code=$? job
    trap - EXIT
    for job in $(jobs -p); do
        kill -TERM -- "-$job" 2>/dev/null || true
    done
    wait
    rm -rf "$work"
    if ((code != 0)); then
        printf '\n<== %s: FAILED, exit code %d\n' "$stage" "$code"
    fi
}
trap finish EXIT

# Print the supported Pythons of this machine, from the oldest to the newest: 3.12 for one of its own,
# 3.15@sid for one that scripts/sid-pythons has installed.
pythons() {
    local version
    for version in "${PYTHONS[@]}"; do
        if scripts/find-python "python$version" >/dev/null; then
            echo "$version"
        elif scripts/sid-pythons folder >/dev/null && ((EUID == 0)) \
            && scripts/sid-pythons run sh -c "command -v python$version" >/dev/null; then
            echo "$version@sid"
        fi
    done
}

# with_python NAME COMMAND...: NAME as pythons() prints it.
with_python() {
    local version=${1%@sid}
    if [[ $1 == *@sid ]]; then
        shift
        scripts/sid-pythons run env PYTHON="python$version" "$@"
    else
        shift
        PYTHON=python$version "$@"
    fi
}

# The test environment of each Python. One after the other: they share the C files in build/cython,
# and each build takes every core.
builds() {
    local name names
    names=$(pythons)
    for name in $names; do
        with_python "$name" scripts/with test python --version
    done
}

# suite NAME [TEST...]: what it prints goes to one file, its exit code to another.
suite() {
    local name=$1 code=0 log=$work/pytest-$1.log
    shift
    with_python "$name" make test ARGS="$*" >"$log" 2>&1 </dev/null || code=$?
    echo "$code" >"$work/pytest-$name.code"
    printf 'Python %s, %s, exit code %d: %s\n' \
        "$name" "${*:-the whole suite}" "$code" "$(tail -n 1 "$log")"
}

# The suite on each Python of this machine. As a job, it can be ended with all that it has started;
# job control (set -m) also keeps SIGINT for the tests: bash makes other jobs ignore it.
tests() {
    local name names selected
    builds
    mapfile -t names < <(pythons)
    set -m
    for name in "${names[@]}"; do
        selected=()
        if [[ $FULL_SUITES == ends && $name != "${names[0]}" && $name != "${names[-1]}" ]]; then
            selected=("${CORE_TESTS[@]}")
        fi
        suite "$name" "${selected[@]}" &
        wait
    done
    set +m
    judge_suites "${names[*]}"
}

# Show all that a failed suite has printed. One that did not come to its end has failed, too.
judge_suites() {
    local version code failed=()
    for version in $1; do
        code=$(cat "$work/pytest-$version.code" 2>/dev/null || echo none)
        if [[ $code != 0 ]]; then
            failed+=("$version")
            printf '\n--- the suite on Python %s, exit code %s:\n' "$version" "$code"
            cat "$work/pytest-$version.log"
        fi
    done
    if ((${#failed[@]})); then
        printf '\nthe suite failed on Python %s\n' "${failed[*]}"
        return 1
    fi
}

lint() {
    make lint
}

types() {
    make types
}

# In the suite, too; here by its name, for it is the first thing to look at in a failed review.
layers() {
    scripts/with test python -m pytest -q tests/test_layers.py
}

# What the stages packages and own_tests need; installing has no limit of its own.
prepare_packages() {
    # shellcheck source=scripts/machine.sh
    source scripts/machine.sh
    if ! command -v redis-server >/dev/null; then
        install_packages "the Redis server" redis-server
    fi
    if ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
        install_packages "the PostgreSQL server" postgresql
    fi
    scripts/with packages true
}

# Other packages on ngxloop, against real servers of this machine.
packages() {
    prepare_packages
    timeout "$PACKAGES_TIME_LIMIT" make test-packages
}

# Other packages' own tests, the long suites as well. Each run of one has a limit.
own_tests() {
    prepare_packages
    scripts/with packages python -m tests.packages.own_tests all
}

# Everything at random, with what shows memory that is used when it is gone.
stress() {
    local seed
    for seed in $(seq "$STRESS_SEEDS"); do
        PYTHONMALLOC=debug scripts/with test python -X dev -m tests.stress "$seed" --gc-threshold 1
    done
}

# The parsers on random inputs, beside other implementations of the same protocol.
fuzz() {
    scripts/with test python -m tests.fuzz.http "${FUZZ_OPTIONS[@]}"
    scripts/with test python -m tests.fuzz.websocket "${FUZZ_OPTIONS[@]}"
}

# Reloads, upgrades, kills and rude visitors of one service, at random; takes a quarter of an hour.
service_stress() {
    scripts/with test python -m tests.stress.service 1
}

# What a user of pip gets: built from the sdist alone, by tools that pip fetches for the purpose.
source_distribution() {
    rm -rf dist
    make sdist
    local sdist
    sdist=$(echo "$PWD"/dist/ngxloop-*.tar.gz)
    "$(scripts/find-python)" -m venv "$work/clean"
    "$work/clean/bin/python" -m pip install -qq --disable-pip-version-check "${sdist}[serve]"
    (
        cd "$work" # away from the sources
        clean/bin/python - <"$OLDPWD/scripts/check_installed.py"
        clean/bin/ngxloop-serve --version
    )
}

# Upgrades (USR2) from the release before this one and back. It is built once, outside of the checkout.
old_release() {
    local folder
    folder=$(scripts/old-release)
    NGXLOOP_OLD_RELEASE=$folder scripts/with test python -m pytest -q tests/serving/handover/test_release.py
}

# The compiled modules under AddressSanitizer and UBSan. The stage fails, too, if these do not report
# what they must.
sanitizers() {
    make asan ARGS="-q ${SANITIZED_TESTS[*]}"
}

# The compiled modules with all checks and assertions on.
debug() {
    make debug ARGS="-q ${DEBUGGED_TESTS[*]}"
}

# Does each benchmark work? Not: is it fast.
benchmarks() {
    make bench-smoke
}

run_stage() {
    local start=$SECONDS
    stage=$1
    printf '\n==> %s\n' "$stage"
    "$stage"
    printf '<== %s: passed in %d s\n' "$stage" $((SECONDS - start))
}

# The last line of each run of pytest, which may stand far above by now.
print_summary() {
    local log
    printf '\nAll stages passed in %d s.\n' "$SECONDS"
    for log in "$work"/pytest-*.log; do
        if [[ -e $log ]]; then
            printf '%s: %s\n' "$(basename "$log" .log)" "$(tail -n 1 "$log")"
        fi
    done
}

# run_stages [STAGE...]: those, or all of STAGES.
run_stages() {
    local name
    if (($# == 0)); then
        set -- "${STAGES[@]}"
    fi
    for name in "$@"; do
        if [[ $(type -t "$name") != function ]]; then
            printf 'there is no stage %s\n' "$name" >&2
            exit 2
        fi
        run_stage "$name"
    done
    print_summary
}
