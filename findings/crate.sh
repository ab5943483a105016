# Sourced by the scripts: builds and runs a program with pinned crates, and compares what it prints with the lines that
# begin with `# | ` in the head of the script.
#
# program MODULE...    the program is read from stdin, modules are the files MODULE.rs of this folder
# check DEPENDENCY...  builds it with these lines of [dependencies], and runs it
#
# Ends with 1 if the output differs from the head, and with 2 if the program cannot be built.
set -euo pipefail
script=$0
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

program() {
    cargo new --quiet --vcs none --name finding "$folder/finding"
    cp "$folder/finding/Cargo.toml" "$folder/manifest"
    for module in "$@"; do
        cp "$here/$module.rs" "$folder/finding/src/"
    done
    cat >"$folder/finding/src/main.rs"
}

check() {
    local built=0
    (cat "$folder/manifest" && printf '%s\n' "$@") >"$folder/finding/Cargo.toml"
    echo "with $1"
    (cd "$folder/finding" && cargo build --quiet) || built=$?
    if [ "$built" != 0 ]; then
        echo "$script: the program cannot be built" >&2
        exit 2
    fi
    # A program that fails prints less than the head says.
    (cd "$folder/finding" && cargo run --quiet) | tee "$folder/printed" || true
    expected
}

# Compares $folder/printed with the head of the script.
expected() {
    if ! sed -n 's/^# | //p' "$script" | diff -u --label "head of $script" --label "now" - "$folder/printed"; then
        echo "$script: the behaviour has changed" >&2
        exit 1
    fi
}
