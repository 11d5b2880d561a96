# Sourced: what the machine must have, a Python and a C compiler; Debian's packages if they lack.

say() { printf '%s\n' "$*" >&2; }

stop() {
    say "$*"
    exit 1
}

# install_packages WHAT PACKAGE...: let apt-get install what is missing.
install_packages() {
    local what=$1
    shift
    if ! command -v apt-get >/dev/null; then
        stop "$what is missing; install it with the package manager of this system"
    fi
    if ((EUID != 0)); then
        stop "$what is missing; install it: sudo apt-get install $*"
    fi
    say "$what is missing: installing Debian's $*"
    apt_get update
    apt_get install --no-install-recommends "$@"
}

# Say nothing while it works.
apt_get() {
    local log
    log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@" &>"$log" </dev/null; then
        cat "$log" >&2
        stop "apt-get $* failed"
    fi
    rm "$log"
}

# The newest supported Python that this system has a package for.
packaged_python() {
    local name
    for name in python3.14 python3.13 python3.12 python3.11; do
        if apt-cache show "$name" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    stop "this system has no package of Python 3.11 or newer; install one, or set PYTHON to its path"
}

install_python() {
    local name=python3
    if command -v apt-get >/dev/null && ((EUID == 0)); then
        apt_get update
        name=$(packaged_python)
    fi
    install_packages "a Python from 3.11 to 3.15" "$name" "$name-venv" "$name-dev"
}

# need_python: set `python` to the interpreter to use, `version` to its X.Y and `python_build` to all
# that it says about itself.
need_python() {
    local wanted=${PYTHON:-}
    if ! python=$(scripts/find-python "$wanted"); then
        if [[ -n $wanted ]]; then
            stop "PYTHON=$wanted is no CPython from 3.11 to 3.15 on PATH or in pyenv"
        fi
        install_python
        python=$(scripts/find-python) || stop "Debian's Python does not start; set PYTHON to another"
    fi
    python_build=$("$python" -IS -c 'import sys; print("%d.%d" % sys.version_info[:2], sys.version)')
    version=${python_build%% *}
}

# A Python of Debian's comes in parts; another one is whole or cannot be mended from here.
need_venv() {
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        return
    fi
    if [[ $python != /usr/bin/* ]]; then
        stop "$python lacks the modules venv and ensurepip; set PYTHON to one that has them"
    fi
    install_packages "the module venv of $python" "python$version-venv"
}

# The command of the C compiler: CC, else what Python was compiled with.
compiler() {
    echo "${CC:-$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("CC"))')}"
}

# Have the compiler called through ccache where that is installed. CC has the last word, and a
# compiler that is ccache's link already is left alone. Paths below this folder, as that of the
# environment's headers, count as relative: another checkout gets the same results.
use_ccache() {
    local command name
    if [[ -n ${CC:-} ]] || ! command -v ccache >/dev/null; then
        return
    fi
    command=$(compiler)
    name=$(command -v "${command%% *}") || return 0
    if [[ $(readlink -f "$name") != */ccache ]]; then
        export CC="ccache $command" CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD}
    fi
}

has_compiler() {
    local settings
    settings=$(compiler)
    settings+=" -I$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')"
    # shellcheck disable=SC2086 # words: the compiler, its options, and where Python.h is
    echo '#include <Python.h>' | $settings -E - >/dev/null 2>&1
}

need_compiler() {
    if has_compiler; then
        return
    fi
    local packages=(gcc libc6-dev)
    if [[ $python == /usr/bin/* ]]; then
        packages+=("python$version-dev")
    fi
    install_packages "a C compiler or Python.h of $python" "${packages[@]}"
    has_compiler || stop "Python.h of $python is missing; install its development files, or set CC"
}
